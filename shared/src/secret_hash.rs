//! The memory-hard hash of a client's secret: Argon2id (RFC 9106).
//!
//! A minted secret has 190 random bits, which no hash has to defend; this is for the day on which somebody stores one that has
//! fewer. 19 MiB and two passes are what OWASP's cheat sheet on password storage asks for at the least; with one lane, since a
//! function has one core or a part of it. In a function of 512 MB (about 0.3 of a core) that is about a tenth of a second, once
//! for each token, which its client then uses for half an hour.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::random;
use crate::secret::Secret;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const HASH_BYTES: usize = 32;

/// A hash with its salt and what it was made with, so that the parameters can change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretHash {
    salt: String,
    hash: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl SecretHash {
    /// The hash of a secret, with a salt of its own. It takes as long as [`Self::matches`].
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] without randomness or memory.
    pub async fn of(secret: &Secret) -> Result<Self, Error> {
        let text = secret.expose().to_owned();
        apart(move || Self::of_text(text.as_bytes())).await?
    }

    fn of_text(text: &[u8]) -> Result<Self, Error> {
        let salt = BASE64_URL_SAFE_NO_PAD.encode(random::bytes::<16>()?);
        let mut hash = Self {
            salt,
            hash: String::new(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
        };
        hash.hash = BASE64_URL_SAFE_NO_PAD.encode(hash.computed(text)?);
        Ok(hash)
    }

    /// Whether this is the hash of `text`, compared in constant time.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] without memory.
    pub async fn matches(&self, text: &str) -> Result<bool, Error> {
        let (this, text) = (self.clone(), text.to_owned());
        apart(move || this.matches_now(text.as_bytes())).await?
    }

    fn matches_now(&self, text: &[u8]) -> Result<bool, Error> {
        let computed = BASE64_URL_SAFE_NO_PAD.encode(self.computed(text)?);
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(computed.as_bytes(), self.hash.as_bytes());
        Ok(same.is_ok())
    }

    /// Does the work of a comparison for a client that is not there, so that the time tells nothing.
    ///
    /// # Errors
    /// As [`Self::matches`].
    pub async fn of_nobody(text: &str) -> Result<(), Error> {
        let nobody = Self {
            salt: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            hash: String::new(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
        };
        nobody.matches(text).await.map(drop)
    }

    fn computed(&self, text: &[u8]) -> Result<[u8; HASH_BYTES], Error> {
        let salt = BASE64_URL_SAFE_NO_PAD.decode(&self.salt).map_err(Error::internal)?;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES));
        let params = params.map_err(|error| Error::internal(error.to_string()))?;
        let mut out = [0; HASH_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(text, &salt, &mut out)
            .map_err(|error| Error::unavailable(error.to_string()))?;
        Ok(out)
    }
}

/// Off the thread that serves requests, and awaited.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretKind;

    #[tokio::test]
    async fn a_hash_matches_its_own_secret_alone_and_has_its_own_salt() {
        let (one, other) = (
            Secret::mint(SecretKind::ClientSecret).unwrap(),
            Secret::mint(SecretKind::ClientSecret).unwrap(),
        );
        let hash = SecretHash::of(&one).await.unwrap();
        assert!(hash.matches(one.expose()).await.unwrap());
        assert!(!hash.matches(other.expose()).await.unwrap());
        assert!(!hash.matches("").await.unwrap());
        assert_ne!(SecretHash::of(&one).await.unwrap(), hash);
        assert!(!format!("{hash:?}").contains(&one.expose()[4..]));
    }

    /// The parameters are those that the documents state.
    #[test]
    fn a_hash_is_memory_hard() {
        let hash = SecretHash::of_text(b"x").unwrap();
        assert_eq!((hash.memory_kib, hash.passes, hash.lanes), (19_456, 2, 1));
    }
}
