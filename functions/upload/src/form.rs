//! Reads an upload's form (RFC 7578), the whole of it before anything is stored.

use axum::extract::Request;
use bytes::Bytes;
use gateway::compression::Compression;
use gateway::error::{Error, Kind};
use gateway::http::require_identity_encoding;
use http::header;
use jiff::SignedDuration;
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::{fields, name, storing};

/// Lambda takes 6 MB, of which base64 leaves so much; what is larger never arrives here.
const LONGEST_FILE_BYTES: u64 = 6 * 1024 * 1024;
/// What may stand around the file: texts, each of which is bounded by itself, and the form's own lines.
const REST_BYTES: u64 = 64 * 1024;
/// RFC 2046, section 5.1.1.
const LONGEST_BOUNDARY_BYTES: usize = 70;

/// The texts of the gateway's own form.
const TEXTS: [&str; 7] = [
    "description",
    "compress",
    "compression_algorithm",
    "metadata",
    "retention_policy",
    "storage_mode",
    "ttl_days",
];

/// What an upload holds.
pub(crate) struct Upload {
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Option<String>,
    /// Without, it is permanent.
    pub(crate) lives: Option<SignedDuration>,
    pub(crate) compression: Option<Compression>,
    pub(crate) bytes: Bytes,
}

/// Reads the gateway's own form.
pub(crate) async fn read(request: Request) -> Result<Upload, Error> {
    let mut form = fields_of(request, &TEXTS).await?;
    let (compress, algorithm) = (form.take("compress"), form.take("compression_algorithm"));
    let (policy, mode, days) = (
        form.take("retention_policy"),
        form.take("storage_mode"),
        form.take("ttl_days"),
    );
    let description = form.take("description").map(fields::description).transpose()?;
    let metadata = form.take("metadata").map(fields::metadata).transpose()?;
    let compression = fields::compression(compress.as_deref(), algorithm.as_deref())?;
    let ttl_days = fields::ttl_days(policy.as_deref(), mode.as_deref(), days.as_deref())?;
    Ok(Upload {
        description,
        metadata,
        compression,
        lives: ttl_days.map(storing::days),
        ..form.file()?
    })
}

/// Reads the form of Anthropic's Files API, which has a file and how long it lives.
pub(crate) async fn read_anthropics(request: Request) -> Result<Upload, Error> {
    let mut form = fields_of(request, &["expires_in_seconds"]).await?;
    let lives = form.take("expires_in_seconds");
    Ok(Upload {
        lives: lives.as_deref().map(fields::expires_in_seconds).transpose()?,
        ..form.file()?
    })
}

struct Form {
    file: Option<Upload>,
    texts: Vec<(&'static str, String)>,
}

impl Form {
    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.texts.iter().position(|(known, _)| *known == name)?;
        Some(self.texts.swap_remove(place).1)
    }

    fn file(&mut self) -> Result<Upload, Error> {
        let file = self.file.take();
        let file = file.ok_or_else(|| Error::invalid("The field `file` is missing."))?;
        if file.bytes.is_empty() {
            return Err(Error::invalid("The file is empty."));
        }
        Ok(file)
    }
}

async fn fields_of(request: Request, known: &[&'static str]) -> Result<Form, Error> {
    require_identity_encoding(request.headers())?;
    let boundary = boundary(&request)?;
    let limits = SizeLimit::new()
        .whole_stream(LONGEST_FILE_BYTES + REST_BYTES)
        .per_field(LONGEST_FILE_BYTES);
    let body = request.into_body().into_data_stream();
    let mut fields = Multipart::with_constraints(body, boundary, Constraints::new().size_limit(limits));
    let mut form = Form {
        file: None,
        texts: Vec::new(),
    };
    while let Some(field) = fields.next_field().await.map_err(malformed)? {
        let text = known.iter().copied().find(|known| field.name() == Some(known));
        match text {
            Some(name) if form.texts.iter().all(|(other, _)| *other != name) => {
                form.texts.push((name, text_of(field).await?));
            }
            None if field.name() == Some("file") && form.file.is_none() => form.file = Some(file_of(field).await?),
            None if field.name() != Some("file") => return Err(unknown(known)),
            _ => return Err(Error::invalid("A field is repeated.")),
        }
    }
    Ok(form)
}

fn boundary(request: &Request) -> Result<String, Error> {
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| {
        Error::new(
            Kind::UnsupportedMedia,
            "The content type must be multipart/form-data with a boundary.",
        )
    })?;
    if (1..=LONGEST_BOUNDARY_BYTES).contains(&boundary.len()) {
        Ok(boundary)
    } else {
        Err(Error::invalid("The boundary must be 1 to 70 characters."))
    }
}

async fn file_of(field: Field<'_>) -> Result<Upload, Error> {
    let filename = name::checked(field.file_name())?;
    let given = field.headers().get(header::CONTENT_TYPE);
    let content_type = fields::content_type(given.map(|given| given.to_str().unwrap_or_default()))?;
    Ok(Upload {
        filename,
        content_type,
        description: None,
        metadata: None,
        lives: None,
        compression: None,
        bytes: field.bytes().await.map_err(malformed)?,
    })
}

async fn text_of(field: Field<'_>) -> Result<String, Error> {
    let bytes = field.bytes().await.map_err(malformed)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid("A text field is not UTF-8."))
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

fn unknown(known: &[&str]) -> Error {
    let names: Vec<_> = ["file"].iter().chain(known).map(|name| format!("`{name}`")).collect();
    Error::invalid(format!("A field is unknown; served are {}.", names.join(", ")))
}
