//! One execution environment: a process of a function, as the Runtime API sees it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::answer::{Answer, Body, Failure, Piece};
use super::dispatch::Queue;

/// A function that this program hosts.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) timeout: Duration,
    pub(super) queue: Queue,
}

/// A process of a function.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) function: Arc<Function>,
    state: Mutex<State>,
    initialized: AtomicBool,
    /// Told when the process first asks for an event.
    pub(super) first_poll: Notify,
    /// Told when the process has to be killed, because its time is over.
    pub(super) overdue: Notify,
}

#[derive(Debug, Default)]
struct State {
    in_flight: Option<InFlight>,
    /// What the process said of its own start, or why it was ended.
    cause: Option<Failure>,
    /// Whether the process is gone. An event that reaches an environment after its end goes back to the queue.
    ended: bool,
}

#[derive(Debug)]
struct InFlight {
    id: String,
    reply: Option<oneshot::Sender<Result<Answer, Failure>>>,
    timer: AbortHandle,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

/// An event as the Runtime API hands it out.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) id: String,
    pub(super) event: Bytes,
    /// Milliseconds since 1970.
    pub(super) deadline_ms: u128,
}

impl Environment {
    pub(super) fn new(function: Arc<Function>) -> Arc<Self> {
        Arc::new(Self {
            function,
            state: Mutex::default(),
            initialized: AtomicBool::new(false),
            first_poll: Notify::new(),
            overdue: Notify::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process has ever asked for an event.
    pub(super) fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Acquire)
    }

    /// Waits for the next event. Asking for one without having answered the last is a fault of the function.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Invocation> {
        self.abandon(&Failure::Exited(
            "the function asked for an event without answering the last one".to_owned(),
        ));
        if !self.initialized.swap(true, Ordering::AcqRel) {
            self.first_poll.notify_one();
        }
        let job = self.function.queue.next().job().await?;
        let id = uuid::Uuid::new_v4().to_string();
        let deadline = SystemTime::now() + self.function.timeout;
        let event;
        {
            let mut state = self.state();
            if state.ended {
                drop(state);
                self.function.queue.push(job);
                return None;
            }
            event = job.event;
            let timer = tokio::spawn(Arc::clone(self).end_after_timeout(id.clone())).abort_handle();
            state.in_flight = Some(InFlight {
                id: id.clone(),
                reply: Some(job.reply),
                timer,
            });
        }
        let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Some(Invocation { id, event, deadline_ms })
    }

    async fn end_after_timeout(self: Arc<Self>, id: String) {
        tokio::time::sleep(self.function.timeout).await;
        let failure = Failure::TimedOut {
            seconds: self.function.timeout.as_secs(),
        };
        let reply = {
            let mut state = self.state();
            if state.in_flight.as_ref().is_none_or(|in_flight| in_flight.id != id) {
                return;
            }
            state.cause = Some(failure.clone());
            state.in_flight.as_mut().and_then(|in_flight| in_flight.reply.take())
        };
        if let Some(reply) = reply {
            let _ = reply.send(Err(failure));
        }
        self.overdue.notify_one();
    }

    /// Whether `id` is the invocation in flight.
    pub(super) fn expects(&self, id: &str) -> bool {
        self.state()
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.id == id)
    }

    fn take_reply(&self, id: &str) -> Option<oneshot::Sender<Result<Answer, Failure>>> {
        let mut state = self.state();
        let in_flight = state.in_flight.as_mut().filter(|in_flight| in_flight.id == id)?;
        in_flight.reply.take()
    }

    /// The answer to an invocation begins: where its pieces go.
    pub(super) fn begin_answer(&self, id: &str, content_type: String) -> Option<mpsc::Sender<Piece>> {
        let reply = self.take_reply(id)?;
        let (sender, body) = Body::channel();
        // A caller that has left changes nothing: the function's answer is read to its end all the same.
        let _ = reply.send(Ok(Answer {
            streamed: true,
            content_type,
            body,
        }));
        Some(sender)
    }

    /// The invocation ends with this.
    pub(super) fn finish(&self, id: &str, outcome: Result<Answer, Failure>) {
        if let Some(reply) = self.take_reply(id) {
            let _ = reply.send(outcome);
        }
        let mut state = self.state();
        if state.in_flight.as_ref().is_some_and(|in_flight| in_flight.id == id) {
            state.in_flight = None;
        }
    }

    /// Fails the invocation in flight, if there is one.
    fn abandon(&self, failure: &Failure) {
        let in_flight = self.state().in_flight.take();
        if let Some(reply) = in_flight.and_then(|mut in_flight| in_flight.reply.take()) {
            let _ = reply.send(Err(failure.clone()));
        }
    }

    /// What the process said of its own start.
    pub(super) fn failed_to_start(&self, failure: Failure) {
        self.state().cause = Some(failure);
    }

    /// Why the process's answer broke off, as far as is known.
    pub(super) fn cause(&self) -> Option<Failure> {
        self.state().cause.clone()
    }

    /// The process has ended: what that means for whoever waits for it.
    pub(super) fn ended(&self, reason: &str) -> Failure {
        self.state().ended = true;
        let failure = self.cause().unwrap_or_else(|| Failure::Exited(reason.to_owned()));
        self.abandon(&failure);
        failure
    }
}
