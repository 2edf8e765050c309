//! Objects at a storage service, over mutual TLS and with a bearer token: `docs/storage-service.md`.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE,
};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, Url};
use tokio::time::timeout;

use super::body::Sized;
use super::checked::{self, Checked, Sha256};
use super::range::{ByteRange, content_range, unsatisfied_size};
use super::{Chunks, Object, ObjectInfo, Opened, Stored};
use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{ConfigError, Section};
use crate::error::Error;
use crate::principal::Subject;
use crate::secrets::Secrets;
use crate::telemetry::trace;
use crate::tls::{self, Limits, PeerClient, Tls};
use crate::token_client::{self, AccessToken, TokenClient};

/// The checksum of an object (RFC 9530, section 3).
pub const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// What needs no escape in a path segment (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const CONNECT: Duration = Duration::from_secs(5);
/// A service that says nothing for so long is given up; a transfer that goes on is not.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

const KNOWN: [&str; 3] = ["base_url", "tls", "token"];
const BASE_URL: &str = "an https:// URL without user or query (http:// on loopback)";

/// A storage service.
#[derive(Clone)]
pub struct StorageService {
    inner: Arc<Inner>,
}

struct Inner {
    base: String,
    http: PeerClient,
    tls: Option<Arc<Tls>>,
    tokens: TokenClient,
}

impl StorageService {
    /// Reads a section. `None`: it has no `base_url`, so there is no such service.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong; also when its certificates cannot be used.
    pub fn read(section: &Section<'_>, aws: &Aws, clock: &Clock) -> Result<Option<Self>, ConfigError> {
        section.refuse_others(&KNOWN)?;
        let Some(base) = section.optional::<token_client::Endpoint>("base_url", BASE_URL)? else {
            return Ok(None);
        };
        let secrets = Secrets::new(aws);
        let token = section.section("token");
        let options = token_client::Options::read(&token, &secrets)?.ok_or_else(|| ConfigError::Setting {
            place: token.places("base_url"),
            fault: "is not set",
            expected: BASE_URL.to_owned(),
        })?;
        let tokens = TokenClient::new(options, tls_of(&token, "token", clock)?, clock.clone());
        Ok(Some(Self::new(&base, tls_of(section, "storage", clock)?, tokens)))
    }

    /// A service at this URL. Nothing goes out before the first object.
    pub fn new(base: &token_client::Endpoint, tls: Option<Arc<Tls>>, tokens: TokenClient) -> Self {
        let limits = Limits {
            connect: CONNECT,
            whole: None,
        };
        Self {
            inner: Arc::new(Inner {
                base: base.as_str().trim_end_matches('/').to_owned(),
                http: PeerClient::new(tls.clone(), limits),
                tls,
                tokens,
            }),
        }
    }

    /// How the certificates towards the service are.
    pub fn health(&self) -> Vec<tls::CertificateHealth> {
        self.inner.tls.as_ref().map(|tls| tls.health()).unwrap_or_default()
    }

