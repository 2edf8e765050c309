//! Lists of allowed models through the whole house: from a key or an account, by the authorizer, to the model functions.

use futures_util::future::join_all;
use gateway::wire::dialect::Dialect;
use serde_json::{Value, json};
use tests::local::{Answer, Caller, MODEL, Route, Stack, marker};

use super::shape;

on_every_host!(
    a_key_calls_the_models_of_its_list_and_no_other,
    a_service_accounts_token_calls_the_models_of_the_accounts_list,
);

const HAIKU: &str = "anthropic.claude-haiku-*";
const OPUS: &str = "us.anthropic.claude-opus-4-1-20250805-v1:0";

async fn call(caller: &Caller, route: Route, model: &str, mark: &str) -> Answer {
    caller.post(&route.path(model), &route.body(model, mark)).await
}

/// [`MODEL`] is answered; another is refused in every dialect, nothing of it arrives, and no row is written.
async fn calls_haiku_alone(stack: &Stack, caller: &Caller) {
    let (good, bad) = (marker(), marker());
    for route in Route::ALL {
        assert_eq!(call(caller, route, MODEL, &good).await.status, 200, "{route:?}");
        let refused = call(caller, route, OPUS, &bad).await;
        let dialect = if route.is_bedrock() {
            Dialect::Bedrock
        } else {
            Dialect::Anthropic
        };
        assert_eq!(
            (refused.status, shape::fault(&refused, dialect)),
            (403, None),
            "{refused:?}"
        );
        // What is not served is told like to anybody.
        let stranger = "us.anthropic.claude-99-v1:0";
        let told = [caller.clone(), stack.user()].map(async |it| call(&it, route, stranger, &bad).await);
        let told: Vec<_> = join_all(told).await.iter().map(|it| (it.status, it.text())).collect();
        let without_id = |(status, text): &(u16, String)| {
            let mut body: Value = serde_json::from_str(text).unwrap();
            body.as_object_mut().unwrap().remove("request_id");
            (*status, body)
        };
        assert_eq!(without_id(&told[0]), without_id(&told[1]));
    }
    assert_eq!(stack.mock().requests(&good).await.len(), 4);
    assert_eq!(stack.mock().requests(&bad).await.len(), 0);
}

async fn a_key_calls_the_models_of_its_list_and_no_other(stack: &Stack) {
    let name = format!("user:{}", marker());
    let wish = json!({ "name": "few", "owner": name, "scopes": ["models:invoke", "usage:read"], "models": [HAIKU] });
    let made = stack.admin().post("/api/keys", &wish).await;
    assert_eq!(made.status, 201, "{made:?}");
    let caller = stack.bearer(made.json()["key"].as_str().unwrap());
    calls_haiku_alone(stack, &caller).await;
    let rows = caller.get("/api/usage/records").await.json();
    assert_eq!(
        rows["records"].as_array().unwrap().len(),
        4,
        "none of those that were refused"
    );
}

async fn a_service_accounts_token_calls_the_models_of_the_accounts_list(stack: &Stack) {
    let (id, secret) = stack.new_client(&["models:invoke", "usage:read"]).await;
    let path = format!("/api/admin/clients/{id}");
    let headers = [("content-type", "application/json")];
    let changed = json!({ "models": [HAIKU] }).to_string();
    let changed = stack.admin().send("PATCH", &path, &headers, changed).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let caller = stack.bearer(&stack.token(&id, &secret).await);
    calls_haiku_alone(stack, &caller).await;
}
