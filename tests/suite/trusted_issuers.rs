//! Tokens of issuers that are trusted, from an issuer of the test's own that can misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::future::join_all;
use gateway::jwt::{KeyAlgorithm, KeyRing, Rotation};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::authority::Authority;
use tests::backing::Backing;
use tests::fixtures::held_clock;
use tests::in_process::Functions;
use tokio::net::TcpListener;

/// An issuer: what it answers, and how often it was asked for its keys.
#[derive(Clone)]
struct Provider {
    url: String,
    shown: Arc<Mutex<Shown>>,
    asked: Arc<AtomicUsize>,
}

struct Shown {
    metadata: Value,
    jwks: Answered,
}

/// Status and body of the JWKS.
type Answered = (StatusCode, String);

impl Provider {
    async fn open(ring: &KeyRing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shown = Shown {
            metadata: json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }),
            jwks: (StatusCode::OK, ring.jwks(held_clock().now()).to_string()),
        };
        let provider = Self {
            url,
            shown: Arc::new(Mutex::new(shown)),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn shows(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown.lock().unwrap());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn functions(&self, backing: &Backing) -> Functions {
        let trusted = json!([{
            "issuer": self.url, "label": "idp", "audience": "api://tollgate", "algorithms": ["EdDSA", "ES256"],
            "grants_claim": "groups", "grants": {"builders": "models:invoke usage:read"},
        }]);
        let trusted = trusted.to_string();
        let replaced = [
            ("TOLLGATE_TRUSTED_ISSUERS", trusted.as_str()),
            ("TOLLGATE_TRUSTED_ISSUERS_LOOPBACK", "1"),
        ];
        Functions::with(backing, &replaced)
    }

    fn claims(&self) -> Value {
        let now = held_clock().now().as_second();
        json!({ "iss": self.url, "sub": "alice", "aud": ["other", "api://tollgate"], "exp": now + 100_000, "iat": now, "groups": ["builders", "admin"] })
    }
}

async fn metadata(State(provider): State<Provider>) -> Response {
    axum::Json(provider.shown.lock().unwrap().metadata.clone()).into_response()
}

async fn keys(State(provider): State<Provider>) -> Response {
    provider.asked.fetch_add(1, Ordering::SeqCst);
    provider.shown.lock().unwrap().jwks.clone().into_response()
}

/// Keys of an issuer: one, of this algorithm.
fn ring(algorithm: KeyAlgorithm) -> KeyRing {
    let seed = json!({ "alg": "EdDSA", "seed": "an issuer of a test has keys of its own, of no worth" }).to_string();
    let ring = KeyRing::from_stored(&seed, KeyAlgorithm::EdDsa).unwrap();
    let rotation = Rotation {
        algorithm,
        period: SignedDuration::from_secs(1),
        lead: SignedDuration::from_secs(0),
    };
    ring.rotated(&rotation, held_clock().now()).unwrap().unwrap()
}

fn signed(ring: &KeyRing, claims: &Value) -> String {
    let key = &ring.signing(held_clock().now()).unwrap().key;
    key.sign_as("JWT", claims).unwrap()
}

#[tokio::test]
async fn a_trusted_issuers_token_is_let_in_as_what_the_configuration_grants() {
    let (backing, ring) = (Backing::start().await, ring(KeyAlgorithm::Es256));
    let provider = Provider::open(&ring).await;
    let functions = provider.functions(&backing);
    let token = signed(&ring, &provider.claims());
    let event = json!({
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/api/usage/records",
        "multiValueHeaders": {"x-api-key": [token]},
    });
    let tests::answer::Answer::Direct(answer) = functions.call("authorizer", &event).await else {
        panic!("no authorizer's answer")
    };
    let context = &answer["context"];
    assert_eq!(
        (&context["sub"], &context["scopes"]),
        (&json!("user:idp.alice"), &json!("models:invoke usage:read"))
    );
    // Where the issuer is not trusted, its tokens are nothing.
    assert!(!Functions::new(&backing).lets_in(&token).await);
    functions.clock.advance_seconds(100_000);
    assert!(!functions.lets_in(&token).await);
}

