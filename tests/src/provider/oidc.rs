//! An OpenID provider whose tokens and documents a test can spoil.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::{CLIENT_ID, CLIENT_SECRET, listen, parameter, serve};

/// The access token that comes with every id token.
pub const ACCESS_TOKEN: &str = "upstream-access-token";

/// A running provider.
#[derive(Clone)]
pub struct Oidc {
    /// Its issuer.
    pub url: String,
    /// What its discovery document and its token endpoint say otherwise than they should.
    pub spoilt: Arc<Mutex<Spoilt>>,
    codes: Arc<Mutex<HashMap<String, Granted>>>,
    key: Arc<Key>,
}

/// Changes to what the provider says.
#[derive(Default)]
pub struct Spoilt {
    /// Members of the discovery document.
    pub discovery: Map<String, Value>,
    /// The header of id tokens, and the algorithm that they are signed by.
    pub header: Option<Header>,
    /// A token that is answered in place of a signed one.
    pub id_token: Option<String>,
    /// What a symmetric signature is made with: the public key, unless told otherwise.
    pub secret: Option<Vec<u8>>,
    /// Keys that it publishes besides its own.
    pub keys: Vec<Value>,
    /// What its userinfo tells, where the discovery document names one.
    pub userinfo: Value,
}

struct Granted {
    challenge: String,
    redirect_uri: String,
    claims: Value,
}

struct Key {
    signing: EncodingKey,
    jwk: Value,
}

impl Key {
    fn new() -> Self {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(32);
        let encoded = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        Self {
            signing: EncodingKey::from_ec_der(pkcs8.as_ref()),
            jwk: json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y), "kid": "one", "use": "sig", "alg": "ES256"}),
        }
    }
}

impl Oidc {
    /// Starts one.
    pub async fn start() -> Self {
        let (listener, url) = listen().await;
        let provider = Self {
            url,
            spoilt: Arc::default(),
            codes: Arc::default(),
            key: Arc::new(Key::new()),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            // Where an authorization server of one's own is at Okta.
            .route("/oauth2/default/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(async |State(it): State<Self>| Json(it.keys())))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(provider.clone());
        serve(listener, router).await;
        provider
    }

    /// What it would send back with the browser that was sent to `location`: a code for a person of these claims.
    pub fn code(&self, location: &str, claims: &Value) -> String {
        let value = |name: &str| parameter(location, name).unwrap_or_else(|| panic!("no {name} in {location}"));
        assert!(location.starts_with(&format!("{}/authorize?", self.url)), "{location}");
        assert_eq!(
            (&*value("code_challenge_method"), &*value("client_id")),
            ("S256", CLIENT_ID)
        );
        let mut all = json!({"iss": self.url, "aud": CLIENT_ID, "nonce": value("nonce"), "iat": 0, "exp": 0});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let granted = Granted {
            challenge: value("code_challenge"),
            redirect_uri: value("redirect_uri"),
            claims: all,
        };
        let code = gateway::random::identifier("upstream").unwrap();
        self.codes.lock().unwrap().insert(code.clone(), granted);
        code
    }

    fn keys(&self) -> Value {
        let mut keys = self.spoilt.lock().unwrap().keys.clone();
        keys.push(self.key.jwk.clone());
        json!({ "keys": keys })
    }

    fn signed(&self, claims: &Value) -> String {
        let spoilt = self.spoilt.lock().unwrap();
        if let Some(token) = &spoilt.id_token {
            return token.clone();
        }
        let mut usual = Header::new(Algorithm::ES256);
        usual.kid = Some("one".into());
        let header = spoilt.header.clone().unwrap_or(usual);
        match header.alg {
            // The trick of old: the public key as the secret of a symmetric signature.
            Algorithm::HS256 => {
                let public = self.key.jwk.to_string().into_bytes();
                let secret = spoilt.secret.clone().unwrap_or(public);
                jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&secret)).unwrap()
            }
            _ => jsonwebtoken::encode(&header, claims, &self.key.signing).unwrap(),
        }
    }
}

async fn discovery(State(it): State<Oidc>) -> Json<Value> {
    let url = &it.url;
    let mut document = json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/jwks"), "authorization_response_iss_parameter_supported": true,
        "response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    });
    let changes = it.spoilt.lock().unwrap().discovery.clone();
    document.as_object_mut().unwrap().extend(changes);
    Json(document)
}

async fn token(State(it): State<Oidc>, headers: HeaderMap, body: String) -> (StatusCode, Json<Value>) {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error })));
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<_, _> = form.query_pairs().into_owned().collect();
    let text = |bytes: &str| {
        percent_encoding::percent_decode_str(bytes)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    let basic = headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap()
        .to_owned();
    let basic = String::from_utf8(BASE64_STANDARD.decode(basic).unwrap()).unwrap();
    let (id, secret) = basic.split_once(':').unwrap();
    if (text(id), text(secret)) != (CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned()) {
        return refused("invalid_client");
    }
    let Some(granted) = it.codes.lock().unwrap().remove(&form["code"]) else {
        return refused("invalid_grant");
    };
    let right = granted.challenge == gateway::oauth::s256(&form["code_verifier"])
        && granted.redirect_uri == form["redirect_uri"]
        && form["grant_type"] == "authorization_code";
    if !right {
        return refused("invalid_grant");
    }
    let answer = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": it.signed(&granted.claims)});
    (StatusCode::OK, Json(answer))
}

async fn userinfo(State(it): State<Oidc>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    if headers["authorization"] != format!("Bearer {ACCESS_TOKEN}") {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    (StatusCode::OK, Json(it.spoilt.lock().unwrap().userinfo.clone()))
}
