//! Uploads in parts at a storage service: `docs/storage-service.md`. The parts pass through the gateway, one at a time.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Completion, LONG_TIMEOUT, PartWrite, Place, Stored, StoredPart, WantedPart};
use crate::error::Error;
use crate::objects::service::{OCTETS, REPR_DIGEST, SILENCE, StorageService, object, refused, segment};
use crate::objects::{Opened, Sha256};
use crate::secret::hex;

/// The longest list of parts that is read: 10,000 of them, and room.
const LONGEST_LIST_BYTES: usize = 2 * 1024 * 1024;

/// What is there of an upload, and what is to be put together.
#[derive(Serialize, Deserialize)]
struct Parts {
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
struct Part {
    number: i32,
    size_bytes: i64,
    /// In base64.
    sha256: String,
}

impl StorageService {
    pub(super) async fn begin(&self, place: Place<'_>, upload: &str) -> Result<(), Error> {
        let empty = |request: RequestBuilder| request.header(CONTENT_LENGTH, 0);
        let answer = self.ask(Method::PUT, &path(place, upload), SILENCE, empty).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            status => Err(refused(status)),
        }
    }

    pub(super) async fn put_part(
        &self,
        place: Place<'_>,
        upload: &str,
        part: &WantedPart,
        bytes: Bytes,
    ) -> Result<PartWrite, Error> {
        let path = format!("{}/{}", path(place, upload), part.number);
        let digest = format!("sha-256=:{}:", part.sha256);
        let put = |request: RequestBuilder| {
            let request = request.header(CONTENT_LENGTH, bytes.len()).header(REPR_DIGEST, &digest);
            request.header(CONTENT_TYPE, OCTETS).body(bytes.clone())
        };
        let answer = self.ask(Method::PUT, &path, SILENCE, put).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(PartWrite::Done),
            StatusCode::NOT_FOUND => Ok(PartWrite::Gone),
            status => Err(refused(status)),
        }
    }

    pub(super) async fn parts(&self, place: Place<'_>, upload: &str) -> Result<Option<Vec<StoredPart>>, Error> {
        let path = path(place, upload);
        let answer = self.ask(Method::GET, &path, SILENCE, |request| request).await?;
        let list = match answer.status() {
            StatusCode::OK => self.list(answer).await?,
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(refused(status)),
        };
        let mut parts: Vec<_> = list.parts.iter().map(stored_part).collect();
        parts.sort_by_key(|part| part.number);
        Ok(Some(parts))
    }

    async fn list(&self, mut answer: Response) -> Result<Parts, Error> {
        let mut text = Vec::new();
        let silent = |_| Error::unavailable("the storage service is silent");
        while let Some(chunk) = timeout(SILENCE, answer.chunk())
            .await
            .map_err(silent)?
            .map_err(|error| self.fault(error))?
        {
            text.extend_from_slice(&chunk);
            if text.len() > LONGEST_LIST_BYTES {
                return Err(Error::unavailable("the storage service tells of too many parts"));
            }
        }
        serde_json::from_slice(&text).map_err(Error::unavailable)
    }

    pub(super) async fn complete(
        &self,
        place: Place<'_>,
        upload: &str,
        parts: &[StoredPart],
    ) -> Result<Completion, Error> {
        let part = |part: &StoredPart| {
            let sha256 = part.sha256.clone();
            Ok(Part {
                number: part.number,
                size_bytes: part.size_bytes,
                sha256: sha256.ok_or_else(|| Error::unavailable("the storage service tells no digest of a part"))?,
            })
        };
        let wish = Parts {
            parts: parts.iter().map(part).collect::<Result<_, Error>>()?,
        };
        let wish = Bytes::from(serde_json::to_vec(&wish).map_err(Error::internal)?);
        let post = |request: RequestBuilder| {
            let request = request.header(CONTENT_LENGTH, wish.len());
            request.header(CONTENT_TYPE, "application/json").body(wish.clone())
        };
        let answer = self.ask(Method::POST, &path(place, upload), LONG_TIMEOUT, post).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(Completion::Done),
            StatusCode::NOT_FOUND => Ok(Completion::Gone),
            status @ (StatusCode::BAD_REQUEST | StatusCode::CONFLICT) => {
                Ok(Completion::Refused(status.as_u16().to_string()))
            }
            status => Err(refused(status)),
        }
    }

    pub(super) async fn abort(&self, place: Place<'_>, upload: &str) -> Result<(), Error> {
        let path = path(place, upload);
        let answer = self.ask(Method::DELETE, &path, SILENCE, |request| request).await?;
        match answer.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            status => Err(refused(status)),
        }
    }

    pub(super) async fn stored(&self, place: Place<'_>) -> Result<Option<Stored>, Error> {
        let info = self.info(place.owner, place.file_id).await?;
        // The file's entity tag is its checksum: it is read by way of the gateway alone.
        Ok(info.map(|info| Stored {
            size_bytes: info.size,
            tag: None,
        }))
    }

    pub(super) async fn sha256(&self, place: Place<'_>) -> Result<Option<String>, Error> {
        let Opened::Found(mut object) = self.open(place.owner, place.file_id, None).await? else {
            return Ok(None);
        };
        let mut digest = Context::new(&SHA256);
        while let Some(chunk) = object.chunks.try_next().await? {
            digest.update(&chunk);
        }
        Ok(Some(hex(digest.finish().as_ref())))
    }
}

fn path(place: Place<'_>, upload: &str) -> String {
    format!("{}/uploads/{}", object(place.owner, place.file_id), segment(upload))
}

fn stored_part(part: &Part) -> StoredPart {
    StoredPart {
        number: part.number,
        size_bytes: part.size_bytes,
        sha256: Sha256::from_base64(&part.sha256).map(|sha256| sha256.base64()),
        tag: String::new(),
    }
}
