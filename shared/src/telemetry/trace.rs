//! Spans of [OpenTelemetry], sent to a collector by [OTLP] over HTTP. Without one nothing of it is built, and a span is nothing.
//!
//! A request's span continues the trace that its caller names (`traceparent`, [W3C Trace Context]); else it is in the trace that
//! AWS X-Ray names (`X-Amzn-Trace-Id`), so that both tools know one request by one id. Of a caller's headers nothing but the two ids
//! and the flag of `traceparent` goes any further: `tracestate` and `baggage` are dropped. Attributes are ids, names and numbers that are named
//! here one by one.
//!
//! [OpenTelemetry]: https://opentelemetry.io/docs/specs/otel/trace/
//! [OTLP]: https://opentelemetry.io/docs/specs/otlp/
//! [W3C Trace Context]: https://www.w3.org/TR/trace-context/

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    FutureExt as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{Bytes, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor,
};

use crate::config::{ConfigError, Variables, tree};

static TRACES: OnceLock<Traces> = OnceLock::new();

/// An answer waits no longer than this for the collector; the spans are lost then.
const EXPORT: Duration = Duration::from_secs(1);
/// So many spans are kept until the next export; one request has a handful.
const MOST_SPANS: usize = 2_048;

struct Traces {
    tracer: SdkTracer,
    exporter: SpanExporter,
    ended: Ended,
    /// Spans go by way of it.
    _provider: SdkTracerProvider,
}

/// A span, and the place of what happens within it. Where nothing is traced, it is nothing.
#[derive(Clone, Debug, Default)]
pub struct Span(Option<Context>);

/// Where a request comes from, as its headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    traceparent: Option<String>,
    xray: Option<String>,
}

/// Sets tracing up, if a collector is configured: `OTEL_EXPORTER_OTLP_ENDPOINT`, to which `/v1/traces` is added. The sampler, resource attributes, and headers for the collector are [OpenTelemetry's own variables].
///
/// # Errors
/// [`ConfigError`] when the URL is none.
///
/// [OpenTelemetry's own variables]: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
pub(super) fn start(function: &'static str, variables: &Variables) -> Result<(), ConfigError> {
    let Some(base) = tree::OTLP_ENDPOINT.find(variables)? else {
        return Ok(());
    };
    let url = format!("{}/v1/traces", base.as_str().trim_end_matches('/'));
    let wrong = || ConfigError::Wrong {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        expected: "the URL of an OpenTelemetry collector",
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(EXPORT)
        .redirect(reqwest::redirect::Policy::none());
    let client = client.build().map_err(|_| wrong())?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector(client))
        .with_endpoint(url)
        .build();
    let mut exporter = exporter.map_err(|_| wrong())?;
    let resource = Resource::builder()
        .with_service_name(format!("tollgate-{function}"))
        .build();
    exporter.set_resource(&resource);
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_id_generator(Ids::default())
        .with_span_processor(ended.clone())
        .build();
    let _ = TRACES.set(Traces {
        tracer: provider.tracer("tollgate"),
        exporter,
        ended,
        _provider: provider,
    });
    Ok(())
}

/// The span of a request.
pub fn server(name: &str, remote: &Remote) -> Span {
    let Some(traces) = TRACES.get() else {
        return Span(None);
    };
    let builder = traces.tracer.span_builder(name.to_owned()).with_kind(SpanKind::Server);
    let parent = remote.parent();
    let id = remote.xray().map(|xray| xray.trace_id);
    let span = Ids::beginning_with(id, || traces.tracer.build_with_context(builder, &parent));
    Span(Some(parent.with_span(span)))
}

/// A span within the current one: something that is done here.
pub fn step(name: &'static str) -> Span {
    within_current(name, SpanKind::Internal)
}

/// A span within the current one: somebody else is asked.
pub fn call(name: &'static str) -> Span {
    within_current(name, SpanKind::Client)
}

fn within_current(name: &'static str, kind: SpanKind) -> Span {
    let Some(traces) = TRACES.get() else {
        return Span(None);
    };
    let current = Context::current();
    let builder = traces.tracer.span_builder(name).with_kind(kind);
    let span = traces.tracer.build_with_context(builder, &current);
    Span(Some(current.with_span(span)))
}

/// The span that is current.
pub fn current() -> Span {
    Span(TRACES.get().map(|_| Context::current()))
}

/// A request with the ids of the current span as `traceparent`, for services of our own choosing.
pub fn told(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    if TRACES.get().is_none() {
        return request;
    }
    let mut headers = http::HeaderMap::new();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut HeaderInjector(&mut headers));
    headers.remove("tracestate");
    request.headers(headers)
}

/// Sends the spans that have ended. What the collector does not take in time is lost, and counted.
pub(super) async fn export() {
    let Some(traces) = TRACES.get() else { return };
    let spans = traces.ended.take();
    if spans.is_empty() {
        return;
    }
    let sent = tokio::time::timeout(EXPORT, traces.exporter.export(spans)).await;
    let result = match sent {
        Ok(Ok(())) => "success",
        Ok(Err(_)) | Err(_) => "failure",
    };
    metrics::counter!("trace_exports_total", "result" => result).increment(1);
}

impl Span {
    /// Says something of it.
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says that it failed; `kind` is a word for how, never a message.
    pub fn fail(&self, kind: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", kind));
            context.span().set_status(Status::error(kind));
        }
    }

    /// It is over.
    pub fn end(&self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }

    /// The id of its trace, in hexadecimal.
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.as_ref()?.span().span_context().clone();
        context.is_valid().then(|| context.trace_id().to_string())
    }

    /// Runs `future` within it.
    pub async fn around<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(context) => future.with_context(context.clone()).await,
            None => future.await,
        }
    }

    /// Runs `future` within it, after which it is over; how it failed, if it did, `failure` says.
    pub async fn whole<T, E>(
        self,
        future: impl Future<Output = Result<T, E>>,
        failure: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E> {
        let outcome = self.around(future).await;
        if let Err(error) = &outcome {
            self.fail(failure(error));
        }
        self.end();
        outcome
    }

    /// Runs `work` within it.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.0.clone().map(Context::attach);
        work()
    }
}

