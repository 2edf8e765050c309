//! RFC 8628: a device asks, a person decides in a browser.

use gateway::store::DeviceState;
use serde_json::{Value, json};
use tests::provider::parameter;

use super::desk::{Desk, Sent};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begun(desk: &Desk) -> Value {
    let answer = desk
        .post("/oauth/device_authorization", "", &[("client_id", "cli")])
        .await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-store"),
        "{answer:?}"
    );
    answer.json()
}

async fn poll(desk: &Desk, begun: &Value) -> (u16, Value) {
    let code = begun["device_code"].as_str().unwrap();
    let form = [("grant_type", GRANT), ("client_id", "cli"), ("device_code", code)];
    let answer = desk.token(&form).await;
    (answer.status, answer.json())
}

/// The person types the code, signs in, and presses a button.
async fn decide(desk: &Desk, begun: &Value, decision: &str) {
    let code = begun["user_code"].as_str().unwrap().to_lowercase();
    let answer = desk
        .post("/oauth/device", "", &[("user_code", &code), ("provider", "idp")])
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let sent = Sent {
        location: answer.header("location").to_owned(),
        cookie: answer.header("set-cookie").split(';').next().unwrap().to_owned(),
    };
    let page = desk.back(&sent, &desk.claims("ada")).await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let ticket = html
        .split("value=\"tgl_")
        .nth(1)
        .map(|rest| format!("tgl_{}", &rest[..38]))
        .unwrap();
    let form = [("ticket", &*ticket), ("decision", decision)];
    let done = desk.post("/oauth/consent", &sent.cookie, &form).await;
    assert_eq!(done.status, 200, "{done:?}");
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_a_person_has_allowed_it() {
    let desk = Desk::new().await;
    let begun = begun(&desk).await;
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&json!(600), &json!(5)));
    let complete = begun["verification_uri_complete"].as_str().unwrap();
    assert_eq!(parameter(complete, "user_code").unwrap(), begun["user_code"]);
    assert_eq!(poll(&desk, &begun).await.1["error"], "authorization_pending");
    decide(&desk, &begun, "allow").await;
    desk.functions.clock.advance_seconds(5);
    let (status, tokens) = poll(&desk, &begun).await;
    assert_eq!(status, 200, "{tokens}");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(desk.authorized(access).await.unwrap()["client_id"], "cli");
    desk.functions.clock.advance_seconds(5);
    assert_eq!(poll(&desk, &begun).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn a_device_that_asks_too_often_waits_five_seconds_longer_each_time() {
    let desk = Desk::new().await;
    let begun = begun(&desk).await;
    for (after, error) in [
        (0, "authorization_pending"),
        (4, "slow_down"),
        (9, "slow_down"),
        (15, "authorization_pending"),
        (14, "slow_down"),
        (20, "authorization_pending"),
    ] {
        desk.functions.clock.advance_seconds(after);
        let (status, answer) = poll(&desk, &begun).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "after {after} s");
    }
}

#[tokio::test]
async fn a_denied_device_and_one_that_is_late_are_told_so() {
    let desk = Desk::new().await;
    let (denied, late) = (begun(&desk).await, begun(&desk).await);
    decide(&desk, &denied, "deny").await;
    assert_eq!(poll(&desk, &denied).await.1["error"], "access_denied");
    desk.functions.clock.advance_seconds(600);
    assert_eq!(
        poll(&desk, &late).await,
        (
            400,
            json!({"error": "expired_token", "error_description": "The device code has ended."})
        )
    );
    let code = late["user_code"].as_str().unwrap();
    assert_eq!(
        desk.post("/oauth/device", "", &[("user_code", code), ("provider", "idp")])
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_device_code_is_bound_to_its_client_and_decided_once() {
    let desk = Desk::new().await;
    let begun = begun(&desk).await;
    let code = begun["device_code"].as_str().unwrap();
    let other = [("grant_type", GRANT), ("client_id", "app"), ("device_code", code)];
    assert_eq!(desk.token(&other).await.json()["error"], "invalid_grant");
    decide(&desk, &begun, "allow").await;
    let digest = code.parse::<gateway::secret::Secret>().unwrap().digest();
    assert!(
        !desk
            .store()
            .decide_device(&digest, DeviceState::Denied, "u_x", "idp")
            .await
            .unwrap()
    );
    for bad in ["tgd_x", "", "x"] {
        let form = [("grant_type", GRANT), ("client_id", "cli"), ("device_code", bad)];
        assert_eq!(desk.token(&form).await.status, 400);
    }
}

#[tokio::test]
async fn attempts_at_user_codes_are_bounded() {
    let desk = Desk::new().await;
    let begun = begun(&desk).await;
    for _ in 0..10 {
        assert_eq!(
            desk.post("/oauth/device", "", &[("user_code", "BBBB-BBBB"), ("provider", "idp")])
                .await
                .status,
            400
        );
    }
    let right = [("user_code", begun["user_code"].as_str().unwrap()), ("provider", "idp")];
    assert_eq!(desk.post("/oauth/device", "", &right).await.status, 429);
}
