//! People who are made, read and changed by admins.

use serde_json::{Value, json};
use tests::event::request;

use crate::login::desk::Desk;

async fn post(desk: &Desk, wish: &Value) -> (u16, Value) {
    let answer = desk
        .admin("admin", request("POST", "/api/admin/users").json(wish))
        .await;
    (answer.status, answer.json())
}

async fn patch(desk: &Desk, user_id: &str, wish: &Value) -> (u16, Value) {
    let path = format!("/api/admin/users/{user_id}");
    let answer = desk.admin("admin", request("PATCH", &path).json(wish)).await;
    (answer.status, answer.json())
}

async fn get(desk: &Desk, path: &str) -> (u16, Value) {
    let answer = desk.admin("admin", request("GET", path)).await;
    (answer.status, answer.json())
}

/// What the trail tells of people, newest first.
async fn entries(desk: &Desk) -> Vec<Value> {
    let (_, trail) = get(desk, "/api/admin/audit?actor=user:root").await;
    trail["entries"].as_array().unwrap().clone()
}

fn ada() -> Value {
    json!({"identity": {"provider": "idp", "subject": "ada"}, "name": "Ada", "email": "ada@example.org", "team": "ml", "roles": ["team_admin", "user"]})
}

/// who is made by an admin comes in as what the admin says, whatever the rules of the provider say.
#[tokio::test]
async fn a_person_made_before_a_first_login_is_who_comes_and_keeps_what_the_admin_gave() {
    let desk = Desk::new().await;
    let (status, made) = post(&desk, &ada()).await;
    assert_eq!((status, &made["roles"]), (201, &json!(["user", "team_admin"])));
    let user_id = made["user_id"].as_str().unwrap();
    let context = desk
        .authorized(desk.tokens("ada").await["access_token"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(context["sub"], format!("user:{user_id}"));
    let (status, read) = get(&desk, &format!("/api/admin/users/{user_id}")).await;
    assert_eq!(
        (status, &read["team"], &read["roles_from"]),
        (200, &json!("ml"), &json!("admin"))
    );
    assert!(read["last_login_at"].is_string(), "{read}");
    // An admin can leave it to the rules again; they count at the next login.
    let (status, _) = patch(&desk, user_id, &json!({"roles_from": "login"})).await;
    desk.tokens("ada").await;
    let (_, read) = get(&desk, &format!("/api/admin/users/{user_id}")).await;
    assert_eq!(
        (status, &read["team"], &read["roles"]),
        (200, &json!("everybody"), &json!(["user"]))
    );
    let trail = entries(&desk).await;
    let create = trail.iter().find(|entry| entry["action"] == "user.create").unwrap();
    assert_eq!(
        (&create["target"], &create["after"]["identity"]),
        (&json!(user_id), &ada()["identity"])
    );
    assert!(!create.to_string().contains("example.org"), "{create}");
}

/// B-25, security.md: mass assignment.
#[tokio::test]
async fn what_nobody_may_say_of_a_person_is_refused_and_makes_nobody() {
    let desk = Desk::new().await;
    let with = |name: &str, value: Value| {
        let mut wish = ada();
        wish[name] = value;
        wish
    };
    for (name, value) in [
        ("user_id", json!("u_mine")),
        ("status", json!("active")),
        ("email_verified", json!(true)),
        ("tenant_id", json!("x")),
        ("revision", json!(7)),
        ("roles", json!(["user", "ADMIN"])),
        ("roles", json!("admin")),
        ("roles", Value::Null),
        ("team", json!("no such team!")),
        ("name", json!("a\u{0}b")),
        ("email", json!("nobody")),
        ("identity", json!({"provider": "nowhere", "subject": "ada"})),
        ("identity", json!({"provider": "idp", "subject": ""})),
        ("identity", json!({"provider": "idp", "subject": "a\nb"})),
        ("identity", json!({"provider": "idp", "subject": "x".repeat(256)})),
        (
            "identity",
            json!({"provider": "idp", "subject": "ada", "issuer": "https://evil.example"}),
        ),
    ] {
        let (status, answer) = post(&desk, &with(name, value.clone())).await;
        assert_eq!(status, 400, "{name} {value}: {answer}");
    }
    let (_, told) = post(&desk, &with("roles", json!(["root"]))).await;
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("`user`, `team_admin`, `admin`"),
        "{told}"
    );
    let (_, list) = get(&desk, "/api/admin/users").await;
    assert_eq!((&list["users"], entries(&desk).await.len()), (&json!([]), 0));
}

#[tokio::test]
async fn a_change_of_a_person_is_told_with_before_and_after_and_a_change_of_nothing_is_not() {
    let desk = Desk::new().await;
    let (_, made) = post(&desk, &ada()).await;
    let user_id = made["user_id"].as_str().unwrap();
    desk.functions.clock.advance_seconds(1);
    for bad in [
        json!({"roles": ["owner"]}),
        json!({"user_id": "u_other"}),
        json!({"email": "x@example.com"}),
        json!({"status": "gone"}),
        json!({"roles_from": "directory"}),
        json!({"models": ["*"]}),
        json!([]),
    ] {
        assert_eq!(patch(&desk, user_id, &bad).await.0, 400, "{bad}");
    }
    assert_eq!(patch(&desk, "u_none", &json!({})).await.0, 404);
    assert_eq!(patch(&desk, "u%2Fnone", &json!({})).await.0, 404);
    let (status, changed) = patch(&desk, user_id, &json!({"team": null, "roles": ["user"]})).await;
    assert_eq!(
        (status, &changed["team"], &changed["roles"]),
        (200, &Value::Null, &json!(["user"]))
    );
    assert_eq!(patch(&desk, user_id, &json!({"status": "active"})).await.0, 200);
    assert_eq!(changed["models"], Value::Null);
    let trail = entries(&desk).await;
    assert_eq!((trail.len(), &trail[0]["action"]), (2, &json!("user.change")));
    assert_eq!(
        (&trail[0]["before"]["team"], &trail[0]["after"]["team"]),
        (&json!("ml"), &Value::Null)
    );
    // A team's people are a list of their own.
    patch(&desk, user_id, &json!({"team": "ops"})).await;
    let (_, ops) = get(&desk, "/api/admin/users?team=ops").await;
    let (_, ml) = get(&desk, "/api/admin/users?team=ml").await;
    assert_eq!(
        (&ops["users"][0]["user_id"], &ml["users"]),
        (&json!(user_id), &json!([]))
    );
}
