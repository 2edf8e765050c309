//! Every flow there is, by clients of two languages.

use gateway::jwt::KeyAlgorithm;
use serde_json::Value;
use tests::foreign::Foreign;
use tests::local::{Route, marker, rotate_signing_key};

use super::house::{APP, House};

const REDIRECT_URI: &str = "http://127.0.0.1:7/cb";

/// What a client did: its revoked token is out, and those of a person and of a machine are in.
async fn assert_what_counts(house: &House, told: &Foreign) {
    let stack = &house.stack;
    for name in ["person", "machine"] {
        let caller = stack.bearer(told.text(name));
        assert_eq!(Route::Messages.call(&caller, &marker()).await.status, 200, "{name}");
    }
    let me = stack.bearer(told.text("person")).get("/auth/me").await.json();
    assert_eq!(
        (&me["user"]["name"], &me["team"]),
        (&Value::from("ada"), &Value::from("e2e"))
    );
    // The session of a refresh token that was revoked ends, and its access tokens with it (RFC 7009, section 2.1).
    assert_eq!(stack.bearer(told.text("revoked")).get("/auth/me").await.status, 401);
}

/// B-02: a client that is not ours finds everything by discovery, signs a person in at a provider that is
/// not ours, by way of the consent page, and gets the same of every flow that the specifications promise.
#[tokio::test(flavor = "multi_thread")]
async fn openid_client_is_content_with_every_flow() {
    let house = House::new().await;
    let (id, secret) = house.stack.new_client(&["models:invoke", "files"]).await;
    let bye = house.bye();
    let arguments = [house.gateway(), APP, REDIRECT_URI, &id, &secret, &bye];
    let told = Foreign::node("openid_client.js", &arguments).await;
    told.report(&[
        "discovery, by RFC 8414 and by OpenID Connect",
        "login with PKCE, at the provider and on the consent page",
        "a denied consent",
        "a code with another verifier is refused",
        "refresh",
        "client credentials, by Basic and in the body",
        "introspection",
        "revocation of access tokens, by either kind of client",
        "revocation of a refresh token",
        "sign-out, here and at the provider",
        "a device, pending and then connected",
    ]);
    assert_what_counts(&house, &told).await;
}

/// B-02: and so does one in Python. It accepts no EdDSA unless it is told to, so the stack signs by ES256.
#[tokio::test(flavor = "multi_thread")]
async fn authlib_is_content_with_every_flow() {
    let house = House::new().await;
    rotate_signing_key(&house.stack, KeyAlgorithm::Es256).await;
    let (id, secret) = house.stack.new_client(&["models:invoke", "files"]).await;
    let told = Foreign::authlib("client.py", &[house.gateway(), APP, REDIRECT_URI, &id, &secret]).await;
    told.report(&[
        "discovery, by RFC 8414",
        "login with PKCE, at the provider and on the consent page",
        "a denied consent",
        "a code with another verifier or another state is refused",
        "refresh, and a call with what it gave",
        "client credentials, by Basic and in the body",
        "introspection",
        "the access token, by RFC 9068; a tampered one is refused",
        "revocation of access tokens, by either kind of client",
        "revocation of a refresh token",
        "a device, pending and then connected",
    ]);
    assert_what_counts(&house, &told).await;
}
