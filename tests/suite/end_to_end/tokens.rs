//! Service accounts and their tokens (RFC 6749, client credentials; RFC 7517; RFC 8414).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::jwt::Claims;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tests::local::{Answer, Route, Stack, User, marker};

on_every_host!(
    a_client_made_by_the_admin_calls_a_model_with_its_token_in_every_form,
    a_token_is_verified_by_the_published_key,
    the_metadata_names_what_there_is,
    a_revoked_client_gets_no_token,
    what_rfc_6749_refuses_is_refused,
    an_unknown_client_and_a_wrong_secret_get_the_same_bytes,
    a_token_allows_what_was_asked_for_and_no_more,
);

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const GRANT: &str = "grant_type=client_credentials";

async fn by_form(stack: &Stack, headers: &[(&str, &str)], form: &str) -> Answer {
    let headers = [&[FORM], headers].concat();
    stack
        .anonymous()
        .send("POST", "/oauth/token", &headers, form.to_owned())
        .await
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

/// B-02, B-03, B-25, A-43
async fn a_client_made_by_the_admin_calls_a_model_with_its_token_in_every_form(stack: &Stack) {
    let (id, secret) = stack.new_client(&["models:invoke", "usage:read"]).await;
    let body = json!({ "client_id": id, "client_secret": secret });
    let answers = [
        by_form(stack, &[], &format!("{GRANT}&client_id={id}&client_secret={secret}")).await,
        by_form(stack, &[("authorization", &basic(&id, &secret))], GRANT).await,
        by_form(
            stack,
            &[("authorization", &basic(&id, &secret))],
            &format!("{GRANT}&client_id={id}&scope=&x=1"),
        )
        .await,
        stack.anonymous().post("/api/v1/auth/token", &body).await,
    ];
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (answer.header("cache-control"), answer.header("pragma")),
            ("no-store", "no-cache")
        );
        let mut told = answer.json();
        let token = told["access_token"].take().as_str().unwrap().to_owned();
        let expected = json!({
            "access_token": null, "token_type": "Bearer", "expires_in": 1800, "scope": "models:invoke usage:read",
        });
        assert!(token.starts_with("eyJ"));
        // No refresh token either: client credentials have none (section 4.4.3).
        assert_eq!(told, expected);
        let program = User {
            caller: stack.bearer(&token),
            name: format!("client:{id}"),
            key: token,
        };
        assert_eq!(Route::Messages.call(&program.caller, &marker()).await.status, 200);
        let rows = program.rows_once(number + 1).await;
        assert_eq!(
            (rows[0].principal.as_str(), &rows[0].key_id),
            (program.name.as_str(), &None)
        );
    }
}

async fn a_token_is_verified_by_the_published_key(stack: &Stack) {
    let program = stack.service_account().await;
    let published = stack.anonymous().get("/.well-known/jwks.json").await;
    assert_eq!(
        (published.status, published.header("cache-control")),
        (200, "public, max-age=300")
    );
    for key in published.json()["keys"].as_array().unwrap() {
        let members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "public members only");
    }
    let keys: JwkSet = serde_json::from_slice(&published.body).unwrap();
    let header = jsonwebtoken::decode_header(&program.key).unwrap();
    let key = keys
        .find(header.kid.as_deref().unwrap())
        .expect("the key that signed is published");
    let mut wanted = Validation::new(Algorithm::EdDSA);
    wanted.set_issuer(&[&stack.ready().gateway]);
    wanted.set_audience(&["tollgate"]);
    let token = jsonwebtoken::decode::<Claims>(&program.key, &DecodingKey::from_jwk(key).unwrap(), &wanted).unwrap();
    assert_eq!(token.header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(
        (&token.claims.sub, token.claims.exp - token.claims.iat),
        (&program.name, 1800)
    );
    assert_eq!(format!("client:{}", token.claims.client_id), token.claims.sub);
}

