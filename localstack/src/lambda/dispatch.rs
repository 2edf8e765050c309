//! Events waiting for an environment, and environments waiting for an event.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::answer::{Answer, Failure};

/// An event on its way to a function.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Bytes,
    pub(super) reply: oneshot::Sender<Result<Answer, Failure>>,
}

/// The queue of one function. Environments take turns: a fault that shows only in the second one is found sooner.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    idle: VecDeque<oneshot::Sender<Job>>,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a job to the environment that has been idle longest, or keeps it until one asks.
    pub(super) fn push(&self, mut job: Job) {
        let mut state = self.state();
        while let Some(environment) = state.idle.pop_front() {
            match environment.send(job) {
                Ok(()) => return,
                // That environment has ended since it asked.
                Err(returned) => job = returned,
            }
        }
        state.waiting.push_back(job);
    }

    /// Takes a place in the queue of idle environments.
    pub(super) fn next(&self) -> Turn<'_> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        match state.waiting.pop_front() {
            Some(job) => {
                let _ = sender.send(job);
            }
            None => state.idle.push_back(sender),
        }
        Turn { queue: self, receiver }
    }

    /// Fails whatever waits, because nothing will come to serve it.
    pub(super) fn fail_waiting(&self, failure: &Failure) {
        let waiting: Vec<Job> = self.state().waiting.drain(..).collect();
        for job in waiting {
            let _ = job.reply.send(Err(failure.clone()));
        }
    }
}

/// A place in the queue. Dropping it gives the place back, and a job that had just come goes to the next environment.
#[derive(Debug)]
pub(super) struct Turn<'q> {
    queue: &'q Queue,
    receiver: oneshot::Receiver<Job>,
}

impl Turn<'_> {
    /// The job, when there is one.
    pub(super) async fn job(&mut self) -> Option<Job> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Ok(job) = self.receiver.try_recv() {
            self.queue.push(job);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn job(event: &'static str) -> (Job, oneshot::Receiver<Result<Answer, Failure>>) {
        let (reply, answer) = oneshot::channel();
        (
            Job {
                event: Bytes::from_static(event.as_bytes()),
                reply,
            },
            answer,
        )
    }

    async fn taken(turn: &mut Turn<'_>) -> Job {
        let patience = std::time::Duration::from_secs(5);
        tokio::time::timeout(patience, turn.job())
            .await
            .expect("the job is lost")
            .unwrap()
    }

    async fn next(queue: &Queue) -> Job {
        taken(&mut queue.next()).await
    }

    #[tokio::test]
    async fn a_job_passes_over_an_environment_that_has_ended() {
        let queue = Queue::default();
        drop(queue.next());
        let mut alive = queue.next();
        queue.push(job("event").0);
        assert_eq!(taken(&mut alive).await.event, "event");
    }

    #[tokio::test]
    async fn a_job_given_to_an_environment_that_never_took_it_goes_to_the_next() {
        let queue = Queue::default();
        let dying = queue.next();
        queue.push(job("event").0);
        drop(dying);
        assert_eq!(next(&queue).await.event, "event");
    }

    #[tokio::test]
    async fn jobs_are_served_in_the_order_they_came() {
        let queue = Queue::default();
        queue.push(job("first").0);
        queue.push(job("second").0);
        assert_eq!(next(&queue).await.event, "first");
        assert_eq!(next(&queue).await.event, "second");
    }

    #[tokio::test]
    async fn a_waiting_job_is_told_when_nothing_will_serve_it() {
        let queue = Queue::default();
        let (job, answer) = job("event");
        queue.push(job);
        queue.fail_waiting(&Failure::Exited("gone".to_owned()));
        assert_eq!(answer.await.unwrap().unwrap_err(), Failure::Exited("gone".to_owned()));
    }
}
