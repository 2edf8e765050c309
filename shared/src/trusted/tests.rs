use serde_json::json;

use super::keys::{endpoint, usable_keys};
use super::*;

fn trusted(list: &Value) -> Result<Trusted, ConfigError> {
    Trusted::new(&Variables::Given(vec![
        ("TOLLGATE_TRUSTED_ISSUERS", list.to_string()),
        ("TOLLGATE_ISSUER", "https://gate.example".into()),
    ]))
}

fn issuer() -> Value {
    json!({
        "issuer": "https://idp.example", "label": "idp", "audience": "tollgate", "algorithms": ["RS256"],
        "grants_claim": "groups", "grants": {"builders": "models:invoke usage:read", "owners": "admin"},
        "team_claim": "department", "teams": {"r-and-d": "research"},
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut issuer = issuer();
    issuer[name] = value;
    json!([issuer])
}

#[test]
fn a_wrong_issuer_algorithm_scope_or_label_is_no_configuration() {
    assert!(trusted(&json!([issuer()])).is_ok());
    for bad in [
        json!({}),
        json!([{}]),
        json!([issuer(), issuer()]),
        with("issuer", json!("http://idp.example")),
        with("issuer", json!("https://10.0.0.1")),
        with("issuer", json!("https://169.254.169.254")),
        with("issuer", json!("https://gate.example")),
        with("label", json!("")),
        with("label", json!("a.b")),
        with("audience", json!("")),
        with("algorithms", json!([])),
        with("algorithms", json!(["HS256"])),
        with("algorithms", json!(["none"])),
        with("grants", json!({"builders": "root"})),
        with("unknown", json!(1)),
    ] {
        assert!(trusted(&bad).is_err(), "{bad}");
    }
}

/// B-25: an unknown role grants nothing.
#[test]
fn a_claims_known_values_grant_and_all_others_grant_nothing() {
    let trusted = trusted(&json!([issuer()])).unwrap();
    let granted = |value: Value| {
        let claims = Map::from_iter([("groups".to_owned(), value)]);
        trusted.issuers[0].0.scopes(&claims).to_string()
    };
    assert_eq!(
        granted(json!(["builders", "admin", "ADMIN"])),
        "models:invoke usage:read"
    );
    assert_eq!(granted(json!("builders")), "models:invoke usage:read");
    for nothing in [
        json!("root"),
        json!(["admin"]),
        json!([["builders"]]),
        json!(null),
        json!({"builders": true}),
    ] {
        assert_eq!(granted(nothing.clone()), "", "{nothing}");
    }
    let team = |value| {
        trusted.issuers[0]
            .0
            .team(&Map::from_iter([("department".to_owned(), value)]))
    };
    assert_eq!(team(json!("r-and-d")), Some("research".parse().unwrap()));
    assert_eq!(team(json!("research")), None);
}

#[test]
fn two_subjects_of_an_issuer_are_never_one_here() {
    let of = |there: &str| subject("idp", there).unwrap().to_string();
    assert_eq!(of("alice"), "user:idp.alice");
    let odd = of("auth0|alice");
    assert!(odd.starts_with("user:idp.+") && odd != of("auth0|bob"));
    // Nobody takes another one's digest for a name.
    assert_ne!(of(odd.strip_prefix("user:idp.").unwrap()), odd);
    assert_eq!(subject("idp", ""), None);
}

/// security.md, "JWT": weak and malformed keys of an issuer verify nothing.
#[test]
fn weak_malformed_private_and_repeated_keys_are_left_out() {
    let all = [KeyAlgorithm::EdDsa, KeyAlgorithm::Es256, KeyAlgorithm::Rs256];
    let b64 = |length: usize| BASE64_URL_SAFE_NO_PAD.encode(vec![0xa5; length]);
    let good = json!({"kty": "OKP", "crv": "Ed25519", "kid": "good", "x": b64(32)});
    let rsa = |n: usize, e: &str| json!({"kty": "RSA", "kid": "bad", "n": b64(n), "e": e});
    let and = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk["kid"] = "bad".into();
        jwk[name] = value;
        jwk
    };
    assert_eq!(usable_keys(&json!({"keys": [rsa(256, "AQAB")]}), &all).len(), 1);
    for bad in [
        rsa(64, "AQAB"),
        rsa(255, "AQAB"),
        rsa(2048, "AQAB"),
        rsa(256, "AQ"),
        rsa(256, ""),
        json!({"kty": "oct", "kid": "bad", "k": b64(32)}),
        json!({"kty": "EC", "crv": "P-256", "kid": "bad", "x": b64(32)}),
        json!({"kty": "EC", "crv": "P-521", "kid": "bad", "x": b64(66), "y": b64(66)}),
        json!({"kid": "bad"}),
        json!([]),
        and("d", json!("AA")),
        and("k", json!("AA")),
        and("use", json!("enc")),
        and("alg", json!("RS256")),
        and("alg", json!("HS256")),
        and("kid", json!("")),
        and("kid", json!(1)),
        and("x", json!("AA")),
        and("x", json!(null)),
        and("kty", json!("EC")),
    ] {
        let keys = usable_keys(&json!({"keys": [bad, good]}), &all);
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["good"], "{bad}");
    }
    assert!(usable_keys(&json!({"keys": [good, good]}), &all).is_empty());
    assert!(usable_keys(&json!({"keys": [good]}), &[KeyAlgorithm::Rs256]).is_empty());
    assert!(usable_keys(&json!("keys"), &all).is_empty());
}

#[test]
fn an_issuers_documents_are_at_public_addresses_of_https_alone() {
    assert!(endpoint("https://idp.example/keys", false).is_some());
    for bad in [
        "http://idp.example/keys",
        "https://127.0.0.1/keys",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://user@idp.example/",
        "https://idp.example/#a",
        "file:///etc/passwd",
        "",
    ] {
        assert!(endpoint(bad, false).is_none(), "{bad}");
    }
    assert!(endpoint("http://127.0.0.1:1/keys", true).is_some());
}
