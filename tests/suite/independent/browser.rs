//! A person's browser: Chromium, headless.

use serde_json::json;
use tests::foreign::{Foreign, browser};

use super::house::{APP, House};

/// in a real browser a person chooses a provider, signs in there, allows or denies, and signs out, on pages
/// that nobody can frame or script, that load nothing, and that can be used by the keyboard alone and on a telephone.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_decides_connects_devices_and_signs_out_in_a_real_browser() {
    // A second one, so that there is a choice. Nobody is there.
    let other = json!({"id": "other", "name": "Another & sons", "kind": "oidc", "client_id": "x", "secret": "tollgate/login/x",
                       "issuer": "http://127.0.0.1:9"});
    let house = House::with(&[other]).await;
    let chromium = browser();
    let pictures = std::env::var("TOLLGATE_PICTURES").unwrap_or_default();
    let arguments = [
        chromium.to_str().unwrap(),
        house.gateway(),
        APP,
        &house.app_port,
        &pictures,
    ];
    let told = Foreign::node("browser.js", &arguments).await;
    told.report(&[
        "Chromium starts",
        "login by the keyboard: choice of a provider, the provider, consent",
        "a denied consent",
        "the page for devices: a code is typed, and allowed or denied",
        "sign-out by the keyboard: here, at the provider, and back to the client",
        "after signing out the provider asks who it is",
        "headers on every page, a silent console, nothing loaded from anywhere",
        "the content security policy holds: no script, style, image, frame or form of another",
        "no page can be framed",
        "a changed state, and a state of another browser, are told on a page",
        "a code that is none is told on a page",
        "an address after signing out that is not the client's is told on a page",
    ]);
    for (name, status) in [("signed_out", 401), ("device", 200), ("other", 200)] {
        let me = house.stack.bearer(told.text(name)).get("/auth/me").await;
        assert_eq!(me.status, status, "{name}");
        assert!(status != 200 || me.json()["user"]["name"] == "ada", "{name}");
    }
}
