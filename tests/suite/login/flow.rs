//! From a client's wish to its code: states, cookies, consent, and who is told what goes wrong.

use gateway::store::Purpose;
use serde_json::json;
use tests::provider::parameter;

use super::desk::{APP_URI, Desk, authorize, encoded};

const ISSUER: &str = tests::fixtures::ISSUER;

/// A-23, A-24
#[tokio::test]
async fn a_login_ends_with_tokens_that_the_authorizer_takes() {
    let desk = Desk::new().await;
    let sent = desk.begin("idp", &[]).await;
    let scope = parameter(&sent.location, "scope").unwrap();
    assert!(scope.contains("openid"), "{scope}");
    let answer = desk.back(&sent, &desk.claims("ada")).await;
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{APP_URI}?")), "{location}");
    assert_eq!(parameter(location, "state").unwrap(), "the client's own & state");
    assert_eq!(parameter(location, "iss").unwrap(), ISSUER);
    let answer = desk.redeem(&parameter(location, "code").unwrap()).await;
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        ("no-store", "no-cache")
    );
    let tokens = answer.json();
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );
    let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
    assert!(context["sub"].as_str().unwrap().starts_with("user:u_"), "{context}");
    assert_eq!(
        (&context["team"], &context["client_id"]),
        (&json!("everybody"), &json!("app"))
    );
    assert_eq!(context["scopes"], "models:invoke usage:read files keys");
    let me = desk
        .as_person("GET", "/auth/me", tokens["access_token"].as_str().unwrap())
        .await;
    assert_eq!(me.json()["user"]["email"], "ada@example.com");
}

/// A-24: a state is good once, in the browser that began, at its provider, for ten minutes.
#[tokio::test]
async fn a_state_counts_once_in_its_own_browser_at_its_own_provider_and_not_for_long() {
    let desk = Desk::new().await;
    let refused = |answer: tests::answer::HttpAnswer| {
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{answer:?}");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
    };
    // Another browser, and then its own: the state is spent.
    let (sent, other) = (desk.begin("idp", &[]).await, desk.begin("idp", &[]).await);
    let claims = desk.claims("ada");
    let stolen = super::desk::Sent {
        location: sent.location.clone(),
        cookie: other.cookie.clone(),
    };
    refused(desk.back(&stolen, &claims).await);
    refused(desk.back(&sent, &claims).await);
    // No cookie at all, a state of nobody's, none.
    for (cookie, query) in [
        ("", "state=x&code=y"),
        (&*other.cookie, "code=y"),
        (&*other.cookie, "state=tgl_x&code=y"),
    ] {
        refused(desk.get(&format!("/auth/callback/idp?{query}"), cookie).await);
    }
    // At another provider's callback.
    let state = parameter(&other.location, "state").unwrap();
    let query = encoded(&[("code", "x"), ("state", &state)]);
    refused(desk.get(&format!("/auth/callback/hub?{query}"), &other.cookie).await);
    // With another provider's name, and with none where it always gives its own (RFC 9207).
    for iss in [Some("https://evil.example"), None] {
        let sent = desk.begin("idp", &[]).await;
        let (code, state) = (
            desk.oidc.code(&sent.location, &claims),
            parameter(&sent.location, "state").unwrap(),
        );
        let mut pairs = vec![("code", &*code), ("state", &*state)];
        pairs.extend(iss.map(|iss| ("iss", iss)));
        refused(
            desk.get(&format!("/auth/callback/idp?{}", encoded(&pairs)), &sent.cookie)
                .await,
        );
    }
    let sent = desk.begin("idp", &[]).await;
    desk.functions.clock.advance_seconds(600);
    refused(desk.back(&sent, &desk.claims("ada")).await);
}

/// Two logins in one browser do not disturb each other.
#[tokio::test]
async fn a_browser_may_have_two_logins_under_way() {
    let desk = Desk::new().await;
    let first = desk.begin("idp", &[]).await;
    let answer = desk.get(&authorize("idp", &[]), &first.cookie).await;
    let second = super::desk::Sent {
        location: answer.header("location").to_owned(),
        cookie: first.cookie.clone(),
    };
    for sent in [&first, &second] {
        assert_eq!(desk.back(sent, &desk.claims("ada")).await.status, 303);
    }
}

/// Until the client and its redirect URI are known to be right, nobody is redirected.
#[tokio::test]
async fn a_wrong_client_or_redirect_uri_is_told_on_a_page_and_never_by_a_redirect() {
    let desk = Desk::new().await;
    for replaced in [
        ("client_id", "nobody"),
        ("client_id", ""),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "https://app.example/cb/../x"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", ""),
    ] {
        for path in ["/auth/authorize/idp?", "/oauth/authorize?provider=idp&"] {
            let query = authorize("idp", &[replaced]).split_once('?').unwrap().1.to_owned();
            let answer = desk.get(&format!("{path}{query}"), "").await;
            assert_eq!((answer.status, answer.header("location")), (400, ""), "{replaced:?}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(answer.header("x-frame-options"), "DENY");
        }
    }
    let twice = format!("{}&client_id=app", authorize("idp", &[]));
    assert_eq!(desk.get(&twice, "").await.status, 400);
}

/// A-27: what is wrong with the rest is told to the client (RFC 6749, section 4.1.2.1; RFC 7636, section 4.4.1).
#[tokio::test]
async fn a_wrong_request_of_a_right_client_is_told_to_the_client() {
    let desk = Desk::new().await;
    for (replaced, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        // A missing method would mean `plain`.
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("scope", "admin"), "invalid_scope"),
        (("scope", "models:invoke root"), "invalid_scope"),
        (("request_uri", "https://evil.example/r"), "request_not_supported"),
    ] {
        let answer = desk.get(&authorize("idp", &[replaced]), "").await;
        let location = answer.header("location");
        assert_eq!(answer.status, 303, "{replaced:?}");
        assert!(location.starts_with(&format!("{APP_URI}?")), "{location}");
        assert_eq!(parameter(location, "error").unwrap(), error, "{replaced:?}");
        assert_eq!(parameter(location, "iss").unwrap(), ISSUER);
        assert_eq!(parameter(location, "state").unwrap(), "the client's own & state");
    }
}

