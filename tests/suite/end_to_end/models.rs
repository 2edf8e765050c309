//! Model ids and paths: what is decoded once and matched in full, and what leads nowhere.

use futures_util::{StreamExt as _, stream};
use gateway::wire::dialect::Dialect;
use serde_json::json;
use tests::local::{Caller, MODEL, Route, Stack, marker};

use super::shape;

on_every_host!(
    a_model_is_called_by_its_id_raw_or_encoded_and_by_arn,
    a_model_is_called_by_anthropics_names,
    what_is_not_known_or_has_no_price_is_not_called,
    no_path_leads_anywhere_else,
);

const ARN: &str = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/";

/// what boto3 and others make of one id.
async fn a_model_is_called_by_its_id_raw_or_encoded_and_by_arn(stack: &Stack) {
    let every_byte: String = MODEL.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let forms = [
        (MODEL.to_owned(), MODEL.to_owned()),
        (MODEL.replace(':', "%3A"), MODEL.to_owned()),
        (MODEL.replace(':', "%3a"), MODEL.to_owned()),
        (every_byte, MODEL.to_owned()),
        (format!("{MODEL}[1m]"), MODEL.to_owned()),
        (format!("{}{MODEL}", ARN.replace('/', "%2F")), MODEL.to_owned()),
        (
            format!("{ARN}{MODEL}").replace(':', "%3A").replace('/', "%2f"),
            MODEL.to_owned(),
        ),
    ];
    for (written, meant) in forms {
        for route in [Route::Invoke, Route::InvokeStream] {
            let (user, mark) = (stack.new_user().await, marker());
            let body = route.body(MODEL, &mark).to_string();
            // boto3 sends no content type.
            let answer = user.caller.send("POST", &route.path(&written), &[], body).await;
            assert_eq!(answer.status, 200, "{written}: {answer:?}");
            let bills = stack.mock().bills(&mark).await;
            assert_eq!(
                (bills[0].model.as_str(), bills[0].priced_as.as_str()),
                (meant.as_str(), MODEL)
            );
            let rows = user.rows_once(1).await;
            assert_eq!(
                (rows[0].model.as_str(), rows[0].price_model.as_str()),
                (meant.as_str(), MODEL)
            );
        }
    }
    // Raw slashes make other segments, and API Gateway knows no such route.
    let path = format!("/bedrock/model/{ARN}{MODEL}/invoke");
    assert_eq!(
        stack.user().post(&path, &Route::Invoke.body(MODEL, "x")).await.status,
        404
    );
}

