//! A storage service as `docs/storage-service.md` says it, and the gateway's own token function before it, both behind mutual TLS.
//! Objects are files in a folder that goes with the service. On demand it fails, and it knows what it was asked.

mod object;
mod range;
mod uploads;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Extension, middleware};
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::jwt::SigningKey;
use localstack::aws::secret_arn;
use peer::{Authority, Connection, Identity, Leaf, Server, Wire};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::backing::Backing;
use crate::fixtures::{AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, SIGNING_SECRET, held_clock};

/// The name of the secret that the gateway shows to the token service, which is [`CLIENT_SECRET`].
pub const SECRET_NAME: &str = "tollgate/storage";

/// What goes wrong with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// The bytes of the answer end after so many.
    Cut(usize),
    /// One bit of the answer is another one.
    Spoilt,
    /// It is done, and answered with this status all the same, as where the answer was lost on its way.
    Lost(u16),
}

/// Of every request to one of the two services: which one, and its headers of W3C's Trace Context.
pub type Traces = Arc<Mutex<Vec<Traced>>>;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// `storage` or `tokens`.
    pub service: &'static str,
    /// `traceparent`
    pub parent: Option<String>,
    /// `tracestate` and `baggage`, which go no further than the gateway.
    pub more: Vec<String>,
}

/// Both services, and what a client of theirs needs.
pub struct Services {
    /// The storage service.
    pub storage: Server,
    /// The token service.
    pub tokens: Server,
    /// What stands behind the storage service.
    pub store: Store,
    /// The time that all of it goes by.
    pub clock: Clock,
    /// Who has signed all certificates.
    pub authority: Authority,
    /// Who the two services say they are.
    pub identity: Identity,
    folder: TempDir,
}

/// What stands behind the storage service.
#[derive(Clone)]
pub struct Store(Arc<Shelf>);

struct Shelf {
    folder: TempDir,
    key: SigningKey,
    clock: Clock,
    faults: Mutex<VecDeque<Option<Fault>>>,
    asked: Mutex<Vec<(Method, Connection)>>,
    traces: Traces,
    received: watch::Sender<u64>,
}

impl Services {
    /// Starts both. The token service is the gateway's own function over `backing`, and knows the fixtures' service account.
    pub async fn start(backing: &Backing) -> Self {
        let (clock, authority) = (held_clock(), Authority::new("Services"));
        let identity = authority.issue(&Leaf::new("localhost"));
        let folder = tempfile::tempdir().unwrap();
        authority.write(folder.path(), "ca.pem");
        authority.issue(&Leaf::new("gateway")).write(folder.path(), "gateway");
        put_secret(backing).await;
        let store = Store::new(clock.clone());
        let wire = Wire::of(&identity).mutual(&authority);
        Self {
            storage: Server::tls(&wire, noting(store.router(), "storage", &store)).await,
            tokens: Server::tls(&wire, noting(token_function(backing, &clock), "tokens", &store)).await,
            store,
            clock,
            folder,
            identity,
            authority,
        }
    }

    /// The settings file of a client that may use both.
    pub fn settings(&self) -> String {
        let file = |name| self.file(name).display().to_string();
        let tls = format!(
            "{{enabled: true, ca_file: {}, certificate_file: {}, key_file: {}, minimum_version: 1.3}}",
            file("ca.pem"),
            file("gateway.pem"),
            file("gateway.key"),
        );
        format!(
            "storage:\n  service:\n    base_url: {}\n    tls: {tls}\n    token:\n      base_url: {}\n      client_id: {CLIENT_ID}\n      \
             client_secret_name: {SECRET_NAME}\n      tls: {tls}\n",
            self.storage.url(),
            self.tokens.url(),
        )
    }

    /// The template's parameters for a gateway that is to use both, as arguments of `local up`.
    pub fn parameters(&self) -> Vec<String> {
        let parameters = [
            ("StorageServiceUrl", self.storage.url()),
            ("StorageServiceTokenUrl", self.tokens.url()),
            ("StorageServiceClientId", CLIENT_ID.to_owned()),
            ("StorageServiceClientSecretArn", secret_arn(SECRET_NAME)),
            ("StorageServiceTlsFolder", self.folder.path().display().to_string()),
        ];
        let parameters = parameters.map(|(name, value)| ["--parameter".to_owned(), format!("{name}={value}")]);
        parameters.into_iter().flatten().collect()
    }

    /// A file among those that the settings name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The upload function's environment, with a settings file of this text.
    pub fn variables(&self, backing: &Backing, settings: &str) -> Variables {
        let file = self.file("settings.yaml");
        std::fs::write(&file, settings).unwrap();
        backing.variables("upload", &[("TOLLGATE_SETTINGS", file.to_str().unwrap())])
    }
}

