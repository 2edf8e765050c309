//! Reads an upload's form (RFC 7578).

use axum::extract::Request;
use bytes::Bytes;
use gateway::error::{Error, Kind};
use gateway::http::require_identity_encoding;
use http::header;
use multer::{Constraints, Multipart, SizeLimit};

/// Lambda takes 6 MB, of which base64 leaves so much; what is larger never arrives here.
const LONGEST_FILE_BYTES: u64 = 6 * 1024 * 1024;
const LONGEST_TEXT_BYTES: u64 = 4096;
const LONGEST_FILENAME_CHARACTERS: usize = 255;

/// What an upload holds.
pub(crate) struct Upload {
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) description: Option<String>,
    pub(crate) bytes: Bytes,
}

/// Reads the whole form before anything is stored.
pub(crate) async fn read(request: Request) -> Result<Upload, Error> {
    require_identity_encoding(request.headers())?;
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default()).map_err(|_| {
        Error::new(
            Kind::UnsupportedMedia,
            "The content type must be multipart/form-data with a boundary.",
        )
    })?;
    let limits = SizeLimit::new()
        .whole_stream(LONGEST_FILE_BYTES + 2 * LONGEST_TEXT_BYTES)
        .per_field(LONGEST_FILE_BYTES);
    let body = request.into_body().into_data_stream();
    let mut form = Multipart::with_constraints(body, boundary, Constraints::new().size_limit(limits));
    let (mut file, mut description) = (None, None);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        match field.name() {
            Some("file") if file.is_none() => {
                let filename = checked_filename(field.file_name())?;
                let kind = field
                    .content_type()
                    .map_or("application/octet-stream".to_owned(), ToString::to_string);
                file = Some((filename, kind, field.bytes().await.map_err(malformed)?));
            }
            Some("description") if description.is_none() => {
                description = Some(checked_text(&field.bytes().await.map_err(malformed)?)?);
            }
            Some("file" | "description") => return Err(Error::invalid("A field is repeated.")),
            _ => {
                return Err(Error::invalid(
                    "A field is unknown; `file` and `description` are served.",
                ));
            }
        }
    }
    let (filename, content_type, bytes) = file.ok_or_else(|| Error::invalid("The field `file` is missing."))?;
    if bytes.is_empty() {
        return Err(Error::invalid("The file is empty."));
    }
    Ok(Upload {
        filename,
        content_type,
        description,
        bytes,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
fn malformed(error: multer::Error) -> Error {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Error::new(Kind::TooLarge, "The file is too large.")
        }
        _ => Error::invalid("The form is malformed."),
    }
}

fn checked_text(bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() as u64 > LONGEST_TEXT_BYTES {
        return Err(Error::new(Kind::TooLarge, "A text field is too long."));
    }
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid("A text field is not UTF-8."))?;
    if text.contains('\0') {
        Err(Error::invalid("A text field holds a NUL."))
    } else {
        Ok(text)
    }
}

/// A file's name is shown, never used as a path; what could pass for a path or mislead a reader is refused.
fn checked_filename(name: Option<&str>) -> Result<String, Error> {
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
        assert_eq!(
            checked_filename(Some("Bericht 2026 – ü.pdf")).unwrap(),
            "Bericht 2026 – ü.pdf"
        );
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
            assert!(checked_filename(Some(bad)).is_err(), "{bad:?}");
        }
        assert!(checked_filename(None).is_err());
    }
}
