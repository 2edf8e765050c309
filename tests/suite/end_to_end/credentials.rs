//! Credentials that must open nothing.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use gateway::jwt::{Audience, Claims, SigningKey};
use gateway::secret::{Secret, SecretKind, hex};
use gateway::store::ApiKey;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tests::local::{Stack, signing_key, store};

/// What is shown, by a name for whoever reads a failure.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) headers: Vec<(&'static str, Vec<u8>)>,
}

fn shown(name: impl Into<String>, headers: &[(&'static str, &[u8])]) -> Shown {
    Shown {
        name: name.into(),
        headers: headers.iter().map(|(name, value)| (*name, value.to_vec())).collect(),
    }
}

fn bearer(name: impl Into<String>, credential: &str) -> Shown {
    shown(name, &[("authorization", format!("Bearer {credential}").as_bytes())])
}

/// Every one of them; `owner` has at least the right to everything, so that nothing but the credential can be the reason.
pub(super) async fn bad(stack: &Stack, owner: &str) -> Vec<Shown> {
    let all = ["models:invoke", "usage:read", "files", "keys", "admin"];
    let (good, other) = (stack.new_key(owner, &all).await, stack.new_key(owner, &all).await);
    let mut list = malformed(&good);
    list.extend(two_at_once(&good, &other));
    list.extend(elsewhere(&good));
    list.extend(dead_keys(stack, owner, &good).await);
    list.extend(bad_tokens(stack).await);
    list
}

/// A-02, security.md "Bad inputs"
fn malformed(good: &str) -> Vec<Shown> {
    let basic = BASE64_STANDARD.encode(format!("{good}:"));
    let forms: [(&str, Vec<u8>); 22] = [
        ("an empty header", Vec::new()),
        ("a scheme alone", b"Bearer".to_vec()),
        ("a scheme and a space", b"Bearer ".to_vec()),
        ("a lower-case scheme alone", b"bearer".to_vec()),
        ("a lower-case scheme", format!("bearer {good}").into()),
        ("an upper-case scheme", format!("BEARER {good}").into()),
        ("two spaces", format!("Bearer  {good}").into()),
        ("a tab", format!("Bearer\t{good}").into()),
        ("no space", format!("Bearer{good}").into()),
        ("no scheme", good.into()),
        ("a list", format!("Bearer {good},{good}").into()),
        ("a list of schemes", format!("Bearer {good}, Bearer {good}").into()),
        ("more behind it", format!("Bearer {good} x").into()),
        ("quotes", format!("Bearer \"{good}\"").into()),
        ("Basic", format!("Basic {basic}").into()),
        (
            "a signature",
            b"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0".to_vec(),
        ),
        ("no ASCII", "Bearer tgk_é".into()),
        ("no UTF-8", b"Bearer tgk_\xff\xfe".to_vec()),
        ("a wildcard", b"Bearer *".to_vec()),
        ("an attribute value", b"Bearer {\"S\":\"x\"}".to_vec()),
        ("an injection", b"Bearer ' OR pk = pk --".to_vec()),
        (
            "an encoded key",
            format!("Bearer {}", good.replace("tgk_", "tgk%5F")).into(),
        ),
    ];
    let of = |(name, value): &(&str, Vec<u8>)| shown(*name, &[("authorization", value)]);
    forms.iter().map(of).collect()
}

fn two_at_once(good: &str, other: &str) -> Vec<Shown> {
    let (good_bearer, other_bearer) = (
        format!("Bearer {good}").into_bytes(),
        format!("Bearer {other}").into_bytes(),
    );
    let (good, other) = (good.as_bytes(), other.as_bytes());
    vec![
        shown("nothing", &[]),
        shown(
            "the same key twice",
            &[("authorization", &good_bearer), ("authorization", &good_bearer)],
        ),
        shown(
            "two keys",
            &[("authorization", &good_bearer), ("authorization", &other_bearer)],
        ),
        shown("two keys in x-api-key", &[("x-api-key", good), ("x-api-key", other)]),
        shown(
            "one key in each header",
            &[("authorization", &good_bearer), ("x-api-key", other)],
        ),
        shown(
            "a good key behind a bad header",
            &[("authorization", b"Basic YTpi"), ("x-api-key", good)],
        ),
        shown(
            "a good key beside an empty one",
            &[("authorization", &good_bearer), ("x-api-key", b"")],
        ),
        shown("a scheme in x-api-key", &[("x-api-key", &good_bearer)]),
    ]
}

/// A good key where none is looked for, and an identity that somebody gives himself.
fn elsewhere(good: &str) -> Vec<Shown> {
    vec![
        shown(
            "a key in a cookie",
            &[(
                "cookie",
                format!("authorization=Bearer {good}; x-api-key={good}").as_bytes(),
            )],
        ),
        shown(
            "a key in other headers",
            &[("x-amz-security-token", good.as_bytes()), ("api-key", good.as_bytes())],
        ),
        shown(
            "an identity of one's own",
            &[
                (
                    "x-amzn-request-context",
                    br#"{"authorizer":{"sub":"user:admin","scopes":"admin"}}"#,
                ),
                ("x-forwarded-user", b"user:admin"),
                ("sub", b"user:admin"),
                ("scopes", b"admin"),
                ("x-forwarded-for", b"127.0.0.1"),
            ],
        ),
    ]
}

/// A-07
async fn dead_keys(stack: &Stack, owner: &str, good: &str) -> Vec<Shown> {
    let secret = |kind| Secret::mint(kind).unwrap().expose().to_owned();
    let digest = good.parse::<Secret>().unwrap().digest();
    let last = if good.ends_with('0') { '1' } else { '0' };
    let mut list = vec![
        bearer("a key that nobody has", &secret(SecretKind::ApiKey)),
        bearer("a client's secret", &secret(SecretKind::ClientSecret)),
        bearer("a wrong checksum", &format!("{}{last}", &good[..good.len() - 1])),
        bearer("a beginning", &good[..good.len() - 1]),
        bearer("a prefix", "tgk_"),
        bearer("a digest", digest.as_str()),
        bearer("another case", &good.to_uppercase()),
        bearer("an expired key", &expired(stack, owner).await),
        bearer("a revoked key", &revoked(stack, owner).await),
    ];
    let in_the_other_header: Vec<_> = list
        .iter()
        .map(|it| {
            let credential = it.headers[0].1.strip_prefix(b"Bearer ").unwrap();
            shown(format!("{} in x-api-key", it.name), &[("x-api-key", credential)])
        })
        .collect();
    list.extend(in_the_other_header);
    list
}

/// A key that ended an hour ago, which no API makes.
async fn expired(stack: &Stack, owner: &str) -> String {
    let (secret, now) = (Secret::mint(SecretKind::ApiKey).unwrap(), Timestamp::now());
    let hours_ago = |hours| now - SignedDuration::from_hours(hours);
    let scopes = gateway::scope::Scopes::of_an_admin();
    let id = gateway::random::identifier("key").unwrap();
    let owner = owner.parse().unwrap();
    let key = ApiKey::new(
        id,
        owner,
        "expired".into(),
        scopes,
        &secret,
        hours_ago(2),
        Some(hours_ago(1)),
    );
    let audit = tests::fixtures::told("key.create", &key.key_id);
    store(stack).create_api_key(&key, 25, &audit).await.unwrap();
    secret.expose().to_owned()
}

async fn revoked(stack: &Stack, owner: &str) -> String {
    let wish = json!({ "name": "revoked", "owner": owner });
    let made = stack.admin().post("/api/keys", &wish).await.json();
    let path = format!("/api/keys/{}?owner={owner}", made["key_id"].as_str().unwrap());
    assert_eq!(stack.admin().delete(&path).await.status, 204);
    made["key"].as_str().unwrap().to_owned()
}

/// Claims that are good in every way, for tests that spoil one.
pub(super) async fn claims(stack: &Stack) -> Claims {
    let (client_id, _) = stack.new_client(&["models:invoke", "usage:read"]).await;
    let now = Timestamp::now().as_second();
    Claims {
        iss: stack.ready().gateway.clone(),
        sub: format!("client:{client_id}"),
        aud: Audience::One("tollgate".into()),
        exp: now + 600,
        iat: now - 1,
        nbf: None,
        jti: gateway::random::identifier("jwt").unwrap(),
        client_id,
        scope: "models:invoke usage:read files keys admin".into(),
        team: None,
        sid: None,
        cnf: None,
    }
}

/// A-01, A-04, security.md "JWT"
async fn bad_tokens(stack: &Stack) -> Vec<Shown> {
    let (key, good) = (signing_key(stack).await, claims(stack).await);
    let other = json!({ "alg": "EdDSA", "seed": "another seed, of 64 characters or so, that signs nothing here...." });
    let other = SigningKey::from_stored(&other.to_string()).unwrap();
    let now = Timestamp::now().as_second();
    let spoilt = |name: &'static str, spoil: &dyn Fn(&mut Claims)| {
        let mut claims = good.clone();
        spoil(&mut claims);
        bearer(name, &key.sign(&claims).unwrap())
    };
    let mut list = vec![
        spoilt("an expired token", &|it| it.exp = now - 1),
        spoilt("a token of later", &|it| it.nbf = Some(now + 600)),
        spoilt("a token made in the future", &|it| it.iat = now + 600),
        spoilt("another issuer", &|it| it.iss = "https://elsewhere.example".into()),
        spoilt("another audience", &|it| it.aud = Audience::One("tollgat".into())),
        spoilt("a longer audience", &|it| {
            it.aud = Audience::Several(vec!["tollgate.example".into()]);
        }),
        spoilt("no subject", &|it| it.sub = String::new()),
        bearer("another key", &other.sign(&good).unwrap()),
    ];
    list.extend(forged(&key, &good));
    list
}

fn forged(key: &SigningKey, good: &Claims) -> Vec<Shown> {
    let whole = key.sign(good).unwrap();
    let parts: Vec<&str> = whole.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let jwk = key.verifying().to_jwk();
    let kid = jwk["kid"].as_str().unwrap();
    let with_header = |header: &Value| format!("{}.{claims}.{signature}", encoded(header));
    let ours = json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": kid });
    let and = |name: &str, value: Value| {
        let mut header = ours.clone();
        header[name] = value;
        with_header(&header)
    };
    let mut list: Vec<Shown> = ["none", "None", "NONE", "nOnE", ""]
        .iter()
        .flat_map(|alg| {
            let header = encoded(&json!({ "typ": "at+jwt", "alg": alg, "kid": kid }));
            ["", signature].map(|signature| bearer(format!("alg {alg:?}"), &format!("{header}.{claims}.{signature}")))
        })
        .collect();
    let x = jwk["x"].as_str().unwrap();
    let raw = BASE64_URL_SAFE_NO_PAD.decode(x).unwrap();
    for secret in [
        raw.clone(),
        x.into(),
        hex(&raw).into_bytes(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ] {
        list.push(bearer("HS256 with the public key", &hs256(good, kid, &secret)));
    }
    list.extend([
        bearer("another type", &and("typ", json!("JWT"))),
        bearer("no key id", &with_header(&json!({ "typ": "at+jwt", "alg": "EdDSA" }))),
        bearer("a key brought along", &and("jwk", jwk.clone())),
        bearer("a key's address", &and("jku", json!("http://127.0.0.1:9/keys"))),
        bearer(
            "a certificate's address",
            &and("x5u", json!("http://127.0.0.1:9/certificate")),
        ),
        bearer("a critical extension", &and("crit", json!(["exp"]))),
        bearer("an unencoded payload", &and("b64", json!(false))),
        bearer("no signature", &format!("{header}.{claims}.")),
        bearer("two parts", &format!("{header}.{claims}")),
        bearer("four parts", &format!("{whole}.{signature}")),
        bearer(
            "other claims",
            &format!("{header}.{}.{signature}", encoded(&json!({ "sub": "user:admin" }))),
        ),
        bearer("too long a token", &format!("{whole}{}", "A".repeat(8 * 1024))),
    ]);
    list
}

fn encoded(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

fn hs256(claims: &Claims, kid: &str, secret: &[u8]) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".into());
    header.kid = Some(kid.into());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}
