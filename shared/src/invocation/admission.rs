//! Before a call goes out: it is written down, and the most that it may cost is held in every budget that applies, or it is
//! refused with what it lacks. When [`admit`] fails nothing is held and nothing is written down, or the sweep takes it back.

use axum::body::Bytes;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::Models;
use crate::bound::Bound;
use crate::budget::{Amount, BudgetId, ScopeKind, Unit, Window};
use crate::error::{Error, Kind};
use crate::http::Caller;
use crate::limits::Owner;
use crate::model::ResolvedModel;
use crate::money::Picodollars;
use crate::price::{Limits, Quote, Rates, ServiceTier};
use crate::principal::Team;
use crate::store::{HeldLimit, Hold, OpenCall};
use crate::upstream::{Operation, Target};
use crate::usage::Tokens;
use crate::wire::converse;
use crate::wire::dialect::Dialect;
use crate::wire::json::Object;
use crate::wire::survey::{Survey, survey};

/// Budgets of finished windows stay to be looked at for as long as usage rows do, those of minutes for a day.
const KEPT_DAYS: i64 = 400;

/// A call that may go out.
pub(super) struct Admission {
    /// What is written down of it.
    pub(super) call: OpenCall,
    /// The body to send: the caller's, but for a shorter answer.
    pub(super) body: Bytes,
    /// The longest answer, where it is shorter than the caller asked for.
    pub(super) lowered_to: Option<Tokens>,
    /// What the prompt counts, where Bedrock was asked.
    pub(super) counted: Option<Tokens>,
    /// What the tightest budget of money has left beside this call.
    pub(super) remaining: Option<Picodollars>,
}

impl Admission {
    /// What Bedrock takes of a quota when the call begins, as near as can be told: its prompt, at four bytes a token where nobody has
    /// counted it, and the longest answer.
    pub(super) fn quota_tokens(&self) -> u64 {
        const BYTES_A_TOKEN: u64 = 4;
        let worst = &self.call.worst_usage;
        let guess = worst.prompt_tokens().as_u64() / BYTES_A_TOKEN;
        let prompt = self.counted.map_or(guess, Tokens::as_u64);
        prompt.saturating_add(worst.output_tokens.as_u64())
    }
}

/// What a call wants, as far as budgets go.
pub(super) struct Wish<'a> {
    pub(super) caller: &'a Caller,
    pub(super) dialect: Dialect,
    pub(super) operation: Operation,
    pub(super) model: &'a ResolvedModel,
    pub(super) quote: &'a Quote,
    /// The target that is asked first; model and quote are its own.
    pub(super) target: &'a Target,
    /// Rates that those of no target that may be asked are above: by these the call is held.
    pub(super) ceiling: Rates,
    pub(super) tier: ServiceTier,
    pub(super) limits: Limits,
    pub(super) body: Bytes,
    pub(super) started_at: Timestamp,
}

/// The budget that has too little left.
struct Short {
    budget: BudgetId,
    needed: Amount,
    available: Amount,
    limit: Amount,
}

/// Writes a call down and holds its bound.
///
/// # Errors
/// [`Kind::BudgetExhausted`] or [`Kind::RateLimited`] with what is short, [`Kind::Unavailable`] when the table cannot say.
pub(super) async fn admit(models: &Models, wish: Wish<'_>) -> Result<Admission, Error> {
    let survey = if wish.operation.converses() {
        converse::survey(&wish.body, wish.model.is_claude())?
    } else {
        survey(&wish.body)?
    };
    let bound = Bound::of(&survey, wish.limits);
    let limits = models.limits.of(&owner(&wish)).await?;
    let call = open_call(models, &wish, &bound, limits.iter().map(|(held, _)| *held).collect());
    // Before anything is written down: a limit whose budget has no name could not be held.
    let budgets = call.budgets()?.into_iter().zip(limits);
    let mut attempt = Attempt {
        models,
        limits: budgets.map(|(budget, (_, limit))| (budget, limit)).collect(),
        call,
        operation: wish.operation,
        rates: wish.ceiling,
        remaining: None,
    };
    if let Err(error) = models.store.open_call(&attempt.call).await {
        // Whether it is written is not known, and without budgets nothing would tell the sweep that it never went out.
        let _ = attempt.forget().await;
        return Err(error);
    }
    let short = match attempt.hold().await? {
        None => return Ok(attempt.admitted(wish.body, None, None)),
        Some(short) => short,
    };
    attempt.closer(&survey, bound, short, wish.body).await
}

fn owner<'a>(wish: &'a Wish<'_>) -> Owner<'a> {
    let principal = &wish.caller.principal;
    Owner {
        key_id: principal.key_id.as_deref(),
        user: principal.subject.as_str(),
        team: principal.team.as_ref().map(Team::as_str),
        model: &wish.model.base,
    }
}

