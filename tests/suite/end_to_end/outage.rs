//! AWS that can be out of order: the embedded services behind one address, of which the table can be cut off.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use localstack::aws::{Endpoints, Options, Resources};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the table fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outage {
    /// The connection breaks without an answer.
    Broken,
    /// It answers that it cannot.
    Failing,
}

/// The services, and what stands before them. They end with it.
pub(super) struct Backing {
    pub(super) url: String,
    proxy: Arc<Proxy>,
    server: JoinHandle<()>,
    _data: TempDir,
}

struct Proxy {
    endpoints: Endpoints,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    outage: Mutex<Option<Outage>>,
}

impl Backing {
    pub(super) async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = Options {
            data: data.path().to_owned(),
            aws_endpoint: None,
        };
        let proxy = Arc::new(Proxy {
            endpoints: localstack::aws::start(&options, &Resources::default()).await.unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            outage: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass_on).with_state(proxy.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            proxy,
            server,
            _data: data,
        }
    }

    pub(super) fn table_is(&self, outage: Option<Outage>) {
        *self.proxy.outage.lock().unwrap() = outage;
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass_on(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let target = request
        .headers()
        .get("x-amz-target")
        .map(|it| it.to_str().unwrap().to_owned());
    let endpoint = match target.as_deref() {
        Some(target) if target.starts_with("DynamoDB_") => {
            let outage = *proxy.outage.lock().unwrap();
            if let Some(outage) = outage {
                return out_of_order(outage);
            }
            &proxy.endpoints.dynamodb
        }
        Some(target) if target.starts_with("secretsmanager.") => &proxy.endpoints.secretsmanager,
        _ => &proxy.endpoints.s3,
    };
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("{endpoint}{}", parts.uri).parse::<Uri>().unwrap();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let answer = proxy
        .client
        .request(http::Request::from_parts(parts, Full::new(body)))
        .await;
    answer.unwrap().map(Body::new)
}

fn out_of_order(outage: Outage) -> Response {
    match outage {
        Outage::Failing => {
            let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"out of order"}"#;
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [("content-type", "application/x-amz-json-1.0")],
                body,
            )
                .into_response()
        }
        // Less than it promises, and then nothing.
        Outage::Broken => {
            let end =
                futures_util::stream::iter([Err::<bytes::Bytes, _>(std::io::Error::other("broken, as asked for"))]);
            ([("content-length", "100")], Body::from_stream(end)).into_response()
        }
    }
}