impl Remote {
    /// What `header` gives for the names of headers.
    pub fn of<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            traceparent: header("traceparent").map(str::to_owned),
            xray: header("x-amzn-trace-id").map(str::to_owned),
        }
    }

    /// The same, with what Lambda says if the headers say nothing of X-Ray.
    #[must_use]
    pub fn or_xray(mut self, xray: Option<&str>) -> Self {
        self.xray = self.xray.or_else(|| xray.map(str::to_owned));
        self
    }

    fn xray(&self) -> Option<XRay> {
        self.xray.as_deref().and_then(XRay::read)
    }

    /// The span that it says it is within. X-Ray's counts only if X-Ray samples it: else there is no such span.
    fn parent(&self) -> Context {
        let told = TraceContextPropagator::new().extract_with_context(&Context::new(), self);
        if told.span().span_context().is_valid() {
            return told;
        }
        match self.xray().and_then(|xray| Some((xray.trace_id, xray.sampled_parent?))) {
            Some((trace_id, parent)) => {
                let state = TraceState::default();
                let span = SpanContext::new(trace_id, parent, TraceFlags::SAMPLED, true, state);
                Context::new().with_remote_span_context(span)
            }
            None => Context::new(),
        }
    }
}

/// `traceparent` alone.
impl Extractor for Remote {
    fn get(&self, key: &str) -> Option<&str> {
        self.traceparent.as_deref().filter(|_| key == "traceparent")
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// `Root=1-<8 hex digits of the time>-<24 more>;Parent=<16>;Sampled=<0 or 1>` ([AWS]).
///
/// [AWS]: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct XRay {
    trace_id: TraceId,
    sampled_parent: Option<SpanId>,
}

impl XRay {
    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = text.split(';').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (time, rest) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex(time, 8) || !is_hex(rest, 24) {
            return None;
        }
        let parent = field("Parent").filter(|parent| is_hex(parent, 16) && field("Sampled") == Some("1"));
        Some(Self {
            trace_id: TraceId::from_hex(&format!("{time}{rest}")).ok()?,
            sampled_parent: parent.and_then(|parent| SpanId::from_hex(parent).ok()),
        })
    }
}

/// Random ids, but for the trace that a request belongs to already.
#[derive(Debug, Default)]
struct Ids(RandomIdGenerator);

thread_local! {
    static BEGINNING_WITH: Cell<Option<TraceId>> = const { Cell::new(None) };
}

impl Ids {
    /// Runs `work`, in which a trace that begins has this id.
    fn beginning_with<T>(id: Option<TraceId>, work: impl FnOnce() -> T) -> T {
        BEGINNING_WITH.set(id);
        let made = work();
        BEGINNING_WITH.set(None);
        made
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        BEGINNING_WITH.get().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}

/// Spans that have ended and are not sent yet.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl Ended {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() < MOST_SPANS {
            ended.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The HTTP client towards the collector.
#[derive(Debug)]
struct Collector(reqwest::Client);

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let answer = self.0.execute(request.try_into()?).await?;
        let status = answer.status();
        let mut told = http::Response::new(answer.bytes().await?);
        *told.status_mut() = status;
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(traceparent: &str, xray: &str) -> Remote {
        Remote::of(|name| match name {
            "traceparent" => Some(traceparent),
            "x-amzn-trace-id" => Some(xray),
            _ => None,
        })
    }

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

    /// B-24
    #[test]
    fn a_callers_traceparent_is_the_parent_and_else_what_x_ray_samples() {
        let parent = |remote: &Remote| {
            let span = remote.parent().span().span_context().clone();
            (span.trace_id().to_string(), span.span_id().to_string())
        };
        let told = parent(&remote(TRACEPARENT, ROOT));
        assert_eq!(
            told,
            ("0af7651916cd43dd8448eb211c80319c".into(), "b7ad6b7169203331".into())
        );
        let sampled = remote("", &format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=1"));
        let told = parent(&sampled);
        assert_eq!(
            told,
            ("5759e988bd862e3fe1be46a994272793".into(), "53995c3f42cd8ad8".into())
        );
        for nobody in ["", ROOT, &format!("{ROOT};Parent=53995c3f42cd8ad8;Sampled=0")] {
            for wrong in ["", "00-0-0-0", "canary"] {
                assert!(
                    !remote(wrong, nobody).parent().span().span_context().is_valid(),
                    "{nobody}"
                );
            }
        }
    }

    /// B-24
    #[test]
    fn a_trace_that_begins_has_the_id_of_x_ray() {
        let xray = remote("", ROOT).xray().unwrap();
        let ids = Ids::default();
        let id = Ids::beginning_with(Some(xray.trace_id), || ids.new_trace_id());
        assert_eq!(id.to_string(), "5759e988bd862e3fe1be46a994272793");
        assert_ne!(ids.new_trace_id(), id);
        for bad in [
            "",
            "Root=",
            "Root=1-x-y",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279é",
        ] {
            assert_eq!(XRay::read(bad), None, "{bad}");
        }
    }

    ///
    #[test]
    fn a_collectors_url_that_is_none_is_named() {
        let given = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317".to_owned())];
        let wrong = start("test", &Variables::Given(given)).unwrap_err();
        assert!(wrong.to_string().contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{wrong}");
        assert!(start("test", &Variables::Given(Vec::new())).is_ok() && TRACES.get().is_none());
    }
}
