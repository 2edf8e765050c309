//! How a process learns that it is to end: Lambda sends SIGTERM to functions that have an extension, and an internal one is a part of
//! the process itself (AWS, "Lambda Extensions API"). `lambda_runtime` can register one, with the crate of extensions and all that those
//! may want: servers for logs and telemetry, and their forms, which are 0.3 MB of each function (`docs/adr/0031`).

use http::{Method, Request, Response};
use hyper::body::Incoming;
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{PooledClient, build_request};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// What Lambda calls it by; of a function's internal extensions each has another name.
const NAME: &str = "tollgate-shutdown";
const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";
const ID: &str = "lambda-extension-identifier";

/// An extension that wants no events, and so is never answered.
pub(super) struct Extension {
    api: PooledClient,
    id: String,
}

/// SIGTERM, and SIGINT from a keyboard.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Extension {
    /// Registers it, as must be done before the runtime asks for its first event.
    pub(super) async fn register() -> Result<Self, lambda_runtime::Error> {
        let api = PooledClient::builder().build();
        let request = build_request()
            .method(Method::POST)
            .uri(REGISTER)
            .header("lambda-extension-name", NAME)
            .header("content-type", "application/json");
        let answer: Response<Incoming> = api.call(request.body(Body::from(r#"{"events":[]}"#))?).await?;
        let id = answer.headers().get(ID).filter(|_| answer.status().is_success());
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let id = id.ok_or_else(|| Error::unavailable("Lambda registers no extension"))?;
        Ok(Self { api, id })
    }

    /// Waits for an event. Lambda takes that for the end of the extension's start, and does not answer.
    pub(super) async fn wait(&self) {
        if let Ok(request) = self.next() {
            let _ = self.api.call(request).await;
        }
        std::future::pending::<()>().await;
    }

    fn next(&self) -> Result<Request<Body>, http::Error> {
        build_request().uri(NEXT).header(ID, &self.id).body(Body::empty())
    }
}

impl Signals {
    /// From now on none is missed.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Ready with the first of them.
    pub(super) async fn come(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
