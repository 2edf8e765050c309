//! Codes, refresh tokens and sessions: what counts once, what ends what, and what ends at once.

use futures_util::future::join_all;
use serde_json::json;

use super::desk::{APP_URI, Desk, VERIFIER, redemption};

const AT_ONCE: usize = 20;

fn text<'a>(value: &'a serde_json::Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Of 20 parallel redemptions of one code one succeeds; and since the others are a second use, what came of it ends.
#[tokio::test]
async fn one_of_20_parallel_redemptions_of_a_code_succeeds() {
    let desk = Desk::new().await;
    let code = desk.code("ada").await;
    let answers = join_all((0..AT_ONCE).map(|_| desk.redeem(&code))).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), bad.len()), (1, AT_ONCE - 1));
    for answer in bad {
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_grant")));
    }
    let tokens = good[0].json();
    assert!(
        desk.authorized(text(&tokens, "access_token")).await.is_none(),
        "the session lives on"
    );
    assert_eq!(desk.refresh(text(&tokens, "refresh_token")).await.status, 400);
}

/// RFC 6749, section 4.1.2
#[tokio::test]
async fn a_second_use_of_a_code_ends_what_came_of_the_first() {
    let desk = Desk::new().await;
    let code = desk.code("ada").await;
    let tokens = desk.redeem(&code).await.json();
    assert!(desk.authorized(text(&tokens, "access_token")).await.is_some());
    assert_eq!(desk.redeem(&code).await.json()["error"], "invalid_grant");
    assert!(desk.authorized(text(&tokens, "access_token")).await.is_none());
    assert_eq!(desk.refresh(text(&tokens, "refresh_token")).await.status, 400);
}

/// A-27; RFC 7636, section 4.6: a code that is shown with anything wrong is worth nothing after that.
#[tokio::test]
async fn a_code_with_a_wrong_verifier_client_or_redirect_uri_is_burnt() {
    let desk = Desk::new().await;
    let long = "a".repeat(129);
    for (name, value) in [
        ("code_verifier", "a-verifier-of-the-least-length-that-may-bE."),
        ("code_verifier", &VERIFIER[..42]),
        ("code_verifier", &long),
        ("code_verifier", ""),
        ("client_id", "cli"),
        ("redirect_uri", "http://127.0.0.1/cb"),
        ("redirect_uri", ""),
    ] {
        let code = desk.code("ada").await;
        let mut form = redemption(&code).to_vec();
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let answer = desk.token(&form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!("invalid_grant")),
            "{name}={value}"
        );
        assert_eq!(
            desk.redeem(&code).await.json()["error"],
            "invalid_grant",
            "{name}={value}"
        );
    }
}

/// A-27
#[tokio::test]
async fn a_code_ends_after_60_seconds() {
    let desk = Desk::new().await;
    let (early, late) = (desk.code("ada").await, desk.code("ada").await);
    desk.functions.clock.advance_seconds(59);
    assert_eq!(desk.redeem(&early).await.status, 200);
    desk.functions.clock.advance_seconds(1);
    assert_eq!(desk.redeem(&late).await.json()["error"], "invalid_grant");
}

/// A public client has no secret: whoever shows one is somebody else.
#[tokio::test]
async fn an_unknown_client_and_one_that_shows_a_secret_are_one_refusal() {
    let desk = Desk::new().await;
    let code = desk.code("ada").await;
    for (name, value) in [("client_id", "nobody"), ("client_id", ""), ("client_secret", "x")] {
        let mut form = redemption(&code).to_vec();
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let answer = desk.token(&form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("invalid_client"))
        );
    }
    assert_eq!(desk.redeem(&code).await.status, 200);
}

