//! Which of a provider's keys count.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet, CoreJsonWebKeyType};

/// RFC 7518, section 3.3.
const LEAST_RSA_BITS: usize = 2048;

/// The keys without those that are too short, which the library would take.
pub(super) fn strong(keys: &CoreJsonWebKeySet) -> CoreJsonWebKeySet {
    CoreJsonWebKeySet::new(keys.keys().iter().filter(|key| is_strong(key)).cloned().collect())
}

fn is_strong(key: &CoreJsonWebKey) -> bool {
    match key.key_type() {
        CoreJsonWebKeyType::RSA => modulus(key).is_some_and(|modulus| bits(&modulus) >= LEAST_RSA_BITS),
        CoreJsonWebKeyType::Symmetric => false,
        _ => true,
    }
}

/// The library shows it in the key's JSON alone.
fn modulus(key: &CoreJsonWebKey) -> Option<Vec<u8>> {
    let key = serde_json::to_value(key).ok()?;
    BASE64_URL_SAFE_NO_PAD.decode(key.get("n")?.as_str()?).ok()
}

/// The bits of a number whose first bytes may be zero.
fn bits(number: &[u8]) -> usize {
    let mut significant = number.iter().skip_while(|byte| **byte == 0);
    let length = significant.clone().count() * 8;
    significant
        .next()
        .map_or(0, |first| length - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_rsa_key_has_2048_bits_or_more_and_no_key_is_symmetric() {
        let rsa = |first: u8, bytes: usize| {
            let mut modulus = vec![0xff; bytes];
            modulus[0] = first;
            json!({"kty": "RSA", "kid": "r", "n": BASE64_URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB"})
        };
        let point = BASE64_URL_SAFE_NO_PAD.encode([1; 32]);
        let curve = json!({"kty": "EC", "crv": "P-256", "x": point, "y": point});
        for (key, counts) in [
            (rsa(0x80, 256), true),
            (rsa(0x00, 257), true),
            (curve, true),
            (rsa(0x7f, 256), false),
            (rsa(0x00, 256), false),
            (rsa(0xff, 128), false),
            (rsa(0xff, 64), false),
            (json!({"kty": "RSA", "e": "AQAB"}), false),
            (json!({"kty": "oct", "k": "c2VjcmV0"}), false),
            (json!({"kty": "PQ", "x": "AA"}), false),
        ] {
            let keys: CoreJsonWebKeySet = serde_json::from_value(json!({"keys": [key]})).unwrap();
            assert_eq!(!strong(&keys).keys().is_empty(), counts, "{key}");
        }
    }
}
