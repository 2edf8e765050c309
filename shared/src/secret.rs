//! Secrets that Tollgate mints: API keys, client secrets, and what a login and its grants hand out.
//!
//! A secret is `PREFIX_` + 32 random base-62 characters (190 bits) + 6 characters of checksum over all before it. The
//! prefix tells secret scanners and the authorizer what it is, the checksum refuses typing errors without a look-up.
//! Only the SHA-256 of the whole and a hint of its last four characters are stored. A plain hash is enough here, since
//! 190 random bits cannot be guessed from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::{self, BASE62, NoRandomness};

const RANDOM_CHARACTERS: usize = 32;
const CHECKSUM_CHARACTERS: usize = 6;

/// What a secret is for; told by its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// `tgk_`: an API key.
    ApiKey,
    /// `tgs_`: the secret of a service account.
    ClientSecret,
    /// `tgr_`: a refresh token.
    RefreshToken,
    /// `tgc_`: an authorization code.
    AuthorizationCode,
    /// `tgd_`: a device code.
    DeviceCode,
    /// `tgl_`: what ties the steps of one login together: a browser's cookie, a `state`, the ticket of a consent page.
    Login,
}

impl SecretKind {
    /// The first characters of every secret of this kind.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "tgk_",
            Self::ClientSecret => "tgs_",
            Self::RefreshToken => "tgr_",
            Self::AuthorizationCode => "tgc_",
            Self::DeviceCode => "tgd_",
            Self::Login => "tgl_",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::ApiKey,
        Self::ClientSecret,
        Self::RefreshToken,
        Self::AuthorizationCode,
        Self::DeviceCode,
        Self::Login,
    ];
}

/// A secret in the clear. It is never stored, and neither printed nor serialised by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    kind: SecretKind,
    text: String,
}

/// Not a secret of ours: wrong prefix, length, alphabet or checksum.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a secret minted here")]
pub struct BadSecret;

impl Secret {
    /// A new one.
    pub fn mint(kind: SecretKind) -> Result<Self, NoRandomness> {
        let mut text = format!("{}{}", kind.prefix(), random::base62(RANDOM_CHARACTERS)?);
        text.push_str(&checksum(&text));
        Ok(Self { kind, text })
    }

    /// What it is for.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// The secret itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is stored in its place.
    pub fn digest(&self) -> SecretDigest {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.text.as_bytes());
        SecretDigest(hex(digest.as_ref()))
    }

    /// The last four characters, by which its owner recognises it.
    pub fn hint(&self) -> String {
        self.text[self.text.len() - 4..].to_owned()
    }
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let kind = SecretKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
            .ok_or(BadSecret)?;
        let body = &text[kind.prefix().len()..];
        if body.len() != RANDOM_CHARACTERS + CHECKSUM_CHARACTERS || !body.bytes().all(|byte| BASE62.contains(&byte)) {
            return Err(BadSecret);
        }
        let (signed, claimed) = text.split_at(text.len() - CHECKSUM_CHARACTERS);
        if checksum(signed) != claimed {
            return Err(BadSecret);
        }
        Ok(Self {
            kind,
            text: text.to_owned(),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Secret({}…)", self.kind.prefix())
    }
}

/// The SHA-256 of a secret, in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretDigest(String);

impl SecretDigest {
    /// 64 hexadecimal characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same, told in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl SecretDigest {
    /// The digest of a text that is no minted secret, but is not to be stored either.
    pub fn of_text(text: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        Self(hex(digest.as_ref()))
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretDigest(…)")
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    (0..CHECKSUM_CHARACTERS)
        .map(|_| {
            let digit = BASE62[(rest % 62) as usize];
            rest /= 62;
            char::from(digit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_secret_parses_and_keeps_its_kind() {
        for kind in SecretKind::ALL {
            let secret = Secret::mint(kind).unwrap();
            let parsed: Secret = secret.expose().parse().unwrap();
            assert_eq!(parsed.kind(), kind);
            assert!(parsed.digest().matches(&secret.digest()));
        }
    }

    #[test]
    fn one_changed_character_is_refused_by_the_checksum() {
        let text = Secret::mint(SecretKind::ApiKey).unwrap().expose().to_owned();
        for position in 4..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[position] = if bytes[position] == b'a' { b'b' } else { b'a' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(changed.parse::<Secret>(), Err(BadSecret), "position {position}");
        }
    }

    #[test]
    fn what_is_not_a_secret_is_refused() {
        let good = Secret::mint(SecretKind::ApiKey).unwrap().expose().to_owned();
        for bad in [
            "",
            "tgk_",
            "eyJhbGciOi",
            &good[1..],
            &good[..good.len() - 1],
            &format!("{good}0"),
            &format!(" {good}"),
        ] {
            assert_eq!(bad.parse::<Secret>(), Err(BadSecret), "{bad:?}");
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::mint(SecretKind::ApiKey).unwrap();
        let printed = format!("{secret:?} {:?}", secret.digest());
        assert!(!printed.contains(&secret.expose()[4..]) && !printed.contains(secret.digest().as_str()));
    }
}
