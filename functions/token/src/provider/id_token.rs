//! Id tokens (OpenID Connect Core, section 3.1.3.7), verified by the provider's published keys alone.

use gateway::login::{Make, Provider};
use gateway::store::Identity;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::Person;

/// How far clocks may be apart.
const LEEWAY_SECONDS: i64 = 60;
const LONGEST_BYTES: usize = 32 * 1024;

/// A provider's keys, those that can verify.
pub(super) struct Keys(Vec<Jwk>);

/// Why an id token does not count. For the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("an id token is malformed or has a wrong signature")]
    Invalid,
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
}

/// What a token must say.
pub(super) struct Wanted<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now_seconds: i64,
}

impl Keys {
    /// What cannot be read as a key is left out: a provider may publish kinds that are not known here.
    pub(super) fn read(document: &Map<String, Value>) -> Self {
        let keys = document.get("keys").and_then(Value::as_array).into_iter().flatten();
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        let signs = |key: &Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
        Self(keys.filter(signs).filter(|key| algorithm(key).is_some()).collect())
    }

    /// The key of this name; without a name, the only key.
    fn named(&self, kid: Option<&str>) -> Option<&Jwk> {
        match (kid, &self.0[..]) {
            (Some(kid), keys) => keys.iter().find(|key| key.common.key_id.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

/// The algorithm of a key: what it says of itself, if its kind can do that. It never comes from the token, and is never symmetric.
fn algorithm(key: &Jwk) -> Option<Vec<Algorithm>> {
    use jsonwebtoken::jwk::KeyAlgorithm as Named;
    let rsa = [
        (Named::RS256, Algorithm::RS256),
        (Named::RS384, Algorithm::RS384),
        (Named::RS512, Algorithm::RS512),
        (Named::PS256, Algorithm::PS256),
        (Named::PS384, Algorithm::PS384),
        (Named::PS512, Algorithm::PS512),
    ];
    let fitting: Vec<(Named, Algorithm)> = match &key.algorithm {
        AlgorithmParameters::RSA(_) => rsa.to_vec(),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            vec![(Named::ES256, Algorithm::ES256)]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => {
            vec![(Named::ES384, Algorithm::ES384)]
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            vec![(Named::EdDSA, Algorithm::EdDSA)]
        }
        _ => return None,
    };
    let named = |(name, _): &&(Named, Algorithm)| key.common.key_algorithm.is_none_or(|own| own == *name);
    let algorithms: Vec<_> = fitting.iter().filter(named).map(|(_, algorithm)| *algorithm).collect();
    (!algorithms.is_empty()).then_some(algorithms)
}

pub(super) fn verify(token: &str, keys: &Keys, wanted: &Wanted<'_>) -> Result<Map<String, Value>, Refusal> {
    if token.len() > LONGEST_BYTES {
        return Err(Refusal::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid)?;
    let key = keys.named(header.kid.as_deref()).ok_or(Refusal::UnknownKey)?;
    let algorithms = algorithm(key).ok_or(Refusal::UnknownKey)?;
    if !algorithms.contains(&header.alg) {
        return Err(Refusal::Invalid);
    }
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let decoding = DecodingKey::from_jwk(key).map_err(|_| Refusal::Invalid)?;
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &decoding, &validation)
        .map_err(|_| Refusal::Invalid)?
        .claims;
    check(&claims, wanted)?;
    Ok(claims)
}

fn check(claims: &Map<String, Value>, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| claims.get(name).and_then(Value::as_i64).ok_or(Refusal::Time);
    if text("iss") != Some(wanted.issuer) {
        return Err(Refusal::Issuer);
    }
    let alone = match claims.get("aud") {
        Some(Value::String(audience)) => audience == wanted.client_id,
        Some(Value::Array(audiences)) => audiences.len() == 1 && audiences[0] == wanted.client_id,
        _ => false,
    };
    // A token that is for others too may have been given to them; who it was made for says `azp`, if it is there.
    if !alone || claims.contains_key("azp") && text("azp") != Some(wanted.client_id) {
        return Err(Refusal::Audience);
    }
    if text("nonce") != Some(wanted.nonce) {
        return Err(Refusal::Nonce);
    }
    if number("exp")? <= wanted.now_seconds || number("iat")? > wanted.now_seconds + LEEWAY_SECONDS {
        return Err(Refusal::Time);
    }
    match text("sub") {
        Some(subject) if (1..=255).contains(&subject.len()) => Ok(()),
        _ => Err(Refusal::Invalid),
    }
}

/// Who they are for the company's directory. It is taken from the id token alone, which is signed.
fn directory_identity(claims: &Map<String, Value>, provider: &Provider) -> Option<Identity> {
    let claim = provider.directory_claim.as_ref()?;
    let subject = claims
        .get(claim)?
        .as_str()
        .filter(|text| (1..=255).contains(&text.len()))?;
    Some(Identity {
        issuer: claims.get("iss")?.as_str()?.to_owned(),
        claim: claim.clone(),
        subject: subject.to_owned(),
    })
}

/// Who the verified claims are about.
pub(super) fn person(claims: &Map<String, Value>, more: Option<&Map<String, Value>>, provider: &Provider) -> Person {
    let value = |name: &str| claims.get(name).or_else(|| more?.get(name));
    let text = |name: &str| {
        value(name)
            .and_then(Value::as_str)
            .filter(|text| text.len() <= 256)
            .map(str::to_owned)
    };
    // Microsoft lets a directory write any address into a token, and says nothing of whether it was verified.
    let email_verified = provider.kind != Make::Microsoft && value("email_verified") == Some(&Value::Bool(true));
    let groups = value(&provider.groups_claim).and_then(Value::as_array);
    Person {
        identity: Identity::of_subject(
            text("iss").unwrap_or_default(),
            claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned(),
        ),
        directory_identity: directory_identity(claims, provider),
        name: text("name"),
        email: text("email"),
        email_verified,
        groups: groups
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}
