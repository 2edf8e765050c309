//! A company's directory from outside: it makes a person and a group, the person signs in, and is switched off.

use serde_json::{Value, json};
use tests::local::{Caller, Stack, make_secret};
use tests::provider::{CLIENT_ID, CLIENT_SECRET, Oidc};

use super::login::{SECRET, tokens};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async fn stack(oidc: &Oidc) -> Stack {
    let file = tempfile::NamedTempFile::new().unwrap();
    let configured = json!({
        "clients": [{"client_id": "app", "name": "App", "redirect_uris": ["http://127.0.0.1/cb"], "consent": "implied"}],
        "providers": [{"id": "idp", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": oidc.url,
                       "rules": {"groups": {"engineers": {"roles": ["user"], "team": "e2e"}}}}],
        "directory": {"provider": "idp"},
    });
    std::fs::write(file.path(), configured.to_string()).unwrap();
    let stack = Stack::start(&["--login", file.path().to_str().unwrap(), "--environments", "2"]).await;
    make_secret(&stack, SECRET, CLIENT_SECRET).await;
    stack
}

async fn send(directory: &Caller, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("content-type", "application/scim+json")];
    let answer = directory
        .send(method, &format!("/scim/v2{path}"), &headers, body.to_string())
        .await;
    let body = if answer.body.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    (answer.status, body)
}

/// create user → group → login → the role counts → `active: false` → refused at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_makes_a_person_and_a_group_and_switches_the_person_off() {
    let oidc = Oidc::start().await;
    let stack = stack(&oidc).await;
    let directory = stack.bearer(&stack.new_key("user:directory", &["directory"]).await);
    let person = json!({"schemas": [USER], "userName": "ada@example.com", "externalId": "ada", "active": true});
    let (status, ada) = send(&directory, "POST", "/Users", &person).await;
    assert_eq!(status, 201, "{ada}");
    let group = json!({"schemas": [GROUP], "displayName": "engineers", "members": [{"value": ada["id"]}]});
    assert_eq!(send(&directory, "POST", "/Groups", &group).await.0, 201);
    let query = "/scim/v2/Users?filter=userName%20eq%20%22ada%40example.com%22&startIndex=1&count=100";
    let found = directory.get(query).await;
    assert_eq!(
        (found.header("content-type"), &found.json()["Resources"][0]["id"]),
        ("application/scim+json", &ada["id"])
    );

    let given = tokens(&stack, &oidc).await;
    let by_token = stack.bearer(given["access_token"].as_str().unwrap());
    let me = by_token.get("/auth/me").await.json();
    assert_eq!(
        (&me["subject"], &me["team"]),
        (&json!(format!("user:{}", ada["id"].as_str().unwrap())), &json!("e2e"))
    );
    assert_eq!(by_token.get("/api/usage/records").await.status, 200);
    let key = by_token.post("/api/keys", &json!({"name": "mine"})).await.json();
    let by_key = stack.bearer(key["key"].as_str().unwrap());
    assert_eq!(by_key.get("/api/usage/records").await.status, 200);

    let off = json!({"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let path = format!("/Users/{}", ada["id"].as_str().unwrap());
    assert_eq!(send(&directory, "PATCH", &path, &off).await.0, 200);
    assert_eq!(by_token.get("/api/usage/records").await.status, 401);
    assert_eq!(by_key.get("/api/usage/records").await.status, 401);
    let (status, error) = send(&directory, "PATCH", &path, &json!({"schemas": [PATCH]})).await;
    assert_eq!((status, &error["scimType"]), (400, &json!("invalidSyntax")));
}
