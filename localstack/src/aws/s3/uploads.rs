//! What is known of uploads in parts: which there are, and the SHA-256 and the tag of each part that has come. It is kept in files,
//! as the parts are, so that an upload goes on after a restart.

use std::path::{Path, PathBuf};

use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// S3's least length of a part that is not the last.
const LEAST_PART_BYTES: u64 = 5 * 1024 * 1024;

/// A part that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) number: i32,
    pub(super) size_bytes: u64,
    pub(super) tag: String,
    pub(super) sha256: Option<String>,
}

/// A part as a caller names it who wants the parts put together.
pub(super) struct Named {
    pub(super) number: i32,
    pub(super) tag: Option<String>,
    pub(super) sha256: Option<String>,
}

/// How an upload began.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begun {
    sha256: bool,
}

/// The folder of them.
pub(super) struct Uploads {
    folder: PathBuf,
}

impl Uploads {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// An upload has begun, whose parts have a SHA-256 or not.
    pub(super) fn begin(&self, upload: &str, sha256: bool) -> S3Result<()> {
        let folder = self.folder.join(upload);
        std::fs::create_dir_all(&folder).map_err(|error| s3_error!(error, InternalError))?;
        write(&folder.join("begun.json"), &Begun { sha256 })
    }

    /// Whether the parts of an upload have a SHA-256.
    pub(super) fn has_sha256(&self, upload: &str) -> S3Result<bool> {
        let text = std::fs::read(self.known(upload)?.join("begun.json"));
        let begun = text.ok().and_then(|text| serde_json::from_slice::<Begun>(&text).ok());
        begun
            .map(|begun| begun.sha256)
            .ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    /// A part has come, once more or for the first time.
    pub(super) fn put(&self, upload: &str, part: &Part) -> S3Result<()> {
        write(&self.known(upload)?.join(format!("part-{}.json", part.number)), part)
    }

    /// The parts that are there, by number.
    pub(super) fn parts(&self, upload: &str) -> S3Result<Vec<Part>> {
        let entries = std::fs::read_dir(self.known(upload)?).map_err(|error| s3_error!(error, InternalError))?;
        let mut parts = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| s3_error!(error, InternalError))?;
            if entry.file_name().to_string_lossy().starts_with("part-") {
                let text = std::fs::read(entry.path()).map_err(|error| s3_error!(error, InternalError))?;
                parts.push(serde_json::from_slice(&text).map_err(|error| s3_error!(error, InternalError))?);
            }
        }
        parts.sort_by_key(|part: &Part| part.number);
        Ok(parts)
    }

    /// Passes if the named parts are what has come, in their order, and long enough.
    pub(super) fn check(&self, upload: &str, named: &[Named]) -> S3Result<()> {
        let parts = self.parts(upload)?;
        if !named.is_sorted_by(|one, next| one.number < next.number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        for (place, name) in named.iter().enumerate() {
            let invalid = || s3_error!(InvalidPart, "One or more of the specified parts could not be found.");
            let part = parts
                .iter()
                .find(|part| part.number == name.number)
                .ok_or_else(invalid)?;
            if name.tag.as_ref() != Some(&part.tag) || name.sha256 != part.sha256 {
                return Err(invalid());
            }
            if place + 1 < named.len() && part.size_bytes < LEAST_PART_BYTES {
                return Err(s3_error!(EntityTooSmall));
            }
        }
        Ok(())
    }

    /// An upload is over.
    pub(super) fn end(&self, upload: &str) -> S3Result<()> {
        std::fs::remove_dir_all(self.known(upload)?).map_err(|error| s3_error!(error, InternalError))
    }

    fn known(&self, upload: &str) -> S3Result<PathBuf> {
        let is_name = !upload.is_empty() && upload.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let folder = self.folder.join(upload);
        if is_name && folder.is_dir() {
            Ok(folder)
        } else {
            Err(s3_error!(NoSuchUpload, "The specified upload does not exist."))
        }
    }
}

fn write(path: &Path, value: &impl Serialize) -> S3Result<()> {
    let text = serde_json::to_vec(value).map_err(|error| s3_error!(error, InternalError))?;
    std::fs::write(path, text).map_err(|error| s3_error!(error, InternalError))
}