/// A-27
#[tokio::test]
async fn a_login_that_the_provider_refuses_is_told_to_the_client() {
    let desk = Desk::new().await;
    for (error, told) in [("access_denied", "access_denied"), ("invalid_scope", "server_error")] {
        let sent = desk.begin("idp", &[]).await;
        let state = parameter(&sent.location, "state").unwrap();
        let query = encoded(&[("error", error), ("state", &state), ("iss", &desk.oidc.url)]);
        let answer = desk.get(&format!("/auth/callback/idp?{query}"), &sent.cookie).await;
        assert_eq!(parameter(answer.header("location"), "error").unwrap(), told);
    }
}

/// A-20, A-27: a client that is not the company's own is asked for, once, in the browser that signed in.
#[tokio::test]
async fn consent_is_asked_for_given_once_and_can_be_denied() {
    let desk = Desk::new().await;
    let ticket = |page: &str| {
        page.split("value=\"tgl_")
            .nth(1)
            .map(|rest| format!("tgl_{}", &rest[..38]))
            .unwrap()
    };
    for (decision, parameter_of_answer) in [("allow", "code"), ("deny", "error"), ("", "error")] {
        let sent = desk.begin("idp", &[("client_id", "cli")]).await;
        let shown = desk.back(&sent, &desk.claims("ada")).await;
        let page = String::from_utf8(shown.body.to_vec()).unwrap();
        assert_eq!(shown.status, 200, "{page}");
        assert!(
            page.contains("Ada &lt;b&gt;Lovelace&lt;/b&gt;") && page.contains("&lt;i&gt;tool&lt;/i&gt;"),
            "{page}"
        );
        let policy = shown.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let form = [("ticket", &*ticket(&page)), ("decision", decision)];
        // Another site that learned the ticket has not the cookie, and spends nothing without one.
        assert_eq!(desk.post("/oauth/consent", "", &form).await.status, 400);
        let answer = desk.post("/oauth/consent", &sent.cookie, &form).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert!(parameter(answer.header("location"), parameter_of_answer).is_some());
        assert_eq!(desk.post("/oauth/consent", &sent.cookie, &form).await.status, 400);
    }
    // Of another browser.
    let (sent, other) = (
        desk.begin("idp", &[("client_id", "cli")]).await,
        desk.begin("idp", &[]).await,
    );
    let shown = desk.back(&sent, &desk.claims("ada")).await;
    let html = String::from_utf8(shown.body.to_vec()).unwrap();
    let form = [("ticket", &*ticket(&html)), ("decision", "allow")];
    assert_eq!(desk.post("/oauth/consent", &other.cookie, &form).await.status, 400);
}

/// With several providers somebody chooses; with one there is nothing to choose.
#[tokio::test]
async fn the_provider_is_chosen_or_is_the_only_one() {
    let desk = Desk::new().await;
    let query = authorize("idp", &[]).split_once('?').unwrap().1.to_owned();
    let page = desk.get(&format!("/oauth/authorize?{query}"), "").await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert_eq!(page.status, 200);
    assert!(
        html.contains("/auth/authorize/idp?")
            && html.matches("response_type=code").count() == 2
            // API Gateway keeps no order of parameters; none of their separators is bare.
            && html.matches('&').count() == html.matches("&amp;").count()
            && html.contains("/auth/authorize/hub?"),
        "{html}"
    );
    assert_eq!(desk.get(&authorize("nobody", &[]), "").await.status, 400);
    let listed = desk.get("/auth/providers", "").await.json();
    let ids: Vec<_> = listed["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, ["idp", "hub"]);
    assert!(!listed.to_string().contains("secret"), "{listed}");
}

/// What the table holds of a login under way is no secret of it.
#[tokio::test]
async fn the_table_holds_no_secret_of_a_login() {
    let desk = Desk::new().await;
    let sent = desk.begin("idp", &[]).await;
    let state = parameter(&sent.location, "state").unwrap();
    let digest = state.parse::<gateway::secret::Secret>().unwrap().digest();
    let login = desk.store().take_login(&digest).await.unwrap().unwrap();
    let stored = serde_json::to_string(&login).unwrap();
    let nonce = parameter(&sent.location, "nonce").unwrap();
    let cookie = sent.cookie.split_once('=').unwrap().1;
    assert!(matches!(login.purpose, Purpose::Code(_)));
    for secret in [&*state, &*nonce, cookie] {
        assert!(!stored.contains(secret), "{stored}");
    }
}
