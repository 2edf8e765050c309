//! What people have of a login: a session, and its tokens.

use gateway::error::Error;
use gateway::jwt::{Audience, Claims};
use gateway::login::PublicClient;
use gateway::oauth::TokenAnswer;
use gateway::random;
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretDigest, SecretKind};
use gateway::store::{Session, SessionState, User};

use crate::State;
use crate::authorize::later;

/// A person's access token lives this long.
const ACCESS_SECONDS: i64 = 3600;
/// A session ends after this, however often it is used.
pub(crate) const SESSION_SECONDS: i64 = 30 * 86_400;
/// A session is remembered this long after its end, so that its old tokens are known for what they are.
const REMEMBERED_SECONDS: i64 = 86_400;

/// What a session comes of.
pub(crate) struct Login<'a> {
    pub(crate) client: &'a PublicClient,
    pub(crate) provider: &'a str,
    /// What was granted.
    pub(crate) scopes: &'a Scopes,
    /// The browser that is to end it, by its cookie's digest.
    pub(crate) browser: Option<&'a SecretDigest>,
}

/// A session of a person, and its first refresh token.
pub(crate) async fn new_session(state: &State, user: &User, login: Login<'_>) -> Result<(Session, Secret), Error> {
    let token = Secret::mint(SecretKind::RefreshToken)?;
    let now = state.clock.now();
    let ends_at = later(state, SESSION_SECONDS)?;
    let session = Session {
        session_id: random::identifier("ses")?,
        subject: user.subject()?,
        client_id: login.client.client_id.clone(),
        provider: login.provider.to_owned(),
        scopes: login.scopes.clone(),
        state: SessionState::Active,
        current: token.digest(),
        created_at: now,
        last_used_at: now,
        ends_at,
        expires_at: ends_at.as_second() + REMEMBERED_SECONDS,
    };
    if let Some(browser) = login.browser {
        state.store.remember_session(browser, &session).await?;
    }
    if !state.store.create_session(&session).await? {
        return Err(Error::internal("a session's id was there already"));
    }
    Ok((session, token))
}

/// The tokens. What they allow is what was granted and what the person may do now, whichever is less.
pub(crate) async fn answer(
    state: &State,
    session: &Session,
    user: &User,
    refresh: &Secret,
    narrower: Option<Scopes>,
) -> Result<TokenAnswer, Error> {
    let scopes = narrower
        .unwrap_or_else(|| session.scopes.clone())
        .intersection(&user.scopes());
    let now = state.clock.now_seconds();
    let claims = Claims {
        iss: state.signing.issuer.as_str().to_owned(),
        sub: session.subject.as_str().to_owned(),
        aud: Audience::One(state.signing.audience.clone()),
        exp: now + ACCESS_SECONDS,
        iat: now,
        nbf: None,
        jti: random::identifier("jwt")?,
        client_id: session.client_id.clone(),
        scope: scopes.to_string(),
        team: user.team.clone().map(Into::into),
        sid: Some(session.session_id.clone()),
    };
    let access_token = state.signing.sign(&claims, state.clock.now()).await?;
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: ACCESS_SECONDS,
        scope: scopes.to_string(),
        refresh_token: Some(refresh.expose().to_owned()),
    })
}
