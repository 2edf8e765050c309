//! Objects as files: 32 bytes of SHA-256, and then the object. A file gets its name when all of it is there and right.

use std::io::SeekFrom;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

use super::range::range;
use super::{Fault, Store};

/// Bytes of checksum before the object.
pub(super) const SUM: u64 = 32;
const CHUNK: usize = 64 * 1024;

impl Store {
    /// Where an object is. Its name is no path of a caller's.
    pub(super) fn path(&self, owner: &str, id: &str) -> PathBuf {
        let name = format!("{owner}\n{id}");
        let digest = aws_lc_rs::digest::digest(&SHA256, name.as_bytes());
        self.0.folder.path().join(gateway::secret::hex(digest.as_ref()))
    }
}

pub(super) async fn put(
    State(store): State<Store>,
    Path((owner, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let path = store.path(&owner, &id);
    let status = if path.exists() {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let partial = NamedTempFile::new_in(store.0.folder.path()).unwrap();
    let Some(sum) = received(&store, &partial, &headers, body).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    partial.persist(path).unwrap();
    (status, [("repr-digest", sum)]).into_response()
}

/// Writes a body, and tells its checksum. `None`: it broke off, or is not what its headers say.
pub(super) async fn received(
    store: &Store,
    partial: &NamedTempFile,
    headers: &HeaderMap,
    body: Body,
) -> Option<String> {
    let (sum, length) = written(store, partial, body).await?;
    let sum = digest(&sum);
    let told = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let right = told("content-length").is_some_and(|it| it == length.to_string());
    (right && told("repr-digest").is_none_or(|it| it == sum)).then_some(sum)
}

/// Writes a body as it comes. `None`: it broke off.
async fn written(store: &Store, partial: &NamedTempFile, body: Body) -> Option<(Vec<u8>, u64)> {
    let mut file = File::from_std(partial.reopen().unwrap());
    file.write_all(&[0; 32]).await.unwrap();
    let (mut context, mut length, mut chunks) = (Context::new(&SHA256), 0, body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        context.update(&chunk);
        length += chunk.len() as u64;
        file.write_all(&chunk).await.unwrap();
        store.0.received.send_modify(|received| *received += chunk.len() as u64);
    }
    let sum = context.finish().as_ref().to_vec();
    file.seek(SeekFrom::Start(0)).await.unwrap();
    file.write_all(&sum).await.unwrap();
    file.flush().await.unwrap();
    Some((sum, length))
}

/// Answers `HEAD` too: axum leaves the body out.
pub(super) async fn get(
    State(store): State<Store>,
    Path((owner, id)): Path<(String, String)>,
    Extension(fault): Extension<Option<Fault>>,
    headers: HeaderMap,
) -> Response {
    let Ok(mut file) = File::open(store.path(&owner, &id)).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let size = file.metadata().await.unwrap().len() - SUM;
    let mut sum = [0; 32];
    file.read_exact(&mut sum).await.unwrap();
    let asked = headers.get(RANGE).and_then(|it| it.to_str().ok());
    let (status, offset, length) = match range(asked, size) {
        None => (StatusCode::OK, 0, size),
        Some(Some((offset, length))) => (StatusCode::PARTIAL_CONTENT, offset, length),
        Some(None) => {
            let told = [(CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, told).into_response();
        }
    };
    file.seek(SeekFrom::Start(SUM + offset)).await.unwrap();
    let mut answer = (status, Body::from_stream(chunks(file, length, fault))).into_response();
    let told = answer.headers_mut();
    told.insert(CONTENT_LENGTH, length.into());
    told.insert(ACCEPT_RANGES, "bytes".parse().unwrap());
    told.insert("repr-digest", digest(&sum).parse().unwrap());
    if status == StatusCode::PARTIAL_CONTENT {
        let last = offset + length - 1;
        told.insert(CONTENT_RANGE, format!("bytes {offset}-{last}/{size}").parse().unwrap());
    }
    answer
}

fn chunks(
    file: File,
    length: u64,
    fault: Option<Fault>,
) -> impl stream::Stream<Item = Result<Bytes, &'static str>> + Send + 'static {
    stream::unfold((file.take(length), fault, 0), |(mut file, fault, sent)| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await.unwrap();
        chunk.truncate(read);
        match fault {
            _ if read == 0 => return None,
            Some(Fault::Cut(after)) if sent >= after => return Some((Err("cut"), (file, fault, sent))),
            Some(Fault::Cut(after)) => chunk.truncate(after - sent),
            Some(Fault::Spoilt) if sent == 0 => chunk[0] ^= 1,
            _ => {}
        }
        let sent = sent + chunk.len();
        Some((Ok(chunk.into()), (file, fault, sent)))
    })
}

pub(super) async fn delete(State(store): State<Store>, Path((owner, id)): Path<(String, String)>) -> StatusCode {
    let _ = tokio::fs::remove_file(store.path(&owner, &id)).await;
    StatusCode::NO_CONTENT
}

pub(super) fn digest(sum: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(sum))
}
