//! From one call to its answer: which targets are asked, how often, and for how long.
//!
//! - What Bedrock refused is not billed, and goes to the next target: 429, 500, 503, what could not be sent, and a stream that begins with
//!   the exception that is Bedrock's 429 or 503. For that the head waits for the first frame, where there is another target.
//! - An answer that was lost may be billed, and ends the call, unless the configuration says otherwise.
//! - Any other success is the last attempt, whatever comes behind its head: nothing is ever repeated after it.
//! - A refusal of beta flags is answered at the same target, without them, and is no attempt.
//! - Before a call goes to another target than the one that was written down, that is written down.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use tokio::time::Instant;

use super::Models;
use super::ahead::first_frame;
use super::betas::{Lesson, MOST_REPEATS};
use super::live::Live;
use super::plan::{Candidate, Plan};
use super::room::{Taken, seconds_to_next_minute};
use crate::clock::Stopwatch;
use crate::error::{Error, Kind};
use crate::telemetry::trace;
use crate::upstream::health::Standing;
use crate::upstream::{Answer, NoAnswer, Operation};
use crate::usage::Outcome;
use crate::wire::bedrock::{UpstreamError, exception_kind, is_refusal, upstream_error};
use crate::wire::betas::{self, Place};
use crate::wire::frames::Content;
use aws_smithy_types::body::SdkBody;

/// Bedrock's own errors are far shorter.
const LONGEST_REFUSAL_BYTES: usize = 1024 * 1024;

/// A call as it is to be sent.
pub(super) struct Sending {
    pub(super) operation: Operation,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// When it must have come to its end.
    pub(super) ends_at: Option<Instant>,
}

/// What came of all attempts.
pub(super) enum Made {
    /// An answer, of whatever status.
    Answer(Answer),
    /// None.
    Nothing(NoAnswer),
    /// Nothing was sent: no target has room for it in this minute.
    NoRoom(Error),
}

/// What has become of one.
enum Attempt {
    /// It was the last.
    Final(Made),
    /// The target was throttled, failed or cannot be reached, and the call was not billed: another one may answer.
    Refused {
        made: Made,
        /// When the target is expected back.
        back_at: Timestamp,
    },
}

struct Attempts<'a> {
    models: &'a Models,
    plan: &'a Plan,
    sending: Sending,
    began: Stopwatch,
    /// Places in the plan that were asked, or have no room.
    tried: Vec<usize>,
    sent: u32,
    /// Of what was refused, what is to be told if nothing better comes.
    kept: Option<(Made, Timestamp)>,
    /// What refusals of beta flags have told.
    lesson: Lesson,
}

/// Makes a call.
///
/// # Errors
/// [`Kind::Unavailable`] when it cannot be written down where the call goes.
pub(super) async fn make(models: &Models, live: &mut Live, plan: &Plan, sending: Sending) -> Result<Made, Error> {
    models.rests.learn(models).await;
    let mut attempts = Attempts {
        models,
        plan,
        sending,
        began: Stopwatch::start(),
        tried: Vec::new(),
        sent: 0,
        kept: None,
        lesson: Lesson::default(),
    };
    loop {
        let Some(place) = attempts.next() else {
            return Ok(attempts.last());
        };
        if let Some(made) = attempts.one(live, place).await? {
            return Ok(made);
        }
    }
}

