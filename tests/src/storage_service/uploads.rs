//! Uploads in parts: a folder for each, with its parts as [`super::object`] has objects. A part gets its name when it is whole, and the
//! folder goes when they are one object.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path as FilePath, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::Store;
use super::object::{SUM, digest, received};

const CHUNK: usize = 1024 * 1024;

type Names = Path<(String, String, String)>;

impl Store {
    fn upload(&self, (owner, id, upload): &(String, String, String)) -> PathBuf {
        self.path(owner, &format!("{id}\n{upload}"))
    }
}

pub(super) async fn begin(State(store): State<Store>, Path(names): Names) -> StatusCode {
    match std::fs::create_dir(store.upload(&names)) {
        Ok(()) => StatusCode::CREATED,
        Err(_) => StatusCode::NO_CONTENT,
    }
}

pub(super) async fn put_part(
    State(store): State<Store>,
    Path((owner, id, upload, number)): Path<(String, String, String, u32)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let folder = store.upload(&(owner, id, upload));
    let Ok(partial) = NamedTempFile::new_in(&folder) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(sum) = received(&store, &partial, &headers, body).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    // An upload may have been given up while its part came.
    match partial.persist(folder.join(number.to_string())) {
        Ok(_) => (StatusCode::CREATED, [("repr-digest", sum)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn parts(State(store): State<Store>, Path(names): Names) -> Response {
    match listed(&store.upload(&names)) {
        Some(parts) => Json(json!({"parts": parts})).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn listed(folder: &FilePath) -> Option<Vec<Value>> {
    let files = std::fs::read_dir(folder).ok()?;
    let mut parts: Vec<_> = files
        .filter_map(|file| {
            let file = file.ok()?;
            let number: u32 = file.file_name().to_str()?.parse().ok()?;
            let (size, sum) = (file.metadata().ok()?.len() - SUM, sum(&file.path()));
            Some((number, json!({"number": number, "size_bytes": size, "sha256": sum})))
        })
        .collect();
    parts.sort_by_key(|(number, _)| *number);
    Some(parts.into_iter().map(|(_, part)| part).collect())
}

/// The checksum that stands before a part's bytes, in base64.
fn sum(path: &FilePath) -> String {
    let mut sum = [0; 32];
    File::open(path).unwrap().read_exact(&mut sum).unwrap();
    BASE64_STANDARD.encode(sum)
}

pub(super) async fn complete(State(store): State<Store>, Path(names): Names, Json(wish): Json<Value>) -> Response {
    let folder = store.upload(&names);
    let Some(there) = listed(&folder) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let in_order = there.iter().zip(1..).all(|(part, number)| part["number"] == number);
    if there.is_empty() || !in_order || wish["parts"] != json!(there) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let path = store.path(&names.0, &names.1);
    let partial = NamedTempFile::new_in(store.folder()).unwrap();
    let put_together = move || {
        let sum = put_together(&folder, there.len(), &mut partial.reopen().unwrap());
        partial.persist(path).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        sum
    };
    let sum = tokio::task::spawn_blocking(put_together).await.unwrap();
    (StatusCode::CREATED, [("repr-digest", digest(&sum))]).into_response()
}

/// Writes the parts one behind the other, and the checksum of all of it before them.
fn put_together(folder: &FilePath, parts: usize, whole: &mut File) -> Vec<u8> {
    let (mut context, mut chunk) = (Context::new(&SHA256), vec![0; CHUNK]);
    whole.write_all(&[0; 32]).unwrap();
    for number in 1..=parts {
        let mut part = File::open(folder.join(number.to_string())).unwrap();
        part.seek(SeekFrom::Start(SUM)).unwrap();
        loop {
            let read = part.read(&mut chunk).unwrap();
            if read == 0 {
                break;
            }
            context.update(&chunk[..read]);
            whole.write_all(&chunk[..read]).unwrap();
        }
    }
    let sum = context.finish().as_ref().to_vec();
    whole.seek(SeekFrom::Start(0)).unwrap();
    whole.write_all(&sum).unwrap();
    sum
}

pub(super) async fn abort(State(store): State<Store>, Path(names): Names) -> StatusCode {
    let _ = std::fs::remove_dir_all(store.upload(&names));
    StatusCode::NO_CONTENT
}
