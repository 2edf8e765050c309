//! The stack's own keys in the hands of a forger, to see what falls besides the signature.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use gateway::jwt::{KeyAlgorithm, KeyRing, Rotation};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tests::fixtures::{AUDIENCE, CLIENT_ID, ISSUER, SIGNING_SECRET, ends_at, held_clock, made_at};

/// All keys.
pub(super) struct Smith {
    /// What the signing secret is to hold.
    pub(super) stored: String,
    /// One for each algorithm.
    pub(super) forges: Vec<Forge>,
}

/// A key that signs whatever it is given.
pub(super) struct Forge {
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    /// The public key as a JWK.
    pub(super) jwk: Value,
    /// PKCS #8.
    private: Vec<u8>,
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<String> = text
        .as_bytes()
        .chunks(64)
        .map(|it| String::from_utf8_lossy(it).into())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Claims that are good in every way.
pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": format!("client:{CLIENT_ID}"), "aud": AUDIENCE, "exp": ends_at().as_second(),
        "iat": made_at().as_second(), "jti": "jwt_forged", "client_id": CLIENT_ID, "scope": "models:invoke usage:read",
    })
}

impl Smith {
    /// Three keys that count, made by three rotations of the fixtures' secret.
    pub(super) fn new() -> Self {
        let mut ring = KeyRing::from_stored(SIGNING_SECRET, KeyAlgorithm::EdDsa).unwrap();
        let algorithms = [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256];
        for (step, algorithm) in (0..).zip(algorithms) {
            let rotation = Rotation {
                algorithm,
                period: SignedDuration::from_secs(1),
                lead: SignedDuration::from_secs(1),
            };
            let now = held_clock().now() - SignedDuration::from_secs(30 - 10 * step);
            ring = ring.rotated(&rotation, now).unwrap().unwrap();
        }
        let stored = ring.to_stored().unwrap();
        let jwks = ring.jwks(held_clock().now());
        let value: Value = serde_json::from_str(&stored).unwrap();
        let made = value["keys"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["bytes"].is_string());
        let forges = made.map(|it| Forge::new(it, &jwks)).collect();
        Self { stored, forges }
    }
}

impl Forge {
    fn new(stored: &Value, jwks: &Value) -> Self {
        let keys = jwks["keys"].as_array().unwrap();
        Self {
            algorithm: stored["alg"].as_str().unwrap().parse().unwrap(),
            kid: stored["kid"].as_str().unwrap().to_owned(),
            jwk: keys.iter().find(|it| it["kid"] == stored["kid"]).unwrap().clone(),
            private: BASE64_URL_SAFE_NO_PAD
                .decode(stored["bytes"].as_str().unwrap())
                .unwrap(),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{:?}", self.algorithm)
    }

    /// The header that the stack itself writes.
    pub(super) fn header(&self) -> Value {
        json!({ "typ": "at+jwt", "alg": self.name(), "kid": self.kid })
    }

    pub(super) fn good(&self) -> String {
        self.signed(&self.header().to_string(), claims().to_string())
    }

    /// Any header and any payload under a right signature.
    pub(super) fn signed(&self, header: &str, payload: impl AsRef<[u8]>) -> String {
        self.completed(&format!("{}.{}", b64(header), b64(payload)))
    }

    /// The same for parts that are encoded already.
    pub(super) fn completed(&self, message: &str) -> String {
        let key = match self.algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_der(&self.private),
            Algorithm::ES256 => EncodingKey::from_ec_der(&self.private),
            _ => EncodingKey::from_rsa_pem(pem("PRIVATE KEY", &self.private).as_bytes()).unwrap(),
        };
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// The public key in every encoding that somebody could take for a secret.
    pub(super) fn public_encodings(&self) -> Vec<(&'static str, Vec<u8>)> {
        let (raw, spki) = self.public();
        let text = pem("PUBLIC KEY", &spki);
        vec![
            ("raw bytes", raw.clone()),
            ("raw bytes in hexadecimal", gateway::secret::hex(&raw).into()),
            ("raw bytes in base64", BASE64_STANDARD.encode(&raw).into()),
            ("raw bytes in base64url", b64(&raw).into()),
            ("DER", spki.clone()),
            ("DER in base64", BASE64_STANDARD.encode(&spki).into()),
            ("PEM", text.clone().into()),
            ("PEM without its last line end", text.trim_end().into()),
            ("PEM with CRLF", text.replace('\n', "\r\n").into()),
            ("a JWK", self.jwk.to_string().into()),
            ("a JWK with spaces", format!("{:#}", self.jwk).into()),
            ("its id", self.kid.clone().into()),
            ("nothing", Vec::new()),
        ]
    }

    /// As its own format has it, and as SubjectPublicKeyInfo (RFC 5280).
    fn public(&self) -> (Vec<u8>, Vec<u8>) {
        let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(self.jwk[name].as_str().unwrap()).unwrap();
        match self.algorithm {
            Algorithm::EdDSA => {
                let prefix = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
                (part("x"), [&prefix[..], &part("x")].concat())
            }
            Algorithm::ES256 => {
                let point = [&[4][..], &part("x"), &part("y")].concat();
                let prefix = [
                    0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce,
                    0x3d, 3, 1, 7, 3, 0x42, 0,
                ];
                let spki = [&prefix[..], &point].concat();
                (point, spki)
            }
            _ => {
                let pair = rsa::KeyPair::from_pkcs8(&self.private).unwrap();
                let key = aws_lc_rs::signature::KeyPair::public_key(&pair);
                (key.as_ref().to_vec(), key.as_der().unwrap().as_ref().to_vec())
            }
        }
    }
}
