//! A file as the gateway's own routes show it.

use gateway::error::Error;
use gateway::store::StoredFile;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

/// The members of an answer.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    file_id: &'a str,
    owner: &'a str,
    filename: &'a str,
    content_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    size_bytes: u64,
    stored_size_bytes: u64,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    compression_algorithm: Option<&'static str>,
    compression_ratio: f64,
    retention_policy: &'static str,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finalized_at: Option<Timestamp>,
}

/// Shows a file.
pub(crate) fn shown(file: &StoredFile) -> Result<Shown<'_>, Error> {
    let metadata = file.metadata.as_deref().map(serde_json::from_str).transpose();
    Ok(Shown {
        file_id: &file.file_id,
        owner: file.owner.as_str(),
        filename: &file.filename,
        content_type: &file.content_type,
        description: file.description.as_deref(),
        metadata: metadata.map_err(Error::internal)?,
        size_bytes: file.size_bytes,
        stored_size_bytes: file.stored_bytes(),
        sha256: &file.sha256,
        compression_algorithm: file.compression.map(gateway::compression::Compression::name),
        compression_ratio: ratio(file.size_bytes, file.stored_bytes()),
        retention_policy: if file.ends_at.is_some() {
            "temporary"
        } else {
            "permanent"
        },
        created_at: file.created_at,
        ends_at: file.ends_at,
        finalized_at: file.finalized_at,
    })
}

/// How many bytes of the file a stored byte stands for, to three decimals.
fn ratio(size: u64, stored: u64) -> f64 {
    let thousandths = (size.saturating_mul(1000) + stored / 2) / stored.max(1);
    thousandths as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_what_a_stored_byte_stands_for() {
        assert_eq!(ratio(1000, 1000), 1.0);
        assert_eq!(ratio(2000, 3), 666.667);
        assert_eq!(ratio(10, 30), 0.333);
        assert_eq!(ratio(0, 0), 0.0);
    }
}
