//! A table that can be out of order: a proxy before DynamoDB that fails on demand and counts what is asked of it.
//!
//! It knows operations by `x-amz-target`. What is not meant for DynamoDB passes through, so that it can also stand before
//! all three services as one `--aws-endpoint`. A request to any of them can be made to stand still ([`Standstill`]).

mod plan;
mod standstill;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use localstack::aws::{Endpoints, Options, Resources};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use plan::{Counts, Fate, Faults, Outage};
pub use standstill::{Moment, Standstill};

use plan::Plan;
use standstill::Watched;

/// The proxy. It ends when it is dropped, and with it the services, if they are its own.
pub struct Unreliable {
    /// Where it listens.
    pub url: String,
    proxy: Arc<Proxy>,
    server: JoinHandle<()>,
    _own: Option<(Endpoints, TempDir)>,
}

struct Proxy {
    dynamodb: String,
    secretsmanager: String,
    s3: String,
    client: Client<HttpConnector, Full<Bytes>>,
    plan: Mutex<Plan>,
    watched: Mutex<Option<Watched>>,
    /// The operations that wait.
    held: watch::Sender<&'static [&'static str]>,
    waiting: watch::Sender<usize>,
}

impl Unreliable {
    /// Before AWS services of its own, which hold nothing yet: `local --aws-endpoint` fills them.
    pub async fn aws() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = Options {
            data: data.path().to_owned(),
            aws_endpoint: None,
            privileges: None,
        };
        let endpoints = localstack::aws::start(&options, &Resources::default()).await.unwrap();
        let mut unreliable = Self::before(&endpoints).await;
        unreliable._own = Some((endpoints, data));
        unreliable
    }

    /// Before services that run already, and go on without it.
    pub async fn before(endpoints: &Endpoints) -> Self {
        let proxy = Arc::new(Proxy {
            dynamodb: endpoints.functions_dynamodb.clone(),
            secretsmanager: endpoints.secretsmanager.clone(),
            s3: endpoints.s3.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            plan: Mutex::default(),
            watched: Mutex::default(),
            held: watch::Sender::new(&[]),
            waiting: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            server: tokio::spawn(serve(listener, proxy.clone())),
            proxy,
            _own: None,
        }
    }

    /// Takes the table down, or, with nothing, up again.
    pub fn table_is(&self, outage: Option<Outage>) {
        self.proxy.plan().outage = outage;
    }

    /// Takes Secrets Manager down, or up again.
    pub fn secrets_are_down(&self, down: bool) {
        self.proxy.plan().secrets_down = down;
    }

    /// Lets shares of the writes fail from now on, or, with nothing, none.
    pub fn set_faults(&self, faults: Option<Faults>) {
        self.proxy.plan().set_faults(faults);
    }

    /// Says what becomes of the next writes, one by one and before chance has a say.
    pub fn script(&self, fates: &[Fate]) {
        self.proxy.plan().script = fates.iter().copied().collect();
    }

    /// Lets one request stand still for ever, before it is passed on or before its answer is: of those that have any of these texts in
    /// path or body, the one of this number, from 0.
    pub fn stands_still(&self, texts: &[&str], number: usize, moment: Moment) -> Standstill {
        let (watched, standstill) = Watched::new(texts, number, moment);
        *self.proxy.watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(watched);
        standstill
    }

    /// Lets requests of these operations wait from now on, or, with none, all go on.
    pub fn hold(&self, operations: &'static [&'static str]) {
        self.proxy.held.send_replace(operations);
    }

    /// Returns when so many requests wait.
    pub async fn until_waiting(&self, count: usize) {
        let mut waiting = self.proxy.waiting.subscribe();
        let wait = waiting.wait_for(|waiting| *waiting >= count);
        let waited = tokio::time::timeout(crate::local::PATIENCE, wait).await;
        waited.expect("nobody asks the table").unwrap();
    }

    /// What was asked of the table since the start or the last [`reset_counts`](Self::reset_counts).
    pub fn counts(&self) -> Counts {
        self.proxy.plan().counts.clone()
    }

    /// Counts anew.
    pub fn reset_counts(&self) {
        self.proxy.plan().counts = Counts::default();
    }
}

