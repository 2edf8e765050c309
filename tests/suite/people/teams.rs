//! Teams: described, read, listed, and taken away where nobody is left in them.

use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::{Request, request};

use crate::login::desk::Desk;

async fn ask(desk: &Desk, method: &str, path: &str) -> HttpAnswer {
    desk.admin("admin", request(method, path)).await
}

async fn put(desk: &Desk, path: &str, wish: &Value) -> HttpAnswer {
    let asked: Request = request("PUT", path).json(wish);
    desk.admin("admin", asked).await
}

#[tokio::test]
async fn a_team_is_described_changed_and_taken_away_when_nobody_is_left() {
    let desk = Desk::new().await;
    let path = "/api/admin/teams/ml";
    assert_eq!(ask(&desk, "GET", path).await.status, 404);
    let made = put(
        &desk,
        path,
        &json!({"name": "Machine learning", "description": "Models.\nAll of them."}),
    )
    .await;
    assert_eq!((made.status, &made.json()["team"]), (200, &json!("ml")));
    let created_at = made.json()["created_at"].clone();
    desk.functions.clock.advance_seconds(60);
    let changed = put(&desk, path, &json!({"name": "ML"})).await.json();
    assert_eq!(
        (&changed["created_at"], &changed["description"]),
        (&created_at, &Value::Null)
    );
    assert_eq!(ask(&desk, "GET", path).await.json(), changed);
    assert_eq!(
        ask(&desk, "GET", "/api/admin/teams").await.json()["teams"],
        json!([changed])
    );
    for (path, wish) in [
        ("/api/admin/teams/no%20such", json!({})),
        (path, json!({"name": ""})),
        (path, json!({"description": "x".repeat(1001)})),
        (path, json!({"members": ["u_me"]})),
        (path, json!(null)),
    ] {
        assert_eq!(put(&desk, path, &wish).await.status, 400, "{path} {wish}");
    }

    let wish = json!({"identity": {"provider": "idp", "subject": "ada"}, "roles": ["user"], "team": "ml"});
    let ada = desk
        .admin("admin", request("POST", "/api/admin/users").json(&wish))
        .await
        .json();
    let refused = ask(&desk, "DELETE", path).await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.json()["detail"].as_str().unwrap().contains("People"),
        "{refused:?}"
    );
    let user = format!("/api/admin/users/{}", ada["user_id"].as_str().unwrap());
    desk.admin("admin", request("PATCH", &user).json(&json!({"team": null})))
        .await;
    let budget = json!({"limits": [{"unit": "requests", "window": "day", "limit": 1}]});
    assert_eq!(put(&desk, "/api/admin/budgets/team/ml", &budget).await.status, 200);
    let refused = ask(&desk, "DELETE", path).await;
    assert_eq!(refused.status, 409);
    assert!(
        refused.json()["detail"].as_str().unwrap().contains("budgets"),
        "{refused:?}"
    );
    assert_eq!(ask(&desk, "DELETE", "/api/admin/budgets/team/ml").await.status, 204);
    assert_eq!(ask(&desk, "DELETE", path).await.status, 204);
    assert_eq!(ask(&desk, "DELETE", path).await.status, 404);
    let trail = ask(&desk, "GET", "/api/admin/audit").await.json();
    let actions: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].clone())
        .collect();
    assert_eq!(
        actions.iter().filter(|action| **action == "team.put").count(),
        2,
        "{actions:?}"
    );
    assert!(actions.contains(&json!("team.delete")));
}
