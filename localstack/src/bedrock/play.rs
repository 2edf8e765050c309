//! Playing a stream: frame by frame, with the faults that were asked for, and settled whatever happens.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::Value;

use super::State;
use super::answer::{self, Answer, Event, EventKind};
use super::directive::Directive;
use super::frame;
use super::ledger::Usage;
use super::log::Entry;

/// The bill of a call, which is written once: by [`Bill::settle`], or, if the caller leaves and everything here is
/// dropped, for the whole answer, because Bedrock goes on without the caller.
pub(super) struct Bill {
    pub(super) state: Arc<State>,
    pub(super) entry: Entry,
    pub(super) priced_as: String,
    pub(super) tier: String,
    /// The whole answer.
    pub(super) usage: Usage,
    pub(super) exact: bool,
    pub(super) settled: bool,
}

impl Bill {
    /// Writes the bill, with so many output tokens.
    pub(super) fn settle(&mut self, outcome: &'static str, output_tokens: u64) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let usage = Usage {
            output_tokens,
            ..self.usage
        };
        let cost_picodollars = self.state.prices.cost(&self.priced_as, &self.tier, &usage);
        self.state.log.billed(&self.entry, outcome, &usage);
        self.state.ledger.amend(&self.entry.request_id, |call| {
            call.outcome = outcome;
            call.usage = usage;
            call.cost_picodollars = cost_picodollars;
            call.billed = true;
            call.exact = self.exact;
        });
    }

    /// Writes that nothing is billed: the call was not served, as the stream's first frame says.
    fn waive(&mut self, exception: &str) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        self.state.log.excepted(&self.entry, exception);
        self.state
            .ledger
            .amend(&self.entry.request_id, |call| call.outcome = "exception");
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.settle("client_left", self.usage.output_tokens);
    }
}

/// A stream that is being sent.
pub(super) struct Play {
    pub(super) bill: Bill,
    /// The request's.
    pub(super) body: Value,
    pub(super) answer: Answer,
    pub(super) directive: Directive,
    pub(super) started: Instant,
    pub(super) first_byte: Option<Duration>,
    pub(super) events: VecDeque<Event>,
    /// Frames sent.
    pub(super) sent: usize,
    /// Bytes said in them.
    pub(super) said: usize,
    /// What is to be written before the next frame.
    pub(super) pending: VecDeque<Bytes>,
    pub(super) end: Option<End>,
    pub(super) held: bool,
}

/// How a stream ends once `pending` is written.
pub(super) enum End {
    Clean,
    Cut,
}

/// The body of a streamed answer.
pub(super) fn body(play: Play) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(Some(play), |play| async move {
        let mut play = play?;
        let item = play.next().await?;
        let rest = item.is_ok().then_some(play);
        Some((item, rest))
    })
}

