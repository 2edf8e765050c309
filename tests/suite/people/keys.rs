//! API keys that an admin makes, lists and revokes for others: a person, and a service account.

use serde_json::{Value, json};
use tests::event::request;

use crate::login::desk::Desk;

/// and nobody else can.
#[tokio::test]
async fn an_admin_makes_lists_and_revokes_keys_of_a_person_and_of_a_service_account() {
    let desk = Desk::new().await;
    let context = desk
        .authorized(desk.tokens("ada").await["access_token"].as_str().unwrap())
        .await
        .unwrap();
    let wish = json!({"name": "nightly"});
    let account = desk
        .admin("admin", request("POST", "/api/admin/clients").json(&wish))
        .await
        .json();
    let id = account["client_id"].as_str().unwrap();
    for owner in [context["sub"].as_str().unwrap().to_owned(), format!("client:{id}")] {
        let wish = json!({"name": "for another", "owner": owner, "scopes": ["models:invoke"]});
        let post = || request("POST", "/api/keys").json(&wish);
        assert_eq!(desk.admin("models:invoke keys", post()).await.status, 403, "{owner}");
        let made = desk.admin("models:invoke keys admin", post()).await;
        assert_eq!(made.status, 201, "{made:?}");
        let (key, key_id) = (made.json()["key"].clone(), made.json()["key_id"].clone());
        let known = desk.authorized(key.as_str().unwrap()).await.unwrap();
        assert_eq!(
            (&known["sub"], &known["scopes"]),
            (&json!(owner), &json!("models:invoke"))
        );
        let list = format!("/api/keys?owner={owner}");
        assert_eq!(desk.admin("keys", request("GET", &list)).await.status, 403);
        let listed = desk.admin("keys admin", request("GET", &list)).await.json();
        assert_eq!(
            (&listed["keys"][0]["key_id"], &listed["keys"][0]["key"]),
            (&key_id, &Value::Null)
        );
        let path = format!("/api/keys/{}?owner={owner}", key_id.as_str().unwrap());
        assert_eq!(desk.admin("keys", request("DELETE", &path)).await.status, 403);
        assert_eq!(desk.admin("keys admin", request("DELETE", &path)).await.status, 204);
        assert!(desk.authorized(key.as_str().unwrap()).await.is_none());
    }
    let trail = desk
        .admin("admin", request("GET", "/api/admin/audit?action=key.revoke"))
        .await
        .json();
    let entries = trail["entries"].as_array().unwrap().iter();
    assert_eq!(entries.filter(|entry| entry["actor"] == "user:root").count(), 2);
}
