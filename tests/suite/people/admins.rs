//! The last active admin stays one, whoever tries what at once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::event::request;

use crate::login::desk::Desk;

async fn made(desk: &Desk, subject: &str, roles: &[&str]) -> String {
    let wish = json!({"identity": {"provider": "idp", "subject": subject}, "roles": roles});
    let answer = desk
        .admin("admin", request("POST", "/api/admin/users").json(&wish))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["user_id"].as_str().unwrap().to_owned()
}

async fn patch(desk: &Desk, user_id: &str, wish: &Value) -> u16 {
    let path = format!("/api/admin/users/{user_id}");
    desk.admin("admin", request("PATCH", &path).json(wish)).await.status
}

async fn active_admins(desk: &Desk) -> usize {
    let page = desk.store().users(100, None).await.unwrap();
    page.items.iter().filter(|user| user.is_admin()).count()
}

#[tokio::test]
async fn the_last_active_admin_cannot_be_suspended_or_lose_the_role() {
    let desk = Desk::new().await;
    let (ada, bob) = (
        made(&desk, "ada", &["admin"]).await,
        made(&desk, "bob", &["admin"]).await,
    );
    let (suspend, demote) = (json!({"status": "suspended"}), json!({"roles": ["user"]}));
    assert_eq!(patch(&desk, &ada, &suspend).await, 200);
    assert_eq!(patch(&desk, &bob, &suspend).await, 409);
    assert_eq!(patch(&desk, &bob, &demote).await, 409);
    let put = request("PUT", &format!("/api/admin/users/{bob}")).json(&suspend);
    assert_eq!(desk.admin("admin", put).await.status, 409);
    // What leaves bob an admin is no matter.
    assert_eq!(
        patch(&desk, &bob, &json!({"roles": ["admin", "user"], "team": "ml"})).await,
        200
    );
    assert_eq!(patch(&desk, &ada, &json!({"status": "active"})).await, 200);
    assert_eq!(patch(&desk, &bob, &demote).await, 200);
    assert_eq!(active_admins(&desk).await, 1);
}

/// Each of five admins suspends or demotes another at the same moment: one is left, every time.
#[tokio::test]
async fn of_admins_who_suspend_each_other_at_once_one_is_left() {
    let desk = Desk::new().await;
    let mut admins = Vec::new();
    for number in 0..5 {
        admins.push(made(&desk, &format!("admin-{number}"), &["admin"]).await);
    }
    for round in 0..4 {
        let wishes = [json!({"status": "suspended"}), json!({"roles": []})];
        let all = admins.iter().enumerate();
        let desk = &desk;
        let attempts = all.map(|(number, admin)| {
            let wish = &wishes[(round + number) % 2];
            async move { patch(desk, admin, wish).await }
        });
        let statuses = join_all(attempts).await;
        assert!(
            statuses.iter().all(|status| [200, 409].contains(status)),
            "{statuses:?}"
        );
        assert!(statuses.contains(&409), "{statuses:?}");
        assert!(active_admins(desk).await >= 1, "round {round}: {statuses:?}");
        for admin in &admins {
            patch(desk, admin, &json!({"status": "active", "roles": ["admin"]})).await;
        }
        assert_eq!(active_admins(desk).await, 5);
    }
}
