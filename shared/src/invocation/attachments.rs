//! Files that a request names: read and put into its body, before anything is surveyed, priced or held.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::Models;
use super::routes::{LONGEST_BODY_BYTES, too_large};
use crate::error::Error;
use crate::files;
use crate::http::Caller;
use crate::media::Media;
use crate::random;
use crate::scope::Scope;
use crate::store::StoredFile;
use crate::wire::file_sources::{Content, FileSource, file_sources, least_length, with_contents};
use crate::wire::openai::{Attached, Files};

/// So many sources a request may have; Anthropic's API takes no more images.
const MOST_SOURCES: usize = 100;
/// So many files are asked for at once.
const AT_ONCE: usize = 8;

/// The body with the bytes of the files that it names. Only the caller's own count, and the caller must be allowed to read them.
///
/// # Errors
/// [`crate::error::Kind::NotFound`] for a file that the caller does not have, [`crate::error::Kind::TooLarge`] when the body would be
/// longer than Bedrock takes, [`crate::error::Kind::InvalidRequest`] for a file that its block does not hold.
pub(super) async fn attach(models: &Models, caller: &Caller, body: Bytes) -> Result<Bytes, Error> {
    let sources = file_sources(&body)?;
    if sources.is_empty() {
        return Ok(body);
    }
    caller.require(Scope::Files, &models.clock)?;
    if sources.len() > MOST_SOURCES {
        return Err(Error::invalid("A request can name 100 files at the most."));
    }
    let known = named(models, caller, &sources).await?;
    check_length(&body, &sources, &known)?;
    let mut bytes: HashMap<&str, Bytes> = HashMap::new();
    let mut contents = Vec::with_capacity(sources.len());
    for source in &sources {
        let id = source.file_id.as_str();
        let file = known.get(id).ok_or_else(|| Error::not_found("file"))?;
        let held = match bytes.get(id) {
            Some(held) => held.clone(),
            None => files::whole(&models.objects, file).await?,
        };
        bytes.insert(id, held.clone());
        contents.push(Content::of(held, source.holder)?);
    }
    let body = with_contents(&body, sources.iter().zip(&contents));
    if body.len() > LONGEST_BODY_BYTES {
        return Err(too_large());
    }
    Ok(body)
}

/// The files of these ids, each with the place that names it. Only the caller's own count, and the caller must be allowed to read them.
///
/// # Errors
/// [`crate::error::Kind::NotFound`] with the place, [`crate::error::Kind::TooLarge`] when they are larger together than Bedrock takes.
pub(super) async fn contents(models: &Models, caller: &Caller, ids: &[(&str, String)]) -> Result<Files, Error> {
    let mut files = Files::new();
    if ids.is_empty() {
        return Ok(files);
    }
    caller.require(Scope::Files, &models.clock)?;
    if ids.len() > MOST_SOURCES {
        return Err(Error::invalid("A request can name 100 files at the most."));
    }
    let mut length = 0_u64;
    for (id, place) in ids {
        if files.contains_key(*id) {
            continue;
        }
        let file = own(models, caller, (*id).to_owned()).await;
        let file = file.map_err(|error| error.about(place.clone()))?;
        length = length.saturating_add(file.size_bytes.saturating_mul(4) / 3);
        if length > LONGEST_BODY_BYTES as u64 {
            return Err(too_large());
        }
        let bytes = files::whole(&models.objects, &file).await?;
        let attached = Attached {
            base64: BASE64_STANDARD.encode(&bytes),
            media: Media::of(&bytes),
            name: file.filename,
        };
        files.insert((*id).to_owned(), attached);
    }
    Ok(files)
}

/// What is known of the files, each asked for once.
async fn named<'a>(
    models: &Models,
    caller: &Caller,
    sources: &'a [FileSource],
) -> Result<HashMap<&'a str, StoredFile>, Error> {
    let mut ids: Vec<_> = sources.iter().map(|source| source.file_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let wanted: Vec<String> = ids.iter().copied().map(str::to_owned).collect();
    let found: Vec<StoredFile> = futures_util::stream::iter(wanted)
        .map(|id| own(models, caller, id))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(ids.into_iter().zip(found).collect())
}

async fn own(models: &Models, caller: &Caller, id: String) -> Result<StoredFile, Error> {
    let file = if random::is_identifier(&id) {
        models.store.file(&caller.principal.subject, &id).await?
    } else {
        None
    };
    file.filter(|file| file.is_there(models.clock.now()))
        .ok_or_else(|| Error::not_found("file"))
}

/// Nothing is read that would not fit.
fn check_length(body: &Bytes, sources: &[FileSource], known: &HashMap<&str, StoredFile>) -> Result<(), Error> {
    let lengths = sources.iter().filter_map(|source| {
        let file = known.get(source.file_id.as_str())?;
        Some(least_length(file.size_bytes, source.holder))
    });
    let length = lengths.fold(body.len() as u64, u64::saturating_add);
    if length > LONGEST_BODY_BYTES as u64 {
        Err(too_large())
    } else {
        Ok(())
    }
}
