//! A call under way: its answer is read here and nowhere else, and it is settled exactly once.

use std::sync::Arc;

use super::incoming::{Incoming, Next, Source};
use super::meter::End;
use super::plan::Candidate;
use super::room::Taken;
use super::settlement::Settlement;
use super::{Admitted, Models};
use crate::clock::Stopwatch;
use crate::error::Error;
use crate::shutdown;
use crate::store::{CallEnd, UsageRow};
use crate::telemetry::{self, trace};
use crate::upstream::{Answer, Target};
use crate::usage::{Outcome, Tokens, Usage};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

/// A call whose row is not written yet. If it is dropped before (its caller left, and the runtime dropped the body),
/// the answer is read to its end all the same and then settled, since Bedrock bills it to its end.
pub(super) struct Live(Option<Inner>);

struct Inner {
    models: Arc<Models>,
    admitted: Admitted,
    status: Option<StatusCode>,
    headers: HeaderMap,
    incoming: Incoming,
    settlement: Option<Settlement>,
    /// What of the caller's request Bedrock did not get, since it refuses it.
    dropped: Vec<String>,
    /// What the call has taken of its target's quota.
    taken: Option<Taken>,
    /// Whether the function's time is up.
    late: bool,
}

/// How much Bedrock has said of what it bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// All of it, or that it bills nothing.
    Exactly,
    /// What it said before it broke off.
    InPart,
    /// Nothing, though it may bill the call.
    Nothing,
}

impl Live {
    pub(super) fn new(models: Arc<Models>, admitted: Admitted, stopwatch: Stopwatch) -> Self {
        Self(Some(Inner {
            models,
            admitted,
            status: None,
            headers: HeaderMap::new(),
            incoming: Incoming::new(stopwatch),
            settlement: None,
            dropped: Vec::new(),
            taken: None,
            late: false,
        }))
    }

    /// Takes the answer whose body is still to be read.
    pub(super) fn attach(&mut self, answer: Answer) {
        let inner = self.inner();
        inner.status = Some(answer.status);
        inner.headers = answer.headers;
        inner.incoming.body = answer.body;
    }

    pub(super) fn status(&mut self) -> StatusCode {
        self.inner().status.unwrap_or(StatusCode::BAD_GATEWAY)
    }

    pub(super) fn headers(&mut self) -> &HeaderMap {
        &self.inner().headers
    }

    pub(super) fn admitted(&mut self) -> &Admitted {
        &self.inner().admitted
    }

    /// Turns the call to a target. `false`: it is written down as that one's already.
    pub(super) fn aim(&mut self, target: &Target, candidate: &Candidate) -> bool {
        let call = &mut self.inner().admitted.admission.call;
        if call.target.as_deref() == Some(&target.name) {
            return false;
        }
        call.target = Some(target.name.clone());
        call.region.clone_from(&target.region);
        call.model.clone_from(&candidate.model.bedrock_id);
        call.price_model.clone_from(&candidate.model.price_key);
        call.profile = candidate.model.profile.map(|profile| profile.label().to_owned());
        call.rates = candidate.quote.rates;
        call.price_version = candidate.quote.version.as_str().to_owned();
        true
    }

    /// Notes what is left out of the request.
    pub(super) fn dropped(&mut self, what: Vec<String>) {
        let dropped = &mut self.inner().dropped;
        for it in what {
            if !dropped.contains(&it) {
                dropped.push(it);
            }
        }
    }

    /// What was left out of the request.
    pub(super) fn what_was_dropped(&mut self) -> &[String] {
        &self.inner().dropped
    }

    /// Notes what the call has taken of its target's quota.
    pub(super) fn took(&mut self, taken: Taken) {
        self.inner().taken = Some(taken);
    }

    /// When the call must have come to its end, if the function's own end is known.
    pub(super) fn ends_at(&mut self) -> Option<Instant> {
        self.inner().admitted.ends_at
    }

    /// Whether the time was up before the answer was whole.
    pub(super) fn is_late(&mut self) -> bool {
        self.inner().late
    }