impl Attempts<'_> {
    /// The next place in the plan: the first that is well, or, if none is and none was asked, the one that is back soonest.
    fn next(&self) -> Option<usize> {
        let config = &self.models.upstream.config;
        let time_left = u128::from(self.began.elapsed_ms()) < config.attempt_time.as_millis();
        if self.sent >= config.attempts || (self.sent > 0 && !time_left) {
            return None;
        }
        let now = self.models.clock.now();
        let standing = |place: &usize| {
            let target = self.plan.candidates().get(*place).map(|candidate| candidate.target);
            target.map_or(Standing::Well, |target| {
                self.models.upstream.health.standing(target, now)
            })
        };
        let open = (0..self.plan.candidates().len()).filter(|place| !self.tried.contains(place));
        let mut open: Vec<usize> = open.collect();
        if let Some(well) = open
            .iter()
            .find(|place| !matches!(standing(place), Standing::Resting(_)))
        {
            return Some(*well);
        }
        open.retain(|_| self.sent == 0);
        open.into_iter().min_by_key(standing)
    }

    /// One attempt. Gives what the call comes to, if that is known.
    async fn one(&mut self, live: &mut Live, place: usize) -> Result<Option<Made>, Error> {
        let Some(candidate) = self.plan.candidates().get(place).cloned() else {
            return Ok(None);
        };
        self.tried.push(place);
        let Some(taken) = self.room(live, &candidate).await else {
            return Ok(None);
        };
        if let Err(error) = self.aim(live, &candidate).await {
            // Where a call went must be known before it goes. What was answered before is an answer.
            taken.give_back(self.models).await;
            return self.kept.take().map(|(made, _)| Some(made)).ok_or(error);
        }
        self.sent += 1;
        self.models
            .upstream
            .health
            .asked(candidate.target, self.models.clock.now());
        match self.ask(live, &candidate).await? {
            Attempt::Final(made) => {
                live.took(taken);
                Ok(Some(made))
            }
            Attempt::Refused { made, back_at } => {
                taken.give_back(self.models).await;
                let keeps = self.kept.as_ref().is_some_and(|(_, known)| *known <= back_at);
                if !keeps {
                    self.kept = Some((made, back_at));
                }
                Ok(None)
            }
        }
    }

    /// Takes room for the call at a target; none where it has too little.
    async fn room(&mut self, live: &mut Live, candidate: &Candidate) -> Option<Taken> {
        let tokens = live.admitted().admission.quota_tokens();
        Taken::of(self.models, candidate.target, tokens).await
    }

    /// Writes down where the call goes now, if it was to go elsewhere.
    async fn aim(&self, live: &mut Live, candidate: &Candidate) -> Result<(), Error> {
        let Some(target) = self.models.upstream.targets.get(candidate.target) else {
            return Ok(());
        };
        if live.aim(target, candidate) {
            self.models.store.reopen_call(&live.admitted().admission.call).await?;
        }
        Ok(())
    }

    /// Asks a target, again where it refuses beta flags.
    async fn ask(&mut self, live: &mut Live, candidate: &Candidate) -> Result<Attempt, Error> {
        let (known, model) = (&self.models.betas, candidate.model.base.as_str());
        let place = place_of(self.sending.operation);
        if let Some(lessened) = known.lessen(model, &self.sending.body, place).await? {
            self.sending.body = lessened.body;
            live.dropped(lessened.dropped);
        }
        let mut repeats = 0;
        loop {
            let answer = match self.send(candidate).await {
                Ok(answer) => answer,
                Err(failure) => return Ok(self.failed(candidate.target, failure).await),
            };
            let (answer, refusal) = self.read(answer).await;
            let refused = refusal
                .filter(|refusal| refusal.kind == Kind::InvalidRequest && repeats < MOST_REPEATS)
                .and_then(|refusal| betas::refused(&refusal.message, &betas::flags(&self.sending.body, place)));
            let without = match &refused {
                Some(refused) => known.answer_to(model, &self.sending.body, place, refused, repeats > 0)?,
                None => None,
            };
            let Some((lessened, learned)) = without else {
                return Ok(self.answered(candidate, answer).await);
            };
            repeats += 1;
            self.lesson.add(learned);
            self.sending.body = lessened.body;
            live.dropped(lessened.dropped);
        }
    }

    async fn send(&self, candidate: &Candidate) -> Result<Answer, NoAnswer> {
        let Some(target) = self.models.upstream.targets.get(candidate.target) else {
            return Err(NoAnswer::NotSent("there is no such target".into()));
        };
        let sending = &self.sending;
        let (headers, body) = (sending.headers.clone(), sending.body.clone());
        let asking = trace::call("bedrock");
        asking.set("gen_ai.request.model", candidate.model.bedrock_id.clone());
        let call = target
            .bedrock
            .call(sending.operation, &candidate.model.bedrock_id, headers, body);
        let call = Box::pin(asking.around(call));
        let outcome = match sending.ends_at {
            None => call.await,
            Some(ends_at) => tokio::time::timeout_at(ends_at, call)
                .await
                .unwrap_or_else(|_| Err(NoAnswer::TimedOut("the function's time is up".into()))),
        };
        tell(&asking, &outcome);
        outcome
    }

    /// Reads an answer that is no success, and gives it back as it was.
    async fn read(&self, answer: Answer) -> (Answer, Option<UpstreamError>) {
        if answer.status.is_success() {
            return (answer, None);
        }
        let Answer { status, headers, body } = answer;
        let body = Limited::new(body, LONGEST_REFUSAL_BYTES).collect();
        let ends_at = self.sending.ends_at.unwrap_or_else(|| Instant::now() + REFUSAL_TIME);
        let body = match tokio::time::timeout_at(ends_at, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => Bytes::new(),
        };
        let refusal = upstream_error(status, &headers, &body);
        let body = SdkBody::from(body);
        (Answer { status, headers, body }, Some(refusal))
    }

    /// Sorts an answer, and remembers what it tells of the target and of beta flags.
    async fn answered(&mut self, candidate: &Candidate, answer: Answer) -> Attempt {
        let (known, model) = (&self.models.betas, candidate.model.base.as_str());
        let (answer, begins) = self.begin(answer).await;
        if begins != Begins::Refused && !is_passing(answer.status) {
            if answer.status.is_success() {
                let place = place_of(self.sending.operation);
                known.accepted(model, &self.sending.body, place);
            }
            known.remember(model, std::mem::take(&mut self.lesson)).await;
            self.models.upstream.health.well(candidate.target);
            return Attempt::Final(Made::Answer(answer));
        }
        let told = upstream_error(answer.status, &answer.headers, &[]).retry_after_seconds;
        let back_at = self.rest(candidate.target, told).await;
        Attempt::Refused {
            made: Made::Answer(answer),
            back_at,
        }
    }

    /// How a stream begins, if that decides anything: whether there is a target that would be asked next. Nobody waits for it longer than
    /// a caller is left without a `ping`.
    async fn begin(&self, answer: Answer) -> (Answer, Begins) {
        let looks = answer.status.is_success() && self.sending.operation.streams() && self.next().is_some();
        if !looks {
            return (answer, Begins::AsItDoes);
        }
        let at_last = Instant::now() + self.models.ping_after;
        let until = self.sending.ends_at.map_or(at_last, |ends_at| ends_at.min(at_last));
        let Answer { status, headers, body } = answer;
        let (first, body) = first_frame(body, until).await;
        let goes_on = |kind: &str| is_refusal(kind) || (self.models.upstream.config.repeat_lost && is_failure(kind));
        let begins = match first {
            Some(Content::Exception { kind, .. }) if goes_on(&kind) => Begins::Refused,
            _ => Begins::AsItDoes,
        };
        (Answer { status, headers, body }, begins)
    }

    async fn failed(&self, target: usize, failure: NoAnswer) -> Attempt {
        let time_is_up = self.sending.ends_at.is_some_and(|ends_at| ends_at <= Instant::now());
        if time_is_up {
            // That says nothing of the target.
            return Attempt::Final(Made::Nothing(failure));
        }
        let back_at = self.rest(target, None).await;
        match failure {
            NoAnswer::NotSent(_) => Attempt::Refused {
                made: Made::Nothing(failure),
                back_at,
            },
            NoAnswer::Lost(_) if self.models.upstream.config.repeat_lost => Attempt::Refused {
                made: Made::Nothing(failure),
                back_at,
            },
            NoAnswer::Lost(_) | NoAnswer::TimedOut(_) => Attempt::Final(Made::Nothing(failure)),
        }
    }

    /// Lets a target rest.
    async fn rest(&self, target: usize, told_seconds: Option<u32>) -> Timestamp {
        let now = self.models.clock.now();
        let until = self.models.upstream.health.failed(target, now, told_seconds);
        metrics::counter!("upstream_rests_total").increment(1);
        self.models.rests.tell(self.models, target, until).await;
        until
    }

    /// What is told when no target is left.
    fn last(self) -> Made {
        if let Some((made, _)) = self.kept {
            return made;
        }
        let mut error = Error::new(
            Kind::RateLimited,
            "Every target of this model has taken what it may take in this minute.",
        );
        error.retry_after_seconds = Some(seconds_to_next_minute(self.models.clock.now()));
        Made::NoRoom(error)
    }
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// With an exception for which another target is asked.
    Refused,
    /// With something else, or nobody has looked.
    AsItDoes,
}

