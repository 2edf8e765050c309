//! Functions under `cargo lambda watch` (1.9.2), as it was found to behave:
//!
//! - It takes any event as it is, at the path of Lambda's Invoke, and gives a buffered answer back as it is.
//! - A streamed answer comes decoded: its status and headers are the prelude's, and one header says that it was streamed. Here
//!   the prelude is put together again, so that both ways of running functions look the same.
//! - An error that a function reports comes with status 500 and Lambda's JSON.
//! - It ends a function's answer when the connection that asked for it closes. Lambda does not, so this side reads to the end.
//! - A process that dies breaks the connection, and is not started again: what comes after waits for ever. It knows no
//!   timeouts either (the deadline it gives functions is in 1970), so the template's are kept here.
//! - A hundred events may wait for a function. With one more it stops for good, whichever function it is asked for: it holds
//!   the lock that it needs to hand out an event while it waits for a place. So fewer are sent, and the others wait here.
//! - Its CORS headers would mix with the function's: start it with `--disable-cors`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::PAYLOAD_LIMIT_BYTES;
use super::answer::{Answer, Body, Failure, Piece};
use crate::error::{Context, Result};
use crate::template::Function;

/// Says that an answer was streamed.
const MODE_HEADER: &str = "lambda-runtime-function-response-mode";

/// What a function may take beyond its timeout: it is built when its first event comes.
const BUILD_ALLOWANCE: Duration = Duration::from_secs(60);

/// How many events of a function may wait there for its answer to begin.
const WAITING: usize = 50;

/// A running `cargo lambda watch`.
#[derive(Debug, Clone)]
pub struct Watch {
    url: String,
    client: reqwest::Client,
    functions: Arc<BTreeMap<String, Watched>>,
}

#[derive(Debug)]
struct Watched {
    timeout: Duration,
    places: Arc<Semaphore>,
}

impl Watch {
    /// The functions of a template behind this URL (scheme, host and port).
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(url: &str, functions: &[Function]) -> Result<Self> {
        let watched = |function: &Function| {
            let watched = Watched {
                timeout: Duration::from_secs(function.timeout_seconds) + BUILD_ALLOWANCE,
                places: Arc::new(Semaphore::new(WAITING)),
            };
            (function.name.clone(), watched)
        };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .doing("making a client for cargo lambda watch")?,
            functions: Arc::new(functions.iter().map(watched).collect()),
        })
    }

    pub(super) async fn invoke(&self, function: &str, event: Bytes) -> Result<Answer, Failure> {
        let unknown = || Failure::Unavailable(format!("Function not found: {function}"));
        let Watched { timeout, places } = self.functions.get(function).ok_or_else(unknown)?;
        let (timeout, places) = (*timeout, Arc::clone(places));
        if event.len() > PAYLOAD_LIMIT_BYTES {
            return Err(Failure::TooLarge);
        }
        let request = self
            .client
            .post(format!("{}/2015-03-31/functions/{function}/invocations", self.url))
            .body(event);
        // In a task of its own, because a caller that leaves must not take the function's answer with it.
        let invocation = tokio::spawn(async move {
            // Only `close` makes this fail, and nobody closes it.
            let _place = places.acquire().await;
            let until = Instant::now() + timeout;
            let timed_out = Failure::TimedOut {
                seconds: timeout.as_secs(),
            };
            match tokio::time::timeout_at(until, request.send()).await {
                Ok(Ok(response)) => begin(response, until, timed_out).await,
                Ok(Err(error)) => Err(Failure::Unavailable(format!("cargo lambda watch: {error}"))),
                Err(_) => Err(timed_out),
            }
        });
        invocation
            .await
            .unwrap_or_else(|error| Err(Failure::Unavailable(error.to_string())))
    }
}

async fn begin(response: Response, until: Instant, timed_out: Failure) -> Result<Answer, Failure> {
    let (status, headers) = (response.status(), response.headers().clone());
    let streamed = headers.get(MODE_HEADER).is_some_and(|mode| mode == "streaming");
    if !streamed && status != StatusCode::OK {
        let body = tokio::time::timeout_at(until, response.bytes())
            .await
            .map_err(|_| timed_out)?;
        return Err(refused(status, &body.unwrap_or_default()));
    }
    let (pieces, body) = Body::channel();
    if streamed {
        // There is room for one: the channel is new.
        let _ = pieces.try_send(Piece::Chunk(prelude(status, &headers)));
    }
    tokio::spawn(read_to_the_end(response, pieces, until, timed_out));
    Ok(Answer {
        streamed,
        content_type: content_type(streamed, &headers),
        body,
    })
}

fn refused(status: StatusCode, body: &[u8]) -> Failure {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR => Failure::from_posted(None, body),
        _ => Failure::Unavailable(format!(
            "cargo lambda watch: {status}: {}",
            String::from_utf8_lossy(body)
        )),
    }
}

async fn read_to_the_end(mut response: Response, pieces: mpsc::Sender<Piece>, until: Instant, timed_out: Failure) {
    let last = loop {
        match tokio::time::timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => {
                let _ = pieces.send(Piece::Chunk(chunk)).await;
            }
            Ok(Ok(None)) => break Piece::End,
            Ok(Err(_)) => break Piece::Failed(Failure::Exited("the function ended before its answer did".to_owned())),
            Err(_) => break Piece::Failed(timed_out),
        }
    };
    let _ = pieces.send(last).await;
}

