//! One run over all open calls.

use gateway::error::Error;
use gateway::store::{CALL_SHARDS, CallKey, OpenCall, SweptRow};
use jiff::{SignedDuration, Timestamp};

use crate::budgets::Definitions;
use crate::report::Report;
use crate::{GRACE, State, Time, alerts, lost, migrate, repair};

/// So many open calls are read at once; their rows are one `BatchGetItem`.
const PAGE: usize = 100;
/// So many rows go into the rollups together. More rows share more sums; HEAD must hold them all.
pub(crate) const BATCH: usize = 300;
/// So many calls of dead functions are looked after in one run.
const MOST_LOST: usize = 2_000;
/// So often a run begins anew because another one is at work.
const ATTEMPTS: usize = 5;
/// A call that begins now is surely written down so much later.
const WRITTEN_BY: SignedDuration = SignedDuration::from_secs(60);

/// What a run has in its hands.
pub(crate) struct Pass<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: Timestamp,
    pub(crate) time: Time<'a>,
    /// The last batch that was known when rows were read.
    pub(crate) seq: u64,
    pub(crate) definitions: Definitions,
    pub(crate) report: Report,
}

/// A call and its row.
pub(crate) struct Finished {
    pub(crate) call: OpenCall,
    pub(crate) row: SweptRow,
}

/// Whether a step was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    /// Another run has opened a batch: what was read is old.
    Overtaken,
    /// There is no time left.
    TimeIsUp,
}

/// Sweeps as of `now`.
///
/// # Errors
/// [`gateway::error::Kind::Unavailable`]
pub(crate) async fn run(state: &State, now: Timestamp, time: Time<'_>) -> Result<Report, Error> {
    let mut pass = Pass {
        state,
        now,
        time,
        seq: 0,
        definitions: Definitions::default(),
        report: Report::default(),
    };
    let mut step = Step::Overtaken;
    for _ in 0..ATTEMPTS {
        pass.begin().await?;
        step = Box::pin(pass.sweep_calls()).await?;
        if step != Step::Overtaken {
            break;
        }
    }
    if step == Step::Done {
        pass.cover().await?;
        step = repair::changed_definitions(&mut pass).await?;
    }
    alerts::deliver(&mut pass).await?;
    // By the clock, whatever time the run is told to sweep as of: keys and files live in real time.
    state.keys.look(time.clock.now(), &mut pass.report).await;
    state.files.look(&state.store, time, &mut pass.report).await;
    // Last, since it takes all the time that is left.
    if let Err(error) = migrate::go_on(state, time).await {
        tracing::error!(error = ?error, "a migration could not go on");
        pass.report.migrations_failed += 1;
    }
    pass.report.complete = step == Step::Done;
    pass.report.tell();
    Ok(pass.report)
}

impl Pass<'_> {
    /// Finishes the batch that somebody left open, if there is one.
    async fn begin(&mut self) -> Result<(), Error> {
        let head = self.state.store.sweep_head().await?;
        self.seq = head.seq;
        match head.batch {
            Some(calls) => Box::pin(self.finish_again(&calls)).await,
            None => Ok(()),
        }
    }

    async fn sweep_calls(&mut self) -> Result<Step, Error> {
        let (mut finished, mut lost) = (Vec::new(), Vec::new());
        for shard in 0..CALL_SHARDS {
            let mut after = None;
            loop {
                if !self.time.is_left() {
                    return Ok(Step::TimeIsUp);
                }
                let page = self.state.store.open_calls(shard, PAGE, after.as_ref()).await?;
                self.sort(page.items, &mut finished, &mut lost).await?;
                if self.finish_batches(&mut finished, BATCH).await? == Step::Overtaken {
                    return Ok(Step::Overtaken);
                }
                after = page.next_cursor;
                if after.is_none() {
                    break;
                }
            }
        }
        finished.extend(lost::resolve(self, lost).await?);
        self.finish_batches(&mut finished, 1).await
    }

    /// Parts calls that have a row from those whose function is dead; the others are left alone.
    async fn sort(
        &self,
        calls: Vec<OpenCall>,
        finished: &mut Vec<Finished>,
        lost: &mut Vec<OpenCall>,
    ) -> Result<(), Error> {
        let keys: Vec<_> = calls.iter().map(CallKey::of).collect();
        let mut rows = self.state.store.rows_of(&keys).await?;
        for (call, key) in calls.into_iter().zip(keys) {
            match rows.remove(&key) {
                Some(row) => finished.push(Finished { call, row }),
                None if call.deadline_at + GRACE < self.now && lost.len() < MOST_LOST => lost.push(call),
                None => {}
            }
        }
        Ok(())
    }

    /// Finishes calls in batches, as long as there are `least` of them.
    async fn finish_batches(&mut self, finished: &mut Vec<Finished>, least: usize) -> Result<Step, Error> {
        while finished.len() >= least.max(1) {
            if !self.time.is_left() {
                return Ok(Step::TimeIsUp);
            }
            let rest = finished.split_off(finished.len().min(BATCH));
            let batch = std::mem::replace(finished, rest);
            if Box::pin(self.finish(batch)).await? == Step::Overtaken {
                return Ok(Step::Overtaken);
            }
        }
        Ok(Step::Done)
    }

    /// Writes down how far the rollups are complete: to the oldest call that is left.
    async fn cover(&self) -> Result<(), Error> {
        let mut oldest = None;
        for shard in 0..CALL_SHARDS {
            let left = self.state.store.open_calls(shard, 1, None).await?;
            let started_at = left.items.first().map(|call| call.started_at);
            oldest = [oldest, started_at].into_iter().flatten().min();
        }
        let age_seconds = oldest.map_or(0, |oldest| self.now.duration_since(oldest).as_secs().max(0));
        #[expect(clippy::cast_precision_loss, reason = "an alarm is not raised by a part of a second")]
        metrics::gauge!("open_call_age_seconds").set(age_seconds as f64);
        let until = self.now - WRITTEN_BY;
        self.state
            .store
            .cover_until(oldest.map_or(until, |oldest| until.min(oldest)))
            .await
    }
}