///
async fn a_model_is_called_by_anthropics_names(stack: &Stack) {
    let arn = format!("{ARN}{MODEL}");
    let names = [
        (
            "claude-haiku-4-5-20251001",
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        ("claude-haiku-4-5", "global.anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("claude-sonnet-5-5", "global.anthropic.claude-sonnet-5-5"),
        ("claude-sonnet-5-5[1m]", "global.anthropic.claude-sonnet-5-5"),
        (MODEL, MODEL),
        ("anthropic.claude-opus-5-5", "anthropic.claude-opus-5-5"),
        (&arn, MODEL),
    ];
    for (name, id) in names {
        for route in [Route::Messages, Route::MessagesStream] {
            let mark = marker();
            let answer = stack.user().post(&route.path(name), &route.body(name, &mark)).await;
            assert_eq!(answer.status, 200, "{name}: {answer:?}");
            let bills = stack.mock().bills(&mark).await;
            assert_eq!(bills[0].model, id, "{name}");
        }
    }
}

async fn what_is_not_known_or_has_no_price_is_not_called(stack: &Stack) {
    let (user, mark) = (stack.new_user().await, marker());
    let strangers = [
        "claude-99",
        "claude",
        "anthropic.claude-99-v1:0",
        "us.anthropic.claude-99-v1:0",
        "ca.anthropic.claude-opus-5-5",
        "amazon.nova-pro-v1:0",
        "meta.llama4-v1:0",
        "us.anthropic.claude-haiku-4-5-20251001-v1:00",
        "us.anthropic.claude-haiku-4-5-20251001-v1",
        "US.ANTHROPIC.CLAUDE-HAIKU-4-5-20251001-V1:0",
        "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/tollgate",
        "arn:aws:bedrock:us-east-1:000000000000:provisioned-model/x",
        "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude-99",
        "arn:aws:lambda:us-east-1:000000000000:function/us.anthropic.claude-opus-5-5",
        "arn:aws:s3:::bucket/us.anthropic.claude-opus-5-5",
    ];
    for stranger in strangers {
        for route in Route::ALL {
            let path = route.path(&stranger.replace('/', "%2F"));
            let answer = user.caller.post(&path, &route.body(stranger, &mark)).await;
            let dialect = if route.is_bedrock() {
                Dialect::Bedrock
            } else {
                Dialect::Anthropic
            };
            assert_eq!(shape::fault(&answer, dialect), None, "{stranger}");
            assert!([400, 404].contains(&answer.status), "{stranger}: {answer:?}");
        }
    }
    assert_eq!(
        (user.rows().await.len(), stack.mock().requests(&mark).await.len()),
        (0, 0)
    );
}

/// Ids that hope to be read twice, or as something else.
fn hostile_ids() -> Vec<String> {
    let fixed = [
        "..",
        ".",
        "..%2f",
        "..%2F..%2F",
        "%2e%2e",
        "%2e%2e%2f%2e%2e%2f",
        "..%2f..%2fapi%2fkeys",
        "..%5c..%5c",
        "%252e%252e%252f",
        "%252e",
        "%252f",
        "%25",
        "%00",
        "a%00b",
        "%0d%0aX-Injected:%20yes",
        "%0a",
        "%09",
        "%20",
        "%c0%ae%c0%ae%c0%af",
        "%e0%80%ae",
        "%f0%80%80%ae",
        "%ef%bc%8e%ef%bc%8e%ef%bc%8f",
        "%ff",
        "%fe%ff",
        "%",
        "%2",
        "%zz",
        "*",
        "%2a",
        "'",
        "%27%20OR%201%3D1",
        "%7B%22S%22%3A%22x%22%7D",
        "%3f",
        "%23",
        ";",
        "a;b=c",
        "~",
        "$",
        "%24%7bjndi%3a%7d",
        "%3Cscript%3E",
        "%e2%80%ae",
        "http:%2f%2f127.0.0.1:9%2f",
        "%2f%2f127.0.0.1:9",
        "arn:aws:bedrock:us-east-1:000000000000:inference-profile%2F..%2F..",
        "KEY%23x",
        "OWNER%23user:admin",
        "#",
    ];
    let around_a_good_one = [
        format!("{MODEL}%00"),
        format!("{MODEL}%20"),
        format!("{MODEL}%0d%0a"),
        format!("{MODEL}%2f.."),
        format!("{MODEL}%2f..%2f..%2f_mock%2fledger"),
        format!("..%2f{MODEL}"),
        format!("%2f{MODEL}"),
        format!("{MODEL}%2finvoke"),
        format!("{MODEL}%3fx=y"),
        format!("{MODEL}%23"),
        MODEL.replace(':', "%253A"),
        "a".repeat(1_200),
    ];
    fixed.map(str::to_owned).into_iter().chain(around_a_good_one).collect()
}

/// Paths that hope to be tidied up on the way.
fn hostile_paths(file: &str) -> Vec<String> {
    [
        "//api/keys",
        "/api//keys",
        "/api/./keys",
        "/api/../api/keys",
        "/api/%2e/keys",
        "/api/%2e%2e/api/keys",
        "/api/v1/../keys",
        "/api/v1/%2e%2e/keys",
        "/bedrock/../api/keys",
        "/anthropic/v1/../../api/keys",
        "/API/KEYS",
        "/api/keys%2f",
        "/api/keys%00",
        "/api/keys%20",
        "/%61pi/keys",
        "/api%2fkeys",
        "/api/keys;x=y",
        "/live/api/keys",
        "/api/keys/..%2f..%2fadmin%2fclients",
        "/anthropic//v1/messages",
        "/anthropic/v1/messages%00",
        "/anthropic/v1/messages/x",
        "/anthropic/v1/%6d%65ssages",
        "/bedrock/model",
        "/bedrock/model/",
        "/bedrock/model//invoke",
        "/bedrock/model/a/b/invoke",
        "/bedrock/model/a/converse-twice",
        "/_mock/ledger",
        "/2015-03-31/functions/admin/invocations",
        "/api/v1/files/x/../../../keys",
        "/",
        "/health/../api/keys",
        "/health%2f..%2fapi%2fkeys",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("/api/v1/files/../files/{file}"),
        format!("/api/v1/files//{file}"),
        format!("/api/v1//files/{file}"),
    ])
    .collect()
}

/// A request that must lead nowhere.
struct Attempt {
    method: &'static str,
    path: String,
    body: String,
    dialect: Dialect,
}

fn attempts(file: &str, mark: &str) -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut put = |method, path: String, body: String, dialect| {
        all.push(Attempt {
            method,
            path,
            body,
            dialect,
        });
    };
    for id in hostile_ids() {
        for route in [Route::Invoke, Route::InvokeStream] {
            put(
                "POST",
                route.path(&id),
                route.body("", mark).to_string(),
                Dialect::Bedrock,
            );
        }
        let decoded = percent_encoding::percent_decode_str(&id)
            .decode_utf8_lossy()
            .into_owned();
        let body = Route::Messages.body(&decoded, mark);
        put("POST", Route::Messages.path(""), body.to_string(), Dialect::Anthropic);
        for (method, path) in [
            ("GET", format!("/api/v1/files/{id}")),
            ("GET", format!("/api/v1/files/{id}/content")),
            ("DELETE", format!("/api/v1/files/{id}")),
            ("DELETE", format!("/api/keys/{id}")),
            ("DELETE", format!("/api/admin/clients/{id}")),
        ] {
            put(method, path, String::new(), Dialect::Problem);
        }
    }
    let body = Route::Messages.body(MODEL, mark);
    for path in hostile_paths(file) {
        for method in ["GET", "POST", "DELETE"] {
            put(method, path.clone(), body.to_string(), Dialect::Problem);
        }
    }
    for (method, path) in [
        ("PUT", "/api/keys"),
        ("PATCH", "/api/keys"),
        ("HEAD", "/api/keys"),
        ("OPTIONS", "/api/keys"),
        ("TRACE", "/api/keys"),
        ("BREW", "/api/keys"),
        ("get", "/api/keys"),
        ("GET", "/anthropic/v1/messages"),
        ("PUT", "/anthropic/v1/messages"),
    ] {
        put(method, path.to_owned(), body.to_string(), Dialect::Problem);
    }
    all
}

