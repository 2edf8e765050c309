//! The grants that people give: a code, a refresh token, a device's yes.

use gateway::error::{Error, Kind};
use gateway::login::PublicClient;
use gateway::oauth::{Form, TokenAnswer, invalid_client, s256};
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{AuthorizationCode, CodeState, DeviceState, Poll, Redemption, Rotation, Session};

use crate::State;
use crate::people::{living, user_of};
use crate::session::{Login, answer, new_session};

/// The grant type of RFC 8628, section 3.4.
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// One answer for every code and token that does not count.
fn invalid_grant() -> Error {
    Error::new(Kind::InvalidGrant, "The grant is not valid, or no longer.")
}

/// The client that a form names. It has no secret, so one that shows any credential is somebody else (RFC 6749, section 3.2.1).
pub(crate) fn public_client<'a>(
    state: &'a State,
    authorization: Option<&str>,
    form: &Form,
) -> Result<&'a PublicClient, Error> {
    if authorization.is_some() || form.value("client_secret").is_some() {
        return Err(invalid_client());
    }
    let id = form.value("client_id");
    id.and_then(|id| state.configured.client(id)).ok_or_else(invalid_client)
}

fn shown(text: Option<&str>, name: &'static str, kind: SecretKind) -> Result<Secret, Error> {
    let text = text.ok_or_else(|| Error::invalid(format!("`{name}` is missing.")))?;
    let secret: Option<Secret> = text.parse().ok();
    secret.filter(|secret| secret.kind() == kind).ok_or_else(invalid_grant)
}

/// `authorization_code` (RFC 6749, section 4.1.3, and RFC 7636, section 4.6).
pub(crate) async fn by_code(state: &State, client: &PublicClient, form: &Form) -> Result<TokenAnswer, Error> {
    let secret = shown(form.value("code"), "code", SecretKind::AuthorizationCode)?;
    let digest = secret.digest();
    let code = state.store.code(&digest).await?.ok_or_else(invalid_grant)?;
    if code.state != CodeState::Live {
        end_what_came_of(state, &code).await?;
        return Err(invalid_grant());
    }
    let fits = code.request.client_id == client.client_id
        && form.value("redirect_uri") == Some(&*code.request.redirect_uri)
        && is_verifier_of(form.value("code_verifier"), &code.request.challenge);
    if !fits || code.ends_at <= state.clock.now() {
        state.store.burn_code(&digest).await?;
        return Err(invalid_grant());
    }
    let user = living(state, &code.user_id).await?.ok_or_else(invalid_grant)?;
    let login = Login {
        client,
        provider: &code.provider,
        scopes: &code.request.scopes,
        browser: code.browser.as_ref(),
    };
    let (session, token) = new_session(state, &user, login).await?;
    match state.store.redeem_code(&digest, &session.session_id).await? {
        Redemption::Redeemed => answer(state, &session, &user, &token, None).await,
        Redemption::Spent(other) => {
            state.store.drop_session(&session).await?;
            let spent = AuthorizationCode {
                session_id: other,
                ..code
            };
            end_what_came_of(state, &spent).await?;
            Err(invalid_grant())
        }
    }
}

/// A code that comes twice was stolen by one of the two (RFC 6749, section 4.1.2).
async fn end_what_came_of(state: &State, code: &AuthorizationCode) -> Result<(), Error> {
    let Some(session_id) = &code.session_id else {
        return Ok(());
    };
    let subject = format!("user:{}", code.user_id).parse().map_err(Error::internal)?;
    tracing::warn!(session_id, "an authorization code was used twice: its session is ended");
    state.store.end_session(&subject, session_id).await.map(drop)
}

/// 43 to 128 unreserved characters (RFC 7636, section 4.1).
fn is_verifier_of(verifier: Option<&str>, challenge: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    verifier.is_some_and(|verifier| {
        (43..=128).contains(&verifier.len())
            && verifier.bytes().all(unreserved)
            && aws_lc_rs::constant_time::verify_slices_are_equal(s256(verifier).as_bytes(), challenge.as_bytes())
                .is_ok()
    })
}

/// `refresh_token` (RFC 6749, section 6, and RFC 9700, section 4.14.2).
pub(crate) async fn by_refresh(state: &State, client: &PublicClient, form: &Form) -> Result<TokenAnswer, Error> {
    let secret = shown(form.value("refresh_token"), "refresh_token", SecretKind::RefreshToken)?;
    let digest = secret.digest();
    let session = state.store.session_of_token(&digest).await?.ok_or_else(invalid_grant)?;
    let now = state.clock.now();
    if session.client_id != client.client_id || !session.is_alive(now) {
        return Err(invalid_grant());
    }
    let Some(user) = user_of(state, &session).await? else {
        state.store.end_session(&session.subject, &session.session_id).await?;
        return Err(invalid_grant());
    };
    let narrower = narrowed(&session, form.value("scope"))?;
    let next = Secret::mint(SecretKind::RefreshToken)?;
    match state.store.rotate(&session, &digest, &next.digest(), now).await? {
        Rotation::Rotated => answer(state, &session, &user, &next, narrower).await,
        Rotation::Ended => Err(invalid_grant()),
        Rotation::Reused => {
            tracing::warn!(
                session_id = session.session_id,
                "a refresh token was used twice: its session is ended"
            );
            state.store.end_session(&session.subject, &session.session_id).await?;
            Err(invalid_grant())
        }
    }
}

/// No more than was granted.
fn narrowed(session: &Session, scope: Option<&str>) -> Result<Option<Scopes>, Error> {
    let refused = || Error::new(Kind::InvalidScope, "A scope is unknown, or was not granted.");
    let Some(scope) = scope.filter(|scope| !scope.trim().is_empty()) else {
        return Ok(None);
    };
    let scopes: Scopes = scope.parse().map_err(|_| refused())?;
    if scopes.is_subset_of(&session.scopes) {
        Ok(Some(scopes))
    } else {
        Err(refused())
    }
}

/// `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628, section 3.4).
pub(crate) async fn by_device(state: &State, client: &PublicClient, form: &Form) -> Result<TokenAnswer, Error> {
    let secret = shown(form.value("device_code"), "device_code", SecretKind::DeviceCode)?;
    let digest = secret.digest();
    let grant = match state.store.poll_device(&digest, state.clock.now_seconds()).await? {
        Poll::Asked(grant) => grant,
        Poll::TooEarly => {
            return Err(Error::new(
                Kind::SlowDown,
                "Wait five seconds longer between two questions.",
            ));
        }
        Poll::Unknown => return Err(invalid_grant()),
    };
    if grant.client_id != client.client_id {
        return Err(invalid_grant());
    }
    if grant.ends_at <= state.clock.now() {
        return Err(Error::new(Kind::ExpiredToken, "The device code has ended."));
    }
    let (Some(user_id), Some(provider)) = (&grant.user_id, &grant.provider) else {
        return Err(Error::new(Kind::AuthorizationPending, "Nobody has decided yet."));
    };
    match grant.state {
        DeviceState::Approved => {}
        DeviceState::Denied => return Err(Error::new(Kind::AccessDenied, "The request was refused.")),
        DeviceState::Pending | DeviceState::Redeemed => return Err(invalid_grant()),
    }
    let user = living(state, user_id).await?.ok_or_else(invalid_grant)?;
    if !state.store.redeem_device(&digest).await? {
        return Err(invalid_grant());
    }
    // The browser that said yes is another machine's than the session.
    let login = Login {
        client,
        provider,
        scopes: &grant.scopes,
        browser: None,
    };
    let (session, token) = new_session(state, &user, login).await?;
    answer(state, &session, &user, &token, None).await
}
