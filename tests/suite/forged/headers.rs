//! What can be done in a header: another algorithm, another key, a key or a URL brought along.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::smith::{Forge, Smith, b64, claims};
use super::{Forged, forged};

pub(super) fn corpus(smith: &Smith, trap: &str) -> Vec<Forged> {
    let mut all = Vec::new();
    for forge in &smith.forges {
        all.extend(symmetric(forge));
        all.extend(other_algorithms(forge));
        all.extend(additions(forge, trap));
        all.extend(raw_headers(forge));
    }
    all.extend(crossed(smith));
    all
}

/// HMAC with what is public for a secret.
fn symmetric(forge: &Forge) -> Vec<Forged> {
    let mut all = Vec::new();
    for (encoding, secret) in forge.public_encodings() {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = json!({ "typ": "at+jwt", "alg": format!("{algorithm:?}"), "kid": forge.kid });
            let message = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
            let key = EncodingKey::from_secret(&secret);
            let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
            let name = format!("{algorithm:?} with {encoding} of {}", forge.name());
            all.push(forged(name, format!("{message}.{signature}")));
        }
    }
    all
}

/// A right signature under a header that names another algorithm, and `none` with and without one.
fn other_algorithms(forge: &Forge) -> Vec<Forged> {
    let names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "EdDSA",
        "eddsa",
        "Ed25519",
        "ES256",
        "es256",
        "ES256K",
        "ES384",
        "ES512",
        "RS256",
        "rs256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "HS256",
        "HS384",
        "HS512",
        "RS256\u{0}",
        "A128KW",
        "dir",
    ];
    let mut all = Vec::new();
    for name in names.into_iter().filter(|it| *it != forge.name()) {
        let mut header = forge.header();
        header["alg"] = name.into();
        let token = forge.signed(&header.to_string(), claims().to_string());
        if name.trim().eq_ignore_ascii_case("none") || name.is_empty() {
            let unsigned = token.rsplit_once('.').unwrap().0;
            all.push(forged(format!("unsigned, alg {name:?}"), format!("{unsigned}.")));
        }
        all.push(forged(format!("{} as alg {name:?}", forge.name()), token));
    }
    for alg in [json!(null), json!(0), json!(["EdDSA"]), json!({}), json!(true)] {
        let mut header = forge.header();
        header["alg"] = alg.clone();
        let token = forge.signed(&header.to_string(), claims().to_string());
        all.push(forged(format!("{} as alg {alg}", forge.name()), token));
    }
    all
}

/// One member more, or another value, under a right signature.
fn additions(forge: &Forge, trap: &str) -> Vec<Forged> {
    let url = |path: &str| json!(format!("{trap}/{path}"));
    let mut members: Vec<(&str, Value)> = vec![
        ("jwk", forge.jwk.clone()),
        ("jwk", json!(null)),
        ("jku", url("jwks.json")),
        ("jku", json!("https://gateway.example/.well-known/jwks.json")),
        ("x5u", url("certificate.pem")),
        ("x5c", json!(["MIIBAA=="])),
        ("x5c", json!([])),
        ("x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("cty", json!("JWT")),
        ("p2c", json!(2_000_000_000)),
        ("epk", forge.jwk.clone()),
        ("iss", url("issuer")),
        ("url", url("resource")),
        ("nonce", json!("n")),
    ];
    members.extend(weak_keys().into_iter().map(|jwk| ("jwk", jwk)));
    let kids = [
        json!(null),
        json!(1),
        json!([forge.kid]),
        json!(""),
        json!("../../../../dev/null"),
        json!("' OR 1=1 --"),
        json!(format!("{} ", forge.kid)),
        json!(forge.kid.to_lowercase()),
        json!("x".repeat(4096)),
        url("key"),
    ];
    members.extend(kids.into_iter().map(|kid| ("kid", kid)));
    let types = [
        "JWT",
        "jwt",
        "AT+JWT",
        "at+JWT",
        "id_token",
        "rt+jwt",
        "refresh+jwt",
        "dpop+jwt",
        "logout+jwt",
        "JOSE",
        "JOSE+JSON",
        "",
    ];
    members.extend(types.map(|typ| ("typ", json!(typ))));
    members.extend([("typ", json!(null)), ("typ", json!(["at+jwt"]))]);
    let of = |(name, value): (&str, Value)| {
        let mut header = forge.header();
        let label = format!("{} with {name} {value:.60}", forge.name());
        header[name] = value;
        forged(label, forge.signed(&header.to_string(), claims().to_string()))
    };
    members.into_iter().map(of).collect()
}

/// Keys that nobody may take, brought along.
fn weak_keys() -> Vec<Value> {
    let zeros = b64([0; 32]);
    vec![
        json!({ "kty": "oct", "k": "" }),
        json!({ "kty": "oct", "k": "AA" }),
        json!({ "kty": "RSA", "n": b64([0xff; 64]), "e": "AQAB" }),
        json!({ "kty": "RSA", "n": b64([0xff; 256]), "e": "AQ" }),
        json!({ "kty": "RSA", "n": "", "e": "" }),
        json!({ "kty": "RSA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": zeros, "y": zeros }),
        json!({ "kty": "EC", "crv": "P-192", "x": zeros, "y": zeros }),
        json!({ "kty": "EC", "crv": "P-256", "x": zeros }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": zeros }),
        json!({ "kty": "OKP", "crv": "X25519", "x": zeros }),
        json!({ "kty": "none" }),
        json!({}),
        json!([]),
        json!("key"),
    ]
}

/// Headers that are no object of ours at all, under a right signature.
fn raw_headers(forge: &Forge) -> Vec<Forged> {
    let good = forge.header().to_string();
    let end = |more: &str| good.replacen('}', more, 1);
    let headers = [
        ("empty", String::new()),
        ("null", "null".into()),
        ("a list", "[]".into()),
        ("a string", "\"at+jwt\"".into()),
        ("an empty object", "{}".into()),
        ("truncated", good[..good.len() - 1].into()),
        ("two objects", format!("{good}{good}")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("trailing garbage", format!("{good}x")),
        ("alg twice", end(&format!(r#","alg":"{}"}}"#, forge.name()))),
        ("alg twice, none last", end(r#","alg":"none"}"#)),
        ("kid twice", end(r#","kid":"other"}"#)),
        ("typ twice", end(r#","typ":"at+jwt"}"#)),
        ("alg in another case too", end(r#","ALG":"none"}"#)),
        ("no kid", json!({ "typ": "at+jwt", "alg": forge.name() }).to_string()),
        ("no typ", json!({ "alg": forge.name(), "kid": forge.kid }).to_string()),
        ("no alg", json!({ "typ": "at+jwt", "kid": forge.kid }).to_string()),
    ];
    let of = |(name, header): (&str, String)| {
        forged(
            format!("{}, header {name}", forge.name()),
            forge.signed(&header, claims().to_string()),
        )
    };
    headers.into_iter().map(of).collect()
}

/// A right signature by a right key, under the name of another one.
fn crossed(smith: &Smith) -> Vec<Forged> {
    let mut all = Vec::new();
    for (index, signer) in smith.forges.iter().enumerate() {
        for (other, named) in smith.forges.iter().enumerate().filter(|(other, _)| *other != index) {
            for alg in [signer.name(), named.name()] {
                let header = json!({ "typ": "at+jwt", "alg": alg, "kid": named.kid }).to_string();
                let name = format!("key {index} as key {other}, {alg}");
                all.push(forged(name, signer.signed(&header, claims().to_string())));
            }
        }
    }
    all
}
