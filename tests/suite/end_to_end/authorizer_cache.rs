//! API Gateway may keep the authorizer's answers, by `Authorization` alone. The deployment keeps none; these tests show what
//! holds if somebody lets it, and what it costs: a credential that was revoked goes on until the answer is forgotten.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::local::{Answer, Host, MODEL, Route, Stack, eventually, marker, shared, signing_key};

use super::credentials;

/// A stack that keeps answers for the five minutes that API Gateway proposes.
async fn caching() -> Stack {
    Stack::start(&["--authorizer-ttl", "300", "--environments", "2"]).await
}

const RECORDS: &str = "/api/usage/records";

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_serves_every_other_route_rightly() {
    let stack = caching().await;
    let user = stack.new_user().await;
    assert_eq!(user.caller.get(RECORDS).await.status, 200);
    // The first answer was for GET of one path. It neither closes the other routes nor opens what the scopes do not allow.
    for route in Route::ALL {
        assert_eq!(route.call(&user.caller, &marker()).await.status, 200, "{route:?}");
    }
    assert_eq!(user.caller.get("/api/v1/files").await.status, 200);
    assert_eq!(user.caller.get("/api/admin/clients").await.status, 403);
    assert_eq!(user.rows_once(4).await.len(), 4);
    // Another credential is another caller.
    let other = stack.new_user().await;
    assert_eq!(other.rows().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_by_scope_says_nothing_of_the_next_route() {
    let stack = caching().await;
    let key = stack.new_key(&format!("user:{}", marker()), &["files"]).await;
    let caller = stack.bearer(&key);
    assert_eq!(caller.get(RECORDS).await.status, 403);
    assert_eq!(caller.get("/api/v1/files").await.status, 200);
    assert_eq!(Route::Messages.call(&caller, &marker()).await.status, 403);
}

/// A-01, A-07
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_credential_is_refused_by_the_function_though_its_answer_is_kept() {
    let stack = caching().await;
    let end = Timestamp::now() + SignedDuration::from_secs(3);
    let mut claims = credentials::claims(&stack).await;
    claims.exp = end.as_second();
    let token = signing_key(&stack).await.sign(&claims).unwrap();
    let wish = json!({ "name": "short", "owner": format!("user:{}", marker()), "expires_at": end.to_string() });
    let key = stack.admin().post("/api/keys", &wish).await.json()["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let callers = [token, key].map(|credential| stack.bearer(&credential));
    for caller in &callers {
        assert_eq!(caller.get(RECORDS).await.status, 200);
    }
    for caller in &callers {
        let refused = eventually("the credential ends", async || {
            Some(caller.get(RECORDS).await).filter(|answer| answer.status != 200)
        })
        .await;
        // In the route's own dialect: the function refuses, for the authorizer is not asked again.
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (401, &json!("unauthenticated"))
        );
        let challenge = r#"Bearer realm="tollgate", error="invalid_token""#;
        assert_eq!(refused.header("x-amzn-remapped-www-authenticate"), challenge);
        let mark = marker();
        let told: Vec<Answer> = futures_util::future::join_all(Route::ALL.map(|route| route.call(caller, &mark))).await;
        for (route, answer) in Route::ALL.into_iter().zip(told) {
            assert_eq!(answer.status, if route.is_bedrock() { 403 } else { 401 }, "{answer:?}");
        }
        assert_eq!(stack.mock().requests(&mark).await.len(), 0);
    }
}

/// The cost of keeping answers: a revoked key, and the scopes that it had, go on until the answer is forgotten (at most the
/// time to live), and only where it was shown before. This is why the template keeps none.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_goes_on_while_its_answer_is_kept_and_only_then() {
    let stack = Stack::start(&["--authorizer-ttl", "2", "--environments", "2"]).await;
    let user = stack.new_user().await;
    let (path, id) = only_key(&user.caller.get("/api/keys").await);
    assert_eq!(user.caller.get(RECORDS).await.status, 200);
    let by_owner = format!("{path}?owner={}", user.name);
    assert_eq!(stack.admin().delete(&by_owner).await.status, 204, "{id}");
    assert_eq!(user.caller.get(RECORDS).await.status, 200, "its answer is kept");
    eventually("its answer is forgotten", async || {
        (user.caller.get(RECORDS).await.status == 401).then_some(())
    })
    .await;
}

fn only_key(listed: &Answer) -> (String, String) {
    let keys: Value = listed.json();
    let id = keys["keys"][0]["key_id"].as_str().unwrap().to_owned();
    (format!("/api/keys/{id}"), id)
}

/// With the template's own time to live, which is none. A-07
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_at_once_where_nothing_is_kept() {
    let stack = shared(Host::Runtime).await;
    let user = stack.new_user().await;
    let (path, _) = only_key(&user.caller.get("/api/keys").await);
    // With itself: what it does last is to end itself.
    assert_eq!(user.caller.delete(&path).await.status, 204);
    for path in [RECORDS, "/api/keys", "/api/v1/files"] {
        assert_eq!(user.caller.get(path).await.status, 401);
    }
    let mark = marker();
    let body = Route::Invoke.body(MODEL, &mark);
    assert_eq!(user.caller.post(&Route::Invoke.path(MODEL), &body).await.status, 401);
    assert_eq!(stack.mock().requests(&mark).await.len(), 0);
}

/// API Gateway keeps answers by the headers that the template would have to list, and refuses requests that lack one; a
/// template that keeps none lists none, so that `x-api-key` works.
#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_answers_by_authorization_shuts_out_x_api_key() {
    let stack = caching().await;
    let caller = stack.anonymous().with("x-api-key", &stack.ready().api_key);
    assert_eq!(caller.get(RECORDS).await.status, 401);
}