async fn the_metadata_names_what_there_is(stack: &Stack) {
    let path = "/.well-known/oauth-authorization-server";
    // The issuer is configured; what a caller says of the host changes nothing.
    let spoofed = [
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "host=evil.example"),
    ];
    let answer = stack.anonymous().send("GET", path, &spoofed, "").await;
    let (told, issuer) = (answer.json(), &stack.ready().gateway);
    assert_eq!(told["issuer"], *issuer);
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(
        told["grant_types_supported"],
        json!(["client_credentials", "authorization_code", "refresh_token", device])
    );
    assert!(!answer.text().contains("evil"));
    let own_path = |name: &str| {
        told[name]
            .as_str()
            .unwrap()
            .strip_prefix(issuer.as_str())
            .unwrap()
            .to_owned()
    };
    assert_eq!(stack.anonymous().get(&own_path("jwks_uri")).await.status, 200);
    // It is there, and says in its own words what is missing.
    let empty = stack
        .anonymous()
        .send("POST", &own_path("token_endpoint"), &[FORM], "")
        .await;
    assert_eq!((empty.status, &empty.json()["error"]), (400, &json!("invalid_request")));
}

async fn a_revoked_client_gets_no_token(stack: &Stack) {
    let (id, secret) = stack.new_client(&["models:invoke"]).await;
    let token = stack.token(&id, &secret).await;
    assert_eq!(
        stack.admin().delete(&format!("/api/admin/clients/{id}")).await.status,
        204
    );
    let form = format!("{GRANT}&client_id={id}&client_secret={secret}");
    let answer = by_form(stack, &[], &form).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    let body = json!({ "client_id": id, "client_secret": secret });
    let answer = stack.anonymous().post("/api/v1/auth/token", &body).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    // What is out is refused too; here at once, since no environment has seen it.
    assert_eq!(Route::Messages.call(&stack.bearer(&token), &marker()).await.status, 401);
}

/// What it is, headers, form, and the answer's status and code.
type Refused<'a> = (&'static str, Vec<(&'static str, &'a str)>, String, u16, &'static str);