async fn put_secret(backing: &Backing) {
    let aws = Aws::from_environment(backing.variables("upload", &[])).unwrap();
    let create = aws.secretsmanager().create_secret();
    create
        .name(SECRET_NAME)
        .secret_string(CLIENT_SECRET)
        .send()
        .await
        .unwrap();
}

fn token_function(backing: &Backing, clock: &Clock) -> Router {
    let variables = || backing.variables("token", &[]);
    let aws = Aws::from_environment(variables()).unwrap();
    let state = token::State::new(&aws, &variables(), clock.clone()).unwrap();
    token::router(Arc::new(state))
}

impl Store {
    fn new(clock: Clock) -> Self {
        Self(Arc::new(Shelf {
            folder: tempfile::tempdir().unwrap(),
            key: SigningKey::from_stored(SIGNING_SECRET).unwrap(),
            clock,
            faults: Mutex::default(),
            asked: Mutex::default(),
            traces: Traces::default(),
            received: watch::Sender::new(0),
        }))
    }

    fn router(&self) -> Router {
        let object = get(object::get).put(object::put).delete(object::delete);
        let upload = get(uploads::parts).put(uploads::begin).post(uploads::complete);
        Router::new()
            .route("/v1/objects/{owner}/{id}", object)
            .route(
                "/v1/objects/{owner}/{id}/uploads/{upload}",
                upload.delete(uploads::abort),
            )
            .route(
                "/v1/objects/{owner}/{id}/uploads/{upload}/{number}",
                put(uploads::put_part),
            )
            .layer(axum::extract::DefaultBodyLimit::disable())
            .layer(from_fn_with_state(self.clone(), allowed))
            .layer(middleware::from_fn(mutual))
            .with_state(self.clone())
    }

    /// The next requests go wrong, each in its way.
    pub fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.plan(faults.into_iter().map(Some));
    }

    /// So many requests go well, and then one goes wrong.
    pub fn fails_at(&self, step: usize, fault: Fault) {
        self.plan(std::iter::repeat_n(None, step).chain([Some(fault)]));
    }

    fn plan(&self, faults: impl Iterator<Item = Option<Fault>>) {
        let mut planned = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner);
        planned.extend(faults);
    }

    /// What was asked so far, and over which connection.
    pub fn asked(&self) -> Vec<(Method, Connection)> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What both services were told of traces.
    pub fn traces(&self) -> Vec<Traced> {
        self.0.traces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many bytes of uploads have come in, as that goes on.
    pub fn received(&self) -> watch::Receiver<u64> {
        self.0.received.subscribe()
    }

    /// How many files there are, whole ones and others, and uploads under way.
    pub fn files(&self) -> usize {
        std::fs::read_dir(self.folder()).unwrap().count()
    }

    fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    fn fault(&self) -> Option<Fault> {
        let mut planned = self.0.faults.lock().unwrap_or_else(PoisonError::into_inner);
        planned.pop_front().flatten()
    }
}

/// The same router, which notes what it is told of traces.
fn noting(router: Router, service: &'static str, store: &Store) -> Router {
    let traces = store.0.traces.clone();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let text = |name: &str| request.headers().get(name)?.to_str().ok().map(str::to_owned);
        let traced = Traced {
            service,
            parent: text("traceparent"),
            more: ["tracestate", "baggage"].into_iter().filter_map(text).collect(),
        };
        traces.lock().unwrap_or_else(PoisonError::into_inner).push(traced);
        next.run(request)
    }))
}

/// Only who shows a certificate is served; the handshake has seen to that, and this makes sure of it.
async fn mutual(Extension(connection): Extension<Connection>, request: Request, next: Next) -> Response {
    match connection.client {
        Some(_) => next.run(request).await,
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// Notes the request, and lets in who shows an access token of the token service.
async fn allowed(
    State(store): State<Store>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = (request.method().clone(), connection);
    store.0.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    let fault = store.fault();
    if let Some(Fault::Status(status)) = fault {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    if !store.takes(request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    request.extensions_mut().insert(fault);
    let answer = next.run(request).await;
    match fault {
        Some(Fault::Lost(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        _ => answer,
    }
}

impl Store {
    fn takes(&self, headers: &HeaderMap) -> bool {
        let token = headers.get("authorization").and_then(|it| it.to_str().ok());
        let token = token.and_then(|it| it.strip_prefix("Bearer "));
        let now = self.0.clock.now().as_second();
        token.is_some_and(|it| self.0.key.verifying().verify(it, ISSUER, AUDIENCE, now).is_ok())
    }
}
