//! Functions for this crate's tests, chosen by `AWS_LAMBDA_FUNCTION_NAME`: they do what a request's query tells them to.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::stream;
use lambda_runtime::{Diagnostic, Error, FunctionResponse, LambdaEvent, MetadataPrelude, StreamResponse, service_fn};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

type Chunks = std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<bytes::Bytes, Error>> + Send>>;
type Answer = FunctionResponse<Value, Chunks>;

/// Counts the events of this process.
static EVENTS: AtomicU32 = AtomicU32::new(0);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    println!("{name} starts");
    if name == "broken" {
        return Err("this function never starts".into());
    }
    let next = register().await?;
    let serving = async {
        match name.as_str() {
            "authorizer" => lambda_runtime::run(service_fn(authorize)).await,
            "scheduled" => lambda_runtime::run(service_fn(scheduled)).await,
            "streamed" => lambda_runtime::run(service_fn(streamed)).await,
            _ => lambda_runtime::run(service_fn(buffered)).await,
        }
    };
    tokio::select! {
        outcome = serving => outcome,
        outcome = flushing(next) => outcome,
    }
}

/// Registers an internal extension, without which Lambda sends no SIGTERM, and gives the request for its next event.
async fn register() -> Result<reqwest::RequestBuilder, Error> {
    let api = format!(
        "http://{}/2020-01-01/extension",
        std::env::var("AWS_LAMBDA_RUNTIME_API")?
    );
    let client = reqwest::Client::new();
    let register = client
        .post(format!("{api}/register"))
        .header("lambda-extension-name", "fake");
    let answer = register.body(r#"{"events":[]}"#).send().await?.error_for_status()?;
    let id = answer.headers()["lambda-extension-identifier"].clone();
    Ok(client
        .get(format!("{api}/event/next"))
        .header("lambda-extension-identifier", id))
}

/// Ends on SIGTERM, and tells the log before.
async fn flushing(next: reqwest::RequestBuilder) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    // It wants no event, and so is never answered.
    tokio::spawn(next.send());
    terminate.recv().await;
    println!("flushed");
    Ok(())
}

/// Decides by the word in `Authorization`.
async fn authorize(event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
    let fail = |message: &str| {
        Err(Diagnostic {
            error_type: "Refused".to_owned(),
            error_message: message.to_owned(),
        })
    };
    let event = event.payload;
    let word = event
        .pointer("/headers/Authorization")
        .or(event.pointer("/headers/authorization"));
    let arn = event["methodArn"].as_str().unwrap_or_default().to_owned();
    let (effect, resource) = match word.and_then(Value::as_str).unwrap_or_default() {
        "allow" => ("Allow", "arn:aws:execute-api:us-east-1:*:*/live/*".to_owned()),
        "narrow" => ("Allow", arn),
        "deny" => ("Deny", "*".to_owned()),
        "nested" => return Ok(json!({ "principalId": "p", "policyDocument": {}, "context": { "a": {} } })),
        "broken" => return fail("the table is out of reach"),
        _ => return fail("Unauthorized"),
    };
    let count = EVENTS.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(json!({
        "principalId": "someone",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": resource }],
        },
        "context": { "count": count, "flag": true, "text": "text", "type": event["type"], "path": event["path"],
            "certificate": event["requestContext"]["identity"]["clientCert"].to_string(),
        },
    }))
}

fn query<'e>(event: &'e Value, name: &str) -> Option<&'e str> {
    event["queryStringParameters"].get(name).and_then(Value::as_str)
}

/// Tells its log what it was invoked with.
async fn scheduled(event: LambdaEvent<Value>) -> Result<Value, Error> {
    println!("event {}", event.payload);
    match event.payload["fail"].as_bool() {
        Some(true) => Err("it failed".into()),
        _ => Ok(event.payload),
    }
}

