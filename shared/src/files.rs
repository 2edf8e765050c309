//! A file as its owner gave it, whole: for what must be held to be used, such as a document in a message.

use bytes::Bytes;

use crate::error::Error;
use crate::objects::Objects;
use crate::store::StoredFile;

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
