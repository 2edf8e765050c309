//! The grant `client_credentials` (RFC 6749, section 4.4). It gives no refresh token.

use gateway::certificate::{Certificate, Confirmation};
use gateway::error::{Error, Kind};
use gateway::jwt::{ACCESS_TOKEN_SECONDS, Audience, Claims};
use gateway::oauth::{ClientCredentials, TokenAnswer};
use gateway::principal::Subject;
use gateway::random;
use gateway::scope::Scopes;
use gateway::store::ServiceClient;

use crate::State;
use crate::client::authenticated;

/// A token for a service account.
pub(crate) async fn client_credentials(
    state: &State,
    credentials: &ClientCredentials,
    certificate: Option<&Certificate>,
    scope: Option<&str>,
) -> Result<TokenAnswer, Error> {
    let client = authenticated(state, credentials, certificate).await?;
    let cnf = bound(&client, certificate)?;
    let scopes = granted(&client, scope)?;
    let now = state.clock.now_seconds();
    let longest = now + ACCESS_TOKEN_SECONDS;
    let exp = client.ends_at.map_or(longest, |end| longest.min(end.as_second()));
    let claims = Claims {
        iss: state.signing.issuer.as_str().to_owned(),
        sub: Subject::of_client(&client.client_id)
            .map_err(Error::internal)?
            .as_str()
            .to_owned(),
        aud: Audience::One(state.signing.audience.clone()),
        exp,
        iat: now,
        nbf: None,
        jti: random::identifier("jwt")?,
        client_id: client.client_id,
        scope: scopes.to_string(),
        team: client.team.map(Into::into),
        sid: None,
        cnf,
    };
    let access_token = state.signing.sign(&claims, state.clock.now()).await?;
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: exp - now,
        scope: scopes.to_string(),
        refresh_token: None,
    })
}

/// What the client's tokens are bound to: the certificate of the connection (RFC 8705, section 3). Without one there is no token, since
/// nobody could use it.
fn bound(client: &ServiceClient, certificate: Option<&Certificate>) -> Result<Option<Confirmation>, Error> {
    match (client.binds_tokens(), certificate) {
        (false, _) => Ok(None),
        (true, Some(certificate)) => Ok(Some(Confirmation {
            thumbprint: certificate.thumbprint().clone(),
        })),
        (true, None) => Err(Error::invalid(
            "This client's tokens are bound to a certificate, and the connection has none.",
        )),
    }
}

/// What was asked for, if the client has all of it; without a wish, all that the client has.
fn granted(client: &ServiceClient, scope: Option<&str>) -> Result<Scopes, Error> {
    let Some(wish) = scope.filter(|wish| !wish.trim().is_empty()) else {
        return Ok(client.allowed());
    };
    let refused = || Error::new(Kind::InvalidScope, "A scope is unknown, or not this client's.");
    let scopes: Scopes = wish.parse().map_err(|_| refused())?;
    if scopes.is_subset_of(&client.allowed()) {
        Ok(scopes)
    } else {
        Err(refused())
    }
}