#[tokio::test]
async fn a_trusted_issuers_token_is_refused_for_anything_wrong_in_it() {
    let (backing, ring) = (Backing::start().await, ring(KeyAlgorithm::Es256));
    let provider = Provider::open(&ring).await;
    let functions = provider.functions(&backing);
    assert!(functions.lets_in(&signed(&ring, &provider.claims())).await);
    let now = held_clock().now().as_second();
    for (name, value) in [
        ("aud", json!("api://tollgat")),
        ("aud", json!("api://tollgate2")),
        ("exp", json!(now)),
        ("exp", json!("9999999999")),
        ("exp", json!(null)),
        ("nbf", json!(now + 10)),
        ("iat", json!(now + 10)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("iss", json!(format!("{}/", provider.url))),
    ] {
        let mut claims = provider.claims();
        claims[name] = value.clone();
        assert!(!functions.lets_in(&signed(&ring, &claims)).await, "{name} {value}");
    }
    // Our own key signs nothing for another issuer, nor the other one's for us.
    let own = KeyRing::from_stored(tests::fixtures::SIGNING_SECRET, KeyAlgorithm::EdDsa).unwrap();
    assert!(!functions.lets_in(&signed(&own, &provider.claims())).await);
    let mut ours = provider.claims();
    ours["iss"] = tests::fixtures::ISSUER.into();
    assert!(!functions.lets_in(&signed(&ring, &ours)).await);
    let key = &ring.signing(held_clock().now()).unwrap().key;
    for typ in ["dpop+jwt", "logout+jwt"] {
        assert!(
            !functions.lets_in(&key.sign_as(typ, &provider.claims()).unwrap()).await,
            "{typ}"
        );
    }
}

/// RFC 8705, section 3, and RFC 7800: bound to a certificate it counts with that one, and bound by what cannot be checked here nowhere.
#[tokio::test]
async fn a_trusted_issuers_token_that_is_bound_counts_with_its_certificate_alone() {
    let (backing, ring) = (Backing::start().await, ring(KeyAlgorithm::Es256));
    let provider = Provider::open(&ring).await;
    let functions = provider.functions(&backing);
    let authority = Authority::new("clients");
    let (own, other) = (authority.certificate("a.example"), authority.certificate("a.example"));
    let authorized = async |cnf: Value, pem: &str| {
        let mut claims = provider.claims();
        claims["cnf"] = cnf;
        let event = json!({
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/api/usage/records",
            "multiValueHeaders": {"x-api-key": [signed(&ring, &claims)]},
            "requestContext": {"identity": {"clientCert": {"clientCertPem": pem}}},
        });
        match functions.call("authorizer", &event).await {
            tests::answer::Answer::Direct(answer) => answer["context"]["cnf"].as_str().map(str::to_owned),
            other => panic!("{other:?}"),
        }
    };
    let bound = json!({ "x5t#S256": own.thumbprint });
    assert_eq!(
        authorized(bound.clone(), &own.pem).await.as_ref(),
        Some(&own.thumbprint)
    );
    assert_eq!(authorized(bound.clone(), &other.pem).await, None);
    assert_eq!(authorized(bound, "").await, None);
    for unknown in [
        json!({ "jkt": own.thumbprint }),
        json!({}),
        json!("x"),
        json!({ "x5t#S256": 7 }),
        json!(null),
    ] {
        assert_eq!(authorized(unknown.clone(), &own.pem).await, None, "{unknown}");
    }
}

/// The keys are read once for many at a time, kept for 300 seconds, and asked for again for an unknown one once in 30.
#[tokio::test]
async fn an_issuers_keys_are_read_once_and_for_an_unknown_one_once_in_30_seconds() {
    let (backing, ring, other) = (
        Backing::start().await,
        ring(KeyAlgorithm::Es256),
        self::ring(KeyAlgorithm::Es256),
    );
    let provider = Provider::open(&ring).await;
    let functions = provider.functions(&backing);
    let (good, unknown) = (signed(&ring, &provider.claims()), signed(&other, &provider.claims()));
    assert_eq!(provider.asked(), 0, "nothing goes out before the first token");
    let all = |token: &str| {
        let token = token.to_owned();
        let functions = &functions;
        async move { join_all((0..20).map(|_| functions.lets_in(&token))).await }
    };
    assert!(!all(&good).await.contains(&false));
    assert_eq!(provider.asked(), 1);
    assert!(!all(&unknown).await.contains(&true));
    assert_eq!(provider.asked(), 1);
    functions.clock.advance_seconds(30);
    assert!(!all(&unknown).await.contains(&true));
    assert_eq!(provider.asked(), 2);
    // A key that the issuer has made since is found then.
    provider.shows(|it| it.jwks.1 = other.jwks(held_clock().now()).to_string());
    functions.clock.advance_seconds(30);
    assert!(!all(&unknown).await.contains(&false));
    assert_eq!(provider.asked(), 3);
    functions.clock.advance_seconds(299);
    assert!(functions.lets_in(&unknown).await);
    assert_eq!(provider.asked(), 3);
    functions.clock.advance_seconds(1);
    assert!(functions.lets_in(&unknown).await);
    assert_eq!(provider.asked(), 4);
}

/// A key that the issuer has withdrawn counts for as long as its keys are kept and no longer.
#[tokio::test]
async fn a_key_that_an_issuer_withdraws_counts_for_300_seconds_at_the_most() {
    let (backing, ring) = (Backing::start().await, ring(KeyAlgorithm::Es256));
    let provider = Provider::open(&ring).await;
    let functions = provider.functions(&backing);
    let token = signed(&ring, &provider.claims());
    assert!(functions.lets_in(&token).await);
    let other = self::ring(KeyAlgorithm::Es256);
    provider.shows(|it| it.jwks.1 = other.jwks(held_clock().now()).to_string());
    functions.clock.advance_seconds(299);
    assert!(functions.lets_in(&token).await, "what was read is kept");
    functions.clock.advance_seconds(1);
    assert!(!functions.lets_in(&token).await);
}

/// Hostile answers let nobody in, and are asked for once in 30 seconds.
#[tokio::test]
async fn an_issuer_that_misbehaves_lets_nobody_in() {
    let (backing, ring) = (Backing::start().await, ring(KeyAlgorithm::Es256));
    let provider = Provider::open(&ring).await;
    let token = signed(&ring, &provider.claims());
    let good = {
        let shown = provider.shown.lock().unwrap();
        (shown.metadata.clone(), shown.jwks.clone())
    };
    let metadata = |name: &str, value: Value| {
        let mut metadata = good.0.clone();
        metadata[name] = value;
        (metadata, good.1.clone())
    };
    let jwks = |status: u16, body: String| (good.0.clone(), (StatusCode::from_u16(status).unwrap(), body));
    for (name, (metadata, jwks)) in [
        ("another issuer", metadata("issuer", json!("https://evil.example"))),
        ("no issuer", metadata("issuer", json!(null))),
        (
            "keys at a private address",
            metadata("jwks_uri", json!("http://10.0.0.1/keys")),
        ),
        (
            "keys at the metadata address",
            metadata("jwks_uri", json!("http://169.254.169.254/keys")),
        ),
        ("keys in a file", metadata("jwks_uri", json!("file:///etc/passwd"))),
        ("no keys", metadata("jwks_uri", json!(null))),
        ("a failure", jwks(500, good.1.1.clone())),
        ("a redirect", jwks(302, String::new())),
        ("no JSON", jwks(200, "<html>".into())),
        ("too much", jwks(200, format!("{}{}", good.1.1, " ".repeat(300 * 1024)))),
        ("a list", jwks(200, "[]".into())),
    ] {
        provider.shows(|it| (it.metadata, it.jwks) = (metadata, jwks));
        let (functions, before) = (provider.functions(&backing), provider.asked());
        for _ in 0..3 {
            assert!(!functions.lets_in(&token).await, "{name}");
        }
        assert!(provider.asked() - before <= 1, "{name}");
        // It is not for ever.
        provider.shows(|it| (it.metadata, it.jwks) = good.clone());
        functions.clock.advance_seconds(30);
        assert!(functions.lets_in(&token).await, "{name}");
    }
}
