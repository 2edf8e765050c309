use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;

pub(super) const SECRET: &str =
    r#"{"alg":"EdDSA","seed":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}"#;

fn key() -> SigningKey {
    SigningKey::from_stored(SECRET).unwrap()
}

pub(super) fn claims() -> Claims {
    Claims {
        iss: "https://gate.test".into(),
        sub: "client:c1".into(),
        aud: Audience::One("tollgate".into()),
        exp: 2000,
        iat: 1000,
        nbf: None,
        jti: "t1".into(),
        client_id: "c1".into(),
        scope: "models:invoke".into(),
        team: None,
        sid: None,
        cnf: None,
    }
}

fn verdict(claims: &Claims, now: i64) -> Result<Claims, Refusal> {
    let key = key();
    key.verifying()
        .verify(&key.sign(claims).unwrap(), "https://gate.test", "tollgate", now)
}

/// Signs any header and payload with the right key, to see what falls besides the signature.
fn signed_raw(header: &str, payload: &str) -> String {
    let pair = Ed25519KeyPair::from_pkcs8(&key().private_bytes()).unwrap();
    let signed = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header),
        BASE64_URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = pair.sign(signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// A-01
#[test]
fn expiry_has_zero_leeway() {
    assert!(verdict(&claims(), 1999).is_ok());
    assert_eq!(verdict(&claims(), 2000), Err(Refusal::Expired));
}

/// A-01
#[test]
fn a_token_that_is_not_yet_valid_is_refused() {
    let later = Claims {
        nbf: Some(1500),
        ..claims()
    };
    assert_eq!(verdict(&later, 1499), Err(Refusal::Invalid));
    assert!(verdict(&later, 1500).is_ok());
    assert_eq!(verdict(&Claims { iat: 1600, ..claims() }, 1599), Err(Refusal::Invalid));
}

/// A-01
#[test]
fn a_wrong_issuer_or_audience_is_refused() {
    assert_eq!(
        verdict(
            &Claims {
                iss: "https://gate.test.evil".into(),
                ..claims()
            },
            1500
        ),
        Err(Refusal::Invalid)
    );
    assert_eq!(
        verdict(
            &Claims {
                aud: Audience::One("toll".into()),
                ..claims()
            },
            1500
        ),
        Err(Refusal::Invalid)
    );
    assert_eq!(
        verdict(
            &Claims {
                aud: Audience::One("tollgate2".into()),
                ..claims()
            },
            1500
        ),
        Err(Refusal::Invalid)
    );
    let list = Audience::Several(vec!["other".into(), "tollgate".into()]);
    assert!(verdict(&Claims { aud: list, ..claims() }, 1500).is_ok());
}

/// A-04
#[test]
fn a_changed_signature_payload_or_key_is_refused() {
    let key = key();
    let token = key.sign(&claims()).unwrap();
    let verify = |token: &str| key.verifying().verify(token, "https://gate.test", "tollgate", 1500);
    assert!(verify(&token).is_ok());
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            verify(&String::from_utf8(bytes).unwrap()),
            Err(Refusal::Invalid),
            "position {position}"
        );
    }
    let other = SigningKey::from_stored(&SECRET.replace("0123", "3210")).unwrap();
    assert_eq!(verify(&other.sign(&claims()).unwrap()), Err(Refusal::Invalid));
}

