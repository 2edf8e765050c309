//! What can go wrong, each by its own error, and what is never told.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::tls::{self, TlsFailure};

async fn error_of(desk: &Desk, status: u16, body: &str) -> TokenError {
    desk.answers(status, body);
    desk.client().token().await.unwrap_err()
}

/// B-05
#[tokio::test]
async fn every_status_is_its_own_error() {
    let desk = Desk::open().await;
    assert_eq!(error_of(&desk, 401, "{}").await, TokenError::Unauthorized);
    let refused = |status, code| TokenError::Refused { status, code };
    assert_eq!(
        error_of(&desk, 400, r#"{"error":"invalid_scope"}"#).await,
        refused(400, Some("invalid_scope"))
    );
    assert_eq!(error_of(&desk, 403, "no").await, refused(403, None));
    assert_eq!(error_of(&desk, 429, r#"{"error":"hunter2"}"#).await, refused(429, None));
    assert_eq!(error_of(&desk, 500, "").await, TokenError::Failed { status: 500 });
    assert_eq!(error_of(&desk, 503, "").await, TokenError::Failed { status: 503 });
    assert_eq!(error_of(&desk, 302, "").await, TokenError::Unexpected { status: 302 });
}

/// B-05
#[tokio::test]
async fn an_answer_that_is_none_is_its_own_error() {
    let desk = Desk::open().await;
    let bad = |members| token_answer(&members);
    for (body, expected) in [
        ("".to_owned(), TokenError::InvalidJson),
        ("<html>".to_owned(), TokenError::InvalidJson),
        (r#"["a.b.c", "Bearer", 1800]"#.to_owned(), TokenError::InvalidJson),
        (bad(json!({"access_token": 7})), TokenError::InvalidJson),
        (bad(json!({"expires_in": "soon"})), TokenError::InvalidJson),
        (bad(json!({"expires_in": 1.5})), TokenError::InvalidJson),
        (bad(json!({})) + "}", TokenError::InvalidJson),
        ("{}".to_owned(), TokenError::MissingToken),
        (bad(json!({"access_token": null})), TokenError::MissingToken),
        (bad(json!({"access_token": ""})), TokenError::MissingToken),
        (bad(json!({"access_token": "=="})), TokenError::MissingToken),
        (bad(json!({"access_token": "a b"})), TokenError::MissingToken),
        (
            bad(json!({"access_token": "a\r\nx-admin: 1"})),
            TokenError::MissingToken,
        ),
        (bad(json!({"token_type": "mac"})), TokenError::NotBearer),
        (bad(json!({"padding": "x".repeat(70_000)})), TokenError::TooLong),
    ] {
        assert_eq!(error_of(&desk, 200, &body).await, expected, "{body:.80}");
    }
    for good in [
        json!({"token_type": "bearer"}),
        json!({"token_type": null}),
        json!({"access_token": "ab=="}),
    ] {
        desk.answers(200, &token_answer(&good));
        desk.client().token().await.unwrap();
    }
}

/// B-05
#[tokio::test]
async fn no_answer_a_refused_connection_and_a_broken_one_are_their_own_errors() {
    let desk = Desk::held().await;
    let options = |url: &str| Options {
        timeout_seconds: 1,
        ..super::options(url)
    };
    let ask = async |url: &str| {
        TokenClient::new(options(url), None, desk.clock.clone())
            .token()
            .await
            .unwrap_err()
    };
    assert_eq!(ask(&desk.server.url()).await, TokenError::Timeout { seconds: 1 });

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (error, ()) = tokio::join!(ask(&url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
            .await
            .unwrap();
    });
    assert_eq!(error, TokenError::Unreachable);
    drop(listener);
    assert_eq!(ask(&url).await, TokenError::ConnectionRefused);
}

/// B-05
#[tokio::test]
async fn a_failure_of_tls_is_its_own_error() {
    let authority = peer::Authority::new("Unknown");
    let identity = authority.issue(&peer::Leaf::new("localhost"));
    let server = Server::tls(&peer::Wire::of(&identity), Router::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let other = peer::Authority::new("Known").write(folder.path(), "ca.pem");
    let with = tls::Options {
        ca_file: Some(other),
        ..tls::Options::default()
    };
    let tls = Arc::new(Tls::new("token", with, Clock::System).unwrap());
    let outcome = TokenClient::new(options(&server.url()), Some(tls), Clock::System)
        .token()
        .await;
    assert_eq!(outcome, Err(TokenError::Tls(TlsFailure::Untrusted)));
    // Without a configuration of its own the machine's authorities are trusted, and this is none of them.
    let outcome = TokenClient::new(options(&server.url()), None, Clock::System)
        .token()
        .await;
    assert_eq!(outcome, Err(TokenError::Tls(TlsFailure::Untrusted)));
}

/// B-05
#[tokio::test]
async fn a_secret_that_cannot_be_read_asks_for_no_token() {
    let desk = Desk::open().await;
    let client_secret = ClientSecret::Stored(no_secrets(), "tollgate/storage".to_owned());
    let options = Options {
        client_secret,
        ..desk.options()
    };
    let outcome = TokenClient::new(options, None, desk.clock.clone()).token().await;
    assert_eq!((outcome, desk.asked()), (Err(TokenError::NoSecret), 0));
}

/// B-05, B-06: neither the secret nor the token
#[tokio::test]
async fn neither_the_secret_nor_a_token_is_printed_by_anything() {
    let logs = peer::logs::capture();
    let desk = Desk::open().await;
    let mut printed = String::new();
    for way in [Way::Json, Way::Basic, Way::Body] {
        let options = Options { way, ..desk.options() };
        printed += &format!("{options:?}");
        let client = TokenClient::new(options, None, desk.clock.clone());
        desk.answers(200, &token_answer(&json!({})));
        let token = client.token().await.unwrap();
        printed += &format!("{client:?} {token:?} {:?}", client.state());
        for (status, body) in [
            (
                400,
                format!(r#"{{"error":"invalid_request","error_description":"{SECRET}"}}"#),
            ),
            (401, format!(r#"{{"error":"{SECRET}"}}"#)),
            (500, SECRET.to_owned()),
            (200, SECRET.to_owned()),
            (200, token_answer(&json!({"token_type": "mac"}))),
            (200, token_answer(&json!({"expires_in": "x"}))),
        ] {
            client.forget(&token);
            desk.answers(status, &body);
            let error = client.token().await.unwrap_err();
            printed += &format!("{error} {error:?}");
        }
    }
    printed += &logs.text();
    let encoded = "tgs_canary%3Asecret";
    for canary in ["canary", SECRET, TOKEN, encoded, "Basic "] {
        assert!(!printed.contains(canary), "{canary}: {printed}");
    }
}

/// B-05: every error says what happened in words of its own.
#[test]
fn every_error_has_words_of_its_own() {
    let all = [
        TokenError::Unauthorized,
        TokenError::Refused {
            status: 400,
            code: Some("invalid_scope"),
        },
        TokenError::Refused {
            status: 403,
            code: None,
        },
        TokenError::Failed { status: 500 },
        TokenError::Unexpected { status: 302 },
        TokenError::Timeout { seconds: 10 },
        TokenError::ConnectionRefused,
        TokenError::Tls(TlsFailure::Untrusted),
        TokenError::Tls(TlsFailure::Expired),
        TokenError::Tls(TlsFailure::WrongName),
        TokenError::Tls(TlsFailure::NothingInCommon),
        TokenError::Tls(TlsFailure::RefusedByPeer),
        TokenError::Tls(TlsFailure::HungUp),
        TokenError::Tls(TlsFailure::Broken),
        TokenError::Unreachable,
        TokenError::MissingToken,
        TokenError::InvalidJson,
        TokenError::TooLong,
        TokenError::NotBearer,
        TokenError::NoSecret,
        TokenError::Closed,
    ];
    let words: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(words.len(), all.len(), "{words:#?}");
    assert!(
        words.contains("the token endpoint refused the request (400, invalid_scope)"),
        "{words:#?}"
    );
}
