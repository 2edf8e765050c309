//! Back from the provider: the callback, the consent page, and the code for the client.

use std::sync::Arc;

use axum::extract::{Path, State as Extract};
use gateway::error::{Error, Kind};
use gateway::http::{Outcome, Whole, require_content_type};
use gateway::login::{ConsentRule, Provider};
use gateway::oauth::Form;
use gateway::secret::{Secret, SecretDigest, SecretKind};
use gateway::store::{AuthorizationCode, CodeRequest, CodeState, Consent, DeviceState, Login, Purpose, User};
use http::{HeaderMap, StatusCode, Uri};

use crate::State;
use crate::authorize::{Told, attempt, back, code_of, later, tell};
use crate::browser::{self, LOGIN_SECONDS, error_page, escaped, origin, page};
use crate::known;

/// A code lives this long.
const CODE_SECONDS: i64 = 60;
/// A code is remembered this long, so that a second use is known for one.
const CODE_REMEMBERED_SECONDS: i64 = 86_400;

pub(crate) async fn callback(
    Extract(state): Extract<Arc<State>>,
    Path(provider): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Outcome {
    let outcome = returned(&state, &provider, uri.query().unwrap_or_default(), &headers);
    outcome.await.or_else(error_page)
}

fn not_begun_here() -> Error {
    Error::invalid("This login was not begun in this browser, was used before, or took too long. Please begin again.")
}

async fn returned(state: &State, provider: &str, query: &str, headers: &HeaderMap) -> Outcome {
    let form = Form::parse(query.as_bytes())?;
    let secret = ticket(form.value("state"))?;
    let cookie = browser::cookie(headers, &state.signing.issuer).ok_or_else(not_begun_here)?;
    let login = state
        .store
        .take_login(&secret.digest())
        .await?
        .ok_or_else(not_begun_here)?;
    let provider = state.configured.provider(provider).ok_or_else(not_begun_here)?;
    let attempt = attempt(state, provider, &cookie, &secret);
    let fits = login.browser.matches(&cookie.digest())
        && login.provider == provider.id
        && login.callback == attempt.callback
        && login.ends_at > state.clock.now();
    if !fits || !state.providers.is_from(provider, form.value("iss")).await? {
        return Err(not_begun_here());
    }
    match arrived(state, provider, &attempt, &form).await {
        Ok(user) => proceed(state, &cookie, user, &login).await,
        Err(error) => refuse(state, &login.purpose, error),
    }
}

/// A text that was minted for a login.
fn ticket(text: Option<&str>) -> Result<Secret, Error> {
    let secret: Option<Secret> = text.and_then(|text| text.parse().ok());
    secret
        .filter(|secret| secret.kind() == SecretKind::Login)
        .ok_or_else(not_begun_here)
}

async fn arrived(
    state: &State,
    provider: &Provider,
    attempt: &crate::provider::Attempt,
    form: &Form,
) -> Result<User, Error> {
    match (form.value("error"), form.value("code")) {
        (None, Some(code)) => {
            let person = state.providers.person(provider, attempt, code).await?;
            known::signed_in(state, provider, &person).await
        }
        (Some("access_denied"), _) => Err(Error::new(Kind::AccessDenied, "The login was refused.")),
        _ => Err(Error::internal("a provider refused the request for a login")),
    }
}

/// The client hears of it, if there is one to hear; what failed on our side is in the log.
fn refuse(state: &State, purpose: &Purpose, error: Error) -> Outcome {
    let Purpose::Code(request) = purpose else {
        return Err(error);
    };
    let code = code_of(&error);
    tracing::warn!(error = ?error, code, "a login failed");
    tell(state, &told(request, code))
}

fn told(request: &CodeRequest, error: &'static str) -> Told {
    Told {
        redirect_uri: request.redirect_uri.clone(),
        state: request.state.clone(),
        error,
    }
}

/// Asks for consent, or goes on where it is implied. A device is always asked for.
async fn proceed(state: &State, cookie: &Secret, user: User, login: &Login) -> Outcome {
    let client = state.configured.client(login.purpose.client_id());
    let client = client.ok_or_else(|| Error::invalid("The client is not known any more."))?;
    if let (Purpose::Code(request), ConsentRule::Implied) = (&login.purpose, client.consent) {
        return give_code(state, request, &user.user_id, &login.provider, &login.browser).await;
    }
    let ticket = Secret::mint(SecretKind::Login)?;
    let ends_at = later(state, LOGIN_SECONDS)?;
    let shown = consent_page(state, &client.name, &user, &login.purpose, &ticket)?;
    let consent = Consent {
        browser: cookie.digest(),
        user_id: user.user_id,
        provider: login.provider.clone(),
        purpose: login.purpose.clone(),
        ends_at,
        expires_at: ends_at.as_second(),
    };
    state.store.show_consent(&ticket.digest(), &consent).await?;
    Ok(shown)
}

fn consent_page(state: &State, client: &str, user: &User, purpose: &Purpose, ticket: &Secret) -> Outcome {
    let who = user.name.as_deref().or(user.email.as_deref()).unwrap_or(&user.user_id);
    let scopes = purpose.scopes().intersection(&user.scopes());
    let rights: String = scopes.names().iter().map(|name| format!("<li>{name}</li>")).collect();
    let (leads_to, form_to) = match purpose {
        Purpose::Code(request) => (escaped(&request.redirect_uri), origin(&request.redirect_uri)),
        Purpose::Device { .. } => ("a device that shows the code you typed".to_owned(), String::new()),
    };
    let body = format!(
        "<p>You are {}. <strong>{}</strong> asks for these rights:</p>\n<ul>{rights}</ul>\n<p>It will be told at {leads_to}.</p>\n\
         <form method=\"post\" action=\"{}/oauth/consent\"><input type=\"hidden\" name=\"ticket\" value=\"{}\">\
         <button name=\"decision\" value=\"allow\">Allow</button> <button name=\"decision\" value=\"deny\">Deny</button></form>",
        escaped(who),
        escaped(client),
        escaped(state.signing.issuer.as_str()),
        ticket.expose(),
    );
    page(StatusCode::OK, "Allow access?", &body, &form_to)
}

pub(crate) async fn consent(Extract(state): Extract<Arc<State>>, headers: HeaderMap, Whole(body): Whole) -> Outcome {
    decided(&state, &headers, &body).await.or_else(error_page)
}

/// The ticket is in the page alone and the cookie in the browser alone: no other site has both.
async fn decided(state: &State, headers: &HeaderMap, body: &[u8]) -> Outcome {
    require_content_type(headers, "application/x-www-form-urlencoded")?;
    let form = Form::parse(body)?;
    let ticket = ticket(form.value("ticket"))?;
    let cookie = browser::cookie(headers, &state.signing.issuer).ok_or_else(not_begun_here)?;
    let consent = state
        .store
        .take_consent(&ticket.digest())
        .await?
        .ok_or_else(not_begun_here)?;
    if !consent.browser.matches(&cookie.digest()) || consent.ends_at <= state.clock.now() {
        return Err(not_begun_here());
    }
    let allowed = form.value("decision") == Some("allow");
    match consent.purpose {
        Purpose::Code(request) if allowed => {
            let (user_id, provider) = (&consent.user_id, &consent.provider);
            give_code(state, &request, user_id, provider, &consent.browser).await
        }
        Purpose::Code(request) => tell(state, &told(&request, "access_denied")),
        Purpose::Device { device, .. } => {
            let decision = if allowed {
                DeviceState::Approved
            } else {
                DeviceState::Denied
            };
            let stands = state
                .store
                .decide_device(&device, decision, &consent.user_id, &consent.provider)
                .await?;
            let text = if stands {
                "Go back to your device."
            } else {
                "This was decided before."
            };
            page(StatusCode::OK, "Done", &format!("<p>{text}</p>"), "")
        }
    }
}

async fn give_code(
    state: &State,
    request: &CodeRequest,
    user_id: &str,
    provider: &str,
    browser: &SecretDigest,
) -> Outcome {
    let user = state.store.user(user_id).await?;
    if !user.is_some_and(|user| user.is_active()) {
        return tell(state, &told(request, "access_denied"));
    }
    let secret = Secret::mint(SecretKind::AuthorizationCode)?;
    let code = AuthorizationCode {
        request: request.clone(),
        user_id: user_id.to_owned(),
        provider: provider.to_owned(),
        browser: Some(browser.clone()),
        state: CodeState::Live,
        session_id: None,
        ends_at: later(state, CODE_SECONDS)?,
        expires_at: state.clock.now_seconds() + CODE_REMEMBERED_SECONDS,
    };
    state.store.create_code(&secret.digest(), &code).await?;
    let mut pairs = vec![("code", secret.expose())];
    pairs.extend(request.state.as_deref().map(|state| ("state", state)));
    back(state, &request.redirect_uri, &pairs)
}
