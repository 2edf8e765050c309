//! What must stay where it is: credentials at the edge, prompts in the call, identity in the authorizer's context.

use serde_json::json;
use tests::local::{Caller, MODEL, Request, Route, Stack, directed, marker, table_text};

on_every_host!(
    nothing_of_a_caller_reaches_bedrock_but_what_is_meant_for_it,
    no_header_or_field_chooses_an_identity_an_upstream_or_a_price,
    no_secret_and_no_prompt_is_in_a_log_or_the_table,
);

/// Headers that callers and what stands between send, each with something to be found by.
fn noisy(caller: Caller, canary: &str) -> Caller {
    [
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "proxy-authorization",
        "x-amz-security-token",
        "x-amz-target",
        "x-claude-code-session-id",
        "anthropic-version",
        "user-agent",
        "x-stainless-lang",
        "traceparent",
    ]
    .into_iter()
    .fold(caller, |caller, name| caller.with(name, canary))
}

///
async fn nothing_of_a_caller_reaches_bedrock_but_what_is_meant_for_it(stack: &Stack) {
    let (user, program) = (stack.new_user().await, stack.service_account().await);
    let canary = marker();
    for (credential, key) in [
        (&user.key, "authorization"),
        (&user.key, "x-api-key"),
        (&program.key, "authorization"),
    ] {
        for route in Route::ALL {
            let scheme = if key == "authorization" { "Bearer " } else { "" };
            let caller = noisy(stack.anonymous(), &canary).with(key, format!("{scheme}{credential}"));
            let mark = marker();
            assert_eq!(route.call(&caller, &mark).await.status, 200);
            let requests = stack.mock().requests(&mark).await;
            assert_eq!(requests.len(), 1);
            assert_is_clean(&requests[0], &[&canary, credential]);
        }
    }
}

fn assert_is_clean(request: &Request, forbidden: &[&str]) {
    assert_eq!(request.forbidden_headers, [""; 0], "{request:#?}");
    assert!(request.headers["authorization"].starts_with("AWS4-HMAC-SHA256 "));
    for (name, value) in &request.headers {
        let leaked = forbidden.iter().any(|secret| value.contains(*secret));
        assert!(!leaked, "{name}: {value}");
    }
}

async fn no_header_or_field_chooses_an_identity_an_upstream_or_a_price(stack: &Stack) {
    let (user, mark) = (stack.new_user().await, marker());
    let spoofed = [
        ("x-amzn-bedrock-region", "eu-west-1"),
        ("x-amz-endpoint", "http://127.0.0.1:9"),
        ("x-tollgate-tenant", "other"),
        ("x-principal", "user:admin"),
        ("sub", "user:admin"),
        ("x-forwarded-user", "user:admin"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/api/admin/clients"),
        ("x-request-id", "chosen-by-the-caller"),
        ("host", "evil.example"),
    ];
    let caller = spoofed
        .iter()
        .fold(user.caller.clone(), |caller, (name, value)| caller.with(name, *value));
    let answer = Route::Messages.call(&caller, &mark).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = user.rows_once(1).await;
    assert_eq!(
        (rows[0].principal.as_str(), rows[0].region.as_str()),
        (user.name.as_str(), "us-east-1")
    );
    assert_eq!(rows[0].request_id, answer.header("request-id"));
    assert_eq!(answer.header("request-id"), answer.header("x-amzn-requestid"));
    let clients = caller.get("/api/admin/clients").await;
    assert_eq!(clients.status, 403, "{clients:?}");
    // What changes the price is refused as long as it has none.
    for (header, value, status) in [
        ("x-amzn-bedrock-service-tier", "priority", 404),
        ("x-amzn-bedrock-service-tier", "reserved", 400),
        ("x-amzn-bedrock-performanceconfig-latency", "optimized", 400),
    ] {
        let path = Route::Invoke.path(MODEL);
        let body = Route::Invoke.body(MODEL, &mark).to_string();
        let answer = user.caller.send("POST", &path, &[(header, value)], body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(user.rows().await.len(), 1);
}

/// security.md: canaries
async fn no_secret_and_no_prompt_is_in_a_log_or_the_table(stack: &Stack) {
    let (user, program) = (stack.new_user().await, stack.service_account().await);
    let (client_id, secret) = stack.new_client(&["files"]).await;
    stack.token(&client_id, &secret).await;
    let (prompt, answer) = (marker(), marker());
    for route in Route::ALL {
        for caller in [&user.caller, &program.caller] {
            for directive in [
                json!({ "text": answer }),
                json!({ "text": answer, "cut_after": 4 }),
                json!({ "status": 400, "message": answer }),
                json!({ "text": answer, "exception_after": { "events": 2, "type": "x", "message": answer } }),
                json!({ "text": answer, "corrupt_crc": 2 }),
            ] {
                route.call(caller, &directed(&prompt, directive)).await;
            }
            // Refusals, whose reasons are logged, of bodies and ids that hold the canary.
            let broken = format!("{{\"messages\": \"{prompt}");
            caller.send("POST", &route.path(MODEL), &[], broken).await;
            caller.post(&route.path(&prompt), &route.body(&prompt, &prompt)).await;
        }
    }
    for wrong in [&user.key, &program.key, &secret] {
        stack.bearer(&format!("{wrong}!")).get("/api/keys").await;
    }
    let in_the_query = format!("/api/usage/records?access_token={}&prompt={prompt}", user.key);
    assert_eq!(stack.anonymous().get(&in_the_query).await.status, 401);
    let broken = format!("{{\"client_secret\": \"{secret}\"");
    let headers = [("content-type", "application/json")];
    stack
        .anonymous()
        .send("POST", "/api/v1/auth/token", &headers, broken)
        .await;
    user.rows_once(5 * 4).await;

    let (logs, table) = (stack.logs(), table_text(stack).await);
    assert!(
        logs.contains("request refused") && table.contains(&user.name),
        "there is something to search"
    );
    let signature = program.key.rsplit_once('.').unwrap().1;
    let random_of_key = &user.key[4..user.key.len() - 4];
    let random_of_secret = &secret[4..secret.len() - 4];
    for (name, canary) in [
        ("the prompt", prompt.as_str()),
        ("the answer", &answer),
        ("the key", random_of_key),
        ("the token", &program.key),
        ("the token's signature", signature),
        ("the client's secret", random_of_secret),
    ] {
        assert!(!table.contains(canary), "{name} is in the table");
        let line = logs
            .lines()
            .find(|line| line.contains(canary) && !is_the_gateways_path(line));
        assert!(line.is_none(), "{name} is in a log: {line:?}");
    }
}

/// The gateway's log names paths, as API Gateway's access log does; a model id that a caller makes up stands there.
fn is_the_gateways_path(line: &str) -> bool {
    line.contains(" POST /bedrock/model/")
}
