//! Sign-out: in a browser, by a token, here and at the provider, and back to where the client wants it.

use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::provider::{CLIENT_ID, parameter};

use super::desk::{BYE_URI, Desk, Sent, encoded};

const ISSUER: &str = tests::fixtures::ISSUER;

/// A desk whose OpenID provider can be signed out at.
async fn desk() -> Desk {
    let desk = Desk::new().await;
    let place = format!("{}/end_session?tenant=a", desk.oidc.url);
    let discovery = json!({ "end_session_endpoint": place });
    desk.oidc.spoilt.lock().unwrap().discovery = discovery.as_object().unwrap().clone();
    desk
}

/// Somebody who signs in, in a browser of their own.
async fn signed_in(desk: &Desk, subject: &str) -> (Sent, Value) {
    let sent = desk.begin("idp", &[]).await;
    let tokens = again(desk, &sent, subject).await;
    (sent, tokens)
}

async fn again(desk: &Desk, sent: &Sent, subject: &str) -> Value {
    let answer = desk.back(sent, &desk.claims(subject)).await;
    let code = parameter(answer.header("location"), "code").unwrap();
    desk.redeem(&code).await.json()
}

async fn counts(desk: &Desk, tokens: &Value) -> bool {
    desk.authorized(tokens["access_token"].as_str().unwrap())
        .await
        .is_some()
}

/// The value of a form's hidden field.
fn field(page: &HttpAnswer, name: &str) -> String {
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let rest = html.split(&format!("name=\"{name}\" value=\"")).nth(1);
    let rest = rest.unwrap_or_else(|| panic!("no {name} in {html}"));
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

fn wish(state: &str) -> [(&str, &str); 3] {
    [
        ("client_id", "app"),
        ("post_logout_redirect_uri", BYE_URI),
        ("state", state),
    ]
}

/// OpenID Connect RP-Initiated Logout 1.0, sections 2 and 3
#[tokio::test]
async fn a_browser_signs_out_of_all_that_it_signed_in_to_then_of_the_provider_and_goes_back() {
    let desk = desk().await;
    let (sent, tokens) = signed_in(&desk, "ada").await;
    let answer = desk.get(&super::desk::authorize("idp", &[]), &sent.cookie).await;
    let location = answer.header("location").to_owned();
    let second = Sent {
        location,
        cookie: sent.cookie.clone(),
    };
    let more = again(&desk, &second, "ada").await;
    let (elsewhere, others) = signed_in(&desk, "ada").await;

    let page = desk
        .get(&format!("/oauth/logout?{}", encoded(&wish("a & b"))), &sent.cookie)
        .await;
    assert_eq!((page.status, page.header("x-frame-options")), (200, "DENY"), "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains(" https://app.example"),
        "{policy}"
    );
    let (ticket, state) = (field(&page, "ticket"), field(&page, "state"));
    assert_eq!(state, "a & b");

    // Nobody else's browser, and no page of somebody's making, signs anybody out.
    for (cookie, ticket) in [
        ("", &*ticket),
        (&*elsewhere.cookie, &*ticket),
        (&*sent.cookie, "x"),
        (&*sent.cookie, &ticket[1..]),
    ] {
        let form = [&wish("a & b")[..], &[("ticket", ticket)]].concat();
        let answer = desk.post("/oauth/logout", cookie, &form).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{answer:?}");
    }
    assert!(counts(&desk, &tokens).await && counts(&desk, &more).await);

    let form = [&wish("a & b")[..], &[("ticket", &*ticket)]].concat();
    let answer = desk.post("/oauth/logout", &sent.cookie, &form).await;
    let location = answer.header("location");
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(
        location.starts_with(&format!("{}/end_session?tenant=a&", desk.oidc.url)),
        "{location}"
    );
    assert_eq!(parameter(location, "client_id").unwrap(), CLIENT_ID);
    let after = parameter(location, "post_logout_redirect_uri").unwrap();
    assert_eq!(after, format!("{ISSUER}/oauth/logout/done"));
    assert!(
        answer.header("set-cookie").contains("=; Path=/; Max-Age=0; "),
        "{answer:?}"
    );
    for ended in [&tokens, &more] {
        assert!(!counts(&desk, ended).await);
        let refreshed = desk.refresh(ended["refresh_token"].as_str().unwrap()).await;
        assert_eq!(refreshed.json()["error"], "invalid_grant");
    }
    assert!(counts(&desk, &others).await, "another browser's session");

    let state = parameter(location, "state").unwrap();
    let back = desk
        .get(&format!("/oauth/logout/done?{}", encoded(&[("state", &state)])), "")
        .await;
    assert_eq!(
        (back.status, back.header("location")),
        (303, &*format!("{BYE_URI}?state=a+%26+b"))
    );
}

/// No open redirector: neither at first, nor by what comes back from the provider.
#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_clients_after_signing_out() {
    let desk = desk().await;
    let (sent, tokens) = signed_in(&desk, "ada").await;
    for bad in [
        vec![("client_id", "nobody")],
        vec![("post_logout_redirect_uri", BYE_URI)],
        vec![("client_id", "cli"), ("post_logout_redirect_uri", BYE_URI)],
        vec![
            ("client_id", "app"),
            ("post_logout_redirect_uri", "https://evil.example/"),
        ],
        vec![
            ("client_id", "app"),
            ("post_logout_redirect_uri", "https://app.example/bye/"),
        ],
        vec![
            ("client_id", "app"),
            ("post_logout_redirect_uri", "https://app.example/bye?x=1"),
        ],
        vec![("client_id", "app"), ("post_logout_redirect_uri", super::desk::APP_URI)],
        vec![
            ("client_id", "app"),
            ("post_logout_redirect_uri", "javascript:alert(1)"),
        ],
    ] {
        let ticketed = [&bad[..], &[("ticket", "x")]].concat();
        let asked = desk
            .get(&format!("/oauth/logout?{}", encoded(&bad)), &sent.cookie)
            .await;
        let posted = desk.post("/oauth/logout", &sent.cookie, &bad).await;
        let decided = desk.post("/oauth/logout", &sent.cookie, &ticketed).await;
        let done = encoded(&[("state", &encoded(&bad))]);
        let done = desk.get(&format!("/oauth/logout/done?{done}"), &sent.cookie).await;
        for answer in [asked, posted, decided, done] {
            assert_eq!(
                (answer.status, answer.header("location")),
                (400, ""),
                "{bad:?}: {answer:?}"
            );
        }
    }
    for quiet in ["", "?state=x", "?state=%ff", "?other=1"] {
        let answer = desk.get(&format!("/oauth/logout/done{quiet}"), "").await;
        assert!(
            answer.status < 500 && answer.header("location").is_empty(),
            "{quiet}: {answer:?}"
        );
    }
    assert!(counts(&desk, &tokens).await);
}

