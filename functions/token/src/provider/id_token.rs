//! Id tokens (OpenID Connect Core, section 3.1.3.7): verified by `openidconnect`, and held to what it leaves to its users.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Algorithm, CoreTokenResponse};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, Nonce, OAuth2TokenResponse as _,
    SignatureVerificationError, TokenResponse as _,
};
use serde_json::{Map, Value};

use super::discovery::Discovered;

/// How far clocks may be apart.
const LEEWAY_SECONDS: i64 = 60;
const LONGEST_BYTES: usize = 32 * 1024;
/// None is symmetric. Which of them a key may be used with is said by its kind, its curve and its `alg`.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// Why an id token does not count. For the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no id token, or it is malformed")]
    Invalid,
    #[error("an id token has a wrong signature")]
    Signature,
    #[error("an id token names a key that its provider does not publish")]
    UnknownKey,
    #[error("an id token is from another issuer")]
    Issuer,
    #[error("an id token is for another audience")]
    Audience,
    #[error("an id token is not of this login")]
    Nonce,
    #[error("an id token has ended, or is from the future")]
    Time,
    #[error("an id token came with another access token than its own")]
    AccessToken,
}

impl From<ClaimsVerificationError> for Refusal {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::InvalidIssuer(_) => Self::Issuer,
            ClaimsVerificationError::InvalidAudience(_) => Self::Audience,
            ClaimsVerificationError::InvalidNonce(_) => Self::Nonce,
            ClaimsVerificationError::Expired(_) => Self::Time,
            ClaimsVerificationError::SignatureVerification(error) => error.into(),
            _ => Self::Invalid,
        }
    }
}

impl From<SignatureVerificationError> for Refusal {
    fn from(error: SignatureVerificationError) -> Self {
        match error {
            SignatureVerificationError::NoMatchingKey => Self::UnknownKey,
            _ => Self::Signature,
        }
    }
}

/// What a token must say, besides being of its provider.
pub(super) struct Wanted<'a> {
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now_seconds: i64,
}

/// The claims, as they were signed.
pub(super) fn verify(
    tokens: &CoreTokenResponse,
    discovered: &Discovered,
    wanted: &Wanted<'_>,
) -> Result<Map<String, Value>, Refusal> {
    let token = tokens.id_token().ok_or(Refusal::Invalid)?;
    let text = token.to_string();
    if text.len() > LONGEST_BYTES {
        return Err(Refusal::Invalid);
    }
    let verifier = verifier(discovered, wanted)?;
    let claims = token.claims(&verifier, &Nonce::new(wanted.nonce.to_owned()))?;
    if let Some(hash) = claims.access_token_hash() {
        check_hash(token, &verifier, tokens.access_token(), hash)?;
    }
    let claims = signed(&text).ok_or(Refusal::Invalid)?;
    check(&claims, wanted)?;
    Ok(claims)
}

/// The client is a public one to the verifier, which by that has no secret to check a symmetric signature with.
fn verifier<'a>(discovered: &Discovered, wanted: &Wanted<'_>) -> Result<CoreIdTokenVerifier<'a>, Refusal> {
    let now = DateTime::<Utc>::from_timestamp(wanted.now_seconds, 0).ok_or(Refusal::Time)?;
    let latest = wanted.now_seconds + LEEWAY_SECONDS;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(wanted.client_id.to_owned()),
        discovered.metadata.issuer().clone(),
        discovered.metadata.jwks().clone(),
    );
    let issued = move |at: DateTime<Utc>| match at.timestamp() <= latest {
        true => Ok(()),
        false => Err("issued in the future".to_owned()),
    };
    Ok(verifier
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now)
        .set_issue_time_verifier_fn(issued))
}

/// `at_hash`, which the code flow may leave out (OpenID Connect Core, section 3.1.3.8).
fn check_hash(
    token: &CoreIdToken,
    verifier: &CoreIdTokenVerifier<'_>,
    access_token: &AccessToken,
    hash: &AccessTokenHash,
) -> Result<(), Refusal> {
    let made = AccessTokenHash::from_token(access_token, token.signing_alg()?, token.signing_key(verifier)?);
    match made {
        Ok(made) if made == *hash => Ok(()),
        _ => Err(Refusal::AccessToken),
    }
}

/// The claims of a token that was verified. The library's own reading of them is kinder: it takes texts for times and for booleans.
fn signed(token: &str) -> Option<Map<String, Value>> {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// What the library leaves open: `azp`, other audiences, texts for numbers, and how long a subject is.
fn check(claims: &Map<String, Value>, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let alone = match claims.get("aud") {
        Some(Value::String(audience)) => audience == wanted.client_id,
        Some(Value::Array(audiences)) => audiences.len() == 1 && audiences[0] == wanted.client_id,
        _ => false,
    };
    // A token that is for others too may have been given to them; who it was made for says `azp`, if it is there.
    if !alone || claims.contains_key("azp") && text("azp") != Some(wanted.client_id) {
        return Err(Refusal::Audience);
    }
    if !["exp", "iat"]
        .iter()
        .all(|name| claims.get(*name).is_some_and(Value::is_number))
    {
        return Err(Refusal::Time);
    }
    match text("sub") {
        Some(subject) if (1..=255).contains(&subject.len()) => Ok(()),
        _ => Err(Refusal::Invalid),
    }
}
