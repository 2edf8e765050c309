//! Names that people give to things.

use gateway::error::Error;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_line_of_text() {
        assert!(checked_name("CI für Überweisungen ✓").is_ok());
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"a".repeat(101)] {
            assert!(checked_name(bad).is_err(), "{bad:?}");
        }
    }
}