/// Whether an exception that a stream begins with says that Bedrock or the model failed. The prompt may have been read, and be billed.
fn is_failure(exception: &str) -> bool {
    matches!(exception_kind(exception), Some(Kind::Internal | Kind::ModelFailed))
}

/// How long the words of a refusal are waited for.
const REFUSAL_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// Whether an answer says that its target cannot serve now, and another one may.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503)
}

/// What the span of a call to Bedrock says of its outcome.
fn tell(span: &trace::Span, outcome: &Result<Answer, NoAnswer>) {
    match outcome {
        Ok(answer) => {
            span.set("http.response.status_code", i64::from(answer.status.as_u16()));
            let id = answer.headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok());
            span.set("aws.request_id", id.unwrap_or_default().to_owned());
            if !answer.status.is_success() {
                span.fail(Outcome::from_status(answer.status.as_u16()).label());
            }
        }
        Err(NoAnswer::NotSent(_)) => span.fail("not_sent"),
        Err(NoAnswer::Lost(_)) => span.fail("lost"),
        Err(NoAnswer::TimedOut(_)) => span.fail("timed_out"),
    }
    span.end();
}

fn place_of(operation: Operation) -> Place {
    if operation.converses() {
        Place::Additional
    } else {
        Place::Body
    }
}
