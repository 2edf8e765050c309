//! The same files in the form of Anthropic's Files API (beta `files-api-2025-04-14`).
//!
//! Source: "Files API" in the API reference of Claude's documentation: `POST`, `GET /v1/files`, `GET /v1/files/{id}`,
//! `GET /v1/files/{id}/content`, `DELETE /v1/files/{id}`. Older clients turn pages by `after_id` and `before_id`, newer ones by `page`. Every
//! file here can be downloaded, also one that its owner uploaded.

use std::sync::Arc;

use axum::extract::{Request, State as Extract};
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, json, query};
use gateway::random;
use gateway::scope::Scope;
use gateway::store::{Cursor, FileList, StoredFile};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Serialize;

use crate::owned::{own, remove};
use crate::{State, counted, form, storing};

const DEFAULT_LIMIT: usize = 20;
const LARGEST_LIMIT: usize = 1000;
const MOST_IDS: usize = 100;
const PAGE_PREFIX: &str = "page_";

#[derive(Serialize)]
struct FileMetadata<'a> {
    id: &'a str,
    r#type: &'static str,
    filename: &'a str,
    mime_type: &'a str,
    size_bytes: u64,
    created_at: Timestamp,
    downloadable: bool,
    expires_at: Option<Timestamp>,
}

impl<'a> FileMetadata<'a> {
    fn of(file: &'a StoredFile) -> Self {
        Self {
            id: &file.file_id,
            r#type: "file",
            filename: &file.filename,
            mime_type: &file.content_type,
            size_bytes: file.size_bytes,
            created_at: file.created_at,
            downloadable: true,
            expires_at: file.ends_at,
        }
    }
}

/// `POST /anthropic/v1/files`
pub(crate) async fn upload(Extract(state): Extract<Arc<State>>, caller: Caller, request: Request) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let stored =
        async { storing::store(&state, caller.principal.subject, form::read_anthropics(request).await?).await };
    let file = counted("form", stored.await).map_err(in_its_words)?;
    json(StatusCode::OK, &FileMetadata::of(&file))
}

/// Too much is stored is a bad request there, by a name that its clients know.
fn in_its_words(mut error: Error) -> Error {
    if error.code.is_some() {
        error.kind = Kind::InvalidRequest;
    }
    error
}

/// `GET /anthropic/v1/files/{id}`
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    json(StatusCode::OK, &FileMetadata::of(&own(&state, &caller, &id).await?))
}

/// `DELETE /anthropic/v1/files/{id}`
pub(crate) async fn delete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(id): Id) -> Outcome {
    let file = own(&state, &caller, &id).await?;
    remove(&state, &file).await?;
    json(
        StatusCode::OK,
        &serde_json::json!({"id": file.file_id, "type": "file_deleted"}),
    )
}

/// Which page is wanted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    limit: Option<usize>,
    after: Option<String>,
    before: Option<String>,
    /// These files and no others.
    ids: Vec<String>,
    /// Those of a session of Anthropic's: no file here is of one.
    of_scope: bool,
}

/// Reads a query. A name other than that of a list stands at most once.
fn wanted(pairs: Vec<(String, String)>) -> Result<Wanted, Error> {
    let mut wanted = Wanted::default();
    let mut seen: Vec<String> = Vec::new();
    for (name, value) in pairs {
        match name.as_str() {
            "ids" | "ids[]" => wanted.ids.push(value),
            _ if seen.contains(&name) => return Err(Error::invalid("A query parameter is repeated.")),
            "limit" => wanted.limit = Some(limit_of(&value)?),
            "scope_id" if !value.is_empty() => wanted.of_scope = true,
            "after_id" => wanted.after = Some(value),
            "before_id" => wanted.before = Some(value),
            "page" => {
                let id = value.strip_prefix(PAGE_PREFIX).map(str::to_owned);
                let id = id.ok_or_else(|| Error::invalid("page: Input should be the next_page of a page before"));
                wanted.after = Some(id?);
            }
            // Older SDKs say so in the path; it means nothing here.
            "beta" => {}
            _ => return Err(Error::invalid("A query parameter is unknown.")),
        }
        seen.push(name);
    }
    let pages = ["after_id", "before_id", "page", "limit"].map(|name| seen.iter().any(|it| it == name));
    if pages[..3].iter().filter(|there| **there).count() > 1 {
        return Err(Error::invalid("Only one of before_id, after_id and page can be given"));
    }
    if wanted.ids.len() > MOST_IDS || !wanted.ids.is_empty() && pages.contains(&true) {
        return Err(Error::invalid(
            "ids: Input should be 100 ids at the most, without a page or a limit",
        ));
    }
    Ok(wanted)
}

fn limit_of(text: &str) -> Result<usize, Error> {
    let limit = text.parse().ok().filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
    limit.ok_or_else(|| Error::invalid("limit: Input should be from 1 to 1000"))
}

/// `GET /anthropic/v1/files`: the newest first, a page behind `after_id` (or `page`) or before `before_id`. The places are ids, which need
/// not be there any more.
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Files, &state.clock)?;
    let wanted = wanted(query(&uri)?)?;
    if wanted.of_scope {
        return shown(&[], false, true);
    }
    if !wanted.ids.is_empty() {
        return shown(&named(&state, &caller, wanted.ids).await?, false, true);
    }
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    let newest_first = wanted.before.is_none();
    let place = wanted.after.or(wanted.before).map(place_of).transpose()?;
    let list = FileList {
        // One more tells whether there is more.
        limit: limit + 1,
        newest_first,
        after: place.as_ref(),
        now: state.clock.now(),
    };
    let mut files = state.store.files_of(&caller.principal.subject, list).await?.items;
    let has_more = files.len() > limit;
    files.truncate(limit);
    if !newest_first {
        files.reverse();
    }
    shown(&files, has_more, newest_first)
}

/// Those of the caller's files that have these ids.
async fn named(state: &State, caller: &Caller, mut ids: Vec<String>) -> Result<Vec<StoredFile>, Error> {
    ids.sort_unstable();
    ids.dedup();
    let mut files = Vec::new();
    for id in ids.iter().rev().filter(|id| random::is_identifier(id)) {
        let file = state.store.file(&caller.principal.subject, id).await?;
        files.extend(file.filter(|file| file.is_there(state.clock.now())));
    }
    Ok(files)
}

fn shown(files: &[StoredFile], has_more: bool, newest_first: bool) -> Outcome {
    let id = |file: Option<&StoredFile>| file.map(|file| file.file_id.clone());
    let next = id(files.last()).filter(|_| has_more && newest_first);
    json(
        StatusCode::OK,
        &serde_json::json!({
            "data": files.iter().map(FileMetadata::of).collect::<Vec<_>>(),
            "first_id": id(files.first()), "last_id": id(files.last()), "has_more": has_more,
            "next_page": next.map(|id| format!("{PAGE_PREFIX}{id}")),
        }),
    )
}

fn place_of(id: String) -> Result<Cursor, Error> {
    if random::is_identifier(&id) && id.starts_with("file_") {
        Ok(Cursor::at(id))
    } else {
        Err(Error::invalid("A page begins at the id of a file."))
    }
}
