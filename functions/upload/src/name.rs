//! What a file may be called.

use gateway::error::Error;

const LONGEST_FILENAME_CHARACTERS: usize = 255;

/// A file's name is shown, never used as a path; what could pass for a path or mislead a reader is refused.
pub(crate) fn checked(name: Option<&str>) -> Result<String, Error> {
    let name = name.ok_or_else(|| Error::invalid("The file has no name."))?;
    let misleading = |c: char| {
        c.is_control()
            || c == '/'
            || c == '\\'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let fits = (1..=LONGEST_FILENAME_CHARACTERS).contains(&name.chars().count()) && ![".", ".."].contains(&name);
    if fits && !name.chars().any(misleading) {
        Ok(name.to_owned())
    } else {
        Err(Error::invalid(
            "The file's name must be 1 to 255 characters, without slashes, control or direction characters.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_pass_for_a_path_or_mislead_is_refused() {
        assert_eq!(checked(Some("Bericht 2026 – ü.pdf")).unwrap(), "Bericht 2026 – ü.pdf");
        for bad in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            "a\0b",
            "a\r\nb",
            "gpj.\u{202e}exe",
            &"a".repeat(256),
        ] {
            assert!(checked(Some(bad)).is_err(), "{bad:?}");
        }
        assert!(checked(None).is_err());
    }
}
