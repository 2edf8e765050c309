//! The error answers of every dialect, provoked through the functions. The golden is `tests/goldens/errors.json`.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use tests::backing::{Backing, nowhere, root};
use tests::event::{
    MODEL, Request, bedrock_body, chat, chat_body, invoke, invoke_stream, messages, messages_body, request,
};
use tests::fixtures::{CLIENT_ID, CLIENT_SECRET, EXPIRED_KEY};
use tests::golden::difference;
use tests::in_process::Functions;

const ALICE: &str = "user:alice";

/// What is wrong, and the request that provokes it.
type Provoked = (&'static str, &'static str, Request);

/// What any caller can do wrong on a model route, and what Bedrock can answer.
fn of_model_routes() -> Vec<Provoked> {
    let mut all = Vec::new();
    for (function, path, body) in [
        (
            "stream",
            "/anthropic/v1/messages".to_owned(),
            messages_body(false, &json!({})),
        ),
        (
            "invoke",
            format!("/bedrock/model/{MODEL}/invoke"),
            bedrock_body(&json!({})),
        ),
        (
            "stream",
            "/openai/v1/chat/completions".to_owned(),
            chat_body(false, &json!({})),
        ),
    ] {
        let post = || request("POST", &path);
        let alone = |scopes: &str| json!({"principalId": ALICE, "sub": ALICE, "scopes": scopes});
        let expired = json!({"principalId": ALICE, "sub": ALICE, "scopes": "models:invoke", "exp": "1767225600"});
        all.extend([
            (
                function,
                "body is not JSON",
                post().by(ALICE).header("Content-Type", "application/json").body("{"),
            ),
            (function, "body is empty", post().by(ALICE)),
            (
                function,
                "no messages",
                post().by(ALICE).json(&json!({"model": MODEL, "max_tokens": 1})),
            ),
            (function, "nobody calls", post().json(&body)),
            (
                function,
                "credential has expired",
                post().principal(expired).json(&body),
            ),
            (
                function,
                "scope is missing",
                post().principal(alone("files")).json(&body),
            ),
            (function, "method is not served", request("GET", &path).by(ALICE)),
            (
                function,
                "body is compressed",
                post().by(ALICE).header("Content-Encoding", "gzip").json(&body),
            ),
        ]);
    }
    all.push((
        "stream",
        "content type is wrong",
        request("POST", "/anthropic/v1/messages")
            .by(ALICE)
            .header("Content-Type", "text/plain")
            .body("{}"),
    ));
    all.push((
        "stream",
        "path is not served",
        request("POST", "/anthropic/v1/complete").by(ALICE),
    ));
    all.push((
        "invoke",
        "path is not served",
        request("POST", &format!("/bedrock/model/{MODEL}/converse")).by(ALICE),
    ));
    let unknown = request("POST", "/bedrock/model/amazon.titan-text-lite-v1/invoke").by(ALICE);
    all.push(("invoke", "model is unknown", unknown.json(&bedrock_body(&json!({})))));
    let mut unknown = messages_body(false, &json!({}));
    unknown["model"] = "gpt-0".into();
    all.push(("stream", "model is unknown", messages(ALICE, &unknown)));
    all.push(("stream", "model is unknown", chat(ALICE, &unknown)));
    let mut tier = chat_body(false, &json!({}));
    tier["service_tier"] = "flex".into();
    all.push(("stream", "service tier has no price", chat(ALICE, &tier)));
    let no_file = json!([{"type": "file", "file": {"file_id": "file_nowhere"}}]);
    let no_file = json!({"model": MODEL, "messages": [{"role": "user", "content": no_file}]});
    all.push(("stream", "file is nobody's", chat(ALICE, &no_file)));
    all.push((
        "stream",
        "path is not served",
        request("POST", "/openai/v1/responses").by(ALICE),
    ));
    let tier = invoke(ALICE, &bedrock_body(&json!({}))).header("X-Amzn-Bedrock-Service-Tier", "flex");
    all.push(("invoke", "service tier has no price", tier));
    all
}

/// Every error of Bedrock's, before the head: whole, as frames, and in the Messages API.
fn of_bedrock() -> Vec<Provoked> {
    let errors = [
        "AccessDeniedException",
        "ValidationException",
        "ServiceQuotaExceededException",
        "ConflictException",
        "ResourceNotFoundException",
        "ModelTimeoutException",
        "ModelErrorException",
        "ThrottlingException",
        "ModelNotReadyException",
        "InternalServerException",
        "ServiceUnavailableException",
    ];
    let told = |name: &'static str| {
        let directive = json!({"error_type": name, "message": "Bedrock's own words.", "retry_after": 7});
        [
            ("invoke", name, invoke(ALICE, &bedrock_body(&directive))),
            ("stream", name, invoke_stream(ALICE, &bedrock_body(&directive))),
            ("stream", name, messages(ALICE, &messages_body(true, &directive))),
            ("stream", name, chat(ALICE, &chat_body(true, &directive))),
        ]
    };
    errors.into_iter().flat_map(told).collect()
}