    pub(super) fn ping_after(&mut self) -> std::time::Duration {
        self.inner().models.ping_after
    }

    /// The whole body of an answer in one piece, observed by the meter if it reports success.
    pub(super) async fn whole(&mut self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        self.inner().whole().await
    }

    /// Writes the row of a call that got no answer.
    pub(super) async fn settle_without_answer(&mut self, outcome: Outcome, maybe_billed: bool) -> Result<(), Error> {
        let known = if maybe_billed { Known::Nothing } else { Known::Exactly };
        self.inner().settle(outcome, known).await
    }

    /// What the call cost, once it is settled.
    pub(super) fn settlement(&mut self) -> Option<&Settlement> {
        self.inner().settlement.as_ref()
    }

    #[expect(clippy::expect_used, reason = "only `drop` takes it out")]
    fn inner(&mut self) -> &mut Inner {
        self.0.as_mut().expect("a call is there until it is dropped")
    }
}

impl Source for Live {
    fn hurry(&mut self) {
        self.inner().late = true;
    }

    fn end(&mut self) -> Option<End> {
        self.inner().incoming.meter.end()
    }

    fn is_settled(&mut self) -> bool {
        self.inner().settlement.is_some()
    }

    async fn next(&mut self) -> Next {
        self.inner().incoming.next().await
    }

    async fn settle(&mut self, outcome: Outcome) -> Result<(), Error> {
        let inner = self.inner();
        let exact = inner.incoming.meter.reading().exact || !inner.status.is_some_and(|status| status.is_success());
        inner
            .settle(outcome, if exact { Known::Exactly } else { Known::InPart })
            .await
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let Some(mut inner) = self.0.take().filter(|inner| inner.settlement.is_none()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            inner.log_loss(
                &inner.row(Outcome::ClientDisconnected, inner.incoming.meter.reading().usage, true),
                &"the runtime is gone",
            );
            return;
        };
        // The one place where work is detached: its owner is gone. On Lambda the environment may be frozen before it
        // ends and thawed with the next call, so this is the second best; the best is a body that is read to its end.
        let work = shutdown::Work::begin();
        runtime.spawn(telemetry::carried(async move {
            inner.finish().await;
            telemetry::flush();
            drop(work);
        }));
    }
}

