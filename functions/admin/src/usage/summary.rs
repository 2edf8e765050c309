//! Summaries of usage, from the rollups: by hour, day, week or month, and by whom or what.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::budget::ORGANISATION_ID;
use gateway::error::Error;
use gateway::http::{Caller, Outcome, json, query};
use gateway::model::ModelId;
use gateway::principal::{Subject, Team};
use gateway::rollup::{Dimension, Period, Rollup};
use gateway::store::{Cursor, Page, RollupIds, RollupList};
use gateway::usage::Usage;
use gateway::{random, scope::Scope};
use http::{HeaderMap, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::access::{Whose, admit, whose};
use crate::State;
use crate::sheet::{self, Format};
use crate::span;

/// So many sums a page has unless asked for otherwise, and at the most.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 5_000;
/// Parts a subject from a model in the ids of [`Dimension::UserModel`].
const BAR: char = '|';

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    period: Period,
    group: Dimension,
    from: Option<String>,
    to: Option<String>,
    user: Option<Subject>,
    team: Option<Team>,
    key: Option<String>,
    model: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    format: Option<Format>,
}

/// Which sums are read, and what of each is told.
#[derive(Debug)]
struct Wanted {
    dimension: Dimension,
    ids: RollupIds,
    /// Of a user's models the model alone is told: it is what is grouped by.
    by_model: bool,
}

/// `GET /api/usage/summary`
pub(crate) async fn summary(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Outcome {
    admit(&caller, &state.clock)?;
    let wish: Query = query(&uri)?;
    let wanted = wanted(&state, &caller, &wish)?;
    let listing = format!("usage summary {:?}", (&wanted, wish.period, &wish.from, &wish.to));
    let page = read(&state, &wish, &wanted, &listing).await?;
    let next = page.next_cursor.map(|it| it.encode_for(&listing));
    let sums: Vec<_> = page
        .items
        .iter()
        .map(|rollup| Shown::of(rollup, &wish, &wanted))
        .collect();
    match Format::chosen(wish.format, &headers) {
        Format::Json => {
            let complete_until = state.store.sweep_head().await?.covered_until;
            let answer = Answer {
                summaries: &sums,
                complete_until,
                next_cursor: next,
            };
            json(StatusCode::OK, &answer)
        }
        Format::Csv => {
            let lines = sums.iter().map(Shown::line);
            sheet::csv("usage-summary.csv", COLUMNS, lines, next.as_deref(), &uri)
        }
    }
}

/// What the caller may see of what is asked for. One's own by user, by model or by both; a key's is for admins; a team's for its
/// admins.
fn wanted(state: &State, caller: &Caller, wish: &Query) -> Result<Wanted, Error> {
    let model = wish.model.as_deref().map(checked_model).transpose()?;
    let key = wish.key.as_deref().map(checked_key).transpose()?;
    let given = (wish.user.is_some(), wish.team.is_some(), key.is_some(), model.is_some());
    let is_admin = caller.principal.scopes.contains(Scope::Admin);
    let fits = match wish.group {
        Dimension::Organisation | Dimension::Outcome => given == (false, false, false, false),
        Dimension::User => !given.1 && !given.2 && !given.3,
        Dimension::Team => !given.0 && !given.2 && !given.3,
        Dimension::Key => !given.0 && !given.1 && !given.3,
        Dimension::Model | Dimension::UserModel => !given.1 && !given.2,
    };
    if !fits {
        return Err(Error::invalid(
            "A filter does not go with this `group`: `user` goes with user, model and user_model, `team` with team, `key` with key, \
             `model` with model and user_model.",
        ));
    }
    // Without a wish, a team's admin who asks by team gets the own one.
    let team = match wish.group {
        Dimension::Team if wish.team.is_none() && !is_admin => {
            caller.require(Scope::TeamAdmin, &state.clock)?;
            let own = caller.principal.team.clone();
            Some(own.ok_or_else(|| Error::insufficient_scope(Scope::Admin))?)
        }
        _ => wish.team.clone(),
    };
    let Whose { user, team } = whose(caller, wish.user.clone(), team, &state.clock)?;
    let plain = |dimension, id: Option<String>| Wanted {
        dimension,
        ids: id.map_or(RollupIds::All, RollupIds::One),
        by_model: false,
    };
    Ok(match wish.group {
        Dimension::Organisation | Dimension::Outcome | Dimension::Key if !is_admin => {
            return Err(Error::insufficient_scope(Scope::Admin));
        }
        Dimension::Organisation => plain(Dimension::Organisation, Some(ORGANISATION_ID.to_owned())),
        Dimension::Outcome => plain(Dimension::Outcome, None),
        Dimension::Key => plain(Dimension::Key, key),
        Dimension::User => plain(Dimension::User, user.map(Into::into)),
        Dimension::Team => plain(Dimension::Team, team.map(Into::into)),
        Dimension::Model if user.is_none() => plain(Dimension::Model, model),
        Dimension::Model | Dimension::UserModel => Wanted {
            dimension: Dimension::UserModel,
            ids: match (user, model) {
                (Some(user), Some(model)) => RollupIds::One(format!("{user}{BAR}{model}")),
                (Some(user), None) => RollupIds::OfUser(user.into()),
                (None, Some(model)) => RollupIds::OfModel(model),
                (None, None) => RollupIds::All,
            },
            by_model: wish.group == Dimension::Model,
        },
    })
}

fn checked_model(text: &str) -> Result<String, Error> {
    let id: ModelId = text.parse().map_err(|_| Error::invalid("`model` is malformed."))?;
    Ok(id.as_str().to_owned())
}

fn checked_key(text: &str) -> Result<String, Error> {
    if random::is_identifier(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid("`key` is malformed."))
    }
}