/// A-21: every header but the one that we write is refused, even with a good signature.
#[test]
fn no_trick_in_the_header_passes() {
    let key = key();
    let kid = key.verifying().kid();
    let payload = serde_json::to_string(&claims()).unwrap();
    let good = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    let verify = |token: &str| key.verifying().verify(token, "https://gate.test", "tollgate", 1500);
    assert!(
        verify(&signed_raw(&good, &payload)).is_ok(),
        "the test's own signing works"
    );
    let tricks = [
        good.replace("EdDSA", "none"),
        good.replace("EdDSA", "NoNe"),
        good.replace("EdDSA", "HS256"),
        good.replace("EdDSA", "ES256"),
        good.replace("at+jwt", "JWT"),
        good.replace(kid, "other"),
        good.replace('}', r#","jwk":{"kty":"OKP"}}"#),
        good.replace('}', r#","jku":"http://127.0.0.1/"}"#),
        good.replace('}', r#","x5u":"http://127.0.0.1/"}"#),
        good.replace('}', r#","x5c":["AA"]}"#),
        good.replace('}', r#","crit":["exp"]}"#),
        good.replace('}', r#","b64":false,"crit":["b64"]}"#),
        good.replace('}', r#","alg":"EdDSA"}"#),
        r#"{"alg":"EdDSA"}"#.to_owned(),
        "[]".to_owned(),
    ];
    for header in tricks {
        assert_eq!(
            verify(&signed_raw(&header, &payload)),
            Err(Refusal::Invalid),
            "{header}"
        );
    }
}

/// A-21
#[test]
fn a_payload_of_wrong_types_or_with_a_name_twice_is_refused() {
    let key = key();
    let kid = key.verifying().kid();
    let header = format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":"{kid}"}}"#);
    let good = serde_json::to_string(&claims()).unwrap();
    let verify = |payload: &str| {
        key.verifying()
            .verify(&signed_raw(&header, payload), "https://gate.test", "tollgate", 1500)
    };
    assert!(
        verify(&good.replace('}', r#","unknown":{"a":1}}"#)).is_ok(),
        "A-05: unknown claims are ignored"
    );
    for bad in [
        good.replace("2000", "\"2000\""),
        good.replace("2000", "1e400"),
        good.replace("2000", "null"),
        good.replace("\"exp\":2000,", ""),
        good.replace('}', r#","exp":9999}"#),
        good.replace("\"client:c1\"", "7"),
        good.replace("\"jti\":\"t1\"", "\"jti\":\"\""),
        good.replace('}', r#","nbf":"soon"}"#),
        good.replace("\"tollgate\"", "{}"),
    ] {
        assert_ne!(bad, good);
        assert!(verify(&bad).is_err(), "{bad}");
    }
}

#[test]
fn malformed_tokens_are_refused_without_panic() {
    let key = key();
    let token = key.sign(&claims()).unwrap();
    let long = format!("{token}{}", "A".repeat(LONGEST_TOKEN_BYTES));
    for bad in [
        "",
        ".",
        "..",
        "...",
        "eyJ",
        "a.b.c",
        &format!("{token}."),
        &format!("{token}="),
        &token.replace('.', ""),
        &long,
    ] {
        assert_eq!(
            key.verifying().verify(bad, "https://gate.test", "tollgate", 1500),
            Err(Refusal::Invalid),
            "{bad:.40}"
        );
    }
}

#[test]
fn a_weak_or_foreign_signing_secret_is_refused_by_name() {
    let refusal = |secret: &str| SigningKey::from_stored(secret).err().unwrap();
    assert_eq!(refusal("hello"), BadKey::NotJson);
    assert_eq!(
        refusal(r#"{"alg":"HS256","seed":"0123456789abcdef0123456789abcdef"}"#),
        BadKey::Algorithm
    );
    assert_eq!(refusal(r#"{"alg":"EdDSA","seed":""}"#), BadKey::ShortSeed);
    assert_eq!(
        refusal(r#"{"alg":"EdDSA","seed":"0123456789abcdef0123456789abcde"}"#),
        BadKey::ShortSeed
    );
}

#[test]
fn a_jwk_shows_the_public_half_only() {
    let jwk = key().verifying().to_jwk();
    let names: Vec<_> = jwk.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
}

/// A-08
#[test]
fn a_jwt_is_told_by_its_shape() {
    assert!(looks_like_jwt(&key().sign(&claims()).unwrap()));
    assert!(!looks_like_jwt("tgk_0123"));
    assert!(!looks_like_jwt("eyJ.a"));
}