fn of_the_token_endpoint() -> Vec<Provoked> {
    let post = |path: &str, body: &str| {
        request("POST", path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };
    let credentials = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let grant = format!("grant_type=client_credentials&{credentials}");
    let wrong = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={EXPIRED_KEY}");
    let oauth = |name, body: &str| ("token", name, post("/oauth/token", body));
    let many = vec![b'a'; 3 * 1024 * 1024];
    vec![
        oauth("grant type is missing", &credentials),
        oauth(
            "grant type is not served",
            &format!("grant_type=password&{credentials}"),
        ),
        oauth("scope is unknown", &format!("{grant}&scope=root")),
        oauth("scope is not the client's", &format!("{grant}&scope=admin")),
        oauth("client is unknown", &wrong.replace(CLIENT_ID, "client_nobody")),
        oauth("secret is wrong", &wrong),
        oauth("parameter is repeated", &format!("{grant}&scope=files&scope=files")),
        (
            "token",
            "content type is wrong",
            request("POST", "/oauth/token").json(&json!({})),
        ),
        ("token", "method is not served", request("GET", "/oauth/token")),
        ("token", "path is not served", request("POST", "/oauth/nothing")),
        ("token", "body is too large", post("/oauth/token", "").body(many)),
        (
            "token",
            "body is not JSON",
            request("POST", "/api/v1/auth/token").json(&json!("{")).body("{"),
        ),
    ]
}

fn of_the_other_routes() -> Vec<Provoked> {
    let user = |method: &str, path: &str| request(method, path).by(ALICE);
    let alone = json!({"principalId": ALICE, "sub": ALICE, "scopes": "models:invoke"});
    let form = |body: Vec<u8>| {
        user("POST", "/api/v1/files/upload")
            .header("Content-Type", "multipart/form-data; boundary=b")
            .body(body)
    };
    let long = format!(
        "--b\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\n{}\r\n--b--",
        "x".repeat(5000)
    );
    vec![
        (
            "admin",
            "body is not JSON",
            user("POST", "/api/keys").json(&json!({})).body("{"),
        ),
        ("admin", "member is missing", user("POST", "/api/keys").json(&json!({}))),
        (
            "admin",
            "member is unknown",
            user("POST", "/api/keys").json(&json!({"name": "n", "admin": true})),
        ),
        ("admin", "nobody calls", request("GET", "/api/keys")),
        (
            "admin",
            "scope is missing",
            request("GET", "/api/keys").principal(alone),
        ),
        ("admin", "admin is needed", user("GET", "/api/admin/clients")),
        ("admin", "key is nobody's", user("DELETE", "/api/keys/key_nowhere")),
        ("admin", "path is not served", user("GET", "/api/moon")),
        ("admin", "method is not served", user("PUT", "/api/keys")),
        (
            "admin",
            "content type is wrong",
            user("POST", "/api/keys").header("Content-Type", "text/plain").body("x"),
        ),
        ("admin", "query is wrong", user("GET", "/api/usage/records?limit=-1")),
        (
            "admin",
            "key limit is reached",
            request("POST", "/api/keys").by("user:full").json(&json!({"name": "n"})),
        ),
        ("upload", "file is missing", form(b"--b--\r\n".to_vec())),
        ("upload", "text is too long", form(long.into_bytes())),
        ("upload", "id is not UTF-8", user("GET", "/api/v1/files/%ff")),
        ("admin", "id is not UTF-8", user("DELETE", "/api/keys/%ff")),
        (
            "admin",
            "body is too large",
            user("POST", "/api/keys")
                .header("Content-Type", "application/json")
                .body(vec![b' '; 3 * 1024 * 1024]),
        ),
        (
            "upload",
            "content type is wrong",
            user("POST", "/api/v1/files/upload").json(&json!({})),
        ),
        ("upload", "file is nobody's", user("GET", "/api/v1/files/file_nowhere")),
    ]
}

/// What each dialect says when something that the gateway stands on is down.
fn of_what_is_down() -> Vec<Provoked> {
    let grant = format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let token = request("POST", "/oauth/token")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(grant);
    vec![
        ("invoke", "the table is down", invoke(ALICE, &bedrock_body(&json!({})))),
        (
            "stream",
            "the table is down",
            messages(ALICE, &messages_body(false, &json!({}))),
        ),
        (
            "stream",
            "the table is down",
            chat(ALICE, &chat_body(false, &json!({}))),
        ),
        ("token", "the table is down", token),
        ("admin", "the table is down", request("GET", "/api/keys").by(ALICE)),
    ]
}

/// After the head has been sent, an error is in the stream.
fn inside_streams() -> Vec<Provoked> {
    let mut all = Vec::new();
    for (name, directive) in [
        (
            "throttled inside",
            json!({"exception_after": {"events": 1, "type": "throttlingException"}}),
        ),
        (
            "model failed inside",
            json!({"exception_after": {"events": 1, "type": "modelStreamErrorException"}}),
        ),
        (
            "timed out inside",
            json!({"exception_after": {"events": 1, "type": "modelTimeoutException"}}),
        ),
        (
            "invalid inside",
            json!({"exception_after": {"events": 1, "type": "validationException"}}),
        ),
        (
            "unavailable inside",
            json!({"exception_after": {"events": 1, "type": "serviceUnavailableException"}}),
        ),
        (
            "internal inside",
            json!({"exception_after": {"events": 1, "type": "internalServerException"}}),
        ),
        ("cut inside", json!({"cut_after": 1})),
        ("ended inside", json!({"end_after": 1})),
    ] {
        all.push(("stream", name, messages(ALICE, &messages_body(true, &directive))));
        all.push(("stream", name, invoke_stream(ALICE, &bedrock_body(&directive))));
        all.push(("stream", name, chat(ALICE, &chat_body(true, &directive))));
    }
    all
}

/// Provokes all of them at once and puts what came of it into the table.
async fn provoke(functions: &Functions, all: Vec<Provoked>, table: &mut Map<String, Value>) {
    let answers = all.into_iter().map(|(function, name, mut request)| async move {
        request.request_id = "00000000-0000-4000-8000-000000000000".into();
        let event = request.event();
        let (method, path) = (event["httpMethod"].as_str().unwrap(), event["path"].as_str().unwrap());
        let label = format!("{method} {}: {name}", path.replace(MODEL, "MODEL"));
        (label, functions.call(function, &event).await.golden())
    });
    for (label, mut answer) in join_all(answers).await {
        for form in ["events", "frames"] {
            if let Some(last) = answer[form].as_array().and_then(|all| all.last().cloned()) {
                answer[form] = json!(["…", last]);
            }
        }
        assert!(
            table.insert(label.clone(), answer).is_none(),
            "{label} stands there twice"
        );
    }
}

///
#[tokio::test]
async fn every_error_is_told_in_the_dialect_of_its_route() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("TOLLGATE_API_KEYS_PER_OWNER", "1")]);
    let first = request("POST", "/api/keys").by("user:full").json(&json!({"name": "n"}));
    assert_eq!(functions.call("admin", &first.event()).await.http().status, 201);
    let mut table = Map::new();
    provoke(&functions, of_model_routes(), &mut table).await;
    provoke(&functions, of_bedrock(), &mut table).await;
    provoke(&functions, of_the_token_endpoint(), &mut table).await;
    provoke(&functions, of_the_other_routes(), &mut table).await;
    provoke(&functions, inside_streams(), &mut table).await;
    let without_table = Functions::with(&backing, &[("AWS_ENDPOINT_URL_DYNAMODB", &nowhere())]);
    provoke(&without_table, of_what_is_down(), &mut table).await;
    let without_bedrock = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &nowhere())]);
    let unreached = [
        ("invoke", "Bedrock is down", invoke(ALICE, &bedrock_body(&json!({})))),
        (
            "stream",
            "Bedrock is down",
            messages(ALICE, &messages_body(true, &json!({}))),
        ),
        ("stream", "Bedrock is down", chat(ALICE, &chat_body(true, &json!({})))),
    ];
    provoke(&without_bedrock, unreached.into(), &mut table).await;

    for (label, answer) in &table {
        let status = answer["statusCode"].as_u64().unwrap();
        assert!(answer["text"].is_null(), "{label} is told in no dialect: {answer}");
        assert!(
            (400..600).contains(&status) || label.ends_with("inside"),
            "{label}: {answer}"
        );
    }
    let file = root().join("tests/goldens/errors.json");
    if let Some(difference) = difference(&file, &table.into()) {
        panic!("{difference}");
    }
}
