//! API keys.

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::local::{Answer, Caller, Route, Stack, User, eventually, marker, table_text};

on_every_host!(
    a_key_is_shown_once_and_stored_as_a_digest_and_a_hint,
    a_key_never_allows_more_than_the_credential_that_made_it,
    an_owner_has_at_most_25_keys_that_are_not_revoked,
    a_key_ends_when_it_was_to_end,
    somebody_elses_key_answers_like_one_that_does_not_exist,
    parallel_wishes_for_the_last_key_make_one,
);

/// A user who may make keys, with the one key that it takes to do so.
async fn owner(stack: &Stack) -> User {
    stack.new_user().await
}

async fn list(caller: &Caller) -> Vec<Value> {
    let answer = caller.get("/api/keys?limit=500").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["keys"].as_array().unwrap().clone()
}

///
async fn a_key_is_shown_once_and_stored_as_a_digest_and_a_hint(stack: &Stack) {
    let user = owner(stack).await;
    let made = user.caller.post("/api/keys", &json!({ "name": "for CI ✓" })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"));
    let mut made = made.json();
    let key = made["key"].take().as_str().unwrap().to_owned();
    assert!(
        key.starts_with("tgk_") && key.ends_with(made["hint"].as_str().unwrap()),
        "{made}"
    );
    assert_eq!((&made["owner"], &made["name"]), (&json!(user.name), &json!("for CI ✓")));
    assert_eq!(stack.bearer(&key).get("/api/keys").await.status, 200);
    let listed = user.caller.get("/api/keys").await;
    assert!(!listed.text().contains(&key));
    let listed = list(&user.caller).await;
    let same = listed.iter().find(|other| other["key_id"] == made["key_id"]).unwrap();
    made.as_object_mut().unwrap().remove("key");
    assert_eq!(*same, made, "the same but for the key itself");
    let table = table_text(stack).await;
    let random = &key["tgk_".len()..key.len() - 4];
    assert!(!table.contains(&key) && !table.contains(random), "the key is stored");
    let digest = key.parse::<gateway::secret::Secret>().unwrap().digest();
    assert!(table.contains(digest.as_str()));
}

async fn a_key_never_allows_more_than_the_credential_that_made_it(stack: &Stack) {
    let name = format!("user:{}", marker());
    let caller = stack.bearer(&stack.new_key(&name, &["keys", "files"]).await);
    let made = async |wish: Value| caller.post("/api/keys", &wish).await;
    let scopes = async |wish: Value| made(wish).await.json()["scopes"].clone();
    assert_eq!(scopes(json!({ "name": "a" })).await, json!(["files", "keys"]));
    assert_eq!(
        scopes(json!({ "name": "a", "scopes": ["files"] })).await,
        json!(["files"])
    );
    for (wish, status) in [
        (json!({ "name": "a", "scopes": ["admin"] }), 403),
        (json!({ "name": "a", "scopes": ["files", "models:invoke"] }), 403),
        (json!({ "name": "a", "owner": "user:admin" }), 403),
        (json!({ "name": "a", "owner": "client:x" }), 403),
        (json!({ "name": "a", "scopes": [] }), 400),
        (json!({ "name": "a", "scopes": ["root"] }), 400),
        // Mass assignment is refused, not ignored.
        (json!({ "name": "a", "admin": true }), 400),
        (json!({ "name": "a", "role": "ADMIN" }), 400),
        (json!({ "name": "a", "key": "tgk_mine" }), 400),
        (json!({ "name": "a", "key_id": "key_mine" }), 400),
    ] {
        let answer = made(wish.clone()).await;
        assert_eq!(answer.status, status, "{wish}: {answer:?}");
    }
    assert_eq!(list(&caller).await.len(), 3);
    for path in ["/api/keys?owner=user:admin", "/api/keys?owner=user%3Adev"] {
        assert_eq!(caller.get(path).await.status, 403);
    }
}

///
async fn an_owner_has_at_most_25_keys_that_are_not_revoked(stack: &Stack) {
    let user = owner(stack).await;
    let make = async || user.caller.post("/api/keys", &json!({ "name": "one more" })).await;
    for _ in 1..25 {
        assert_eq!(make().await.status, 201);
    }
    let refused = make().await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("conflict")));
    assert_eq!(list(&user.caller).await.len(), 25);
    let one = list(&user.caller)
        .await
        .into_iter()
        .find(|key| key["name"] == "one more")
        .unwrap();
    let path = format!("/api/keys/{}", one["key_id"].as_str().unwrap());
    assert_eq!(user.caller.delete(&path).await.status, 204);
    // Revoking it again is no second place.
    assert_eq!(user.caller.delete(&path).await.status, 204);
    assert_eq!(make().await.status, 201);
    assert_eq!(make().await.status, 409);
}

async fn parallel_wishes_for_the_last_key_make_one(stack: &Stack) {
    let user = owner(stack).await;
    let wish = json!({ "name": "at once" });
    let answers = futures_util::future::join_all((0..40).map(|_| user.caller.post("/api/keys", &wish))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let refused = answers.iter().filter(|answer| answer.status == 409).count();
    // Who lost a race against the others may also be told to come again.
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    assert_eq!(made + refused + busy, 40, "{answers:#?}");
    assert_eq!(list(&user.caller).await.len(), made + 1);
    assert!(
        made <= 24 && (busy > 0 || made == 24),
        "{made} made, {refused} refused, {busy} busy"
    );
}

///
async fn a_key_ends_when_it_was_to_end(stack: &Stack) {
    let user = owner(stack).await;
    let make = async |end: &str| {
        user.caller
            .post("/api/keys", &json!({ "name": "short", "expires_at": end }))
            .await
    };
    // A whole second: functions are told the end in seconds.
    let end = Timestamp::from_second(Timestamp::now().as_second() + 2).unwrap();
    let made = make(&end.to_string()).await.json();
    let caller = stack.bearer(made["key"].as_str().unwrap());
    assert_eq!(caller.get("/api/keys").await.status, 200);
    eventually("the key has ended", async || {
        (caller.get("/api/keys").await.status == 401).then_some(())
    })
    .await;
    assert!(Timestamp::now() >= end, "it ended too early");
    for bad in ["2020-01-01T00:00:00Z", "tomorrow", "", "+999999-01-01T00:00:00Z"] {
        assert_eq!(make(bad).await.status, 400, "{bad}");
    }
}

async fn somebody_elses_key_answers_like_one_that_does_not_exist(stack: &Stack) {
    let (user, other) = (owner(stack).await, owner(stack).await);
    let theirs = list(&other.caller).await[0]["key_id"].as_str().unwrap().to_owned();
    let ask = async |id: &str| user.caller.delete(&format!("/api/keys/{id}")).await;
    let (none, others) = (ask("key_none").await, ask(&theirs).await);
    assert_eq!((none.status, others.status), (404, 404));
    assert_eq!(without_id(&none), without_id(&others));
    assert_eq!(
        Route::Messages.call(&other.caller, &marker()).await.status,
        200,
        "it still counts"
    );
    let ids = list(&user.caller).await;
    assert!(ids.iter().all(|key| key["owner"] == user.name.as_str()));
}

fn without_id(answer: &Answer) -> Value {
    let mut body = answer.json();
    body["request_id"].take();
    body
}