/// The prelude as the function had written it, with the delimiter.
fn prelude(status: StatusCode, headers: &HeaderMap) -> Bytes {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let transport = [
        MODE_HEADER,
        CONTENT_LENGTH.as_str(),
        TRANSFER_ENCODING.as_str(),
        DATE.as_str(),
        SET_COOKIE.as_str(),
    ];
    let mut multi_value_headers = Map::new();
    for name in headers.keys().filter(|name| !transport.contains(&name.as_str())) {
        let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
        multi_value_headers.insert(name.to_string(), json!(values));
    }
    let cookies: Vec<String> = headers.get_all(SET_COOKIE).iter().map(text).collect();
    let prelude: Value =
        json!({ "statusCode": status.as_u16(), "multiValueHeaders": multi_value_headers, "cookies": cookies });
    let mut bytes = prelude.to_string().into_bytes();
    bytes.extend_from_slice(&[0; 8]);
    Bytes::from(bytes)
}

fn content_type(streamed: bool, headers: &HeaderMap) -> String {
    if streamed {
        return "application/vnd.awslambda.http-integration-response".to_owned();
    }
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.unwrap_or("application/json").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A server in the place of `cargo lambda watch`, and what asks it.
    async fn watched() -> (TcpListener, Watch) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let function = Function {
            logical_id: "F".to_owned(),
            name: "f".to_owned(),
            arn: String::new(),
            timeout_seconds: 3,
            memory_megabytes: 128,
            environment: BTreeMap::new(),
            role: None,
        };
        (listener, Watch::new(&url, &[function]).unwrap())
    }

    /// Takes one request and writes what is given, as it is.
    async fn answer(listener: &TcpListener, bytes: &[u8]) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        assert!(
            request.starts_with("POST /2015-03-31/functions/f/invocations HTTP/1.1"),
            "{request}"
        );
        stream.write_all(bytes).await.unwrap();
        stream
    }

    const STREAMED: &[u8] = b"HTTP/1.1 201 Created\r\nx-a: 1\r\nx-a: 2\r\nset-cookie: c=1\r\ndate: today\r\n\
        lambda-runtime-function-response-mode: streaming\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";

    #[tokio::test]
    async fn a_streamed_answer_gets_its_prelude_back() {
        let (listener, watch) = watched().await;
        let (asked, mut stream) = tokio::join!(
            watch.invoke("f", Bytes::from_static(b"{}")),
            answer(&listener, STREAMED)
        );
        let mut asked = asked.unwrap();
        let prelude = asked.body.next().await.unwrap().unwrap();
        let (json, delimiter) = prelude.split_at(prelude.len() - 8);
        assert_eq!(delimiter, [0; 8]);
        let expected = json!({ "statusCode": 201, "multiValueHeaders": { "x-a": ["1", "2"] }, "cookies": ["c=1"] });
        assert_eq!(serde_json::from_slice::<Value>(json).unwrap(), expected);
        assert_eq!(asked.body.next().await.unwrap().unwrap(), "first");
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        assert!(asked.body.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_not_complete() {
        let (listener, watch) = watched().await;
        let (asked, stream) = tokio::join!(watch.invoke("f", Bytes::new()), answer(&listener, STREAMED));
        drop(stream);
        assert!(matches!(
            asked.unwrap().body.collect(1000).await,
            Err(Failure::Exited(_))
        ));
    }

    #[tokio::test]
    async fn the_answer_is_read_to_its_end_when_the_caller_has_left() {
        let (listener, watch) = watched().await;
        let (asked, mut stream) = tokio::join!(watch.invoke("f", Bytes::new()), answer(&listener, STREAMED));
        drop(asked);
        // More than any buffer on the way holds: this would block, or fail, if nobody read.
        let chunk = [b"100000\r\n".as_slice(), &[b'x'; 0x10_0000], b"\r\n"].concat();
        for _ in 0..16 {
            stream.write_all(&chunk).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_error_of_the_function_keeps_its_message() {
        let (listener, watch) = watched().await;
        let error = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 53\r\n\r\n\
            {\"errorType\":\"Refused\",\"errorMessage\":\"Unauthorized\"}";
        let (asked, _stream) = tokio::join!(watch.invoke("f", Bytes::new()), answer(&listener, error));
        let expected = Failure::Function {
            kind: "Refused".to_owned(),
            message: "Unauthorized".to_owned(),
        };
        assert_eq!(asked.unwrap_err(), expected);
    }

    #[tokio::test]
    async fn no_more_events_are_sent_than_may_wait_there() {
        let (listener, watch) = watched().await;
        let invocations: Vec<_> = (0..=WAITING)
            .map(|_| {
                let watch = watch.clone();
                tokio::spawn(async move { watch.invoke("f", Bytes::new()).await })
            })
            .collect();
        let mut waiting = Vec::new();
        for _ in 0..WAITING {
            waiting.push(listener.accept().await.unwrap().0);
        }
        let one_more = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(one_more.is_err(), "one more than may wait there");
        // One answer begins, and there is a place again.
        let mut first = waiting.remove(0);
        first.write_all(STREAMED).await.unwrap();
        drop(listener.accept().await.unwrap());
        drop((first, waiting));
        for invocation in invocations {
            invocation.abort();
        }
    }
}
