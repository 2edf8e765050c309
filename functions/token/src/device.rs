//! Where a device begins (RFC 8628, section 3.1) and where a person types its code (section 3.3).

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::Response;
use gateway::error::{Error, Kind};
use gateway::http::{Outcome, Whole, json, require_content_type};
use gateway::login::Provider;
use gateway::oauth::Form;
use gateway::random;
use gateway::secret::{Secret, SecretDigest, SecretKind};
use gateway::store::{DeviceGrant, DeviceState, Purpose};
use http::{HeaderMap, StatusCode, Uri};
use lambda_http::request::RequestContext;
use serde_json::json as value;

use crate::State;
use crate::authorize::{begin, chosen, later, wish};
use crate::browser::{TO_A_PROVIDER, error_page, escaped, page};
use crate::grants::public_client;

/// A device code lives this long.
const DEVICE_SECONDS: i64 = 600;
const INTERVAL_SECONDS: i64 = 5;
/// So many attempts at user codes from one address in [`DEVICE_SECONDS`]. 20⁸ codes, of which few are alive: nobody guesses one.
const ATTEMPTS: u64 = 10;
/// No vowels, so that no words come of it, and nothing that looks like something else (section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

pub(crate) async fn authorization(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    crate::refuse_query(&uri)?;
    require_content_type(&headers, "application/x-www-form-urlencoded")?;
    let form = Form::parse(&body)?;
    let client = public_client(&state, crate::one_authorization(&headers)?, &form)?;
    let scopes = wish(client, form.value("scope"));
    let scopes = scopes.ok_or_else(|| Error::new(Kind::InvalidScope, "A scope is unknown, or not this client's."))?;
    let (secret, user_code) = (Secret::mint(SecretKind::DeviceCode)?, new_user_code()?);
    let ends_at = later(&state, DEVICE_SECONDS)?;
    let grant = DeviceGrant {
        client_id: client.client_id.clone(),
        scopes,
        state: DeviceState::Pending,
        user_id: None,
        provider: None,
        interval_seconds: INTERVAL_SECONDS,
        polled_at: state.clock.now_seconds() - INTERVAL_SECONDS,
        ends_at,
        // Later than its end, so that a device is told that it ended.
        expires_at: ends_at.as_second() + DEVICE_SECONDS,
    };
    if !state.store.create_device(&secret.digest(), &user_code, &grant).await? {
        return Err(Error::unavailable("a user code was there already"));
    }
    let shown = format!("{}-{}", &user_code[..4], &user_code[4..]);
    let page = format!("{}/oauth/device", state.signing.issuer);
    json(
        StatusCode::OK,
        &value!({
            "device_code": secret.expose(),
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={shown}"),
            "expires_in": DEVICE_SECONDS,
            "interval": INTERVAL_SECONDS,
        }),
    )
}

fn new_user_code() -> Result<String, Error> {
    let mut code = String::new();
    while code.len() < 8 {
        for byte in random::bytes::<16>()? {
            // 240 is the largest multiple of 20 that a byte holds.
            if byte < 240 && code.len() < 8 {
                code.push(char::from(LETTERS[usize::from(byte % 20)]));
            }
        }
    }
    Ok(code)
}

/// As it was typed: letters of either case, with or without its hyphen. What cannot be a code is none.
fn typed(text: &str) -> Option<String> {
    let code: String = text.chars().filter(|character| !"- ".contains(*character)).collect();
    let code = code.to_ascii_uppercase();
    (code.len() == 8 && code.bytes().all(|byte| LETTERS.contains(&byte))).then_some(code)
}

pub(crate) async fn form(Extract(state): Extract<Arc<State>>, uri: Uri) -> Outcome {
    shown(&state, uri.query().unwrap_or_default()).or_else(error_page)
}

fn shown(state: &State, query: &str) -> Result<Response, Error> {
    let form = Form::parse(query.as_bytes())?;
    let code = form.value("user_code").and_then(typed).unwrap_or_default();
    let option = |provider: &Provider| {
        format!(
            "<option value=\"{}\">{}</option>",
            provider.id,
            escaped(provider.shown_name())
        )
    };
    let options: String = state.configured.providers.iter().map(option).collect();
    let body = format!(
        "<p>Type the code only if you began this on your own device.</p>\n<form method=\"post\" action=\"{}/oauth/device\">\
         <label>Code <input name=\"user_code\" value=\"{code}\" autocomplete=\"off\" maxlength=\"9\" required></label>\n\
         <label>Sign in with <select name=\"provider\">{options}</select></label>\n<button>Go on</button></form>",
        escaped(state.signing.issuer.as_str()),
    );
    page(StatusCode::OK, "Connect a device", &body, TO_A_PROVIDER)
}

pub(crate) async fn submitted(
    Extract(state): Extract<Arc<State>>,
    context: Option<axum::Extension<RequestContext>>,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    let context = context.map(|axum::Extension(context)| context);
    claimed(&state, context.as_ref(), &headers, &body)
        .await
        .or_else(error_page)
}

async fn claimed(state: &State, context: Option<&RequestContext>, headers: &HeaderMap, body: &[u8]) -> Outcome {
    require_content_type(headers, "application/x-www-form-urlencoded")?;
    let form = Form::parse(body)?;
    count_attempt(state, context).await?;
    let unknown = || Error::invalid("There is no such code, or it has ended.");
    let code = form.value("user_code").and_then(typed).ok_or_else(unknown)?;
    let (device, grant) = state.store.device_of_user_code(&code).await?.ok_or_else(unknown)?;
    if grant.state != DeviceState::Pending || grant.ends_at <= state.clock.now() {
        return Err(unknown());
    }
    let provider = chosen(state, form.value("provider"))?;
    let provider = provider.ok_or_else(|| Error::invalid("Choose an identity provider."))?;
    let purpose = Purpose::Device {
        device,
        client_id: grant.client_id,
        scopes: grant.scopes,
    };
    begin(state, provider, purpose, headers).await
}

/// By the address that API Gateway saw.
async fn count_attempt(state: &State, context: Option<&RequestContext>) -> Result<(), Error> {
    let address = match context {
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        _ => None,
    };
    let who = SecretDigest::of_text(address.unwrap_or("unknown"));
    let now = state.clock.now_seconds();
    let window = now - now.rem_euclid(DEVICE_SECONDS);
    let attempts = state
        .store
        .count_attempt(&who, window, window + 2 * DEVICE_SECONDS)
        .await?;
    if attempts <= ATTEMPTS {
        return Ok(());
    }
    let mut error = Error::new(Kind::RateLimited, "Too many codes were tried. Please wait ten minutes.");
    error.retry_after_seconds = Some(600);
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        assert_eq!(typed("bcdf-ghjk").as_deref(), Some("BCDFGHJK"));
        assert_eq!(typed(" BCDF GHJK ").as_deref(), Some("BCDFGHJK"));
        for bad in ["", "BCDFGHJ", "BCDFGHJKL", "ABCDEFGH", "BCDF#GHJK", "ＢCDFGHJK"] {
            assert_eq!(typed(bad), None, "{bad}");
        }
        assert!(typed(&new_user_code().unwrap()).is_some());
    }
}
