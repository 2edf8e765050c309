//! The end of a function's process.
//!
//! Lambda sends SIGTERM before it ends an environment, to functions with an extension, and kills it half a second later where that is an
//! internal one (AWS, "Lambda execution environment", shutdown phase). Each function registers one that does nothing. What is in
//! flight then gets 350 ms to its end; what takes longer stops at its next step if it asks [`begun`], and gives back what it has
//! taken. A model call that is cut off stands in the outbox, where the sweep finds it.

mod told;

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Diagnostic, IntoFunctionResponse, LambdaEvent, LambdaInvocation, Runtime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::telemetry;
use told::{Extension, Signals};

/// What is in flight may take so long: the rest of the half second is for metrics and the way out.
const PATIENCE: Duration = Duration::from_millis(350);
/// All of it may take so long.
const WHOLE: Duration = Duration::from_millis(460);

/// What this process is doing.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    in_flight: usize,
    begun: bool,
}

/// A process ends once.
static STATE: LazyLock<watch::Sender<State>> = LazyLock::new(|| watch::Sender::new(State::default()));

/// Work that the end of the process waits for, until this is dropped.
#[derive(Debug)]
pub struct Work(());

impl Work {
    /// Begins now.
    pub fn begin() -> Self {
        STATE.send_modify(|state| state.in_flight += 1);
        Self(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        STATE.send_modify(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// Ready once the process is about to end.
pub async fn begun() {
    // It never ends without, since the sender is static.
    let _ = STATE.subscribe().wait_for(|state| state.begun).await;
}

/// Serves events until the process is told to end, and ends it then.
///
/// # Errors
/// When the runtime cannot go on.
pub async fn run<A, F, R, B, S, D, E>(handler: F) -> Result<(), lambda_runtime::Error>
where
    F: Service<LambdaEvent<A>, Response = R>,
    F::Future: Future<Output = Result<R, F::Error>>,
    F::Error: Into<Diagnostic> + std::fmt::Debug,
    A: for<'de> Deserialize<'de>,
    R: IntoFunctionResponse<B, S>,
    B: Serialize,
    S: Stream<Item = Result<D, E>> + Unpin + Send + 'static,
    D: Into<bytes::Bytes> + Send,
    E: Into<lambda_runtime::Error> + Send + std::fmt::Debug,
{
    let mut signals = Signals::listen()?;
    let extension = Extension::register().await?;
    let runtime = Runtime::new(handler).layer(TracingLayer::new()).layer(Counted);
    let serving = Box::pin(runtime.run());
    let ending = async {
        signals.come().await;
        end().await;
    };
    tokio::select! {
        biased;
        () = ending => leave(),
        outcome = serving => outcome,
        () = extension.wait() => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what was in flight has ended, or has no time left to wait for"
)]
fn leave() -> ! {
    std::process::exit(0)
}

/// What is done after SIGTERM or SIGINT; the process ends behind it.
async fn end() {
    let stopwatch = Stopwatch::start();
    STATE.send_modify(|state| state.begun = true);
    let at_first = STATE.borrow().in_flight;
    let mut state = STATE.subscribe();
    let drained = tokio::time::timeout(PATIENCE, state.wait_for(|state| state.in_flight == 0));
    let left = match drained.await {
        Ok(_) => 0,
        Err(_) => STATE.borrow().in_flight,
    };
    metrics::counter!("shutdowns_total", "result" => if left == 0 { "drained" } else { "cut" }).increment(1);
    let took_ms = stopwatch.elapsed_ms();
    tracing::info!(in_flight = at_first, cut = left, took_ms, "the function ends");
    let left = WHOLE.saturating_sub(Duration::from_millis(took_ms));
    // The metric lines are out with its first step; what is told to the table and to a collector has the rest of the time.
    let _ = tokio::time::timeout(left, telemetry::shut_down()).await;
}

/// Counts events in flight, from when the runtime has them until their answers are sent to the last byte.
struct Counted;

impl<S> Layer<S> for Counted {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CountedService(inner)
    }
}

struct CountedService<S>(S);

impl<S> Service<LambdaInvocation> for CountedService<S>
where
    S: Service<LambdaInvocation, Response = (), Error = lambda_runtime::Error>,
{
    type Response = ();
    type Error = lambda_runtime::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        CountedFuture {
            work: Some(Work::begin()),
            inner: Box::pin(self.0.call(invocation)),
        }
    }
}

struct CountedFuture<F> {
    work: Option<Work>,
    inner: Pin<Box<F>>,
}

impl<F: Future> Future for CountedFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.work.is_none() {
            // The process is about to end: no other event is asked for.
            return Poll::Pending;
        }
        let outcome = std::task::ready!(self.inner.as_mut().poll(cx));
        self.work = None;
        if STATE.borrow().begun {
            return Poll::Pending;
        }
        Poll::Ready(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_in_flight_is_counted_until_it_is_dropped() {
        let before = STATE.borrow().in_flight;
        let (one, two) = (Work::begin(), Work::begin());
        assert_eq!(STATE.borrow().in_flight, before + 2);
        drop(one);
        drop(two);
        assert_eq!(STATE.borrow().in_flight, before);
    }
}