/// A-25
#[tokio::test]
async fn a_refresh_token_is_rotated_and_an_old_one_ends_the_family() {
    let desk = Desk::new().await;
    let first = desk.tokens("ada").await;
    let second = desk.refresh(text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let third = desk.refresh(text(&second, "refresh_token")).await.json();
    assert!(desk.authorized(text(&third, "access_token")).await.is_some());
    assert_eq!(
        desk.refresh(text(&first, "refresh_token")).await.json()["error"],
        "invalid_grant"
    );
    for tokens in [&first, &second, &third] {
        assert!(desk.authorized(text(tokens, "access_token")).await.is_none());
        assert_eq!(desk.refresh(text(tokens, "refresh_token")).await.status, 400);
    }
}

/// A-25
#[tokio::test]
async fn of_20_parallel_refreshes_at_most_one_descendant_lives() {
    let desk = Desk::new().await;
    let first = desk.tokens("ada").await;
    let answers = join_all((0..AT_ONCE).map(|_| desk.refresh(text(&first, "refresh_token")))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!(good.len() <= 1, "{} descendants", good.len());
    // The others were a reuse, so that not even the one is left.
    for answer in good {
        assert_eq!(desk.refresh(text(&answer.json(), "refresh_token")).await.status, 400);
    }
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_its_client_and_its_scope() {
    let desk = Desk::new().await;
    let tokens = desk.tokens("ada").await;
    let token = text(&tokens, "refresh_token");
    let with = |client: &'static str, scope: &'static str| {
        [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
            ("scope", scope),
        ]
    };
    assert_eq!(desk.token(&with("cli", "")).await.json()["error"], "invalid_grant");
    assert_eq!(desk.token(&with("app", "admin")).await.json()["error"], "invalid_scope");
    let narrowed = desk.token(&with("app", "files")).await.json();
    assert_eq!(narrowed["scope"], "files");
    // Nothing of that ended the session, and what was asked for once is no limit for later.
    let next = desk.refresh(text(&narrowed, "refresh_token")).await.json();
    assert_eq!(next["scope"], "models:invoke usage:read files keys");
    // Neither a code nor an access token is a refresh token.
    for other in [text(&next, "access_token"), &desk.code("ada").await, "tgr_x", ""] {
        assert_eq!(desk.refresh(other).await.status, 400);
    }
}

/// A-28: from the next request on.
#[tokio::test]
async fn logout_ends_the_session_and_its_tokens_and_no_other_session() {
    let desk = Desk::new().await;
    let (one, other) = (desk.tokens("ada").await, desk.tokens("ada").await);
    let access = text(&one, "access_token");
    let listed = desk.as_person("GET", "/auth/sessions", access).await.json();
    let current: Vec<_> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["current"] == true)
        .collect();
    assert_eq!(current.iter().filter(|it| **it).count(), 1, "{listed}");
    assert_eq!(current.len(), 2);
    assert_eq!(desk.as_person("POST", "/auth/logout", access).await.status, 204);
    assert!(desk.authorized(access).await.is_none());
    assert_eq!(desk.refresh(text(&one, "refresh_token")).await.status, 400);
    assert!(desk.authorized(text(&other, "access_token")).await.is_some());
    assert_eq!(desk.refresh(text(&other, "refresh_token")).await.status, 200);
}

/// A-28: one's own can be ended; another's answers like one that does not exist.
#[tokio::test]
async fn a_session_can_be_ended_by_its_owner_alone() {
    let desk = Desk::new().await;
    let (ada, other) = (desk.tokens("ada").await, desk.tokens("ada").await);
    let eve = desk.tokens("eve").await;
    let context = desk.authorized(text(&other, "access_token")).await.unwrap();
    let path = format!("/auth/sessions/{}", text(&context, "sid"));
    let theirs = desk.as_person("DELETE", &path, text(&eve, "access_token")).await;
    let nobodys = desk
        .as_person("DELETE", "/auth/sessions/ses_nowhere", text(&eve, "access_token"))
        .await;
    assert_eq!((theirs.status, nobodys.status), (404, 404));
    assert_eq!(theirs.json()["detail"], nobodys.json()["detail"]);
    assert!(desk.authorized(text(&other, "access_token")).await.is_some());
    assert_eq!(
        desk.as_person("DELETE", &path, text(&ada, "access_token")).await.status,
        204
    );
    assert!(desk.authorized(text(&other, "access_token")).await.is_none());
}

/// From the next request on: no token, no refresh, no code, no login, no key of theirs.
#[tokio::test]
async fn nothing_of_a_suspended_person_counts() {
    let desk = Desk::new().await;
    let (tokens, code) = (desk.tokens("ada").await, desk.code("ada").await);
    let access = text(&tokens, "access_token");
    let context = desk.authorized(access).await.unwrap();
    let user_id = text(&context, "sub").strip_prefix("user:").unwrap();
    desk.put_status(user_id, "suspended").await;
    assert!(desk.authorized(access).await.is_none());
    assert_eq!(desk.redeem(&code).await.json()["error"], "invalid_grant");
    let sent = desk.begin("idp", &[]).await;
    let answer = desk.back(&sent, &desk.claims("ada")).await;
    assert!(answer.header("location").contains("error=access_denied"), "{answer:?}");
    assert_eq!(
        desk.refresh(text(&tokens, "refresh_token")).await.json()["error"],
        "invalid_grant"
    );
    // What ended while they were suspended stays so.
    desk.put_status(user_id, "active").await;
    assert!(desk.authorized(access).await.is_none());
    assert_eq!(desk.redeem(&desk.code("ada").await).await.status, 200);
}

/// A-23, A-25: the same by JSON.
#[tokio::test]
async fn the_json_routes_take_codes_and_refresh_tokens_too() {
    let desk = Desk::new().await;
    let post = async |path: &str, body: serde_json::Value| {
        let event = tests::event::request("POST", path).json(&body).event();
        desk.functions.call("token", &event).await.http()
    };
    let code = desk.code("ada").await;
    let body = json!({"client_id": "app", "code": code, "redirect_uri": APP_URI, "code_verifier": VERIFIER});
    let tokens = post("/auth/token", body.clone()).await.json();
    let refreshed = post(
        "/auth/refresh",
        json!({"client_id": "app", "refresh_token": tokens["refresh_token"]}),
    )
    .await;
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(post("/auth/token", body).await.json()["error"], "invalid_grant");
    for bad in [
        json!({}),
        json!([]),
        json!({"client_id": "app", "refresh_token": 1}),
        json!({"client_id": "app", "refresh_token": "x", "role": "admin"}),
    ] {
        assert_eq!(post("/auth/refresh", bad).await.json()["error"], "invalid_request");
    }
}

/// RFC 7009, section 2: the client that has a refresh token ends its session, whichever token of it is shown; another client ends
/// nothing, and both are told the same.
#[tokio::test]
async fn a_refresh_token_is_revoked_by_its_own_client_and_ends_the_whole_session() {
    let desk = Desk::new().await;
    for shows_the_old_one in [false, true] {
        let first = desk.tokens("ada").await;
        let second = desk.refresh(text(&first, "refresh_token")).await.json();
        let kept = desk.tokens("ada").await;
        let shown = text(if shows_the_old_one { &first } else { &second }, "refresh_token");
        let revoke = async |client: &str, token: &str| {
            let answer = desk
                .post("/oauth/revoke", "", &[("client_id", client), ("token", token)])
                .await;
            assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
        };
        revoke("cli", shown).await;
        revoke("app", "tgr_nothing").await;
        assert!(
            desk.authorized(text(&second, "access_token")).await.is_some(),
            "another client ended it"
        );
        revoke("app", shown).await;
        for tokens in [&first, &second] {
            assert!(desk.authorized(text(tokens, "access_token")).await.is_none());
        }
        assert_eq!(
            desk.refresh(text(&second, "refresh_token")).await.json()["error"],
            "invalid_grant"
        );
        assert!(
            desk.authorized(text(&kept, "access_token")).await.is_some(),
            "another session ended"
        );
        assert_eq!(desk.refresh(text(&kept, "refresh_token")).await.status, 200);
        revoke("app", shown).await;
    }
}

/// RFC 7009, section 2.1: a public client revokes its own access tokens and no other one's, and shows no secret.
#[tokio::test]
async fn a_public_client_revokes_its_own_access_tokens_alone_and_without_a_secret() {
    let desk = Desk::new().await;
    let tokens = desk.tokens("ada").await;
    let token = text(&tokens, "access_token");
    let revoke = async |form: &[(&str, &str)]| {
        desk.post("/oauth/revoke", "", &[form, &[("token", token)]].concat())
            .await
    };
    assert_eq!(revoke(&[("client_id", "cli")]).await.status, 200);
    for wrong in [
        &[("client_id", "app"), ("client_secret", "x")][..],
        &[("client_id", "nobody")],
        &[],
    ] {
        let answer = revoke(wrong).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("invalid_client")),
            "{wrong:?}"
        );
    }
    assert!(desk.authorized(token).await.is_some());
    assert_eq!(revoke(&[("client_id", "app")]).await.status, 200);
    desk.functions.clock.advance_seconds(30);
    assert!(desk.authorized(token).await.is_none());
    assert_eq!(
        desk.refresh(text(&tokens, "refresh_token")).await.status,
        200,
        "the session goes on"
    );
}