/// The span of a summary: up to now, and long enough for a few dozen periods, unless asked for otherwise. The period that `from`
/// is in counts whole.
fn moments(wish: &Query, now: Timestamp) -> Result<(Timestamp, Timestamp), Error> {
    let (since, until) = (span::since(wish.from.as_deref())?, span::until(wish.to.as_deref())?);
    let until = until.map_or_else(|| span::end_of_day(now), Ok)?;
    let (default_days, most_days) = match wish.period {
        Period::Hour => (2, 400),
        Period::Day => (31, 3_700),
        Period::Week | Period::Month => (366, 37_000),
    };
    let days = |count: i64| SignedDuration::from_hours(24 * count);
    let since = since
        .or_else(|| until.checked_sub(days(default_days)).ok())
        .unwrap_or(until);
    if since >= until || until.duration_since(since) > days(most_days) {
        return Err(Error::invalid(
            "`from` must be before `to`, for hours at most 400 days before it, for days ten years, for weeks and months a hundred.",
        ));
    }
    Ok((since, until))
}

async fn read(state: &State, wish: &Query, wanted: &Wanted, listing: &str) -> Result<Page<Rollup>, Error> {
    let limit = match wish.limit {
        None => DEFAULT_LIMIT,
        Some(limit @ 1..=MAX_LIMIT) => limit,
        Some(_) => return Err(Error::invalid("`limit` must be from 1 to 5000.")),
    };
    let (since, until) = moments(wish, state.clock.now())?;
    let after = wish.cursor.as_deref().map(|text| Cursor::decode_for(text, listing));
    let list = RollupList {
        dimension: wanted.dimension,
        period: wish.period,
        ids: wanted.ids.clone(),
        since,
        until,
    };
    state
        .store
        .list_rollups(&list, limit, after.transpose()?.as_ref())
        .await
}

#[derive(Serialize)]
struct Answer<'a> {
    summaries: &'a [Shown<'a>],
    /// Up to when every call is in the sums; null before the first sweep.
    complete_until: Option<Timestamp>,
    next_cursor: Option<String>,
}

/// A sum as it is told.
#[derive(Serialize)]
struct Shown<'a> {
    period: Period,
    start: &'a str,
    group: Dimension,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    calls: u64,
    errors: u64,
    estimated: u64,
    usage: Usage,
    cost_picodollars: u128,
    cost_dollars: String,
}

impl<'a> Shown<'a> {
    fn of(rollup: &'a Rollup, wish: &Query, wanted: &Wanted) -> Self {
        let id = rollup.of.id.as_str();
        let parts = id.split_once(BAR).filter(|_| wanted.dimension == Dimension::UserModel);
        let totals = &rollup.totals;
        Self {
            period: wish.period,
            start: &rollup.of.start,
            group: wish.group,
            id: parts.filter(|_| wanted.by_model).map_or(id, |(_, model)| model),
            user: parts.map(|(user, _)| user),
            model: parts.map(|(_, model)| model),
            calls: totals.calls,
            errors: totals.errors,
            estimated: totals.estimated,
            usage: totals.usage,
            cost_picodollars: totals.cost.as_u128(),
            cost_dollars: totals.cost.as_money().to_string(),
        }
    }

    fn line(&self) -> [String; 16] {
        let usage = &self.usage;
        [
            self.period.label().to_owned(),
            self.start.to_owned(),
            self.group.label().to_owned(),
            self.id.to_owned(),
            sheet::cell(self.user),
            sheet::cell(self.model),
            self.calls.to_string(),
            self.errors.to_string(),
            self.estimated.to_string(),
            usage.input_tokens.to_string(),
            usage.output_tokens.to_string(),
            usage.cache_read_input_tokens.to_string(),
            usage.cache_write_5m_tokens.to_string(),
            usage.cache_write_1h_tokens.to_string(),
            self.cost_picodollars.to_string(),
            self.cost_dollars.clone(),
        ]
    }
}

const COLUMNS: [&str; 16] = [
    "period",
    "start",
    "group",
    "id",
    "user",
    "model",
    "calls",
    "errors",
    "estimated",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cost_picodollars",
    "cost_dollars",
];