/// security.md, "Token endpoint"
async fn what_rfc_6749_refuses_is_refused(stack: &Stack) {
    let (id, secret) = stack.new_client(&["files"]).await;
    let good = format!("{GRANT}&client_id={id}&client_secret={secret}");
    let by_basic = basic(&id, &secret);
    let authorization = ("authorization", by_basic.as_str());
    let cases: Vec<Refused<'_>> = vec![
        ("two methods", vec![authorization], good.clone(), 400, "invalid_request"),
        (
            "two Basic headers",
            vec![authorization, authorization],
            GRANT.into(),
            400,
            "invalid_request",
        ),
        (
            "another client id",
            vec![authorization],
            format!("{GRANT}&client_id=other"),
            400,
            "invalid_request",
        ),
        (
            "a repeated parameter",
            vec![],
            format!("{good}&scope=files&scope=files"),
            400,
            "invalid_request",
        ),
        (
            "a repeated secret",
            vec![],
            format!("{good}&client_secret={secret}"),
            400,
            "invalid_request",
        ),
        ("no grant", vec![], good.replace(GRANT, "a=b"), 400, "invalid_request"),
        (
            "an empty grant",
            vec![],
            good.replace(GRANT, "grant_type="),
            400,
            "invalid_request",
        ),
        (
            "another grant",
            vec![],
            good.replace(GRANT, "grant_type=password"),
            400,
            "unsupported_grant_type",
        ),
        (
            "an unknown scope",
            vec![],
            format!("{good}&scope=everything"),
            400,
            "invalid_scope",
        ),
        (
            "a scope of others",
            vec![],
            format!("{good}&scope=files%20admin"),
            400,
            "invalid_scope",
        ),
        ("no client", vec![], GRANT.into(), 401, "invalid_client"),
        (
            "no secret",
            vec![],
            format!("{GRANT}&client_id={id}"),
            401,
            "invalid_client",
        ),
        (
            "an empty secret",
            vec![],
            format!("{GRANT}&client_id={id}&client_secret="),
            401,
            "invalid_client",
        ),
        ("a wrong secret", vec![], format!("{good}x"), 401, "invalid_client"),
        (
            "another scheme",
            vec![("authorization", "Bearer x")],
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            "no base64",
            vec![("authorization", "Basic !")],
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            "no colon",
            vec![("authorization", "Basic YWJj")],
            GRANT.into(),
            401,
            "invalid_client",
        ),
        (
            "a lower-case scheme that nothing follows",
            vec![("authorization", "basic")],
            GRANT.into(),
            401,
            "invalid_client",
        ),
        ("a form that is none", vec![], "%ff=%ff".into(), 400, "invalid_request"),
    ];
    for (name, headers, form, status, code) in cases {
        let answer = by_form(stack, &headers, &form).await;
        assert_refused(name, &answer, status, code);
        // RFC 6749, section 5.2: a client that tried a header is told by a header. API Gateway renames it.
        let challenged = answer.header("x-amzn-remapped-www-authenticate").starts_with("Basic ");
        assert_eq!(challenged, status == 401 && !headers.is_empty(), "{name}: {answer:?}");
    }
    let asked = stack.anonymous();
    let in_the_query = format!("/oauth/token?client_secret={secret}");
    let json = [("content-type", "application/json")];
    let others = [
        (
            "a secret in the query",
            asked.send("POST", &in_the_query, &[FORM], good.clone()).await,
            400,
        ),
        (
            "a form to the JSON endpoint",
            asked.send("POST", "/api/v1/auth/token", &[FORM], good.clone()).await,
            415,
        ),
        (
            "JSON to the form endpoint",
            asked.send("POST", "/oauth/token", &json, "{}").await,
            415,
        ),
        (
            "nothing to the form endpoint",
            asked.send("POST", "/oauth/token", &[], good).await,
            415,
        ),
    ];
    for (name, answer, status) in others {
        assert_refused(name, &answer, status, "invalid_request");
    }
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(
            asked.send(method, "/oauth/token", &[FORM], "").await.status,
            404,
            "{method}"
        );
    }
}

fn assert_refused(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (status, &json!(code)),
        "{name}: {answer:?}"
    );
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        ("no-store", "no-cache"),
        "{name}"
    );
    assert!(answer.json()["access_token"] == Value::Null && answer.json()["error_description"].is_string());
}

async fn an_unknown_client_and_a_wrong_secret_get_the_same_bytes(stack: &Stack) {
    let (id, secret) = stack.new_client(&["files"]).await;
    let wrong = format!(
        "{}{}",
        &secret[..secret.len() - 1],
        if secret.ends_with('0') { '1' } else { '0' }
    );
    let mut told = Vec::new();
    for (id, secret) in [
        ("client_unknown", &secret),
        ("x", &secret),
        ("CLIENT", &secret),
        (&id, &wrong),
    ] {
        let answer = by_form(stack, &[("authorization", &basic(id, secret))], GRANT).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        told.push(answer.body);
    }
    assert!(told.iter().all(|body| *body == told[0]), "{told:?}");
}

async fn a_token_allows_what_was_asked_for_and_no_more(stack: &Stack) {
    let (id, secret) = stack.new_client(&["models:invoke", "files"]).await;
    let form = format!("{GRANT}&client_id={id}&client_secret={secret}&scope=files");
    let told = by_form(stack, &[], &form).await.json();
    assert_eq!(told["scope"], "files");
    let caller = stack.bearer(told["access_token"].as_str().unwrap());
    assert_eq!(caller.get("/api/v1/files").await.status, 200);
    assert_eq!(Route::Messages.call(&caller, &marker()).await.status, 403);
    assert_eq!(caller.get("/api/usage/records").await.status, 403);
}
