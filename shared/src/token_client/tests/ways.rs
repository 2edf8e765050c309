//! How a client shows who it is, and over what.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use peer::{Authority, Leaf, Wire};

use super::*;
use crate::tls;

/// B-02
#[tokio::test]
async fn id_and_secret_go_as_json() {
    let desk = Desk::open().await;
    desk.client().token().await.unwrap();
    let (headers, body) = desk.last();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["accept"], "application/json");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({"client_id": "storage-client", "client_secret": SECRET}));
    assert!(!headers.contains_key("authorization"));
    let scoped = Options {
        scope: Some("files".into()),
        ..desk.options()
    };
    TokenClient::new(scoped, None, desk.clock.clone())
        .token()
        .await
        .unwrap();
    assert!(desk.last().1.contains(r#""scope":"files""#));
}

/// B-02
#[tokio::test]
async fn id_and_secret_go_form_encoded_in_http_basic() {
    let desk = Desk::open().await;
    let options = Options {
        way: Way::Basic,
        scope: Some("files keys".into()),
        ..desk.options()
    };
    TokenClient::new(options, None, desk.clock.clone())
        .token()
        .await
        .unwrap();
    let (headers, body) = desk.last();
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(body, "grant_type=client_credentials&scope=files+keys");
    let basic = headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    let plain = String::from_utf8(BASE64_STANDARD.decode(basic).unwrap()).unwrap();
    assert_eq!(plain, "storage-client:tgs_canary%3Asecret%26with%3Dsigns");
}

/// B-02
#[tokio::test]
async fn id_and_secret_go_in_the_form() {
    let desk = Desk::open().await;
    let options = Options {
        way: Way::Body,
        ..desk.options()
    };
    TokenClient::new(options, None, desk.clock.clone())
        .token()
        .await
        .unwrap();
    let (headers, body) = desk.last();
    assert!(!headers.contains_key("authorization"));
    let sent =
        "grant_type=client_credentials&client_id=storage-client&client_secret=tgs_canary%3Asecret%26with%3Dsigns";
    assert_eq!(body, sent);
}

/// B-01, B-09: mutual TLS and HTTP/2 towards the token service
#[tokio::test]
async fn a_token_is_fetched_over_mutual_tls_and_http_2_by_one_pool() {
    let authority = Authority::new("Tokens");
    let (identity, shown) = (
        authority.issue(&Leaf::new("localhost")),
        authority.issue(&Leaf::new("gateway")),
    );
    let folder = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = shown.write(folder.path(), "client");
    let with = tls::Options {
        ca_file: Some(authority.write(folder.path(), "ca.pem")),
        certificate_file: Some(certificate_file),
        key_file: Some(key_file),
        ..tls::Options::default()
    };
    let desk = Desk::open().await;
    let router = router(desk.script.clone()).layer(axum::middleware::from_fn(only_http_2));
    let server = Server::tls(&Wire::of(&identity).mutual(&authority), router).await;
    let clock = desk.clock.clone();
    let made = |with| {
        let tls = Arc::new(Tls::new("token", with, clock.clone()).unwrap());
        TokenClient::new(options(&server.url()), Some(tls), clock.clone())
    };
    let client = made(with.clone());
    client.token().await.unwrap();
    clock.advance_seconds(1500);
    client.token().await.unwrap();
    assert_eq!((desk.asked(), server.connections()), (2, 1));

    let without = tls::Options {
        certificate_file: None,
        key_file: None,
        ..with
    };
    let refused = made(without).token().await;
    // After a handshake of TLS 1.3 the peer's words may come too late.
    use tls::TlsFailure::{HungUp, RefusedByPeer};
    assert!(
        matches!(refused, Err(TokenError::Tls(RefusedByPeer | HungUp))),
        "{refused:?}"
    );
    assert_eq!(desk.asked(), 2);
}

async fn only_http_2(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    assert_eq!(request.version(), axum::http::Version::HTTP_2);
    next.run(request).await
}

const RIGHT: [(&str, &str); 3] = [
    ("T_BASE_URL", "https://tokens.example/"),
    ("T_CLIENT_ID", "c"),
    ("T_CLIENT_SECRET_NAME", "tollgate/storage"),
];

/// What is right, with one setting replaced or added.
fn replaced(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = RIGHT.into_iter().filter(|(its, _)| *its != name);
    others.chain([(name, value)]).collect()
}

/// B-01
#[test]
fn a_client_is_configured_and_every_wrong_value_is_named() {
    let options = read(&RIGHT).unwrap().unwrap();
    assert_eq!(options.endpoint.as_str(), "https://tokens.example/api/v1/auth/token");
    assert_eq!(
        (options.timeout_seconds, options.way, options.scope.as_deref()),
        (10, Way::Json, None)
    );
    assert!(matches!(&options.client_secret, ClientSecret::Stored(_, name) if name == "tollgate/storage"));
    let options = read(&replaced("T_PATH", "/oauth/token")).unwrap().unwrap();
    assert_eq!(options.endpoint.as_str(), "https://tokens.example/oauth/token");
    for (text, way) in [("json", Way::Json), ("basic", Way::Basic), ("body", Way::Body)] {
        assert_eq!(read(&replaced("T_WAY", text)).unwrap().unwrap().way, way);
    }
    assert_eq!(
        read(&replaced("T_TIMEOUT_SECONDS", "3"))
            .unwrap()
            .unwrap()
            .timeout_seconds,
        3
    );
    assert!(read(&[]).unwrap().is_none());
    for (name, value, expected) in [
        ("T_BASE_URL", "http://tokens.example", "https://"),
        ("T_BASE_URL", "https://me:hunter2@tokens.example", "https://"),
        ("T_BASE_URL", "tokens", "https://"),
        ("T_CLIENT_ID", "", "id of the client"),
        ("T_CLIENT_SECRET_NAME", "", "Secrets Manager"),
        ("T_WAY", "post", "json, basic or body"),
        ("T_TIMEOUT_SECONDS", "0", "1 to 60"),
        ("T_TIMEOUT_SECONDS", "61", "1 to 60"),
        ("T_TIMEOUT_SECONDS", "soon", "1 to 60"),
    ] {
        let error = read(&replaced(name, value)).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains(expected) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn an_endpoint_is_https_or_on_loopback() {
    for good in [
        "https://a.example/t",
        "http://127.0.0.1:1/t",
        "http://localhost/t",
        "http://[::1]:2/t",
    ] {
        assert!(good.parse::<Endpoint>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "https://a?b=c",
        "https://a#b",
        "ftp://a",
        "http://a.example/t",
        "http://127.0.0.1.evil.example/",
    ] {
        assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
    }
}
