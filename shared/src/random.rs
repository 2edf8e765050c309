//! Randomness comes from AWS-LC's generator, and nowhere else.

use std::fmt;

/// The operating system gave no randomness. Nothing that needs a secret can go on.
#[derive(Debug, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct NoRandomness;

/// `N` random bytes, fit for secrets.
pub fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| NoRandomness)?;
    Ok(out)
}

/// The alphabet of everything minted here: no character needs escaping in a header, a form, a URL or a shell.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` characters of [`BASE62`], each equally likely: 5.95 bits a character.
pub fn base62(length: usize) -> Result<String, NoRandomness> {
    let mut out = String::with_capacity(length);
    while out.len() < length {
        for byte in bytes::<64>()? {
            // 248 is the largest multiple of 62 that a byte holds: taking the rest as well would favour some characters.
            if byte < 248 && out.len() < length {
                out.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
    }
    Ok(out)
}

/// A name for a thing that was made here: a prefix that tells its kind and 20 random characters (119 bits).
pub fn identifier(prefix: impl fmt::Display) -> Result<String, NoRandomness> {
    Ok(format!("{prefix}_{}", base62(20)?))
}

/// The same with the time of its making before 16 random characters (95 bits): such names are in the order of their times.
pub fn timed_identifier(prefix: impl fmt::Display, at: jiff::Timestamp) -> Result<String, NoRandomness> {
    Ok(format!(
        "{prefix}_{}{}",
        base62_number(at.as_millisecond()),
        base62(16)?
    ))
}

/// Eight digits, which is enough until the year 8800. [`BASE62`] is in the order of its characters, so texts are in the order of
/// their numbers.
fn base62_number(number: i64) -> String {
    let mut rest = u64::try_from(number).unwrap_or_default();
    let mut digits = [b'0'; 8];
    for digit in digits.iter_mut().rev() {
        *digit = usize::try_from(rest % 62).map_or(b'0', |place| BASE62[place]);
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

/// Whether a text can be an [`identifier`]. What cannot be one need not be looked up.
pub fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_minted_here_is_looked_up() {
        assert!(is_identifier(&identifier("key").unwrap()));
        for bad in [
            "",
            "a/b",
            "a%",
            "a'b",
            "{\"S\":\"x\"}",
            "*",
            "a\0",
            "é",
            &"a".repeat(65),
        ] {
            assert!(!is_identifier(bad), "{bad:?}");
        }
    }

    #[test]
    fn timed_names_are_in_the_order_of_their_times() {
        let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
        let seconds = [0, 1, 61, 62, 1_700_000_000, 1_700_000_001, 4_000_000_000];
        let names = seconds.map(|second| timed_identifier("file", at(second)).unwrap());
        assert!(names.is_sorted(), "{names:?}");
        assert!(names.iter().all(|name| is_identifier(name) && name.len() == 29));
    }

    #[test]
    fn base62_has_the_length_asked_for_and_its_alphabet_only() {
        let text = base62(1000).unwrap();
        assert_eq!(text.len(), 1000);
        assert!(text.bytes().all(|byte| BASE62.contains(&byte)));
        assert_ne!(text, base62(1000).unwrap());
    }
}