///
async fn no_path_leads_anywhere_else(stack: &Stack) {
    let (admin, mark) = (stack.almighty().await, marker());
    let file = admin.caller.upload("a", b"kept").await.json();
    let file = file["file_id"].as_str().unwrap();
    let before = state(&admin.caller).await;
    let faults: Vec<String> = stream::iter(attempts(file, &mark))
        .map(async |attempt| {
            let Attempt {
                method,
                path,
                body,
                dialect,
            } = attempt;
            let headers = [("content-type", "application/json")];
            let answer = admin.caller.send(method, &path, &headers, body.clone()).await;
            let is_right = method == "HEAD" && answer.status == 404 || shape::fault(&answer, dialect).is_none();
            (!is_right).then(|| format!("{method} {path} {body}: {answer:?}"))
        })
        .buffer_unordered(24)
        .filter_map(async |fault| fault)
        .collect()
        .await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(
        (admin.rows().await.len(), stack.mock().requests(&mark).await.len()),
        (0, 0)
    );
    assert_eq!(
        state(&admin.caller).await,
        before,
        "nothing was made, changed or deleted"
    );
}

async fn state(caller: &Caller) -> serde_json::Value {
    let mut all = json!({});
    for path in ["/api/v1/files", "/api/keys"] {
        all[path] = caller.get(path).await.json();
    }
    all
}
