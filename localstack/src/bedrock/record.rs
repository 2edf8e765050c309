//! The requests that arrived and the answers that left, for tests to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body::Body as _;
use serde::{Serialize, Serializer};

use super::lock;

/// How many are kept.
const MAX_REQUESTS: usize = 1_000;
/// How many bytes of bodies are kept; the newest request always is.
const MAX_BYTES: usize = 256 * 1024 * 1024;
/// What belongs to the gateway's callers and must never come here. `authorization` is meant unless it is SigV4.
const FORBIDDEN: [&str; 5] = [
    "x-api-key",
    "cookie",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
];

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// `x-amzn-requestid` of the answer.
    pub request_id: String,
    /// Method.
    pub method: String,
    /// Path and query as they came, not decoded.
    pub path: String,
    /// Values by name in lower case; several of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Names of headers that must not arrive but did.
    pub forbidden_headers: Vec<String>,
    /// The body; bytes that are not UTF-8 are replaced when it is shown.
    #[serde(serialize_with = "as_text")]
    pub body: Bytes,
}

fn as_text<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(body))
}

impl Recorded {
    pub(super) fn new(request_id: &str, parts: &Parts, body: Bytes) -> Self {
        let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Self {
            request_id: request_id.to_owned(),
            method: parts.method.to_string(),
            path,
            headers: readable(&parts.headers),
            forbidden_headers: forbidden(&parts.headers),
            body,
        }
    }
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut readable = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        readable
            .entry(name.to_string())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    readable
}

fn forbidden(headers: &HeaderMap) -> Vec<String> {
    let mut names: Vec<_> = FORBIDDEN
        .iter()
        .filter(|name| headers.contains_key(**name))
        .map(ToString::to_string)
        .collect();
    let is_sigv4 = |value: &http::HeaderValue| value.as_bytes().starts_with(b"AWS4-HMAC-SHA256 ");
    if headers.get_all("authorization").iter().any(|value| !is_sigv4(value)) {
        names.push("authorization".to_owned());
    }
    names
}

/// The last requests.
#[derive(Debug, Default)]
pub(super) struct Records {
    requests: VecDeque<Recorded>,
    bytes: usize,
}

impl Records {
    pub(super) fn push(&mut self, request: Recorded) {
        self.bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS || (self.bytes > MAX_BYTES && self.requests.len() > 1) {
            let dropped = self.requests.pop_front();
            self.bytes -= dropped.map_or(0, |request| request.body.len());
        }
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.requests.iter().cloned().collect()
    }
}

/// The bodies of the last answers, as far as they were handed to the connection.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<(String, Sent)>);

type Sent = Arc<Mutex<Vec<u8>>>;

impl Answers {
    /// The same answer, with its body written down on its way.
    pub(super) fn record(&mut self, request_id: &str, mut answer: Response) -> Response {
        // A body that is written down has lost its length, which whoever gets the answer is to see all the same.
        if let Some(length) = answer.body().size_hint().exact() {
            answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
        }
        let sent = Sent::default();
        self.0.push_back((request_id.to_owned(), sent.clone()));
        self.0.drain(..self.0.len().saturating_sub(MAX_REQUESTS));
        answer.map(|body| {
            Body::from_stream(body.into_data_stream().inspect(move |piece| {
                if let Ok(bytes) = piece {
                    lock(&sent).extend_from_slice(bytes);
                }
            }))
        })
    }

    /// The bytes of an answer so far.
    pub(super) fn sent(&self, request_id: &str) -> Option<Vec<u8>> {
        let (_, sent) = self.0.iter().rev().find(|(id, _)| id == request_id)?;
        Some(lock(sent).clone())
    }
}
