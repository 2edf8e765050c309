use jiff::{SignedDuration, Timestamp};

use super::tests::{SECRET, claims};
use super::*;

const ISSUER: &str = "https://gate.test";
const AUDIENCE: &str = "tollgate";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// A key signs for 100,000 seconds, and is published 10,000 before.
fn rotation(algorithm: KeyAlgorithm) -> Rotation {
    Rotation {
        algorithm,
        period: SignedDuration::from_secs(100_000),
        lead: SignedDuration::from_secs(10_000),
    }
}

fn ring(text: &str) -> KeyRing {
    KeyRing::from_stored(text, KeyAlgorithm::EdDsa).unwrap()
}

fn kids(ring: &KeyRing, now: i64) -> Vec<String> {
    let jwks = ring.jwks(at(now));
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|it| it["kid"].as_str().unwrap().to_owned()).collect()
}

fn token(ring: &KeyRing, now: i64) -> String {
    let claims = Claims {
        iat: now,
        exp: now + LONGEST_ACCESS_TOKEN_SECONDS,
        ..claims()
    };
    ring.sign(&claims, at(now)).unwrap()
}

fn states(ring: &KeyRing, now: i64) -> Vec<KeyState> {
    ring.keys(at(now)).map(|(_, state)| state).collect()
}

/// B-24: a token is good to its own end through a rotation, whichever of both rings signs and verifies, and one that a key
/// made which is over is not.
#[test]
fn a_key_is_published_before_it_signs_and_kept_until_its_tokens_are_dead() {
    let start = 1_800_000_000;
    let old = ring(SECRET);
    let new = ring(SECRET)
        .rotated(&rotation(KeyAlgorithm::EdDsa), at(start))
        .unwrap()
        .unwrap();
    let new = ring(&new.to_stored().unwrap());
    assert_eq!(states(&new, start), [KeyState::Signing, KeyState::PublishedNext]);
    assert_eq!(kids(&new, start).len(), 2);
    // Until the next key signs, verifiers that know the old ring alone pass all.
    let verify = |ring: &KeyRing, token: &str, now: i64| ring.verify(token, ISSUER, AUDIENCE, at(now));
    let last = token(&new, start + 9_999);
    assert!(verify(&old, &last, start + 9_999).is_ok());
    let first = token(&new, start + 10_000);
    assert_eq!(states(&new, start + 10_000), [KeyState::Retiring, KeyState::Signing]);
    assert_eq!(verify(&old, &first, start + 10_000), Err(Refusal::Invalid));
    assert!(old.misses_key_of(&first) && !new.misses_key_of(&first));
    // The last token of the old key lives out its time; after that the key is over, and so is all that it signed.
    let end = start + 9_999 + LONGEST_ACCESS_TOKEN_SECONDS;
    assert!(verify(&new, &last, end - 1).is_ok() && verify(&new, &first, end - 1).is_ok());
    let longer = Claims {
        iat: start,
        exp: end + 10_000,
        ..claims()
    };
    let longer = old.sign(&longer, at(start)).unwrap();
    assert!(verify(&new, &longer, end + 60).is_ok());
    assert_eq!(verify(&new, &longer, end + 61), Err(Refusal::Invalid));
    assert_eq!(kids(&new, end + 61).len(), 1);
}

/// B-24
#[test]
fn a_ring_is_changed_only_when_its_time_has_come() {
    let start = 1_800_000_000;
    let rotation = rotation(KeyAlgorithm::Es256);
    let text = |ring: KeyRing| ring.to_stored().unwrap();
    let turn = |from: &str, now: i64| ring(from).rotated(&rotation, at(now)).unwrap().map(text);
    let first = turn(SECRET, start).unwrap();
    for quiet in [start, start + 9_999, start + 10_000, start + 13_659] {
        assert_eq!(turn(&first, quiet), None, "{quiet}");
    }
    // What is over is taken out; the next key comes when the period of the new one is near its end.
    let cleaned = turn(&first, start + 13_660).unwrap();
    assert_eq!(states(&ring(&cleaned), start + 13_660), [KeyState::Signing]);
    assert_eq!(turn(&cleaned, start + 99_999), None);
    let second = turn(&cleaned, start + 100_000).unwrap();
    assert_eq!(
        states(&ring(&second), start + 100_000),
        [KeyState::Signing, KeyState::PublishedNext]
    );
}

