//! The first admin: by whoever may invoke the function, and by nobody who comes by way of API Gateway.

use std::sync::Arc;

use gateway::aws::Aws;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tests::event::request;

use crate::login::desk::Desk;

async fn invoke(desk: &Desk, event: &Value) -> Result<Value, String> {
    let login =
        json!({"providers": [{"id": "idp", "kind": "oidc", "client_id": "x", "secret": "s", "issuer": desk.oidc.url}]});
    let variables = || {
        desk.backing
            .variables("admin", &[("TOLLGATE_LOGIN", &login.to_string())])
    };
    let aws = Aws::from_environment(variables()).unwrap();
    let state = admin::State::new(&aws, &variables(), desk.functions.clock.clone()).unwrap();
    let event = LambdaEvent::new(to_raw_value(event).unwrap(), Context::default());
    let answer = admin::handle(Arc::new(state), event).await;
    answer
        .map(|it| serde_json::to_value(it).unwrap())
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_operator_makes_a_first_admin_of_somebody_who_has_signed_in_and_of_somebody_who_has_not() {
    let desk = Desk::new().await;
    let context = desk
        .authorized(desk.tokens("ada").await["access_token"].as_str().unwrap())
        .await
        .unwrap();
    let ada = context["sub"].as_str().unwrap().strip_prefix("user:").unwrap();
    let told = invoke(&desk, &json!({"command": "make_admin", "user_id": ada}))
        .await
        .unwrap();
    assert_eq!(
        (&told["user_id"], &told["roles"]),
        (&json!(ada), &json!(["user", "admin"]))
    );
    // A login does not take it away.
    desk.tokens("ada").await;
    assert!(desk.store().user(ada).await.unwrap().unwrap().is_admin());
    let wish = json!({"command": "make_admin", "identity": {"provider": "idp", "subject": "bob"}});
    let bob = invoke(&desk, &wish).await.unwrap();
    assert_eq!(
        invoke(&desk, &wish).await.unwrap()["user_id"],
        bob["user_id"],
        "twice is once"
    );
    let context = desk
        .authorized(desk.tokens("bob").await["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(context["sub"], format!("user:{}", bob["user_id"].as_str().unwrap()));
    let trail = desk
        .admin("admin", request("GET", "/api/admin/audit?action=user.make_admin"))
        .await
        .json();
    let entry = &trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["target"] == json!(ada))
        .unwrap();
    assert_eq!(
        (&entry["actor"], &entry["after"]["roles"]),
        (&json!("client:operator"), &json!(["user", "admin"]))
    );
}

#[tokio::test]
async fn nothing_that_comes_by_way_of_api_gateway_is_an_operators_command() {
    let desk = Desk::new().await;
    let command = json!({"command": "make_admin", "identity": {"provider": "idp", "subject": "eve"}});
    let mut event = request("POST", "/api/admin/users")
        .by("user:eve")
        .json(&command)
        .event();
    assert_eq!(invoke(&desk, &event).await.unwrap()["statusCode"], 403);
    event["command"] = json!("make_admin");
    event["user_id"] = json!("u_eve");
    assert_eq!(invoke(&desk, &event).await.unwrap()["statusCode"], 403);
    for bad in [
        json!({"command": "make_admin"}),
        json!({"command": "make_admin", "user_id": "u_none"}),
        json!({"command": "make_admin", "user_id": "u_a", "identity": {"provider": "idp", "subject": "a"}}),
        json!({"command": "make_admin", "identity": {"provider": "nowhere", "subject": "a"}}),
        json!({"command": "drop_table"}),
        json!({"command": "make_admin", "user_id": "u_a", "roles": ["admin"]}),
        json!([]),
    ] {
        assert!(invoke(&desk, &bad).await.is_err(), "{bad}");
    }
    assert_eq!(desk.store().users(10, None).await.unwrap().items.len(), 0);
}