/// RFC 7662, section 2: of a refresh token an authenticated client that may know learns what it is, while it is the newest of a living
/// session of somebody who counts; nobody else learns anything.
#[tokio::test]
async fn a_refresh_token_is_introspected_by_an_administrators_client_alone_and_only_while_it_counts() {
    let desk = Desk::new().await;
    let first = desk.tokens("ada").await;
    let second = desk.refresh(text(&first, "refresh_token")).await.json();
    let ask = async |token: &str, admin: bool| {
        let client = desk.service_account(if admin { "admin" } else { "files" }).await;
        let form = [
            ("client_id", &*client.0),
            ("client_secret", &*client.1),
            ("token", token),
        ];
        desk.post("/oauth/introspect", "", &form).await
    };
    let known = ask(text(&second, "refresh_token"), true).await.json();
    let expected = json!({
        "active": true, "iss": tests::fixtures::ISSUER, "client_id": "app", "scope": second["scope"],
        "sub": known["sub"], "sid": known["sid"], "iat": desk.functions.clock.now_seconds(),
        "exp": desk.functions.clock.now_seconds() + 30 * 86_400,
    });
    assert_eq!(known, expected);
    assert!(known["sub"].as_str().unwrap().starts_with("user:"));
    let inactive = async |token: &str, admin: bool, why: &str| {
        assert_eq!(&ask(token, admin).await.body[..], br#"{"active":false}"#, "{why}");
    };
    inactive(text(&second, "refresh_token"), false, "somebody else's").await;
    inactive(text(&first, "refresh_token"), true, "rotated away").await;
    let public = [("client_id", "app"), ("token", text(&second, "refresh_token"))];
    assert_eq!(desk.post("/oauth/introspect", "", &public).await.status, 401);
    // Asking ends nothing, whatever is shown.
    assert!(desk.authorized(text(&second, "access_token")).await.is_some());
    let subject = known["sub"].as_str().unwrap().strip_prefix("user:").unwrap();
    desk.put_status(subject, "suspended").await;
    inactive(text(&second, "refresh_token"), true, "of somebody who is suspended").await;
}
