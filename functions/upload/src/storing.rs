//! Stores a file that came in one piece.

use bytes::Bytes;
use gateway::error::{Error, Kind};
use gateway::principal::Subject;
use gateway::random;
use gateway::secret::hex;
use gateway::store::{FileEnd, FileWrite, StoredFile};
use jiff::{SignedDuration, Timestamp};

use crate::State;
use crate::form::Upload;

/// By then an upload that began is over, one way or the other: its function is dead, or has cleaned up.
const OVER_BY: SignedDuration = SignedDuration::from_hours(1);

/// Stores a file. It is written down first that bytes are coming, then come the bytes, then the item: a file that is listed can be
/// read, and bytes without an item are removed, here or by the sweep.
///
/// # Errors
/// [`Kind::Unavailable`] when the table or the storage fails, [`Kind::Conflict`] when the owner has as much as an owner may have; then
/// nothing is listed.
pub(crate) async fn store(state: &State, owner: Subject, upload: Upload) -> Result<StoredFile, Error> {
    let now = state.clock.now();
    let (file, stored) = compressed(file_of(owner, &upload, now)?, upload)?;
    let intention = FileEnd {
        at: now + OVER_BY,
        owner: file.owner.clone(),
        id: file.file_id.clone(),
    };
    state.store.add_file_end(&intention).await?;
    let outcome = match put_and_list(state, &file, stored, &intention).await {
        Ok(FileWrite::Done) => return Ok(file),
        // What is there is another's, or a part of what an answer was lost of.
        Ok(FileWrite::Taken) => return Err(Error::new(Kind::Conflict, "The id is taken; try again.")),
        Ok(FileWrite::LimitReached) => state.limit_reached(),
        Err(error) => error,
    };
    clean_up(state, &file, &intention).await;
    Err(outcome)
}

async fn put_and_list(
    state: &State,
    file: &StoredFile,
    stored: Bytes,
    intention: &FileEnd,
) -> Result<FileWrite, Error> {
    state.objects.put(&file.owner, &file.file_id, stored).await?;
    state.store.create_file(file, Some(intention), &state.limits).await
}

/// Takes back what there may be of a file. An answer of the table's that was lost may have listed it: so it goes off the list first,
/// and its bytes only then. What fails here is the sweep's.
async fn clean_up(state: &State, file: &StoredFile, intention: &FileEnd) {
    let outcome = async {
        state.store.add_file_end(intention).await?;
        state.store.delete_file(file, intention.at).await?;
        state.objects.delete(&file.owner, &file.file_id).await?;
        state.store.remove_file_end(intention).await
    };
    if let Err(error) = outcome.await {
        tracing::warn!(file_id = file.file_id, error = ?error, "an upload that failed is left to the sweep");
    }
}

fn file_of(owner: Subject, upload: &Upload, now: Timestamp) -> Result<StoredFile, Error> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &upload.bytes);
    Ok(StoredFile {
        file_id: random::timed_identifier("file", now)?,
        owner,
        filename: upload.filename.clone(),
        content_type: upload.content_type.clone(),
        description: upload.description.clone(),
        metadata: upload.metadata.clone(),
        size_bytes: length(&upload.bytes),
        compression: upload.compression,
        stored_size_bytes: None,
        sha256: hex(digest.as_ref()),
        storage_tag: None,
        created_at: now,
        ends_at: upload.lives.map(|lives| now + lives),
        prepared_until: None,
        finalized_at: None,
        counted: true,
    })
}

/// How long a temporary file lives.
pub(crate) fn days(days: u16) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

fn compressed(mut file: StoredFile, upload: Upload) -> Result<(StoredFile, Bytes), Error> {
    let Some(algorithm) = upload.compression else {
        return Ok((file, upload.bytes));
    };
    let stored = Bytes::from(algorithm.compress(&upload.bytes).map_err(Error::internal)?);
    file.stored_size_bytes = Some(length(&stored));
    Ok((file, stored))
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
