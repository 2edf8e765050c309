//! What the log lines and spans of one request have in common.

use std::future::Future;

use tracing::Instrument as _;

use super::trace::{self, Remote, Span};

/// A request as its log lines and spans know it.
#[derive(Clone, Debug)]
pub struct Trail {
    log: tracing::Span,
    /// Its span.
    pub span: Span,
}

impl Trail {
    /// Of a request: its id, what it asks for (a route, never a path), and where it comes from.
    pub fn of(request_id: &str, name: &str, remote: &Remote) -> Self {
        let span = trace::server(name, remote);
        // At the level of errors, so that no level of the log takes it away.
        let log = tracing::error_span!("request", request_id, trace_id = tracing::field::Empty);
        if let Some(trace_id) = span.trace_id() {
            log.record("trace_id", trace_id);
        }
        span.set("tollgate.request_id", request_id.to_owned());
        Self { log, span }
    }

    /// Runs `future` as a part of the request.
    pub async fn around<T>(&self, future: impl Future<Output = T>) -> T {
        self.span.around(future).instrument(self.log.clone()).await
    }

    /// Runs `work` as a part of the request.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        self.log.in_scope(|| self.span.enter(work))
    }
}

/// The same future as a part of the request that is current, wherever it runs.
pub fn carried<T>(future: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> + Send + 'static
where
    T: Send + 'static,
{
    let span = trace::current();
    async move { span.around(future).await }.in_current_span()
}