/// Tokens of every algorithm pass by their own key, and only that.
#[test]
fn every_algorithm_signs_what_it_verifies_and_shows_its_public_half_only() {
    let start = 1_800_000_000;
    for (algorithm, members) in [
        (KeyAlgorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"][..]),
        (KeyAlgorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
        (KeyAlgorithm::Rs256, &["alg", "e", "kid", "kty", "n", "use"]),
    ] {
        let turned = ring(SECRET).rotated(&rotation(algorithm), at(start)).unwrap().unwrap();
        let turned = ring(&turned.to_stored().unwrap());
        let now = start + 20_000;
        let token = token(&turned, now);
        assert!(
            turned.verify(&token, ISSUER, AUDIENCE, at(now)).is_ok(),
            "{algorithm:?}"
        );
        assert!(
            ring(SECRET).verify(&token, ISSUER, AUDIENCE, at(now)).is_err(),
            "{algorithm:?}"
        );
        let jwks = turned.jwks(at(now));
        let shown: Vec<_> = jwks["keys"][0].as_object().unwrap().keys().cloned().collect();
        assert_eq!(shown, members, "{algorithm:?}");
        assert_eq!(jwks["keys"][0]["alg"], algorithm.name());
        let stored = turned.to_stored().unwrap();
        let private = stored.split(r#""bytes":""#).nth(1).unwrap().split('"').next().unwrap();
        assert!(!jwks.to_string().contains(private));
    }
}

#[test]
fn hs256_counts_only_where_it_is_configured_and_is_never_published() {
    let secret = SECRET.replace("EdDSA", "HS256");
    let bad = |secret: &str, algorithm| KeyRing::from_stored(secret, algorithm).err().unwrap();
    assert_eq!(bad(&secret, KeyAlgorithm::EdDsa), BadKey::Algorithm);
    let ring = KeyRing::from_stored(&secret, KeyAlgorithm::Hs256).unwrap();
    let token = token(&ring, 1000);
    assert!(ring.verify(&token, ISSUER, AUDIENCE, at(1000)).is_ok());
    assert_eq!(ring.jwks(at(1000)), serde_json::json!({"keys": []}));
    assert!(ring.signing(at(1000)).unwrap().key.verifying().to_jwk().is_null());
    for short in ["", "0123456789abcdef0123456789abcde"] {
        let secret = format!(r#"{{"alg":"HS256","seed":"{short}"}}"#);
        assert_eq!(bad(&secret, KeyAlgorithm::Hs256), BadKey::ShortSeed, "{short:?}");
    }
}

#[test]
fn a_stored_ring_with_a_wrong_or_repeated_key_id_or_a_short_secret_is_refused() {
    let turned = ring(SECRET).rotated(&rotation(KeyAlgorithm::EdDsa), at(1_800_000_000));
    let text = turned.unwrap().unwrap().to_stored().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bad = |value: &serde_json::Value| {
        KeyRing::from_stored(&value.to_string(), KeyAlgorithm::Hs256)
            .err()
            .unwrap()
    };
    let mut wrong = value.clone();
    wrong["keys"][1]["kid"] = "other".into();
    assert_eq!(bad(&wrong), BadKey::KeyId);
    let mut twice = value.clone();
    twice["keys"][1] = twice["keys"][0].clone();
    assert_eq!(bad(&twice), BadKey::KeyId);
    let mut weak = value.clone();
    weak["keys"][1]["alg"] = "HS256".into();
    weak["keys"][1]["bytes"] = "AAAA".into();
    assert_eq!(bad(&weak), BadKey::ShortSeed);
    let mut other = value.clone();
    other["keys"][1]["alg"] = "none".into();
    assert_eq!(bad(&other), BadKey::NotJson);
}
