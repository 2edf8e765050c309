//! Files: how many bytes of them an owner may have, as configured; and a file as its owner gave it, whole, for what must be held to be
//! used, such as a document in a message.

use bytes::Bytes;

use crate::config::{ConfigError, Settings};
use crate::error::Error;
use crate::objects::Objects;
use crate::store::{FileLimits, StoredFile};

/// 100 GiB.
const STORED_BYTES: u64 = 100 * 1024 * 1024 * 1024;
const UPLOAD_SESSIONS: u32 = 100;

/// Reads what an owner may have: the section `files`.
///
/// # Errors
/// [`ConfigError`], naming what is wrong.
pub fn limits(settings: &Settings<'_>) -> Result<FileLimits, ConfigError> {
    let section = settings.section("files", "TOLLGATE_FILES");
    section.refuse_others(&["stored_bytes_per_owner", "upload_sessions_per_owner"])?;
    Ok(FileLimits {
        stored_bytes: section.or("stored_bytes_per_owner", "a number of bytes", STORED_BYTES)?,
        upload_sessions: section.or("upload_sessions_per_owner", "a number of uploads", UPLOAD_SESSIONS)?,
    })
}

/// The bytes of a file, decompressed. It is for the caller to see first that they are not too many.
///
/// # Errors
/// [`crate::error::Kind::NotFound`] when it went meanwhile, [`crate::error::Kind::Unavailable`] when the storage fails, and
/// [`crate::error::Kind::Internal`] when what it holds is not the file.
pub async fn whole(objects: &Objects, file: &StoredFile) -> Result<Bytes, Error> {
    let stored = objects.read(&file.owner, &file.file_id).await?;
    let stored = stored.ok_or_else(|| Error::not_found("file"))?;
    match file.compression {
        None => Ok(stored),
        Some(algorithm) => algorithm
            .decompress(&stored, file.size_bytes)
            .map(Bytes::from)
            .map_err(Error::internal),
    }
}
