//! An OpenTelemetry collector: it takes OTLP over HTTP, in protobuf, and keeps all that it is sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::local::eventually;

/// A collector. It ends when it is dropped.
pub struct Collector {
    /// Where it is: the value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub url: String,
    kept: Kept,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Bytes>>>);

/// A span, with the service that it is of.
#[derive(Clone, Debug)]
pub struct Spanned {
    /// `service.name`
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Collector {
    /// One on a free port.
    pub async fn start() -> Self {
        let kept = Kept::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            kept,
            server: tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }),
        }
    }

    /// All bodies, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.kept.0.lock().unwrap().concat()
    }

    /// All spans.
    pub fn spans(&self) -> Vec<Spanned> {
        let bodies = self.kept.0.lock().unwrap().clone();
        bodies.iter().flat_map(spans).collect()
    }

    /// The spans of a trace, once there are so many.
    pub async fn trace(&self, trace_id: &str, count: usize) -> Vec<Spanned> {
        eventually(&format!("{count} spans of the trace {trace_id}"), async || {
            let of_it = |it: &Spanned| it.trace_id() == trace_id;
            Some(self.spans().into_iter().filter(of_it).collect::<Vec<_>>()).filter(|it| it.len() >= count)
        })
        .await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    kept.0.lock().unwrap().push(body);
    StatusCode::OK
}

fn spans(body: &Bytes) -> Vec<Spanned> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut found = Vec::new();
    for of_resource in request.resource_spans {
        let attributes = of_resource.resource.unwrap_or_default().attributes;
        let service = text_of(&attributes, "service.name").unwrap_or_default();
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            found.push(Spanned {
                service: service.clone(),
                span,
            });
        }
    }
    found
}

fn text_of(attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text.clone()),
        AnyValue::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

impl Spanned {
    /// The id of its trace, in hexadecimal.
    pub fn trace_id(&self) -> String {
        gateway::secret::hex(&self.span.trace_id)
    }

    /// Its own id.
    pub fn id(&self) -> String {
        gateway::secret::hex(&self.span.span_id)
    }

    /// The id of the span that it is within; empty without one.
    pub fn parent(&self) -> String {
        gateway::secret::hex(&self.span.parent_span_id)
    }

    /// What it says of itself under this name.
    pub fn attribute(&self, name: &str) -> Option<String> {
        text_of(&self.span.attributes, name)
    }
}
