//! OpenID Connect by `openidconnect`: a provider's documents, where a browser is sent, and what comes for a code.

use gateway::error::{Error, Kind};
use gateway::login::Provider;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType, CoreTokenResponse,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadata, RedirectUrl, RequestTokenError, Scope, UserInfoUrl,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::Attempt;
use super::keys::strong;
use super::outside::{Outside, endpoint};

/// A provider's documents are read again after so long.
pub(super) const FRESH_SECONDS: i64 = 300;
/// For an unknown key they are read again sooner, but not sooner than this.
pub(super) const REREAD_SECONDS: i64 = 30;

/// What a provider says of itself besides OpenID Connect Discovery 1.0.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct More {
    /// OpenID Connect RP-Initiated Logout 1.0, section 2.1.
    end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 9207, section 3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// This gateway, as a client of a provider.
type Relying =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// What a provider says of itself, with its keys.
pub(super) struct Discovered {
    pub(super) metadata: Metadata,
    pub(super) read_at: i64,
}

pub(super) async fn read(outside: &Outside, provider: &Provider, now_seconds: i64) -> Result<Discovered, Error> {
    let issuer = provider
        .issuer()
        .ok_or_else(|| Error::internal("a provider without issuer"))?;
    let named = IssuerUrl::new(issuer.clone()).map_err(Error::internal)?;
    let asking = outside.asking(&issuer);
    let metadata = Metadata::discover_async(named, &asking).await.map_err(unreadable)?;
    let keys = strong(metadata.jwks());
    let discovered = Discovered {
        metadata: metadata.set_jwks(keys),
        read_at: now_seconds,
    };
    discovered.check(&issuer)?;
    Ok(discovered)
}

/// The library's own errors hold whole documents, which the log is not to hold.
fn unreadable(error: DiscoveryError<Error>) -> Error {
    Error::unavailable(match error {
        DiscoveryError::Request(error) => return error,
        DiscoveryError::Parse(_) => "a provider's document is malformed",
        DiscoveryError::Response(..) => "a provider's document cannot be read",
        DiscoveryError::Validation(_) => "a provider names another issuer than the configured one",
        _ => "a provider's documents are not where they should be",
    })
}

impl Discovered {
    /// Every place that the provider names, also those where only a browser will go.
    fn check(&self, issuer: &str) -> Result<(), Error> {
        let metadata = &self.metadata;
        let needed = [
            Some(metadata.authorization_endpoint().as_str()),
            metadata.token_endpoint().map(|url| url.as_str()),
            Some(metadata.jwks_uri().as_str()),
        ];
        let others = [
            metadata.userinfo_endpoint().map(|url| url.as_str()),
            self.end_session_url(),
        ];
        let others = others.into_iter().filter(Option::is_some);
        needed
            .into_iter()
            .chain(others)
            .try_for_each(|place| endpoint(place, issuer).map(drop))
    }

    pub(super) fn issuer(&self) -> &str {
        self.metadata.issuer().as_str()
    }

    pub(super) fn names_itself_in_answers(&self) -> bool {
        self.metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported
    }

    fn end_session_url(&self) -> Option<&str> {
        let url = self.metadata.additional_metadata().end_session_endpoint.as_ref();
        url.map(|url| url.as_str())
    }

    /// Where a browser ends its session at the provider, if there is such a place, and comes back to `after` with `state` (OpenID Connect
    /// RP-Initiated Logout 1.0, section 2).
    pub(super) fn logout_url(&self, provider: &Provider, after: String, state: String) -> Result<Option<Url>, Error> {
        let Some(place) = self.metadata.additional_metadata().end_session_endpoint.clone() else {
            return Ok(None);
        };
        let after = PostLogoutRedirectUrl::new(after).map_err(Error::internal)?;
        let request = LogoutRequest::from(place)
            .set_client_id(ClientId::new(provider.client_id.clone()))
            .set_post_logout_redirect_uri(after)
            .set_state(CsrfToken::new(state));
        Ok(Some(request.http_get_url()))
    }

    pub(super) fn userinfo_endpoint(&self) -> Option<&Url> {
        self.metadata.userinfo_endpoint().map(UserInfoUrl::url)
    }

    fn client(&self, provider: &Provider, attempt: &Attempt, secret: Option<&str>) -> Result<Relying, Error> {
        let client = CoreClient::from_provider_metadata(
            self.metadata.clone(),
            ClientId::new(provider.client_id.clone()),
            secret.map(|secret| ClientSecret::new(secret.to_owned())),
        );
        // Basic where nothing is said (OpenID Connect Discovery, section 3).
        let methods = self.metadata.token_endpoint_auth_methods_supported();
        let basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let callback = RedirectUrl::new(attempt.callback.clone()).map_err(Error::internal)?;
        Ok(client.set_redirect_uri(callback).set_auth_type(match basic {
            true => AuthType::BasicAuth,
            false => AuthType::RequestBody,
        }))
    }

    /// Where the browser is to go (OpenID Connect Core, section 3.1.2.1).
    pub(super) fn authorization_url(&self, provider: &Provider, attempt: &Attempt) -> Result<Url, Error> {
        let client = self.client(provider, attempt, None)?;
        let (state, nonce) = (CsrfToken::new(attempt.state.clone()), Nonce::new(attempt.nonce.clone()));
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, move || state.clone(), move || nonce.clone());
        let scopes = ["email", "profile"].map(str::to_owned).into_iter();
        let scopes = scopes.chain(provider.extra_scopes.clone()).map(Scope::new);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(attempt.verifier.clone()));
        let (url, _, _) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        Ok(url)
    }
}

/// What came for a code. It is neither logged nor stored nor handed on.
pub(super) async fn exchange(
    outside: &Outside,
    discovered: &Discovered,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    secret: &str,
) -> Result<CoreTokenResponse, Error> {
    let client = discovered.client(provider, attempt, Some(secret))?;
    let request = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(Error::internal)?
        .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
    let asking = outside.asking(discovered.issuer());
    // The library's own errors hold the answer, and that the tokens.
    request.request_async(&asking).await.map_err(|error| match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(_) => {
            Error::new(Kind::AccessDenied, "The identity provider did not accept the login.")
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Error::internal("a provider's answer to a code cannot be read")
        }
    })
}
