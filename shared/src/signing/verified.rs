//! Tokens whose signature was found right, where a cache is configured: it is not looked at again while the same keys count.
//!
//! Nothing else is spared: a token counts only within its times, and while the key that it names is not over. What is remembered is this
//! environment's own finding and leaves it never; refusals are not remembered, so nobody fills it who has no token of ours.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use quick_cache::sync::Cache;

use crate::jwt::{Claims, KeyRing};

/// So many tokens are remembered; the least used goes first.
const REMEMBERED: usize = 1_000;

pub(super) struct Verified(Cache<TokenDigest, Arc<Found>>);

/// The SHA-256 of a whole token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; 32]);

struct Found {
    ring: Arc<KeyRing>,
    claims: Claims,
}

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

impl Verified {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// The claims of a token that these keys have verified, if nothing that the time tells stands against it. Otherwise it is
    /// verified again, and refused as any other.
    pub(super) fn find(
        &self,
        token: &str,
        digest: &TokenDigest,
        ring: &Arc<KeyRing>,
        now: Timestamp,
    ) -> Option<Claims> {
        let found = self.0.get(digest)?;
        let (claims, seconds) = (&found.claims, now.as_second());
        let timely = claims.exp > seconds && claims.iat <= seconds && claims.nbf.is_none_or(|begin| begin <= seconds);
        let counts = Arc::ptr_eq(&found.ring, ring) && timely && ring.counts_key_of(token, now);
        counts.then(|| claims.clone())
    }

    pub(super) fn keep(&self, digest: TokenDigest, ring: &Arc<KeyRing>, claims: &Claims) {
        let found = Found {
            ring: ring.clone(),
            claims: claims.clone(),
        };
        self.0.insert(digest, Arc::new(found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::{Audience, KeyAlgorithm};

    const SECRET: &str = r#"{"alg":"EdDSA","seed":"for-this-test-alone-for-this-test-alone-for-this-test-alone-1234"}"#;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn ring() -> Arc<KeyRing> {
        Arc::new(KeyRing::from_stored(SECRET, KeyAlgorithm::EdDsa).unwrap())
    }

    fn claims() -> Claims {
        Claims {
            iss: "https://i.example".into(),
            sub: "client:c".into(),
            aud: Audience::One("a".into()),
            exp: 2000,
            iat: 1000,
            nbf: Some(1100),
            jti: "j".into(),
            client_id: "c".into(),
            scope: String::new(),
            team: None,
            sid: None,
            cnf: None,
        }
    }

    /// B-24
    #[test]
    fn a_verified_token_is_known_within_its_times_and_by_the_keys_that_verified_it_alone() {
        let (verified, ring, now) = (Verified::new(), ring(), at(1500));
        let token = ring.sign(&claims(), now).unwrap();
        let digest = TokenDigest::of(&token);
        assert!(verified.find(&token, &digest, &ring, now).is_none());
        verified.keep(digest, &ring, &claims());
        let known = |ring: &Arc<KeyRing>, seconds| verified.find(&token, &digest, ring, at(seconds)).is_some();
        for (seconds, counts) in [(999, false), (1099, false), (1100, true), (1999, true), (2000, false)] {
            assert_eq!(known(&ring, seconds), counts, "{seconds}");
        }
        assert!(!known(&self::ring(), 1500), "the same keys, read again");
        let mut other = token.clone();
        other.pop();
        assert!(verified.find(&other, &TokenDigest::of(&other), &ring, now).is_none());
    }
}
