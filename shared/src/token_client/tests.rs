//! Against real token endpoints on loopback.

mod caching;
mod failing;
mod flying;
mod ways;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use jiff::Timestamp;
use peer::Server;
use serde_json::json;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::*;
use crate::aws::Aws;
use crate::config::{Settings, Variables};
use crate::secrets::Secrets;

const NOW: i64 = 1_795_564_800;
/// What may be printed nowhere.
const SECRET: &str = "tgs_canary:secret&with=signs";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.canary-token.x";

/// A token endpoint that answers as a test says.
struct Desk {
    server: Server,
    script: Arc<Script>,
    clock: Clock,
}

struct Script {
    asked: AtomicUsize,
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
    answer: Mutex<(u16, String)>,
    /// Permits to answer.
    gate: Semaphore,
}

impl Desk {
    /// Answers at once, with a token.
    async fn open() -> Self {
        Self::with_permits(Semaphore::MAX_PERMITS).await
    }

    /// Answers as often as it is told to.
    async fn held() -> Self {
        Self::with_permits(0).await
    }

    async fn with_permits(permits: usize) -> Self {
        let script = Arc::new(Script {
            asked: AtomicUsize::new(0),
            requests: Mutex::default(),
            answer: Mutex::new((200, token_answer(&json!({"expires_in": 1800})))),
            gate: Semaphore::new(permits),
        });
        Self {
            server: Server::plain(router(script.clone())).await,
            script,
            clock: Clock::held_at(Timestamp::from_second(NOW).unwrap()),
        }
    }

    fn options(&self) -> Options {
        options(&self.server.url())
    }

    fn client(&self) -> TokenClient {
        TokenClient::new(self.options(), None, self.clock.clone())
    }

    fn answers(&self, status: u16, body: &str) {
        *self.script.answer.lock().unwrap_or_else(PoisonError::into_inner) = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.script.asked.load(Ordering::SeqCst)
    }

    /// The last request: its headers and its body.
    fn last(&self) -> (HeaderMap, String) {
        let requests = self.script.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (headers, body) = requests.last().unwrap();
        (headers.clone(), String::from_utf8(body.to_vec()).unwrap())
    }

    /// Until so many requests have come in.
    async fn until_asked(&self, times: usize) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

fn router(script: Arc<Script>) -> Router {
    let answer = move |headers: HeaderMap, body: Bytes| answer(script.clone(), headers, body);
    Router::new()
        .route("/api/v1/auth/token", post(answer.clone()))
        .route("/oauth/token", post(answer))
}

async fn answer(script: Arc<Script>, headers: HeaderMap, body: Bytes) -> Response {
    script
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push((headers, body));
    script.asked.fetch_add(1, Ordering::SeqCst);
    script.gate.acquire().await.unwrap().forget();
    let (status, body) = script.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn options(base_url: &str) -> Options {
    Options {
        endpoint: format!("{base_url}/api/v1/auth/token").parse().unwrap(),
        client_id: "storage-client".to_owned(),
        client_secret: ClientSecret::Plain(Zeroizing::new(SECRET.to_owned())),
        way: Way::Json,
        scope: None,
        timeout_seconds: 10,
    }
}

/// A right answer, with some members replaced.
fn token_answer(replaced: &serde_json::Value) -> String {
    let mut answer = json!({"access_token": TOKEN, "token_type": "Bearer"});
    for (name, value) in replaced.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer.to_string()
}

/// Secrets Manager, where nobody listens.
fn no_secrets() -> Secrets {
    let variables = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "key"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let variables = variables.map(|(name, value)| (name, value.to_owned()));
    Secrets::new(&Aws::from_environment(Variables::Given(variables.to_vec())).unwrap())
}

fn read(list: &[(&'static str, &str)]) -> Result<Option<Options>, crate::config::ConfigError> {
    let variables = Variables::Given(list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
    let settings = Settings::read(&variables)?;
    Options::read(&settings.section("token", "T"), &no_secrets())
}