impl Inner {
    async fn whole(&mut self) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
        let body = match self.admitted.ends_at {
            None => self.incoming.collected().await,
            Some(ends_at) => match tokio::time::timeout_at(ends_at, self.incoming.collected()).await {
                Ok(body) => body,
                Err(_) => {
                    self.late = true;
                    Err("the function's time is up".into())
                }
            },
        };
        if self.status.is_some_and(|status| status.is_success()) {
            // Of an answer that broke off the head has come, and Bedrock's counts with it.
            let read = body.as_ref().map_or(&[][..], |body| body);
            self.incoming.meter.whole(self.admitted.operation, &self.headers, read);
        }
        body
    }

    /// Reads what is left for nobody, and settles.
    async fn finish(&mut self) {
        if self.admitted.operation.streams() {
            while let Next::Frame(_) = self.incoming.next().await {}
        } else {
            drop(self.whole().await);
        }
        let known = if self.incoming.meter.reading().exact {
            Known::Exactly
        } else {
            Known::InPart
        };
        // A failure is logged with the whole row; there is nobody left to tell.
        let _ = self.settle(Outcome::ClientDisconnected, known).await;
    }

    async fn settle(&mut self, outcome: Outcome, known: Known) -> Result<(), Error> {
        if self.settlement.is_some() {
            return Ok(());
        }
        let known = if self.was_stopped() { Known::InPart } else { known };
        let usage = self.usage(known).await;
        let guarded = self.admitted.guarded && usage != Usage::default();
        let row = self.row(outcome, usage, guarded || known != Known::Exactly);
        let settling = Settlement::of(&self.models, &self.admitted.admission.call, &row);
        let settling = trace::step("settle").whole(settling, |error| error.kind.label());
        let settled = Box::pin(settling).await;
        count(&row);
        if let Some(taken) = self.taken.take() {
            Box::pin(taken.used(&self.models, &row.usage)).await;
        }
        let outcome = match settled {
            Ok(settlement) => {
                self.settlement = Some(settlement);
                Ok(())
            }
            Err(error) => {
                self.log_loss(&row, &error);
                self.settlement = Some(Settlement::default());
                Err(error)
            }
        };
        telemetry::flush();
        outcome
    }

    /// What was used. Where Bedrock did not live to say it, its count of the prompt stands for the prompt; where it said nothing at
    /// all, the most that the call could use stands for the call: what may have been billed is never taken for nothing.
    async fn usage(&self, known: Known) -> Usage {
        let mut usage = self.incoming.meter.reading().usage;
        let admission = &self.admitted.admission;
        match known {
            Known::InPart if usage.prompt_tokens() == Tokens::ZERO => {
                let counted = match admission.counted {
                    Some(counted) => Some(counted),
                    None if self.late => None,
                    None => {
                        let (operation, model) = (self.admitted.operation, &admission.call.base_model);
                        let bedrock = &self.models.bedrock;
                        bedrock.count_tokens(operation, model, &admission.body).await
                    }
                };
                usage.input_tokens = counted.unwrap_or(admission.call.worst_usage.prompt_tokens());
                usage
            }
            Known::Exactly | Known::InPart => usage,
            Known::Nothing => admission.call.worst_usage,
        }
    }

    /// Whether a guardrail has stopped the prompt: the model has seen nothing of it, and the guardrail all.
    fn was_stopped(&self) -> bool {
        let meter = &self.incoming.meter;
        let told = self.status.is_some_and(|status| status.is_success()) && !meter.was_refused();
        self.admitted.guarded && told && meter.reading().usage.prompt_tokens() == Tokens::ZERO
    }

    fn log_loss(&self, row: &UsageRow, error: &dyn std::fmt::Debug) {
        let row = serde_json::to_string(row).unwrap_or_default();
        metrics::counter!("usage_rows_lost_total").increment(1);
        tracing::error!(error = ?error, row, "a usage row could not be written");
    }

    fn row(&self, outcome: Outcome, usage: Usage, estimated: bool) -> UsageRow {
        let reading = self.incoming.meter.reading();
        if reading.metrics_disagree {
            tracing::warn!(
                request_id = self.admitted.caller.request_id,
                "Bedrock's metrics and the message's usage differ"
            );
        }
        let end = CallEnd {
            ended_at: self.models.clock.now(),
            latency_ms: self.incoming.stopwatch.elapsed_ms(),
            time_to_first_byte_ms: self.incoming.first_byte_ms,
            outcome,
            stop_reason: self.incoming.meter.stop_reason(),
            upstream_status: self.status.map(|status| status.as_u16()),
            upstream_request_id: self.upstream_request_id(),
            usage,
            estimated,
        };
        UsageRow::of(&self.admitted.admission.call, end)
    }

    fn upstream_request_id(&self) -> Option<String> {
        self.headers
            .get("x-amzn-requestid")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    }
}

fn count(row: &UsageRow) {
    let (dialect, outcome) = (row.dialect.label(), row.outcome.label());
    metrics::counter!("model_calls_total", "dialect" => dialect, "outcome" => outcome).increment(1);
    metrics::counter!("input_tokens_total").increment(row.usage.prompt_tokens().as_u64());
    metrics::counter!("output_tokens_total").increment(row.usage.output_tokens.as_u64());
    metrics::counter!("model_cost_picodollars_total")
        .increment(u64::try_from(row.cost_picodollars.as_u128()).unwrap_or(u64::MAX));
    #[expect(
        clippy::cast_precision_loss,
        reason = "a histogram's buckets are wider than the error"
    )]
    let seconds = |milliseconds: u64| milliseconds as f64 / 1000.0;
    metrics::histogram!("model_call_duration_seconds").record(seconds(row.latency_ms));
    if let Some(first) = row.time_to_first_byte_ms {
        metrics::histogram!("model_first_byte_seconds").record(seconds(first));
    }
}
