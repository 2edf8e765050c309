//! Service accounts through their routes: secrets that overlap, suspension, ends, and items of the first version.

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::secret::{Secret, SecretKind};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::in_process::Functions;

/// A day.
const OVERLAP: i64 = 24 * 3600;

struct House {
    backing: Backing,
    functions: Functions,
}

/// An account as its maker knows it.
struct Account {
    id: String,
    secret: String,
}

impl House {
    async fn open() -> Self {
        let backing = Backing::start().await;
        let functions = Functions::new(&backing);
        Self { backing, functions }
    }

    async fn admin(&self, asked: Request) -> HttpAnswer {
        let admin = json!({"sub": "user:root", "scopes": "admin"});
        self.functions.ask("admin", &asked.principal(admin)).await
    }

    async fn account(&self, wish: &Value) -> Account {
        let answer = self.admin(request("POST", "/api/admin/clients").json(wish)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        Account {
            id: body["client_id"].as_str().unwrap().to_owned(),
            secret: body["client_secret"].as_str().unwrap().to_owned(),
        }
    }

    async fn change(&self, id: &str, wish: &Value) -> HttpAnswer {
        self.admin(request("PATCH", &format!("/api/admin/clients/{id}")).json(wish))
            .await
    }

    async fn add_secret(&self, id: &str, wish: &Value) -> HttpAnswer {
        self.admin(request("POST", &format!("/api/admin/clients/{id}/secrets")).json(wish))
            .await
    }

    async fn token(&self, id: &str, secret: &str) -> HttpAnswer {
        let wish = json!({ "client_id": id, "client_secret": secret });
        self.functions
            .ask("token", &request("POST", "/api/v1/auth/token").json(&wish))
            .await
    }

    async fn gets_token(&self, id: &str, secret: &str) -> bool {
        self.token(id, secret).await.status == 200
    }

    async fn actions(&self) -> Vec<String> {
        let answer = self.admin(request("GET", "/api/admin/audit")).await.json();
        let entries = answer["entries"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|it| it["action"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// B-25
#[tokio::test]
async fn two_secrets_overlap_until_the_old_one_ends() {
    let house = House::open().await;
    let account = house.account(&json!({ "name": "nightly" })).await;
    let made = house.add_secret(&account.id, &json!({})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let new = made.json()["client_secret"].as_str().unwrap().to_owned();
    for secret in [&account.secret, &new] {
        assert!(house.gets_token(&account.id, secret).await);
    }
    assert_eq!(house.add_secret(&account.id, &json!({})).await.status, 409, "a third");
    house.functions.clock.advance_seconds(OVERLAP - 1);
    assert!(house.gets_token(&account.id, &account.secret).await);
    house.functions.clock.advance_seconds(1);
    assert!(
        !house.gets_token(&account.id, &account.secret).await,
        "the old one, at its end"
    );
    assert!(house.gets_token(&account.id, &new).await);
    let without_body = request("POST", &format!("/api/admin/clients/{}/secrets", account.id));
    assert_eq!(house.admin(without_body).await.status, 201, "the old one is gone");
}

/// B-25
#[tokio::test]
async fn a_secret_is_ended_at_once_and_the_other_one_goes_on() {
    let house = House::open().await;
    let account = house.account(&json!({ "name": "nightly" })).await;
    let made = house.add_secret(&account.id, &json!({})).await.json();
    let new = made["client_secret"].as_str().unwrap();
    let old_id = made["secrets"][0]["secret_id"].as_str().unwrap();
    let path = format!("/api/admin/clients/{}/secrets/{old_id}", account.id);
    assert_eq!(house.admin(request("DELETE", &path)).await.status, 204);
    assert_eq!(house.admin(request("DELETE", &path)).await.status, 404);
    assert!(!house.gets_token(&account.id, &account.secret).await);
    assert!(house.gets_token(&account.id, new).await);
    // Everything is told, and no part of a secret.
    let trail = house.admin(request("GET", "/api/admin/audit")).await.json();
    let actions = house.actions().await;
    for action in ["client.secret.end", "client.secret.create", "client.create"] {
        assert!(actions.iter().any(|it| it == action), "{actions:?}");
    }
    for part in [&new[4..], &account.secret[4..], "hash", "salt"] {
        assert!(!trail.to_string().contains(part), "{trail}");
    }
}

/// B-25: a suspended account gets no tokens, those that are out stop to count within 30 seconds, and count again after it.
#[tokio::test]
async fn a_suspended_accounts_tokens_are_refused_within_30_seconds() {
    let house = House::open().await;
    let account = house.account(&json!({ "name": "nightly" })).await;
    let token = house.token(&account.id, &account.secret).await.json()["access_token"].clone();
    let token = token.as_str().unwrap();
    assert!(house.functions.lets_in(token).await);
    let told = house.change(&account.id, &json!({ "status": "suspended" })).await;
    assert_eq!((told.status, &told.json()["status"]), (200, &json!("suspended")));
    assert!(!house.gets_token(&account.id, &account.secret).await);
    house.functions.clock.advance_seconds(30);
    assert!(!house.functions.lets_in(token).await);
    // An environment that has not seen the token knows at once.
    assert!(!Functions::new(&house.backing).lets_in(token).await);
    assert_eq!(
        house.change(&account.id, &json!({ "status": "active" })).await.status,
        200
    );
    house.functions.clock.advance_seconds(30);
    assert!(house.functions.lets_in(token).await && house.gets_token(&account.id, &account.secret).await);
    assert_eq!(
        house.actions().await.iter().filter(|it| *it == "client.change").count(),
        2
    );
}

/// B-25
#[tokio::test]
async fn an_ended_account_ends_with_its_tokens_and_changes_no_more() {
    let house = House::open().await;
    let account = house.account(&json!({ "name": "nightly" })).await;
    let token = house.token(&account.id, &account.secret).await.json()["access_token"].clone();
    let path = format!("/api/admin/clients/{}", account.id);
    assert_eq!(house.admin(request("DELETE", &path)).await.status, 204);
    assert!(!house.functions.lets_in(token.as_str().unwrap()).await);
    assert_eq!(
        house.change(&account.id, &json!({ "status": "active" })).await.status,
        409
    );
    assert_eq!(house.add_secret(&account.id, &json!({})).await.status, 409);
    assert!(!house.gets_token(&account.id, &account.secret).await);
}

/// B-25: no token outlives its account.
#[tokio::test]
async fn an_account_with_an_end_gets_tokens_until_then() {
    let house = House::open().await;
    let end = house.functions.clock.now() + jiff::SignedDuration::from_secs(600);
    let account = house
        .account(&json!({ "name": "short", "expires_at": end.to_string() }))
        .await;
    let answer = house.token(&account.id, &account.secret).await.json();
    assert_eq!(answer["expires_in"], 600);
    let token = answer["access_token"].as_str().unwrap();
    house.functions.clock.advance_seconds(599);
    assert!(house.functions.lets_in(token).await);
    house.functions.clock.advance_seconds(1);
    assert!(!house.functions.lets_in(token).await && !house.gets_token(&account.id, &account.secret).await);
    assert_eq!(
        house.change(&account.id, &json!({ "expires_at": null })).await.status,
        200
    );
    assert!(house.gets_token(&account.id, &account.secret).await);
}

/// B-25
#[tokio::test]
async fn what_is_changed_shows_in_the_next_token_and_wrong_changes_are_refused() {
    let house = House::open().await;
    let account = house.account(&json!({ "name": "nightly", "team": "red" })).await;
    let changes = json!({ "name": "daily", "scopes": ["files"], "team": null });
    let told = house.change(&account.id, &changes).await.json();
    assert_eq!(
        (&told["name"], &told["scopes"], &told["team"]),
        (&json!("daily"), &json!(["files"]), &json!(null))
    );
    assert_eq!(house.token(&account.id, &account.secret).await.json()["scope"], "files");
    for bad in [
        json!({ "scopes": ["root"] }),
        json!({ "status": "ended" }),
        json!({ "client_id": "client_other" }),
        json!({ "revoked_at": null }),
        json!({ "secrets": [] }),
        json!({ "name": "" }),
        json!({ "role": "admin" }),
        json!([]),
        json!(null),
    ] {
        assert_eq!(house.change(&account.id, &bad).await.status, 400, "{bad}");
    }
    assert_eq!(house.change("client_nowhere", &json!({})).await.status, 404);
    let user = json!({"sub": "user:alice", "scopes": "keys files"});
    let path = format!("/api/admin/clients/{}", account.id);
    let asked = request("PATCH", &path).json(&json!({})).principal(user);
    assert_eq!(house.functions.ask("admin", &asked).await.status, 403);
}

/// An item of version 1 has a SHA-256. Its right secret opens, and leaves a memory-hard hash behind; a wrong one leaves it alone.
#[tokio::test]
async fn a_secret_stored_by_sha_256_opens_and_is_hashed_anew() {
    let house = House::open().await;
    let secret = Secret::mint(SecretKind::ClientSecret).unwrap();
    let wrong = Secret::mint(SecretKind::ClientSecret).unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let dynamodb = house.backing.dynamodb();
    let put = dynamodb.put_item().table_name("tollgate-table");
    let put = put
        .item("pk", text("CLIENT"))
        .item("sk", text("client_old"))
        .item("v", AttributeValue::N("1".into()));
    let put = put
        .item("client_id", text("client_old"))
        .item("name", text("old"))
        .item("scopes", text("files"));
    let put = put
        .item("digest", text(secret.digest().as_str()))
        .item("hint", text(&secret.hint()));
    put.item("created_at", text("2026-01-01T00:00:00Z"))
        .send()
        .await
        .unwrap();
    let stored = async || {
        let get = dynamodb.get_item().table_name("tollgate-table").consistent_read(true);
        let get = get.key("pk", text("CLIENT")).key("sk", text("client_old"));
        get.send().await.unwrap().item.unwrap()
    };
    assert!(!house.gets_token("client_old", wrong.expose()).await);
    assert!(stored().await.contains_key("digest"));
    assert!(house.gets_token("client_old", secret.expose()).await);
    let item = stored().await;
    assert!(!item.contains_key("digest"), "{item:?}");
    assert!(!format!("{item:?}").contains(secret.digest().as_str()), "{item:?}");
    assert_eq!(item["v"], AttributeValue::N("2".into()));
    assert!(house.gets_token("client_old", secret.expose()).await);
    assert!(!house.gets_token("client_old", wrong.expose()).await);
}
