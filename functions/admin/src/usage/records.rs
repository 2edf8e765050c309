//! Usage records, one for each call to Bedrock.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::attribution::WorkId;
use gateway::error::Error;
use gateway::http::{Caller, Outcome, PageQuery, json, query};
use gateway::model::ModelId;
use gateway::principal::{Subject, Team};
use gateway::store::{Cursor, Page, UsageRow, UsageWanted};
use gateway::usage::StopReason;
use http::{HeaderMap, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::access::{Whose, admit, whose};
use crate::State;
use crate::sheet::{self, Format, cell};
use crate::span;

/// So many days of everybody's rows are listed unless asked for otherwise.
const DEFAULT_DAYS: i64 = 30;
/// So many days of everybody's rows one list has at the most.
const MAX_DAYS: i64 = 400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    from: Option<String>,
    to: Option<String>,
    model: Option<String>,
    success: Option<bool>,
    user: Option<Subject>,
    team: Option<Team>,
    session: Option<WorkId>,
    limit: Option<usize>,
    cursor: Option<String>,
    format: Option<Format>,
}

/// `GET /api/usage/records`: rows, newest first.
pub(crate) async fn records(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    headers: HeaderMap,
    uri: Uri,
) -> Outcome {
    admit(&caller, &state.clock)?;
    let wish: Query = query(&uri)?;
    let whose = whose(&caller, wish.user.clone(), wish.team.clone(), &state.clock)?;
    let listing = format!(
        "usage records {:?}",
        (&whose, &wish.from, &wish.to, &wish.model, wish.success, &wish.session)
    );
    let page = read(&state, &whose, &wish, &listing).await?;
    let next = page.next_cursor.map(|it| it.encode_for(&listing));
    match Format::chosen(wish.format, &headers) {
        Format::Json => json(
            StatusCode::OK,
            &serde_json::json!({"records": page.items, "next_cursor": next}),
        ),
        Format::Csv => {
            let lines = page.items.iter().map(line);
            sheet::csv("usage-records.csv", COLUMNS, lines, next.as_deref(), &uri)
        }
    }
}

async fn read(state: &State, whose: &Whose, wish: &Query, listing: &str) -> Result<Page<UsageRow>, Error> {
    let (since, until) = (span::since(wish.from.as_deref())?, span::until(wish.to.as_deref())?);
    span::check(since, until)?;
    let page = PageQuery {
        limit: wish.limit,
        cursor: None,
    };
    let limit = page.size()?;
    let after = wish.cursor.as_deref().map(|text| Cursor::decode_for(text, listing));
    let after = after.transpose()?;
    let wanted = UsageWanted {
        since,
        until,
        model: wish.model.as_deref().map(checked_model).transpose()?,
        success: wish.success,
        team: whose.team.clone(),
        session: wish.session.clone(),
    };
    match &whose.user {
        Some(user) => state.store.usage_records_of(user, &wanted, limit, after.as_ref()).await,
        None => {
            let days = days_of_all(since, until, state.clock.now())?;
            let of_all = state.store.usage_records_of_all(days, &wanted, limit, after.as_ref());
            of_all.await
        }
    }
}

fn checked_model(text: &str) -> Result<String, Error> {
    let id: ModelId = text.parse().map_err(|_| Error::invalid("`model` is malformed."))?;
    Ok(id.as_str().to_owned())
}

/// The days of a list of everybody's rows: up to today, from 30 days before its end, unless asked for otherwise.
fn days_of_all(
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Error> {
    let days = |count: i64| SignedDuration::from_hours(24 * count);
    let until = match until {
        Some(until) => until,
        // The whole of today, so that one who turns pages does so in one list.
        None => span::end_of_day(now)?,
    };
    let since = since
        .or_else(|| until.checked_sub(days(DEFAULT_DAYS)).ok())
        .unwrap_or(until);
    if since >= until || until.duration_since(since) > days(MAX_DAYS) {
        let message = "`from` must be before `to`, and at most 400 days before it.";
        return Err(Error::invalid(message));
    }
    Ok((since, until))
}

const COLUMNS: [&str; 31] = [
    "request_id",
    "principal",
    "team",
    "key_id",
    "model",
    "price_model",
    "profile",
    "region",
    "service_tier",
    "dialect",
    "streamed",
    "started_at",
    "ended_at",
    "latency_ms",
    "time_to_first_byte_ms",
    "outcome",
    "stop_reason",
    "upstream_status",
    "upstream_request_id",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cost_picodollars",
    "cost_dollars",
    "price_version",
    "estimated",
    "target",
    "session_id",
    "agent_id",
];

fn line(row: &UsageRow) -> [String; 31] {
    [
        row.request_id.clone(),
        row.principal.to_string(),
        cell(row.team.as_ref()),
        cell(row.key_id.as_ref()),
        row.model.clone(),
        row.price_model.clone(),
        cell(row.profile.as_ref()),
        row.region.clone(),
        row.service_tier.clone(),
        row.dialect.label().to_owned(),
        row.streamed.to_string(),
        row.started_at.to_string(),
        row.ended_at.to_string(),
        row.latency_ms.to_string(),
        cell(row.time_to_first_byte_ms),
        row.outcome.label().to_owned(),
        cell(row.stop_reason.map(StopReason::label)),
        cell(row.upstream_status),
        cell(row.upstream_request_id.as_ref()),
        row.usage.input_tokens.to_string(),
        row.usage.output_tokens.to_string(),
        row.usage.cache_read_input_tokens.to_string(),
        row.usage.cache_write_5m_tokens.to_string(),
        row.usage.cache_write_1h_tokens.to_string(),
        row.cost_picodollars.as_u128().to_string(),
        row.cost_picodollars.to_string(),
        row.price_version.clone(),
        row.estimated.to_string(),
        cell(row.target.as_ref()),
        cell(row.session_id.as_ref()),
        cell(row.agent_id.as_ref()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybodys_rows_are_of_30_days_unless_told_and_of_400_at_the_most() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let now = at("2026-11-25T13:00:00Z");
        let (since, until) = days_of_all(None, None, now).unwrap();
        assert_eq!((since, until), (at("2026-10-27T00:00:00Z"), at("2026-11-26T00:00:00Z")));
        let year = days_of_all(Some(at("2025-10-22T00:00:00Z")), None, now);
        assert!(year.is_ok());
        assert!(days_of_all(Some(at("2025-10-21T23:59:59Z")), None, now).is_err());
        assert!(days_of_all(Some(at("2026-11-26T00:00:00Z")), None, now).is_err());
    }
}
