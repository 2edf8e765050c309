//! The authorize step (RFC 6749, section 4.1.1; RFC 7636; RFC 9207): from a client's wish to the provider's page.
//!
//! Until client and redirect URI are known to be right, whatever is wrong is told on a page, and nobody is redirected.

use std::sync::Arc;

use axum::extract::{Path, State as Extract};
use axum::response::Response;
use gateway::error::{Error, Kind};
use gateway::http::Outcome;
use gateway::login::{Provider, PublicClient};
use gateway::oauth::Form;
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{CodeRequest, Login, Purpose};
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;

use crate::State;
use crate::browser::{self, LOGIN_SECONDS, error_page, escaped, page, see_other};
use crate::provider::Attempt;

/// What a client hears by way of the browser (RFC 6749, section 4.1.2.1).
pub(crate) struct Told {
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) error: &'static str,
}

pub(crate) async fn oauth(Extract(state): Extract<Arc<State>>, uri: Uri, headers: HeaderMap) -> Outcome {
    let outcome = authorize(&state, uri.query().unwrap_or_default(), None, &headers);
    outcome.await.or_else(error_page)
}

pub(crate) async fn at_provider(
    Extract(state): Extract<Arc<State>>,
    Path(provider): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Outcome {
    let outcome = authorize(&state, uri.query().unwrap_or_default(), Some(&provider), &headers);
    outcome.await.or_else(error_page)
}

async fn authorize(state: &State, query: &str, provider: Option<&str>, headers: &HeaderMap) -> Outcome {
    let form = Form::parse(query.as_bytes())?;
    let client = form.value("client_id").and_then(|id| state.configured.client(id));
    let client = client.ok_or_else(|| Error::invalid("The client is not known."))?;
    let redirect_uri = form.value("redirect_uri").filter(|uri| client.owns(uri));
    let redirect_uri = redirect_uri.ok_or_else(|| Error::invalid("The redirect URI is not one of the client's."))?;
    let request = match code_request(client, redirect_uri, &form) {
        Ok(request) => request,
        Err(error) => {
            let told = Told {
                redirect_uri: redirect_uri.to_owned(),
                state: form.value("state").map(str::to_owned),
                error,
            };
            return tell(state, &told);
        }
    };
    let purpose = Purpose::Code(request);
    match chosen(state, provider.or_else(|| form.value("provider")))? {
        Some(provider) => begin(state, provider, purpose, headers).await,
        None => choice(state, query),
    }
}

/// What is wrong by the codes of RFC 6749, section 4.1.2.1.
fn code_request(client: &PublicClient, redirect_uri: &str, form: &Form) -> Result<CodeRequest, &'static str> {
    if form.value("response_type") != Some("code") {
        return Err("unsupported_response_type");
    }
    if form.value("request").is_some() || form.value("request_uri").is_some() {
        return Err("request_not_supported");
    }
    // A missing method would mean `plain` (RFC 7636, section 4.3), which is not served.
    let challenge = form.value("code_challenge").filter(|text| is_challenge(text));
    let (Some(challenge), Some("S256")) = (challenge, form.value("code_challenge_method")) else {
        return Err("invalid_request");
    };
    if form.value("state").is_some_and(|state| state.len() > 1024) {
        return Err("invalid_request");
    }
    Ok(CodeRequest {
        client_id: client.client_id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: form.value("state").map(str::to_owned),
        challenge: challenge.to_owned(),
        scopes: wish(client, form.value("scope")).ok_or("invalid_scope")?,
    })
}

/// A SHA-256 in base64url.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// What a client asks for: all that it may have, where it does not say.
pub(crate) fn wish(client: &PublicClient, scope: Option<&str>) -> Option<Scopes> {
    match scope.filter(|scope| !scope.trim().is_empty()) {
        None => Some(client.scopes.clone()),
        Some(scope) => {
            let scopes: Scopes = scope.parse().ok()?;
            scopes.is_subset_of(&client.scopes).then_some(scopes)
        }
    }
}