fn open_call(models: &Models, wish: &Wish<'_>, bound: &Bound, holds: Vec<HeldLimit>) -> OpenCall {
    let principal = &wish.caller.principal;
    OpenCall {
        request_id: wish.caller.request_id.clone(),
        principal: principal.subject.clone(),
        team: principal.team.clone(),
        key_id: principal.key_id.clone(),
        model: wish.model.bedrock_id.clone(),
        price_model: wish.model.price_key.clone(),
        base_model: wish.model.base.clone(),
        profile: wish.model.profile.map(|profile| profile.label().to_owned()),
        region: wish.target.region.clone(),
        target: Some(wish.target.name.clone()),
        session_id: wish.caller.attribution.session_id.clone(),
        agent_id: wish.caller.attribution.agent_id.clone(),
        service_tier: wish.tier.name().to_owned(),
        dialect: wish.dialect,
        streamed: wish.operation.streams(),
        started_at: wish.started_at,
        deadline_at: wish.started_at + SignedDuration::from_secs(models.call_seconds.into()),
        rates: wish.quote.rates,
        price_version: wish.quote.version.as_str().to_owned(),
        worst_usage: bound.usage(&wish.ceiling),
        worst: bound.charge(&wish.ceiling),
        holds,
    }
}

/// One call's way through its budgets.
struct Attempt<'a> {
    models: &'a Models,
    limits: Vec<(BudgetId, Amount)>,
    call: OpenCall,
    operation: Operation,
    rates: Rates,
    remaining: Option<Picodollars>,
}

