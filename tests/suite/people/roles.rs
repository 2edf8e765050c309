//! What a person's roles give counts at once; what a service account's give counts at its next token, and what they no longer give in 30 s.

use gateway::standing::LAG_SECONDS;
use serde_json::{Value, json};
use tests::event::request;
use tests::in_process::Functions;

use crate::login::desk::Desk;

async fn patch(desk: &Desk, path: &str, wish: &Value) -> Value {
    let answer = desk.admin("admin", request("PATCH", path).json(wish)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn scopes(desk: &Desk, credential: &str) -> String {
    let context = desk.authorized(credential).await.unwrap();
    context["scopes"].as_str().unwrap().to_owned()
}

/// a role that is taken away is gone at the next request, from tokens and keys that are out.
#[tokio::test]
async fn a_role_that_is_taken_away_counts_at_the_next_request_for_tokens_and_keys() {
    let desk = Desk::new().await;
    let tokens = desk.tokens("ada").await;
    let access = tokens["access_token"].as_str().unwrap();
    let context = desk.authorized(access).await.unwrap();
    assert_eq!(context["scopes"], "models:invoke usage:read files keys");
    let user_id = context["sub"].as_str().unwrap().strip_prefix("user:").unwrap();
    let wish = json!({"name": "broad", "owner": context["sub"], "scopes": ["models:invoke", "admin"]});
    let made = desk
        .admin("models:invoke keys admin", request("POST", "/api/keys").json(&wish))
        .await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    // The key says more than the person may.
    assert_eq!(scopes(&desk, &key).await, "models:invoke");
    let path = format!("/api/admin/users/{user_id}");
    patch(&desk, &path, &json!({"roles": ["team_admin"]})).await;
    assert_eq!(
        (scopes(&desk, access).await, scopes(&desk, &key).await),
        (String::new(), String::new())
    );
    patch(&desk, &path, &json!({"roles": ["admin"]})).await;
    assert_eq!(
        scopes(&desk, access).await,
        "models:invoke usage:read files keys",
        "no wider than what was granted"
    );
    assert_eq!(scopes(&desk, &key).await, "models:invoke admin");
    // So does a list of models.
    patch(&desk, &path, &json!({"models": ["anthropic.claude-haiku-*"]})).await;
    for credential in [access, &*key] {
        let context = desk.authorized(credential).await.unwrap();
        assert_eq!(context["models"], "anthropic.claude-haiku-*");
    }
    patch(&desk, &path, &json!({"models": null})).await;
    assert_eq!(
        desk.refresh(tokens["refresh_token"].as_str().unwrap()).await.status,
        200
    );
}

/// B-25
#[tokio::test]
async fn a_service_account_has_what_its_roles_give_and_an_unknown_role_is_refused() {
    let desk = Desk::new().await;
    let make = async |wish: Value| {
        desk.admin("admin", request("POST", "/api/admin/clients").json(&wish))
            .await
    };
    for bad in [json!(["robot"]), json!(["ADMIN"]), json!("admin"), json!([1])] {
        assert_eq!(make(json!({"name": "x", "roles": bad})).await.status, 400, "{bad}");
    }
    let account = make(json!({"name": "x", "roles": ["team_admin"], "scopes": ["files"]}))
        .await
        .json();
    assert_eq!(
        (&account["roles"], &account["scopes"]),
        (&json!(["team_admin"]), &json!(["files"]))
    );
    let id = account["client_id"].as_str().unwrap();
    let token = async |functions: &Functions| {
        let wish = json!({"client_id": id, "client_secret": account["client_secret"]});
        let asked = request("POST", "/api/v1/auth/token").json(&wish);
        functions.ask("token", &asked).await.json()["scope"].clone()
    };
    assert_eq!(token(&desk.functions).await, "files team:admin");
    let path = format!("/api/admin/clients/{id}");
    patch(&desk, &path, &json!({"roles": ["user"], "scopes": []})).await;
    assert_eq!(token(&desk.functions).await, "models:invoke usage:read files keys");
    desk.functions.clock.advance_seconds(1);
    patch(&desk, &path, &json!({"roles": []})).await;
    assert_eq!(token(&desk.functions).await, "");
    let trail = desk
        .admin("admin", request("GET", "/api/admin/audit?action=client.change"))
        .await
        .json();
    assert_eq!(trail["entries"][1]["after"]["roles"], json!(["user"]));
}

/// B-25
#[tokio::test]
async fn what_a_service_account_may_no_longer_do_counts_for_its_living_tokens_within_30_seconds() {
    let desk = Desk::new().await;
    let wish = json!({"name": "x", "roles": ["user"], "scopes": ["admin"]});
    let made = desk
        .admin("admin", request("POST", "/api/admin/clients").json(&wish))
        .await;
    let account = made.json();
    let shown = json!({"client_id": account["client_id"], "client_secret": account["client_secret"]});
    let asked = request("POST", "/api/v1/auth/token").json(&shown);
    let token = desk.functions.ask("token", &asked).await.json();
    let token = token["access_token"].as_str().unwrap();
    assert_eq!(scopes(&desk, token).await, "models:invoke usage:read files keys admin");
    let path = format!("/api/admin/clients/{}", account["client_id"].as_str().unwrap());
    patch(&desk, &path, &json!({"roles": [], "scopes": ["files"]})).await;
    desk.functions.clock.advance_seconds(LAG_SECONDS - 1);
    assert_eq!(
        scopes(&desk, token).await,
        "models:invoke usage:read files keys admin",
        "what was found out is kept"
    );
    desk.functions.clock.advance_seconds(1);
    assert_eq!(scopes(&desk, token).await, "files");
}
