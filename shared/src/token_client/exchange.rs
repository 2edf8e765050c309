//! One request to a token endpoint, and its answer.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::TokenError;
use super::options::{Options, Way};
use super::token::{AccessToken, DEFAULT_LIFE_SECONDS};
use crate::telemetry::trace;
use crate::tls::{PeerClient, is_io};

/// No right answer is longer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What the endpoint answers (RFC 6749, section 5.1), as far as it is looked at.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<i64>,
}

#[derive(Serialize)]
struct JsonRequest<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// Asks for a token.
pub(super) async fn exchange(http: &PeerClient, options: &Options, now: Timestamp) -> Result<AccessToken, TokenError> {
    let client = http.client().map_err(|_| TokenError::Unreachable)?;
    let secret = options.client_secret.read().await?;
    let sent = trace::told(request(&client, options, &secret)?)
        .header(ACCEPT, "application/json")
        .send()
        .await;
    let fault = |error: &reqwest::Error| classified(http, options, error);
    let mut answer = sent.map_err(|error| fault(&error))?;
    let status = answer.status().as_u16();
    let body = body(&mut answer, &fault).await;
    match status {
        200..300 => parsed(&body?, now),
        401 => Err(TokenError::Unauthorized),
        400..500 => Err(TokenError::Refused {
            status,
            code: body.ok().and_then(|body| code(&body)),
        }),
        500..600 => Err(TokenError::Failed { status }),
        _ => Err(TokenError::Unexpected { status }),
    }
}

fn request(client: &Client, options: &Options, secret: &str) -> Result<RequestBuilder, TokenError> {
    let post = client.post(options.endpoint.url());
    let id = options.client_id.as_str();
    let scope = options.scope.as_deref();
    let form = [
        ("grant_type", Some("client_credentials")),
        ("scope", scope),
        ("client_id", (options.way == Way::Body).then_some(id)),
        ("client_secret", (options.way == Way::Body).then_some(secret)),
    ];
    match options.way {
        Way::Json => {
            let request = JsonRequest {
                client_id: id,
                client_secret: secret,
                scope,
            };
            let body = serde_json::to_vec(&request).map_err(|_| TokenError::Unreachable)?;
            Ok(post.header(CONTENT_TYPE, "application/json").body(body))
        }
        Way::Basic => Ok(formed(post, &form)?.header(AUTHORIZATION, basic(id, secret)?)),
        Way::Body => formed(post, &form),
    }
}

fn formed(post: RequestBuilder, form: &[(&str, Option<&str>)]) -> Result<RequestBuilder, TokenError> {
    let pairs: Vec<_> = form
        .iter()
        .filter_map(|(name, value)| value.map(|it| (*name, it)))
        .collect();
    let body = serde_urlencoded::to_string(pairs).map_err(|_| TokenError::Unreachable)?;
    Ok(post
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body))
}

/// Id and secret are form-encoded inside Basic (RFC 6749, section 2.3.1). The header is marked, so that it is not printed.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, TokenError> {
    let encode = |text: &str| {
        let pair = serde_urlencoded::to_string([("", text)]).map(Zeroizing::new);
        pair.map(|it| Zeroizing::new(it.trim_start_matches('=').to_owned()))
            .map_err(|_| TokenError::Unreachable)
    };
    let plain = Zeroizing::new(format!("{}:{}", *encode(id)?, *encode(secret)?));
    let text = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(plain.as_bytes())));
    let mut value = HeaderValue::from_str(&text).map_err(|_| TokenError::Unreachable)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn body(
    answer: &mut Response,
    fault: &impl Fn(&reqwest::Error) -> TokenError,
) -> Result<Zeroizing<Vec<u8>>, TokenError> {
    // No right answer outgrows this, so no copy of a token is left behind by a growing buffer.
    let mut body = Zeroizing::new(Vec::with_capacity(MAX_ANSWER_BYTES));
    while let Some(chunk) = answer.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(TokenError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn parsed(body: &[u8], now: Timestamp) -> Result<AccessToken, TokenError> {
    // An array of the members' values would do for serde.
    let object = body.trim_ascii_start().starts_with(b"{");
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    let answer = answer.ok().filter(|_| object).ok_or(TokenError::InvalidJson)?;
    let token = answer.access_token.map(Zeroizing::new);
    let token = token.filter(|it| is_token(it)).ok_or(TokenError::MissingToken)?;
    let bearer = answer.token_type.is_none_or(|it| it.eq_ignore_ascii_case("bearer"));
    if !bearer {
        return Err(TokenError::NotBearer);
    }
    let life_seconds = answer.expires_in.unwrap_or(DEFAULT_LIFE_SECONDS).max(0);
    Ok(AccessToken::new(token, now, life_seconds))
}

/// What may stand behind `Bearer` (RFC 6750, section 2.1).
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-._~+/".contains(&it))
}

/// The error code, if it is one that a standard lists: what else an endpoint says is not repeated.
fn code(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    const CODES: [&str; 6] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    CODES.into_iter().find(|code| *code == refusal.error)
}

fn classified(http: &PeerClient, options: &Options, error: &reqwest::Error) -> TokenError {
    if error.is_timeout() {
        let seconds = options.timeout_seconds;
        return TokenError::Timeout { seconds };
    }
    match http.failure(error) {
        Some(failure) => TokenError::Tls(failure),
        None if is_io(error, &[io::ErrorKind::ConnectionRefused]) => TokenError::ConnectionRefused,
        None => TokenError::Unreachable,
    }
}