impl Attempt<'_> {
    fn admitted(self, body: Bytes, lowered_to: Option<Tokens>, counted: Option<Tokens>) -> Admission {
        if !self.limits.is_empty() {
            count(if lowered_to.is_some() { "shortened" } else { "held" });
        }
        Admission {
            call: self.call,
            body,
            lowered_to,
            counted,
            remaining: self.remaining,
        }
    }

    /// Holds in every budget, one after the other: whoever gets into the first of them is alone with few in the next, so that
    /// many callers at once do not refuse each other. Of a refusal nothing stays held.
    async fn hold(&mut self) -> Result<Option<Short>, Error> {
        self.remaining = None;
        for index in 0..self.limits.len() {
            let Some((budget, limit)) = self.limits.get(index).cloned() else {
                break;
            };
            let needed = self.call.worst.amount(budget.unit);
            let expires_at = expires_at(budget.window, self.call.started_at);
            let outcome = self
                .models
                .store
                .hold(&budget, limit, &self.call.request_id, needed, expires_at)
                .await;
            match outcome {
                Ok(Hold::Held { available }) => self.note_remaining(budget.unit, available),
                Ok(Hold::Refused { available, limit }) => {
                    self.release(index).await?;
                    let short = Short {
                        budget,
                        needed,
                        available,
                        limit,
                    };
                    return Ok(Some(short));
                }
                Err(error) => {
                    // This one may be held too. What cannot be released now, the sweep releases.
                    if self.release(index + 1).await.is_ok() {
                        let _ = self.forget().await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn note_remaining(&mut self, unit: Unit, available: Amount) {
        if unit == Unit::Picodollars {
            let money = available.as_money();
            self.remaining = Some(self.remaining.map_or(money, |known| known.min(money)));
        }
    }

    /// Releases the first `count` of the budgets.
    async fn release(&self, count: usize) -> Result<(), Error> {
        let budgets = self.limits.iter().take(count).map(|(budget, _)| budget);
        let release = |budget| async move { self.models.store.release_hold(budget, &self.call.request_id).await };
        join_all(budgets.map(release)).await.into_iter().collect()
    }

    async fn forget(&self) -> Result<(), Error> {
        let store = &self.models.store;
        store.forget_call(self.call.started_at, &self.call.request_id).await
    }

    /// The bound did not fit: with the prompt counted by Bedrock, or with a shorter answer, it may.
    async fn closer(mut self, survey: &Survey, bound: Bound, short: Short, body: Bytes) -> Result<Admission, Error> {
        if short.budget.unit == Unit::Requests {
            return self.refuse(&short).await;
        }
        // Without any prompt at all it would not fit either: then there is nothing to ask for.
        let least = bound.counted(Tokens::ZERO);
        let fits = least.charge(&self.rates).amount(short.budget.unit) <= short.available;
        if !fits && self.shorter_answer(survey, &least, &short).is_none() {
            return self.refuse(&short).await;
        }
        let counted = self.count(&body).await;
        let mut bound = counted.map_or(bound, |prompt| bound.counted(prompt));
        let mut short = short;
        if counted.is_some() {
            match self.hold_again(&bound).await? {
                None => return Ok(self.admitted(body, None, counted)),
                Some(other) => short = other,
            }
        }
        // Another call may take what is left in between, so there is a second try.
        for _ in 0..2 {
            let Some(output) = self.shorter_answer(survey, &bound, &short) else {
                break;
            };
            bound = bound.answering_at_most(output);
            match self.hold_again(&bound).await? {
                None => {
                    let body = with_max_tokens(self.operation, &body, output)?;
                    return Ok(self.admitted(body, Some(output), counted));
                }
                Some(other) => short = other,
            }
        }
        self.refuse(&short).await
    }

    async fn count(&self, body: &Bytes) -> Option<Tokens> {
        let bedrock = &self.models.bedrock;
        bedrock.count_tokens(self.operation, &self.call.base_model, body).await
    }

    async fn hold_again(&mut self, bound: &Bound) -> Result<Option<Short>, Error> {
        self.call.worst_usage = bound.usage(&self.rates);
        self.call.worst = bound.charge(&self.rates);
        // What is written down must be what is held: an estimate is made of it.
        self.models.store.reopen_call(&self.call).await?;
        self.hold().await
    }

    /// The longest answer that fits into what is left, unless that is too short to be of use.
    fn shorter_answer(&self, survey: &Survey, bound: &Bound, short: &Short) -> Option<Tokens> {
        if short.budget.unit != Unit::Picodollars || !survey.can_be_shortened {
            return None;
        }
        let floor = survey
            .thinking_tokens
            .saturating_add(self.models.least_answer_tokens.into());
        let output = bound.affordable_output(&self.rates, short.available.as_money())?;
        (output < bound.output && output.as_u64() >= floor).then_some(output)
    }

    async fn refuse(&self, short: &Short) -> Result<Admission, Error> {
        // A call that stays written down with none of its holds never went out; the sweep sees that.
        if let Err(error) = self.forget().await {
            tracing::warn!(error = ?error, request_id = self.call.request_id, "a refused call could not be forgotten");
        }
        count("refused");
        metrics::counter!("budget_refusals_total", "unit" => short.budget.unit.label()).increment(1);
        Err(refusal(short, self.call.started_at))
    }
}

fn count(result: &'static str) {
    metrics::counter!("budget_holds_total", "result" => result).increment(1);
}

/// When the state of a window may be forgotten.
fn expires_at(window: Window, at: Timestamp) -> Option<i64> {
    let days = if window == Window::Minute { 1 } else { KEPT_DAYS };
    window.end(at).map(|end| end.as_second() + days * 86_400)
}

/// The same body with a shorter answer, and every other byte as it was.
fn with_max_tokens(operation: Operation, body: &Bytes, output: Tokens) -> Result<Bytes, Error> {
    if operation.converses() {
        return converse::with_max_tokens(body, output.as_u64());
    }
    let mut object = Object::parse(body)?;
    let name = if object.text("max_tokens").is_some() {
        "max_tokens"
    } else {
        "max_tokens_to_sample"
    };
    object.set(name, output.to_string());
    Ok(Bytes::from(object.to_json()))
}

fn refusal(short: &Short, at: Timestamp) -> Error {
    let Short {
        budget,
        needed,
        available,
        limit,
    } = short;
    let whose = match budget.scope {
        ScopeKind::Organisation => "the organisation".to_owned(),
        scope => format!("{} {}", scope.label(), budget.id),
    };
    let period = match budget.window {
        Window::Total => "in total".to_owned(),
        window => format!("a {}", window.label()),
    };
    let amount = |amount: &Amount| match budget.unit {
        Unit::Picodollars => format!("${}", amount.as_money()),
        Unit::Requests => format!("{amount} requests"),
        Unit::Tokens => format!("{amount} tokens"),
    };
    let end = budget.window.end(at);
    let anew = end.map(|end| format!(" It begins anew at {end}.")).unwrap_or_default();
    let missing = amount(&needed.saturating_sub(*available));
    let (needed, available, of) = (amount(needed), amount(available), amount(limit));
    let message = format!(
        "The budget of {whose} does not cover this call: it may take up to {needed}, {available} of {of} {period} is left, \
         {missing} is missing.{anew}"
    );
    let fits_never = short.needed > short.limit;
    let kind = match budget.unit {
        Unit::Picodollars => Kind::BudgetExhausted,
        _ if fits_never => Kind::InvalidRequest,
        _ if budget.window == Window::Minute => Kind::RateLimited,
        _ => Kind::BudgetExhausted,
    };
    let mut error = Error::new(kind, message);
    if kind == Kind::RateLimited {
        let seconds = end.map(|end| (end.as_millisecond() - at.as_millisecond() + 999) / 1000);
        error.retry_after_seconds = seconds.and_then(|seconds| u32::try_from(seconds.max(1)).ok());
    }
    error
}