    /// Bytes that are all here can be sent again.
    pub(super) async fn put(&self, owner: &Subject, file_id: &str, bytes: Bytes) -> Result<(), Error> {
        let sha256 = Sha256::of(&bytes);
        let (length, digest) = (bytes.len(), sha256.repr_digest());
        let put = |request: RequestBuilder| {
            let request = request.header(CONTENT_LENGTH, length).header(REPR_DIGEST, &digest);
            request.header(CONTENT_TYPE, OCTETS).body(bytes.clone())
        };
        let answer = self.ask(Method::PUT, &object(owner, file_id), SILENCE, put).await?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            status => Err(refused(status)),
        }
    }

    pub(super) async fn store(&self, owner: &Subject, file_id: &str, upload: Checked) -> Result<Stored, Error> {
        let verdict = upload.verdict();
        let told = self.sent(owner, file_id, upload).await;
        checked::concluded(told, &verdict)
    }

    /// A stream is sent once. The token is looked at before, and one that is refused is forgotten for the next upload.
    async fn sent(&self, owner: &Subject, file_id: &str, upload: Checked) -> Result<Option<Sha256>, Error> {
        let (client, token) = self.ready().await?;
        let request = self.request(&client, &token, Method::PUT, &object(owner, file_id))?;
        let request = match upload.sha256 {
            Some(sha256) => request.header(REPR_DIGEST, sha256.repr_digest()),
            None => request,
        };
        let request = request.header(CONTENT_TYPE, OCTETS).header(CONTENT_LENGTH, upload.size);
        let body = Sized::new(upload.chunks, upload.size);
        let (passed, body) = (body.passed(), Body::wrap(body));
        let answer = moving(&passed, request.body(body).send()).await.ok_or_else(silent)?;
        let answer = answer.map_err(|error| self.fault(error))?;
        match answer.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(digest(answer.headers())),
            status => {
                self.forget_if_refused(status, &token);
                Err(refused(status))
            }
        }
    }

    pub(crate) async fn open(&self, owner: &Subject, file_id: &str, range: Option<ByteRange>) -> Result<Opened, Error> {
        let ranged = |request: RequestBuilder| match range {
            Some(range) => request.header(RANGE, range.to_string()),
            None => request,
        };
        let answer = self.ask(Method::GET, &object(owner, file_id), SILENCE, ranged).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => self.found(answer).map(Opened::Found),
            StatusCode::NOT_FOUND => Ok(Opened::Missing),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Opened::Unsatisfiable {
                size: text(answer.headers(), &CONTENT_RANGE).and_then(unsatisfied_size),
            }),
            status => Err(refused(status)),
        }
    }

    pub(crate) async fn info(&self, owner: &Subject, file_id: &str) -> Result<Option<ObjectInfo>, Error> {
        let answer = self
            .ask(Method::HEAD, &object(owner, file_id), SILENCE, |request| request)
            .await?;
        match answer.status() {
            StatusCode::OK => Ok(Some(ObjectInfo {
                size: length(answer.headers())?,
                sha256: digest(answer.headers()),
            })),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(refused(status)),
        }
    }

    pub(super) async fn delete(&self, owner: &Subject, file_id: &str) -> Result<(), Error> {
        let answer = self
            .ask(Method::DELETE, &object(owner, file_id), SILENCE, |request| request)
            .await?;
        match answer.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            status => Err(refused(status)),
        }
    }

    /// Asks, and asks once more with another token if this one is refused. An answer's head that takes longer than `patience` is none.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
        told: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Error> {
        let mut again = true;
        loop {
            let (client, token) = self.ready().await?;
            let request = self.request(&client, &token, method.clone(), path)?;
            let answer = timeout(patience, told(request).send()).await.map_err(|_| silent())?;
            let answer = answer.map_err(|error| self.fault(error))?;
            let refused = self.forget_if_refused(answer.status(), &token);
            if !refused || !again {
                return Ok(answer);
            }
            again = false;
        }
    }

    async fn ready(&self) -> Result<(Client, AccessToken), Error> {
        let token = self.inner.tokens.token().await.map_err(Error::unavailable)?;
        let client = self.inner.http.client().map_err(Error::unavailable)?;
        Ok((client, token))
    }

    fn request(
        &self,
        client: &Client,
        token: &AccessToken,
        method: Method,
        path: &str,
    ) -> Result<RequestBuilder, Error> {
        let url = Url::parse(&format!("{}{path}", self.inner.base)).map_err(Error::internal)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(Error::internal)?;
        bearer.set_sensitive(true);
        Ok(trace::told(client.request(method, url).header(AUTHORIZATION, bearer)))
    }

    fn forget_if_refused(&self, status: StatusCode, token: &AccessToken) -> bool {
        let refused = status == StatusCode::UNAUTHORIZED;
        if refused {
            self.inner.tokens.forget(token);
        }
        refused
    }

    /// Why there is no answer. What TLS says is told in its own words, and no URL is: it names whose file it is.
    pub(crate) fn fault(&self, error: reqwest::Error) -> Error {
        match self.inner.http.failure(&error) {
            Some(failure) => Error::unavailable(format!("no TLS with the storage service: {}", failure.reason())),
            None => Error::unavailable(error.without_url()),
        }
    }

    fn chunks(&self, answer: Response) -> Chunks {
        let next = |(service, mut answer): (Self, Response)| async move {
            let chunk = match timeout(SILENCE, answer.chunk()).await {
                Err(_) => Err(silent()),
                Ok(Err(error)) => Err(service.fault(error)),
                Ok(Ok(chunk)) => Ok(chunk?),
            };
            Some((chunk, (service, answer)))
        };
        stream::unfold((self.clone(), answer), next).boxed()
    }

    fn found(&self, answer: Response) -> Result<Object, Error> {
        let headers = answer.headers();
        let length = length(headers)?;
        let part = answer.status() == StatusCode::PARTIAL_CONTENT;
        let range = text(headers, &CONTENT_RANGE).and_then(content_range);
        let (offset, size) = match (part, range) {
            (false, _) => (0, length),
            (true, Some(range)) => range,
            (true, None) => return Err(Error::unavailable("the storage service tells a range that is none")),
        };
        // The checksum is of the whole, which a part cannot be told by.
        let sha256 = digest(headers).filter(|_| length == size);
        Ok(Object {
            size,
            offset,
            length,
            chunks: checked::download(self.chunks(answer), length, sha256),
        })
    }
}

pub(crate) const OCTETS: &str = "application/octet-stream";

/// The path of an object.
pub(crate) fn object(owner: &Subject, file_id: &str) -> String {
    format!("/v1/objects/{}/{}", segment(owner.as_str()), segment(file_id))
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

fn tls_of(section: &Section<'_>, peer: &'static str, clock: &Clock) -> Result<Option<Arc<Tls>>, ConfigError> {
    let section = section.section("tls");
    let Some(options) = tls::Options::read(&section)? else {
        return Ok(None);
    };
    let tls = Tls::new(peer, options, clock.clone()).map_err(|error| ConfigError::Tls {
        peer,
        reason: error.to_string(),
    })?;
    Ok(Some(Arc::new(tls)))
}

/// What a transfer brings, unless nothing of its body passes for [`SILENCE`].
async fn moving<T>(passed: &AtomicU64, transfer: impl Future<Output = T>) -> Option<T> {
    let mut transfer = pin!(transfer);
    loop {
        let before = passed.load(Ordering::Relaxed);
        match timeout(SILENCE, &mut transfer).await {
            Ok(outcome) => return Some(outcome),
            Err(_) if passed.load(Ordering::Relaxed) == before => return None,
            Err(_) => {}
        }
    }
}

fn silent() -> Error {
    Error::unavailable("the storage service is silent")
}

pub(crate) fn refused(status: StatusCode) -> Error {
    Error::unavailable(format!("the storage service answered {status}"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn digest(headers: &HeaderMap) -> Option<Sha256> {
    text(headers, &REPR_DIGEST).and_then(Sha256::from_repr_digest)
}

fn length(headers: &HeaderMap) -> Result<u64, Error> {
    text(headers, &CONTENT_LENGTH)
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| Error::unavailable("the storage service tells no length"))
}
