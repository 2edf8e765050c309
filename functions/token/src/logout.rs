//! Sign-out (OpenID Connect RP-Initiated Logout 1.0), on both sides.
//!
//! 1. A client sends a browser to `/oauth/logout`, where its person is asked (section 2).
//! 2. What was begun in that browser ends, and the browser forgets its cookie.
//! 3. The browser goes on to the provider by which the person came last, if that has such a place too, and comes back to
//!    `/oauth/logout/done`.
//! 4. From there it goes to where the client wants it, if that address is the client's (section 3).
//!
//! Where the browser goes in the end is looked up in the configuration whenever it is sent: a changed `state` leads nowhere else.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use gateway::error::Error;
use gateway::http::{Caller, Outcome, Whole, json, read_json, require_content_type};
use gateway::oauth::{Form, keyed_digest};
use gateway::secret::{Secret, SecretDigest, SecretKind};
use http::{HeaderMap, StatusCode, Uri};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use crate::State;
use crate::browser::{self, TO_A_PROVIDER, error_page, escaped, origin, page, see_other};

const LONGEST_STATE: usize = 1024;

/// What a client asks for. It keeps its members on the way by the provider, in that one's `state`.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Wish {
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

impl Wish {
    /// # Errors
    /// [`gateway::error::Kind::InvalidRequest`]: a client that is not known, or an address that is not that client's.
    fn read(state: &State, form: &Form) -> Result<Self, Error> {
        let text = |name: &str| form.value(name).map(str::to_owned);
        let wish = Self {
            client_id: text("client_id"),
            post_logout_redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
        };
        wish.check(state)?;
        Ok(wish)
    }

    fn check(&self, state: &State) -> Result<(), Error> {
        let client = match &self.client_id {
            Some(id) => Some(
                state
                    .configured
                    .client(id)
                    .ok_or_else(|| Error::invalid("The client is not known."))?,
            ),
            None => None,
        };
        let owned = |uri: &String| client.is_some_and(|client| client.owns_after_logout(uri));
        if !self.post_logout_redirect_uri.iter().all(owned) {
            return Err(Error::invalid("The address to go to is not one of the client's."));
        }
        if self.state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
            return Err(Error::invalid("`state` is too long."));
        }
        Ok(())
    }

    /// Where the browser goes in the end.
    fn target(&self) -> Result<Option<String>, Error> {
        let Some(uri) = &self.post_logout_redirect_uri else {
            return Ok(None);
        };
        let Some(state) = &self.state else {
            return Ok(Some(uri.clone()));
        };
        let query = serde_urlencoded::to_string([("state", state)]).map_err(Error::internal)?;
        let join = if uri.contains('?') { '&' } else { '?' };
        Ok(Some(format!("{uri}{join}{query}")))
    }

    fn sealed(&self) -> Result<String, Error> {
        serde_urlencoded::to_string(self).map_err(Error::internal)
    }
}

pub(crate) async fn asked(Extract(state): Extract<Arc<State>>, uri: Uri, headers: HeaderMap) -> Outcome {
    let outcome = Form::parse(uri.query().unwrap_or_default().as_bytes());
    outcome
        .and_then(|form| question(&state, &Wish::read(&state, &form)?, &headers))
        .or_else(error_page)
}

/// A client may post its wish too (section 2); what is posted with a ticket is the person's answer.
pub(crate) async fn submitted(Extract(state): Extract<Arc<State>>, headers: HeaderMap, Whole(body): Whole) -> Outcome {
    let outcome = async {
        require_content_type(&headers, "application/x-www-form-urlencoded")?;
        let form = Form::parse(&body)?;
        let wish = Wish::read(&state, &form)?;
        match form.value("ticket") {
            Some(ticket) => confirmed(&state, &wish, ticket, &headers).await,
            None => question(&state, &wish, &headers),
        }
    };
    outcome.await.or_else(error_page)
}

/// The ticket is in the page alone and the cookie in the browser alone: no other site has both.
fn ticket_of(cookie: &Secret) -> String {
    keyed_digest(cookie.expose(), "logout")
}