/// The provider of this name, or the only one.
pub(crate) fn chosen<'a>(state: &'a State, id: Option<&str>) -> Result<Option<&'a Provider>, Error> {
    match (id, &state.configured.providers[..]) {
        (Some(id), _) => {
            let found = state.configured.provider(id);
            found
                .map(Some)
                .ok_or_else(|| Error::invalid("There is no such identity provider."))
        }
        (None, [only]) => Ok(Some(only)),
        (None, []) => Err(Error::invalid("No identity provider is configured.")),
        (None, _) => Ok(None),
    }
}

fn choice(state: &State, query: &str) -> Outcome {
    let issuer = state.signing.issuer.as_str();
    let link = |provider: &Provider| {
        let url = format!("{issuer}/auth/authorize/{}?{query}", provider.id);
        let (url, name) = (escaped(&url), escaped(provider.shown_name()));
        format!("<a href=\"{url}\">{name}</a>")
    };
    let links: String = state.configured.providers.iter().map(link).collect();
    page(StatusCode::OK, "Sign in with", &format!("<nav>{links}</nav>"), "")
}

/// Sends the browser to the provider.
pub(crate) async fn begin(state: &State, provider: &Provider, purpose: Purpose, headers: &HeaderMap) -> Outcome {
    let issuer = &state.signing.issuer;
    // A browser that has another login under way keeps its cookie: both go on.
    let cookie = match browser::cookie(headers, issuer) {
        Some(cookie) => cookie,
        None => Secret::mint(SecretKind::Login)?,
    };
    let secret = Secret::mint(SecretKind::Login)?;
    let attempt = attempt(state, provider, &cookie, &secret);
    let url = state.providers.authorization_url(provider, &attempt).await?;
    let ends_at = later(state, LOGIN_SECONDS)?;
    let login = Login {
        provider: provider.id.clone(),
        browser: cookie.digest(),
        callback: attempt.callback,
        purpose,
        ends_at,
        expires_at: ends_at.as_second(),
    };
    if !state.store.begin_login(&secret.digest(), &login).await? {
        return Err(Error::internal("a login's state was there already"));
    }
    let mut response = see_other(url.as_str())?;
    browser::set_cookie(&mut response, issuer, &cookie)?;
    Ok(response)
}

/// The secrets of a login, made of the browser's cookie and the state: the table holds neither.
pub(crate) fn attempt(state: &State, provider: &Provider, cookie: &Secret, secret: &Secret) -> Attempt {
    let derived = |label: &str| gateway::oauth::keyed_digest(cookie.expose(), &format!("{label} {}", secret.expose()));
    Attempt {
        callback: format!("{}/auth/callback/{}", state.signing.issuer, provider.id),
        state: secret.expose().to_owned(),
        nonce: derived("nonce"),
        verifier: derived("verifier"),
    }
}

pub(crate) fn later(state: &State, seconds: i64) -> Result<Timestamp, Error> {
    Timestamp::from_second(state.clock.now_seconds() + seconds).map_err(Error::internal)
}

/// Sends the browser back to the client with an error.
pub(crate) fn tell(state: &State, told: &Told) -> Outcome {
    let mut pairs = vec![("error", told.error)];
    pairs.extend(told.state.as_deref().map(|state| ("state", state)));
    back(state, &told.redirect_uri, &pairs)
}

/// Sends the browser back to the client, with our name (RFC 9207, section 2).
pub(crate) fn back(state: &State, redirect_uri: &str, pairs: &[(&str, &str)]) -> Result<Response, Error> {
    let mut all = pairs.to_vec();
    all.push(("iss", state.signing.issuer.as_str()));
    let query = serde_urlencoded::to_string(all).map_err(Error::internal)?;
    let join = if redirect_uri.contains('?') { '&' } else { '?' };
    see_other(&format!("{redirect_uri}{join}{query}"))
}

/// What a client is told of an error of ours.
pub(crate) fn code_of(error: &Error) -> &'static str {
    match error.kind {
        Kind::AccessDenied => "access_denied",
        Kind::Unavailable => "temporarily_unavailable",
        _ => "server_error",
    }
}