impl Play {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                if self.directive.split.is_some() {
                    // Gives the connection the chance to write what it has.
                    tokio::task::yield_now().await;
                }
                return Some(Ok(bytes));
            }
            match self.end {
                Some(End::Clean) => return None,
                Some(End::Cut) => {
                    tokio::task::yield_now().await;
                    return Some(Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "cut, as asked for",
                    )));
                }
                None => self.step().await,
            }
        }
    }

    /// Puts the next frame, or an end, in the place of the last.
    async fn step(&mut self) {
        if let Some(fault) = self.fault() {
            return fault(self);
        }
        if !self.held && self.directive.holds_after() == Some(self.sent) {
            self.held = true;
            if !hold(&self.bill.state, &self.directive).await {
                self.end = Some(End::Cut);
                return;
            }
        }
        if self.sent > 0 && self.directive.event_delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.directive.event_delay_ms)).await;
        }
        match self.events.pop_front() {
            Some(event) => self.send(event),
            None => self.end = Some(End::Clean),
        }
    }

    /// The fault that is due before the next frame.
    fn fault(&self) -> Option<fn(&mut Self)> {
        let due = |after: Option<usize>| after == Some(self.sent);
        if self.events.is_empty() {
            return None;
        }
        if due(self
            .directive
            .exception_after
            .as_ref()
            .map(|exception| exception.events))
        {
            Some(Self::except)
        } else if due(self.directive.cut_after) {
            Some(|play| play.break_off("cut", End::Cut))
        } else if due(self.directive.end_after) {
            Some(|play| play.break_off("ended", End::Clean))
        } else {
            None
        }
    }

    fn except(&mut self) {
        if let Some(exception) = &self.directive.exception_after {
            let message = exception
                .message
                .as_deref()
                .unwrap_or("The model stream broke, as asked for.");
            let (bytes, kind) = (frame::exception(&exception.kind, message), exception.kind.clone());
            self.write(&bytes);
            if self.sent == 0 && NOT_SERVED.contains(&&*kind) {
                self.bill.waive(&kind);
            }
        }
        self.break_off("exception", End::Clean);
    }

    /// Bills the input and the output so far.
    fn break_off(&mut self, outcome: &'static str, end: End) {
        self.end = Some(end);
        // A stream of `Converse` begins without a token.
        let begun = self.sent > 0 && !self.bill.entry.operation.converses();
        let first = if begun { self.answer.first_tokens() } else { 0 };
        self.bill.settle(outcome, self.answer.tokens_in(self.said).max(first));
    }

    fn send(&mut self, mut event: Event) {
        if event.kind == EventKind::MessageStop {
            let first_byte = self.first_byte.unwrap_or_default().as_millis();
            event.json = answer::message_stop(&self.bill.usage, self.started.elapsed().as_millis(), first_byte);
        }
        if event.kind == EventKind::Metadata {
            event.json = answer::metadata(&self.body, &self.bill.usage, self.started.elapsed().as_millis());
        }
        self.first_byte.get_or_insert(self.started.elapsed());
        let number = self.sent + 1;
        let bytes = match event.name {
            "chunk" => frame::chunk(&event.json, number),
            name => frame::event(name, &event.json, number),
        };
        if self.directive.truncate_frame == Some(number) {
            self.write(&bytes.slice(..bytes.len() / 2));
            return self.break_off("truncated", End::Cut);
        }
        let corrupt = self.directive.corrupt_crc == Some(number);
        self.write(&if corrupt { frame::corrupt(&bytes) } else { bytes });
        self.sent = number;
        self.said = event.said;
        match event.kind {
            EventKind::MessageDelta => self.bill.exact = self.is_intact(number),
            EventKind::Metadata => {
                self.bill.exact = self.is_intact(number);
                self.bill.settle("complete", self.bill.usage.output_tokens);
            }
            // Before the last frame leaves, so that whoever has read it finds the ledger complete.
            EventKind::MessageStop => self.bill.settle("complete", self.bill.usage.output_tokens),
            EventKind::MessageStart | EventKind::Content => {}
        }
    }

    /// Whether the frames up to this one are whole.
    fn is_intact(&self, number: usize) -> bool {
        self.directive.corrupt_crc.is_none_or(|bad| bad > number)
    }

    fn write(&mut self, bytes: &Bytes) {
        let size = self.directive.split.unwrap_or(bytes.len()).max(1);
        let starts = (0..bytes.len()).step_by(size);
        self.pending
            .extend(starts.map(|start| bytes.slice(start..bytes.len().min(start + size))));
    }
}

/// Exceptions that say, where a stream begins with one, that nothing was done for the call.
const NOT_SERVED: [&str; 2] = ["throttlingException", "serviceUnavailableException"];

/// Waits where a directive says so. False when the mock stops.
pub(super) async fn hold(state: &State, directive: &Directive) -> bool {
    if directive.stall {
        state.holds.forever().await;
        return false;
    }
    state.holds.wait(directive.hold.as_deref().unwrap_or("default")).await
}