fn question(state: &State, wish: &Wish, headers: &HeaderMap) -> Outcome {
    let issuer = &state.signing.issuer;
    let cookie = match browser::cookie(headers, issuer) {
        Some(cookie) => cookie,
        None => Secret::mint(SecretKind::Login)?,
    };
    let ticket = ticket_of(&cookie);
    let fields = [
        ("ticket", Some(&ticket)),
        ("client_id", wish.client_id.as_ref()),
        ("post_logout_redirect_uri", wish.post_logout_redirect_uri.as_ref()),
        ("state", wish.state.as_ref()),
    ];
    let field = |(name, text): (&str, Option<&String>)| {
        let text = escaped(text?);
        Some(format!("<input type=\"hidden\" name=\"{name}\" value=\"{text}\">"))
    };
    let fields: String = fields.into_iter().filter_map(field).collect();
    let body = format!(
        "<p>Everything that was signed in to in this browser is signed out.</p>\n<form method=\"post\" \
         action=\"{}/oauth/logout\">{fields}<button name=\"decision\" value=\"sign_out\">Sign out</button></form>",
        escaped(issuer.as_str()),
    );
    let client = wish.post_logout_redirect_uri.as_deref().map(origin);
    let form_to = format!("{TO_A_PROVIDER}{}", client.unwrap_or_default());
    let mut response = page(StatusCode::OK, "Sign out?", &body, &form_to)?;
    browser::set_cookie(&mut response, issuer, &cookie)?;
    Ok(response)
}

async fn confirmed(state: &State, wish: &Wish, ticket: &str, headers: &HeaderMap) -> Outcome {
    let issuer = &state.signing.issuer;
    let foreign = || Error::invalid("This page was not shown in this browser. Please try again.");
    let cookie = browser::cookie(headers, issuer).ok_or_else(foreign)?;
    let right = SecretDigest::of_text(&ticket_of(&cookie));
    if !right.matches(&SecretDigest::of_text(ticket)) {
        return Err(foreign());
    }
    let provider = end_all(state, &cookie.digest()).await?;
    let on = match provider {
        Some(provider) => at_provider(state, &provider, wish).await?,
        None => None,
    };
    let mut response = match on {
        Some(url) => see_other(url.as_str())?,
        None => finished(wish)?,
    };
    browser::drop_cookie(&mut response, issuer)?;
    Ok(response)
}

/// Ends what was begun in the browser. The name of the provider by which its person came last.
async fn end_all(state: &State, browser: &SecretDigest) -> Result<Option<String>, Error> {
    let mut begun = state.store.sessions_of_browser(browser).await?;
    begun.sort_by_key(|session| session.created_at);
    for session in &begun {
        state.store.end_session(&session.subject, &session.session_id).await?;
    }
    Ok(begun.pop().map(|session| session.provider))
}

/// Where the browser is to go at the provider. A provider that cannot be asked is left out: what is ours has ended.
async fn at_provider(state: &State, provider: &str, wish: &Wish) -> Result<Option<Url>, Error> {
    let Some(provider) = state.configured.provider(provider) else {
        return Ok(None);
    };
    let after = format!("{}/oauth/logout/done", state.signing.issuer);
    let url = state.providers.logout_url(provider, after, wish.sealed()?).await;
    Ok(url.unwrap_or_else(|error| {
        tracing::warn!(error = ?error, provider = provider.id, "a provider could not be asked to sign somebody out");
        None
    }))
}

pub(crate) async fn done(Extract(state): Extract<Arc<State>>, uri: Uri) -> Outcome {
    let sealed = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let sealed = sealed.and_then(|form| Form::parse(form.value("state").unwrap_or_default().as_bytes()));
    sealed
        .and_then(|form| finished(&Wish::read(&state, &form)?))
        .or_else(error_page)
}

fn finished(wish: &Wish) -> Result<Response, Error> {
    match wish.target()? {
        Some(target) => see_other(&target),
        None => page(StatusCode::OK, "Signed out", "<p>You may close this page.</p>", ""),
    }
}

/// `POST /auth/logout`, where a body may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogoutBody {
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// Ends the session that the caller's token is of, and tells where the browser ends the provider's. A credential of no session has
/// nothing to end.
pub(crate) async fn by_token(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    let principal = caller.principal;
    principal.require_alive(state.clock.now())?;
    let session_id = principal.session_id.ok_or_else(|| Error::not_found("session"))?;
    let body: LogoutBody = match body.is_empty() {
        true => LogoutBody::default(),
        false => read_json(&headers, &body)?,
    };
    let session = state.store.session(&principal.subject, &session_id).await?;
    let session = session.ok_or_else(|| Error::not_found("session"))?;
    let wish = Wish {
        // A client that is configured no more can have its session ended, but nobody sent back to it.
        client_id: body.post_logout_redirect_uri.is_some().then_some(session.client_id),
        post_logout_redirect_uri: body.post_logout_redirect_uri,
        state: body.state,
    };
    wish.check(&state)?;
    state.store.end_session(&principal.subject, &session_id).await?;
    match at_provider(&state, &session.provider, &wish).await? {
        Some(url) => json(StatusCode::OK, &value!({ "end_session_url": url.as_str() })),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
