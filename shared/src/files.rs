//! Files: how many bytes of them an owner may have, as configured; and a file as its owner gave it, whole, for what must be held to be
//! used, such as a document in a message.

use bytes::Bytes;

use crate::config::{ConfigError, Variables, tree};
use crate::error::Error;
use crate::objects::Objects;
use crate::store::{FileLimits, StoredFile};

/// Reads what an owner may have.
///
/// # Errors
/// [`ConfigError`], naming what is wrong.
pub fn limits(variables: &Variables) -> Result<FileLimits, ConfigError> {
    Ok(FileLimits {
        stored_bytes: tree::FILES_STORED_BYTES_PER_OWNER.get(variables)?,
        upload_sessions: tree::FILES_UPLOAD_SESSIONS_PER_OWNER.get(variables)?,
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