/// Answers with its event, or as it is told.
async fn buffered(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let deadline = event.context.deadline;
    let event = event.payload;
    if let Some(port) = query(&event, "gate") {
        drop(gate(port).await?);
    }
    match query(&event, "do") {
        Some("die") => std::process::abort(),
        Some("fail") => return Err("it failed".into()),
        Some("hang") => std::future::pending::<()>().await,
        Some("malformed") => return Ok(json!({ "statusCode": "many" })),
        Some("large") => {
            let length = query(&event, "bytes").unwrap_or_default().parse()?;
            return Ok(json!({ "statusCode": 200, "body": "x".repeat(length) }));
        }
        Some("binary") => return Ok(json!({ "statusCode": 200, "body": "AP/+", "isBase64Encoded": true })),
        Some("headers") => {
            return Ok(json!({
                "statusCode": 401,
                "headers": { "WWW-Authenticate": "Basic", "Server": "mine", "Via": "mine", "X-Twice": "lost" },
                "multiValueHeaders": { "X-Twice": ["one", "two"] },
                "body": "",
            }));
        }
        _ => {}
    }
    let variable = |name: &str| std::env::var(name).ok();
    let body = json!({
        "event": event,
        "pid": std::process::id(),
        "deadline_ms": deadline,
        "environment": {
            "TABLE": variable("TABLE"),
            "ISSUER": variable("ISSUER"),
            "LOG": variable("LOG"),
            "AWS_LAMBDA_FUNCTION_NAME": variable("AWS_LAMBDA_FUNCTION_NAME"),
            "AWS_ENDPOINT_URL_DYNAMODB": variable("AWS_ENDPOINT_URL_DYNAMODB"),
            "HOME": variable("HOME"),
        },
    });
    Ok(json!({ "statusCode": 200, "headers": { "Content-Type": "application/json" }, "body": body.to_string() }))
}

/// Sends `first`, waits at the gate, sends `second` (and 16 MB more, more than any buffer on the way holds), and tells the gate when the runtime has asked for more than there is.
async fn streamed(event: LambdaEvent<Value>) -> Result<Answer, Error> {
    let event = event.payload;
    let mut prelude = MetadataPrelude {
        status_code: http::StatusCode::CREATED,
        ..MetadataPrelude::default()
    };
    prelude
        .headers
        .insert("X-Streamed", http::HeaderValue::from_static("yes"));
    prelude
        .headers
        .insert("WWW-Authenticate", http::HeaderValue::from_static("Basic"));
    prelude.cookies = vec!["a=1".to_owned(), "b=2".to_owned()];
    match query(&event, "do") {
        Some("fail") => return Err("it failed".into()),
        Some("buffered") => {
            return Ok(FunctionResponse::BufferedResponse(
                json!({ "statusCode": 200, "body": "whole" }),
            ));
        }
        _ => {}
    }
    let script = Script {
        gate: query(&event, "gate").map(str::to_owned),
        then: query(&event, "then").map(str::to_owned),
        socket: None,
        step: 0,
    };
    let chunks: Chunks = Box::pin(stream::unfold(script, Script::next));
    Ok(FunctionResponse::StreamingResponse(StreamResponse {
        metadata_prelude: prelude,
        stream: chunks,
    }))
}

struct Script {
    gate: Option<String>,
    then: Option<String>,
    socket: Option<TcpStream>,
    step: u16,
}

impl Script {
    async fn next(mut self) -> Option<(Result<bytes::Bytes, Error>, Self)> {
        self.step += 1;
        match self.step {
            1 => Some((Ok(bytes::Bytes::from_static(b"first")), self)),
            2 => {
                if let Some(port) = &self.gate {
                    self.socket = gate(port).await.ok();
                }
                match self.then.as_deref() {
                    Some("die") => std::process::abort(),
                    Some("hang") => std::future::pending().await,
                    _ => Some((Ok(bytes::Bytes::from_static(b"second")), self)),
                }
            }
            3..=258 if self.then.as_deref() == Some("bulk") => {
                Some((Ok(bytes::Bytes::from_static(&[b'x'; 65_536])), self))
            }
            _ => {
                if let Some(mut socket) = self.socket {
                    let _ = socket.write_all(b"done").await;
                }
                None
            }
        }
    }
}

/// Connects to the test and waits for a byte from it.
async fn gate(port: &str) -> Result<TcpStream, Error> {
    let mut socket = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    socket.read_u8().await?;
    Ok(socket)
}