impl Drop for Unreliable {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Proxy {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers, unless it is to stand still.
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let stop = {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.as_mut().and_then(|watched| watched.stop(&parts.uri, &body))
        };
        let request = Request::from_parts(parts, body);
        match stop {
            None => self.answered(request).await,
            Some(stop) if stop.moment == Moment::Before => stop.stand().await,
            Some(stop) => {
                let answer = self.answered(request).await?;
                let _ = answer.into_body().collect().await;
                stop.stand().await
            }
        }
    }

    /// Answers; an error breaks the connection.
    async fn answered(&self, request: Request<Bytes>) -> io::Result<Response> {
        let target = request.headers().get("x-amz-target").and_then(|it| it.to_str().ok());
        let (service, operation) = target.and_then(|target| target.split_once('.')).unwrap_or_default();
        if !service.starts_with("DynamoDB_") {
            let is_secrets = service == "secretsmanager";
            if is_secrets && self.plan().secret_asked_in_vain() {
                return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
            }
            return self
                .pass_on(if is_secrets { &self.secretsmanager } else { &self.s3 }, request)
                .await;
        }
        self.wait(operation).await;
        let decided = self.plan().decide(operation);
        match decided {
            Err(outage) => Ok(out_of_order(outage)),
            Ok(Fate::Throttled) => Ok(throttled()),
            Ok(Fate::Conflicting) => Ok(conflicting()),
            Ok(Fate::Done) => self.pass_on(&self.dynamodb, request).await,
            Ok(Fate::Lost) => {
                let answer = self.pass_on(&self.dynamodb, request).await?;
                // Read to its end, so that the write is done when the connection breaks.
                let _ = answer.into_body().collect().await;
                Err(io::Error::other("the answer is lost, as asked for"))
            }
        }
    }

    /// Waits while the operation is held.
    async fn wait(&self, operation: &str) {
        let mut held = self.held.subscribe();
        if held.borrow_and_update().contains(&operation) {
            self.waiting.send_modify(|waiting| *waiting += 1);
            let _ = held.wait_for(|held| !held.contains(&operation)).await;
            self.waiting.send_modify(|waiting| *waiting -= 1);
        }
    }

    async fn pass_on(&self, endpoint: &str, request: Request<Bytes>) -> io::Result<Response> {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{endpoint}{}", parts.uri).parse::<Uri>().unwrap();
        let answer = self.client.request(Request::from_parts(parts, Full::new(body))).await;
        Ok(answer.map_err(io::Error::other)?.map(Body::new))
    }
}

/// Serves until it is aborted; its connections end with it.
async fn serve(listener: TcpListener, proxy: Arc<Proxy>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let _ = socket.set_nodelay(true);
        let proxy = proxy.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let proxy = proxy.clone();
                async move { proxy.answer(request).await }
            });
            // An error here is a connection that was broken on purpose, or by its client.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

fn out_of_order(outage: Outage) -> Response {
    match outage {
        Outage::Failing => error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "out of order"),
        // Less than it promises, and then nothing.
        Outage::Broken => {
            let end = futures_util::stream::iter([Err::<Bytes, _>(io::Error::other("broken, as asked for"))]);
            ([("content-length", "100")], Body::from_stream(end)).into_response()
        }
    }
}

fn throttled() -> Response {
    error(
        StatusCode::BAD_REQUEST,
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded.",
    )
}

fn conflicting() -> Response {
    error(
        StatusCode::BAD_REQUEST,
        "TransactionConflictException",
        "Transaction is ongoing for the item",
    )
}

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"{message}"}}"#);
    (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
}
