//! Access tokens: JWTs of the `at+jwt` profile (RFC 9068), signed with EdDSA (RFC 8037).
//!
//! One key has one algorithm, and a verifier knows the algorithm before it reads the token (RFC 8725, section 3.1). What a
//! token says of its own key (`jwk`, `jku`, `x5u`, `x5c`) is refused, never followed.

use aws_lc_rs::hkdf;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// An access token lives this long.
pub const ACCESS_TOKEN_SECONDS: i64 = 1800;

/// Longer tokens are refused unread.
pub const LONGEST_TOKEN_BYTES: usize = 8 * 1024;

/// The media type of RFC 9068, section 2.1, without its `application/`.
const TOKEN_TYPE: &str = "at+jwt";

/// What an access token says (RFC 9068, section 2.2). Unknown claims are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// For whom it is: a name, or a list of names.
    pub aud: Audience,
    /// When it ends, in seconds since the Unix epoch.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// When it begins to count, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its own name.
    pub jti: String,
    /// The OAuth client that asked for it.
    pub client_id: String,
    /// What it allows (RFC 6749, section 3.3).
    #[serde(default)]
    pub scope: String,
    /// The team on whose account the caller works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The login session that the token came of, for a person's (OpenID Connect's name for it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}

/// One name or several (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// `"aud": "a"`
    One(String),
    /// `"aud": ["a", "b"]`
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name == audience,
            Self::Several(names) => names.iter().any(|name| name == audience),
        }
    }
}

/// Why a token does not count. Callers see one answer for all of them; metrics tell the expired ones apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was good once.
    #[error("the token has expired")]
    Expired,
    /// It is not one of ours, or not for us.
    #[error("the token is not valid")]
    Invalid,
}

/// A signing key cannot be made of what the secret holds. The message never shows the secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not the JSON that this module reads.
    #[error("the signing secret is not JSON of the form {{\"alg\":\"EdDSA\",\"seed\":\"…\"}}")]
    NotJson,
    /// Another algorithm.
    #[error("the signing secret names an algorithm other than EdDSA")]
    Algorithm,
    /// Too little to be a secret.
    #[error("the seed of the signing secret is shorter than 32 characters")]
    ShortSeed,
    /// The derived bytes make no key.
    #[error("no signing key can be derived from the seed")]
    Derivation,
}

#[derive(Deserialize)]
struct StoredKey {
    alg: String,
    seed: String,
}

/// A key that signs, and its public half.
pub struct SigningKey {
    encoding: EncodingKey,
    public: VerifyingKey,
}

/// The public half of a signing key.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    x: String,
    decoding: DecodingKey,
}

impl SigningKey {
    /// The key that the stored secret stands for: Ed25519 from HKDF-SHA-256 of the seed (RFC 5869). CloudFormation can
    /// make random text but no key pair, so the secret holds text, and a deployment needs no step that makes keys.
    ///
    /// # Errors
    /// [`BadKey`], when the secret has another form or too little in it.
    pub fn from_stored(secret: &str) -> Result<Self, BadKey> {
        let stored: StoredKey = serde_json::from_str(secret).map_err(|_| BadKey::NotJson)?;
        if stored.alg != "EdDSA" {
            return Err(BadKey::Algorithm);
        }
        if stored.seed.len() < 32 {
            return Err(BadKey::ShortSeed);
        }
        let seed = derive_seed(stored.seed.as_bytes())?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| BadKey::Derivation)?;
        let pkcs8 = pair.to_pkcs8().map_err(|_| BadKey::Derivation)?;
        let public = VerifyingKey::from_public_bytes(pair.public_key().as_ref())?;
        Ok(Self {
            encoding: EncodingKey::from_ed_der(pkcs8.as_ref()),
            public,
        })
    }

    /// The public half.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs an access token.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn sign(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}

fn derive_seed(seed: &[u8]) -> Result<[u8; 32], BadKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tollgate access token signing key");
    let mut out = [0; 32];
    salt.extract(seed)
        .expand(&[b"ed25519 seed"], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| BadKey::Derivation)?;
    Ok(out)
}

impl VerifyingKey {
    fn from_public_bytes(public: &[u8]) -> Result<Self, BadKey> {
        let x = BASE64_URL_SAFE_NO_PAD.encode(public);
        // RFC 7638, section 3.2 with RFC 8037, section 2: the required members, in order, without white space.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        let decoding = DecodingKey::from_ed_components(&x).map_err(|_| BadKey::Derivation)?;
        Ok(Self {
            kid: BASE64_URL_SAFE_NO_PAD.encode(digest),
            x,
            decoding,
        })
    }

    /// The key as a JWK (RFC 7517): public members only.
    pub fn to_jwk(&self) -> serde_json::Value {
        serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.kid, "alg": "EdDSA", "use": "sig"})
    }

    /// Verifies an access token: form, type, key, signature, then issuer, audience and times, with zero leeway.
    ///
    /// # Errors
    /// [`Refusal`]; which check failed is not told.
    pub fn verify(&self, token: &str, issuer: &str, audience: &str, now_seconds: i64) -> Result<Claims, Refusal> {
        self.check_header(token)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &signature_only())
            .map_err(|_| Refusal::Invalid)?
            .claims;
        if claims.iss != issuer || !claims.aud.names(audience) || claims.nbf.is_some_and(|begin| begin > now_seconds) {
            return Err(Refusal::Invalid);
        }
        if claims.sub.is_empty() || claims.jti.is_empty() || claims.client_id.is_empty() || claims.iat > now_seconds {
            return Err(Refusal::Invalid);
        }
        if claims.exp <= now_seconds {
            return Err(Refusal::Expired);
        }
        Ok(claims)
    }

    /// The header must have exactly the members that [`SigningKey::sign`] writes, with these values. Every trick that
    /// lives in a header (another algorithm, a key or a URL brought along, `crit`, `b64`, a name twice) falls here.
    fn check_header(&self, token: &str) -> Result<(), Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct StrictHeader<'a> {
            typ: &'a str,
            alg: &'a str,
            kid: &'a str,
        }
        if token.len() > LONGEST_TOKEN_BYTES {
            return Err(Refusal::Invalid);
        }
        let encoded = token.split('.').next().unwrap_or_default();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::Invalid)?;
        let header: StrictHeader<'_> = serde_json::from_slice(&bytes).map_err(|_| Refusal::Invalid)?;
        let ours = header.typ == TOKEN_TYPE && header.alg == "EdDSA" && header.kid == self.kid;
        if ours { Ok(()) } else { Err(Refusal::Invalid) }
    }
}

/// The library checks the signature; times and names are checked by [`VerifyingKey::verify`], which is handed its clock.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// Whether a credential has the shape of a JWT in compact serialisation: three parts, parted by dots.
pub fn looks_like_jwt(credential: &str) -> bool {
    credential.starts_with("eyJ") && credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests;
