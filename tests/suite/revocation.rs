//! Revocation (RFC 7009), introspection (RFC 7662), and what the issuer says of itself (RFC 8414).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ClientSecret, ServiceClient};
use serde_json::json;
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::fixtures::{CLIENT_ID, CLIENT_SECRET, access_token, made_at, told};
use tests::in_process::Functions;

fn form(path: &str, body: &str) -> Request {
    request("POST", path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

async fn by_fixture(functions: &Functions, path: &str, token: &str) -> HttpAnswer {
    let asked = form(path, &format!("token={token}")).header("Authorization", &basic(CLIENT_ID, CLIENT_SECRET));
    functions.ask("token", &asked).await
}

async fn another(backing: &Backing, id: &str, scopes: &str) -> String {
    let secret = Secret::mint(SecretKind::ClientSecret).unwrap();
    let stored = ClientSecret::new(&secret, made_at()).await.unwrap();
    let scopes: Scopes = scopes.parse().unwrap();
    let client = ServiceClient::new(id.into(), "other".into(), scopes, stored, made_at());
    assert!(
        backing
            .store()
            .create_client(&client, &told("client.create", id))
            .await
            .unwrap()
    );
    secret.expose().to_owned()
}

fn inactive(answer: &HttpAnswer) -> bool {
    answer.status == 200 && &answer.body[..] == br#"{"active":false}"#
}

/// security.md, "Revocation": refused everywhere within 30 seconds, and inactive at once.
#[tokio::test]
async fn a_revoked_token_is_inactive_at_once_and_refused_within_30_seconds() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let token = access_token(|_| ());
    assert!(functions.lets_in(&token).await);
    let told = by_fixture(&functions, "/oauth/introspect", &token).await.json();
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!(CLIENT_ID)));
    assert_eq!(
        (&told["token_type"], &told["scope"]),
        (&json!("Bearer"), &json!("models:invoke usage:read"))
    );
    for _ in 0..2 {
        let answer = by_fixture(&functions, "/oauth/revoke", &token).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(
            (answer.header("cache-control"), answer.header("pragma")),
            ("no-store", "no-cache")
        );
    }
    assert!(inactive(&by_fixture(&functions, "/oauth/introspect", &token).await));
    functions.clock.advance_seconds(30);
    assert!(!functions.lets_in(&token).await);
    assert!(
        !Functions::new(&backing).lets_in(&token).await,
        "an environment that has not seen it"
    );
    // Another token of the same client goes on.
    let other = access_token(|claims| claims.jti = "jwt_other".into());
    assert!(functions.lets_in(&other).await);
}

#[tokio::test]
async fn another_clients_token_is_not_revoked_and_nothing_is_told_of_it() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let secret = another(&backing, "client_other", "files").await;
    let token = access_token(|_| ());
    let ask = async |path: &str| {
        let asked = form(path, &format!("token={token}")).header("Authorization", &basic("client_other", &secret));
        functions.ask("token", &asked).await
    };
    assert!(inactive(&ask("/oauth/introspect").await));
    assert_eq!(ask("/oauth/revoke").await.status, 200);
    assert!(Functions::new(&backing).lets_in(&token).await);
    let secret = another(&backing, "client_admin", "admin").await;
    let asked = form("/oauth/introspect", &format!("token={token}"));
    let asked = asked.header("Authorization", &basic("client_admin", &secret));
    assert_eq!(functions.ask("token", &asked).await.json()["active"], true);
}

#[tokio::test]
async fn what_is_no_living_token_is_revoked_with_200_and_inactive() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let expired = access_token(|claims| claims.exp = claims.iat + 1800);
    let elsewhere = access_token(|claims| claims.iss = "https://elsewhere.example".into());
    let cut = access_token(|_| ())[..200].to_owned();
    for token in ["none", "eyJ.e30.x", "tgk_x", &expired, &elsewhere, &cut] {
        let answer = by_fixture(&functions, "/oauth/revoke", token).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{token}");
        assert!(
            inactive(&by_fixture(&functions, "/oauth/introspect", token).await),
            "{token}"
        );
    }
}

#[tokio::test]
async fn both_endpoints_want_one_way_of_authentication_and_a_form() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let right = basic(CLIENT_ID, CLIENT_SECRET);
    let in_body = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let ask = async |asked: Request| functions.ask("token", &asked).await;
        assert_eq!(ask(form(path, &format!("token=x&{in_body}"))).await.status, 200);
        let both = form(path, &format!("token=x&{in_body}")).header("Authorization", &right);
        let both = ask(both).await;
        assert_eq!((both.status, &both.json()["error"]), (400, &json!("invalid_request")));
        let none = ask(form(path, "token=x")).await;
        assert_eq!((none.status, &none.json()["error"]), (401, &json!("invalid_client")));
        let wrong = ask(form(path, "token=x").header("Authorization", &basic(CLIENT_ID, "tgs_x"))).await;
        assert_eq!(
            (wrong.status, wrong.header("www-authenticate").starts_with("Basic ")),
            (401, true)
        );
        let nobody = ask(form(path, "token=x").header("Authorization", &basic("client_none", "tgs_x"))).await;
        assert_eq!(nobody.body, wrong.body);
        for (name, asked) in [
            (
                "a query",
                form(&format!("{path}?token=x"), "token=x").header("Authorization", &right),
            ),
            (
                "a repeated parameter",
                form(path, "token=x&token=y").header("Authorization", &right),
            ),
            ("no token", form(path, "token=").header("Authorization", &right)),
        ] {
            let answer = ask(asked).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (400, &json!("invalid_request")),
                "{name}"
            );
        }
        let as_json = request("POST", path)
            .json(&json!({ "token": "x" }))
            .header("Authorization", &right);
        assert_eq!(ask(as_json).await.status, 415);
        assert_eq!(
            ask(request("GET", path).header("Authorization", &right)).await.status,
            405
        );
    }
}

/// While the table is down nobody learns that a token is good.
#[tokio::test]
async fn without_the_table_nothing_is_revoked_told_or_let_in() {
    let setup = tests::backing::Setup {
        unreliable_table: true,
        ..tests::backing::Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::new(&backing);
    let token = access_token(|_| ());
    backing
        .unreliable()
        .unwrap()
        .table_is(Some(tests::unreliable::Outage::Failing));
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let answer = by_fixture(&functions, path, &token).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    }
    assert!(!functions.lets_in(&token).await);
}

/// security.md: the issuer is configured, never built from `Host` or `X-Forwarded-*`.
#[tokio::test]
async fn the_issuers_metadata_come_from_the_configuration_whatever_host_is_asked() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let plain = functions.ask("token", &request("GET", path)).await;
        let asked = request("GET", path)
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example");
        let asked = asked
            .header("X-Forwarded-Proto", "http")
            .header("Forwarded", "host=evil.example");
        assert_eq!(functions.ask("token", &asked).await.body, plain.body);
        let told = plain.json();
        assert_eq!(told["issuer"], tests::fixtures::ISSUER);
        for endpoint in [
            "token_endpoint",
            "revocation_endpoint",
            "introspection_endpoint",
            "jwks_uri",
        ] {
            let url = told[endpoint].as_str().unwrap();
            let served = url.strip_prefix(tests::fixtures::ISSUER).unwrap();
            // What is named is there: it answers, though not always to this method.
            assert_ne!(
                functions.ask("token", &request("GET", served)).await.status,
                404,
                "{endpoint}"
            );
        }
        assert!(plain.header("cache-control").contains("max-age"));
    }
}