/// A provider without such a place, one that is away, and none at all: what is ours ends, and the browser goes straight back.
#[tokio::test]
async fn what_is_ours_ends_also_where_the_provider_cannot_be_signed_out_at() {
    let desk = Desk::new().await;
    let out = async |cookie: &str, wish: &[(&str, &str)]| {
        // A client may post its wish as well.
        let page = desk.post("/oauth/logout", cookie, wish).await;
        let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
        let ticket = field(&page, "ticket");
        desk.post("/oauth/logout", &cookie, &[wish, &[("ticket", &*ticket)]].concat())
            .await
    };
    let (sent, tokens) = signed_in(&desk, "ada").await;
    let answer = out(&sent.cookie, &wish("s")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, &*format!("{BYE_URI}?state=s"))
    );
    assert!(!counts(&desk, &tokens).await);

    let (sent, tokens) = signed_in(&desk, "ada").await;
    let broken = json!({"issuer": "https://evil.example"});
    desk.oidc.spoilt.lock().unwrap().discovery = broken.as_object().unwrap().clone();
    desk.functions.clock.advance_seconds(301);
    let answer = out(&sent.cookie, &wish("s")[..2]).await;
    assert_eq!((answer.status, answer.header("location")), (303, BYE_URI));
    assert!(!counts(&desk, &tokens).await);

    let answer = out("", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (200, ""), "{answer:?}");
}

/// For programs that have a token and a browser: the answer names where that browser ends the provider's session.
#[tokio::test]
async fn logout_by_a_token_tells_where_the_browser_ends_the_providers_session() {
    let desk = desk().await;
    let (_, tokens) = signed_in(&desk, "ada").await;
    let token = tokens["access_token"].as_str().unwrap();
    for bad in [
        json!({"post_logout_redirect_uri": "https://evil.example/"}),
        json!({"post_logout_redirect_uri": BYE_URI, "client_id": "app"}),
        json!([]),
    ] {
        let answer = desk.sends("POST", "/auth/logout", token, &bad).await;
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
    assert!(counts(&desk, &tokens).await, "a wrong wish signs nobody out");
    let wish = json!({"post_logout_redirect_uri": BYE_URI, "state": "s"});
    let answer = desk.sends("POST", "/auth/logout", token, &wish).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let url = answer.json()["end_session_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/end_session?", desk.oidc.url)), "{url}");
    assert!(parameter(&url, "id_token_hint").is_none(), "no id token is kept");
    let state = parameter(&url, "state").unwrap();
    let back = desk
        .get(&format!("/oauth/logout/done?{}", encoded(&[("state", &state)])), "")
        .await;
    assert_eq!(back.header("location"), format!("{BYE_URI}?state=s"));
    assert!(!counts(&desk, &tokens).await);
}
