//! One key: it signs with one algorithm, and its public half verifies with the same one.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hkdf;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{Claims, LONGEST_TOKEN_BYTES, Refusal, TOKEN_TYPE};

/// The fewest bytes of a seed or of an HMAC secret (RFC 7518, section 3.2: as many as the hash has).
const SHORTEST_SECRET_BYTES: usize = 32;

/// What a key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8037, section 3.1).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits (RFC 7518, section 3.3).
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256 (RFC 7518, section 3.2). Whoever verifies can sign: only where it is configured.
    #[serde(rename = "HS256")]
    Hs256,
}

impl KeyAlgorithm {
    /// Its name in headers and JWKs (RFC 7518, section 3.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    pub(crate) const fn of_library(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
            Self::Hs256 => Algorithm::HS256,
        }
    }
}

impl std::str::FromStr for KeyAlgorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256]
            .into_iter()
            .find(|it| it.name() == name)
            .ok_or(())
    }
}

/// A signing key cannot be made of what the secret holds. The message never shows the secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Not the JSON that is read here.
    #[error("the signing secret is not JSON of the form {{\"alg\":\"EdDSA\",\"seed\":\"…\"}} or {{\"keys\":[…]}}")]
    NotJson,
    /// An algorithm that is not served, or HS256 where it is not configured.
    #[error("the signing secret names an algorithm that is not configured")]
    Algorithm,
    /// Too little to be a secret.
    #[error("the seed or HMAC secret of the signing secret is shorter than 32 characters")]
    ShortSeed,
    /// The bytes make no key of the algorithm.
    #[error("no signing key can be made of the signing secret")]
    Derivation,
    /// A key has another id than its bytes give, or two have one id.
    #[error("the signing secret names a key by a wrong id, or two by one")]
    KeyId,
    /// No key is there that signs.
    #[error("the signing secret holds no key that signs now")]
    NoKey,
}

/// What a key is made of, as the secret holds it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Material {
    /// Random text of which the key is derived.
    Seed(String),
    /// PKCS #8 in base64url, for what is made by a rotation; for HS256 the secret itself.
    Bytes(String),
}

/// A key that signs, and its public half.
#[derive(Clone)]
pub struct SigningKey {
    encoding: EncodingKey,
    public: VerifyingKey,
}

/// The public half of a signing key. (Of an HMAC key there is none: it verifies, and is never shown.)
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    algorithm: KeyAlgorithm,
    jwk: Jwk,
    decoding: DecodingKey,
}

impl SigningKey {
    /// The key that a fresh deployment's secret stands for: Ed25519 from HKDF-SHA-256 of the seed (RFC 5869). CloudFormation
    /// can make random text but no key pair, so the secret holds text, and a deployment needs no step that makes keys.
    ///
    /// # Errors
    /// [`BadKey`], when the secret has another form or too little in it.
    pub fn from_stored(secret: &str) -> Result<Self, BadKey> {
        #[derive(Deserialize)]
        struct First {
            alg: String,
            seed: String,
        }
        let stored: First = serde_json::from_str(secret).map_err(|_| BadKey::NotJson)?;
        if stored.alg != KeyAlgorithm::EdDsa.name() {
            return Err(BadKey::Algorithm);
        }
        Self::from_material(KeyAlgorithm::EdDsa, &Material::Seed(stored.seed))
    }

    pub(super) fn from_material(algorithm: KeyAlgorithm, material: &Material) -> Result<Self, BadKey> {
        let bytes = match material {
            Material::Seed(seed) if seed.len() < SHORTEST_SECRET_BYTES => return Err(BadKey::ShortSeed),
            Material::Seed(seed) => from_seed(algorithm, seed.as_bytes())?,
            Material::Bytes(text) => BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::Derivation)?,
        };
        Self::from_bytes(algorithm, &bytes)
    }

    /// Of PKCS #8, or of an HMAC secret.
    fn from_bytes(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, BadKey> {
        let bad = |_| BadKey::Derivation;
        let encoding = match algorithm {
            KeyAlgorithm::EdDsa => EncodingKey::from_ed_der(bytes),
            KeyAlgorithm::Es256 => EncodingKey::from_ec_der(bytes),
            KeyAlgorithm::Rs256 => EncodingKey::from_rsa_pem(pem(bytes).as_bytes()).map_err(bad)?,
            KeyAlgorithm::Hs256 if bytes.len() < SHORTEST_SECRET_BYTES => return Err(BadKey::ShortSeed),
            KeyAlgorithm::Hs256 => EncodingKey::from_secret(bytes),
        };
        let jwk = Jwk::from_encoding_key(&encoding, algorithm.of_library()).map_err(bad)?;
        let public = VerifyingKey {
            kid: key_id(algorithm, &jwk)?,
            algorithm,
            decoding: DecodingKey::from_jwk(&jwk).map_err(bad)?,
            jwk,
        };
        Ok(Self { encoding, public })
    }

    /// A new key, and what is to be stored of it.
    pub(super) fn generate(algorithm: KeyAlgorithm) -> Result<(Self, Material), BadKey> {
        let bytes = generated(algorithm).ok_or(BadKey::Derivation)?;
        let key = Self::from_bytes(algorithm, &bytes)?;
        Ok((key, Material::Bytes(BASE64_URL_SAFE_NO_PAD.encode(bytes))))
    }

    #[cfg(test)]
    pub(super) fn private_bytes(&self) -> Vec<u8> {
        self.encoding.as_bytes().to_vec()
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
        self.sign_as(TOKEN_TYPE, claims)
    }

    /// Signs a token of another type, as an `id_token` (type `JWT`).
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn sign_as(&self, typ: &str, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(self.public.algorithm.of_library());
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding)
    }
}

