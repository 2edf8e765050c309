//! What all lists share: page size, cursor, and names that people give.

use gateway::error::Error;
use gateway::store::Cursor;

/// The size of a page: 50 unless asked for otherwise, at most 500.
pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, Error> {
    match limit {
        None => Ok(50),
        Some(limit @ 1..=500) => Ok(limit),
        Some(_) => Err(Error::invalid("`limit` must be from 1 to 500.")),
    }
}

/// The place to go on from.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Cursor>, Error> {
    text.map(Cursor::decode).transpose()
}

/// A name that a person gives: shown in lists, so of bounded length and without control characters.
pub(crate) fn checked_name(name: &str) -> Result<&str, Error> {
    let fits =
        (1..=100).contains(&name.chars().count()) && !name.trim().is_empty() && !name.chars().any(char::is_control);
    if fits {
        Ok(name)
    } else {
        Err(Error::invalid(
            "`name` must have 1 to 100 characters, none of them a control character.",
        ))
    }
}

/// Whether this can be an id that was minted here. What cannot is not looked up.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn a_page_has_50_records_unless_asked_for_otherwise_and_never_over_500() {
        assert_eq!(page_size(None).unwrap(), 50);
        assert_eq!(page_size(Some(500)).unwrap(), 500);
        assert!(page_size(Some(0)).is_err() && page_size(Some(501)).is_err());
    }

    #[test]
    fn a_name_is_a_short_line_of_text() {
        assert!(checked_name("CI für Überweisungen ✓").is_ok());
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"a".repeat(101)] {
            assert!(checked_name(bad).is_err(), "{bad:?}");
        }
    }
}
