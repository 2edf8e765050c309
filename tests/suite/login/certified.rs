//! Against an OpenID Certified provider: what both sides say is what the specification says.

use serde_json::json;
use tests::fixtures::ISSUER;
use tests::provider::{CLIENT_ID, Certified, parameter};

use super::desk::{Desk, SECRET};

/// A desk whose provider `idp` is the certified one, at the time of day, which that goes by.
async fn desk(certified: &Certified) -> Desk {
    let provider = json!({
        "id": "idp", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": certified.url,
        "rules": {"groups": {"everybody": {"team": "certified", "roles": ["user"]}}},
    });
    let desk = Desk::with(&json!({ "providers": [provider] })).await;
    let now = jiff::Timestamp::now().as_second();
    desk.functions
        .clock
        .advance_seconds(now - desk.functions.clock.now_seconds());
    desk
}

///
#[tokio::test]
async fn a_login_at_a_certified_provider_succeeds_and_can_be_denied() {
    let certified = Certified::start(&format!("{ISSUER}/auth/callback/idp"));
    let desk = desk(&certified).await;
    let back = async |who: &str, allows: bool| {
        let sent = desk.begin("idp", &[]).await;
        let url = certified.browse(&sent.location, who, allows).await;
        let path = url.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{url}")).to_owned();
        let answer = desk.get(&path, &sent.cookie).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let again = desk.get(&path, &sent.cookie).await;
        assert_eq!(again.status, 400, "the state counted twice");
        answer.header("location").to_owned()
    };
    let code = parameter(&back("ada", true).await, "code").unwrap();
    let tokens = desk.redeem(&code).await.json();
    let context = desk.authorized(tokens["access_token"].as_str().unwrap()).await.unwrap();
    assert_eq!(context["team"], "certified");
    let me = desk
        .as_person("GET", "/auth/me", tokens["access_token"].as_str().unwrap())
        .await
        .json();
    assert_eq!(
        (&me["user"]["email"], &me["user"]["name"]),
        (&json!("ada@example.com"), &json!("ada"))
    );
    let denied = back("eve", false).await;
    assert_eq!(parameter(&denied, "error").unwrap(), "access_denied");
}