fn from_seed(algorithm: KeyAlgorithm, seed: &[u8]) -> Result<Vec<u8>, BadKey> {
    match algorithm {
        KeyAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_seed_unchecked(&derived(seed, b"ed25519 seed")?);
            let document = pair.and_then(|pair| pair.to_pkcs8v1().map_err(Into::into));
            Ok(document.map_err(|_| BadKey::Derivation)?.as_ref().to_vec())
        }
        KeyAlgorithm::Hs256 => Ok(derived(seed, b"hmac-sha-256 secret")?.to_vec()),
        KeyAlgorithm::Es256 | KeyAlgorithm::Rs256 => Err(BadKey::Algorithm),
    }
}

fn derived(seed: &[u8], purpose: &[u8]) -> Result<[u8; 32], BadKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tollgate access token signing key");
    let mut out = [0; 32];
    salt.extract(seed)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .map_err(|_| BadKey::Derivation)?;
    Ok(out)
}

fn generated(algorithm: KeyAlgorithm) -> Option<Vec<u8>> {
    let bytes = match algorithm {
        KeyAlgorithm::EdDsa => Ed25519KeyPair::generate().ok()?.to_pkcs8v1().ok()?.as_ref().to_vec(),
        KeyAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
            pair.to_pkcs8v1().ok()?.as_ref().to_vec()
        }
        KeyAlgorithm::Rs256 => {
            let der: Pkcs8V1Der<'_> = RsaKeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?;
            der.as_ref().to_vec()
        }
        KeyAlgorithm::Hs256 => crate::random::bytes::<SHORTEST_SECRET_BYTES>().ok()?.to_vec(),
    };
    Some(bytes)
}

/// The library reads an RSA key of PKCS #8 only out of PEM (RFC 7468, section 10).
fn pem(pkcs8: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(pkcs8);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

/// The JWK's thumbprint (RFC 7638). An HMAC key's would be a hash of the secret, which is shown in every token: it is
/// hashed once more with a purpose of its own, so that nothing else can be compared with it.
fn key_id(algorithm: KeyAlgorithm, jwk: &Jwk) -> Result<String, BadKey> {
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| BadKey::Derivation)?;
    match algorithm {
        KeyAlgorithm::Hs256 => Ok(BASE64_URL_SAFE_NO_PAD.encode(derived(thumbprint.as_bytes(), b"key id")?)),
        _ => Ok(thumbprint),
    }
}

impl VerifyingKey {
    /// The key's id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it verifies with.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key as a JWK (RFC 7517): public members only. An HMAC key has none, and is `null`.
    pub fn to_jwk(&self) -> serde_json::Value {
        let mut jwk = match self.algorithm {
            KeyAlgorithm::Hs256 => return serde_json::Value::Null,
            _ => serde_json::to_value(&self.jwk).unwrap_or_default(),
        };
        jwk["kid"] = self.kid.clone().into();
        jwk["alg"] = self.algorithm.name().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// Verifies an access token: form, type, key, signature, then issuer, audience and times, with zero leeway.
    ///
    /// # Errors
    /// [`Refusal`]; which check failed is not told.
    pub fn verify(&self, token: &str, issuer: &str, audience: &str, now_seconds: i64) -> Result<Claims, Refusal> {
        let (algorithm, kid) = key_of(token)?;
        if algorithm != self.algorithm || kid != self.kid {
            return Err(Refusal::Invalid);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &signature_only(algorithm.of_library()))
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
}

/// The algorithm and the key that a token names. The header must have exactly the members that [`SigningKey::sign`] writes,
/// with these types. Every trick that lives in a header (a key or a URL brought along, `crit`, `b64`, a name twice) falls
/// here, before any key is looked for.
pub(super) fn key_of(token: &str) -> Result<(KeyAlgorithm, String), Refusal> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct StrictHeader {
        typ: String,
        alg: KeyAlgorithm,
        kid: String,
    }
    if token.len() > LONGEST_TOKEN_BYTES {
        return Err(Refusal::Invalid);
    }
    let encoded = token.split('.').next().unwrap_or_default();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refusal::Invalid)?;
    let header: StrictHeader = serde_json::from_slice(&bytes).map_err(|_| Refusal::Invalid)?;
    if header.typ == TOKEN_TYPE {
        Ok((header.alg, header.kid))
    } else {
        Err(Refusal::Invalid)
    }
}

/// The library checks the signature; times and names are checked by [`VerifyingKey::verify`], which is handed its clock.
pub(crate) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
