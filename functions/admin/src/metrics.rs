//! `GET /metrics`: what all functions have counted, in Prometheus text.
//!
//! Calls, tokens and cost are the sums of usage rows, as the sweep has put them into the rollups; everything else is what the
//! environments have added to the table. Both are complete but for what they do not know yet: `docs/metrics.md` says how long that is.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::error::Error;
use gateway::http::{Caller, Outcome};
use gateway::rollup::{Dimension, Period, Rollup, Totals};
use gateway::scope::Scope;
use gateway::store::{RollupIds, RollupList};
use gateway::telemetry::exposition;
use gateway::telemetry::tally::{Series, Sum, Tally};
use http::header;
use jiff::Timestamp;

use crate::State;

/// No call is older than this gateway: the first of 2025.
const FIRST: Timestamp = Timestamp::constant(1_735_689_600, 0);
/// So many months of one dimension are read at once.
const PAGE: usize = 1_000;

pub(crate) async fn metrics(Extract(state): Extract<Arc<State>>, caller: Caller) -> Outcome {
    let now = state.clock.now();
    caller.principal.require_any(Scope::Metrics, &[Scope::Admin], now)?;
    let (counted, summed) = futures_util::try_join!(state.store.counters(), summed(&state, now))?;
    let text = exposition::text(&counted, &summed)?;
    Ok(([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response())
}

/// What the rollups say.
async fn summed(state: &State, now: Timestamp) -> Result<Tally, Error> {
    let read = |dimension| of(state, dimension, now);
    let (whole, outcomes, models, head) = futures_util::try_join!(
        read(Dimension::Organisation),
        read(Dimension::Outcome),
        read(Dimension::Model),
        state.store.sweep_head(),
    )?;
    let mut tally = Tally::default();
    for Rollup { totals, .. } in whole {
        tell_all(&mut tally, &totals);
    }
    for Rollup { of, totals } in outcomes {
        let (dialect, outcome) = of.id.split_once('|').unwrap_or((&of.id, ""));
        let labels = [label("dialect", dialect), label("outcome", outcome)];
        add(&mut tally, "model_calls_total", labels, totals.calls);
    }
    for Rollup { of, totals } in models {
        tell_model(&mut tally, &of.id, &totals);
    }
    if let Some(until) = head.covered_until {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this era have 13 digits")]
        let seconds = until.as_millisecond() as f64 / 1000.0;
        tally.add(Series::new("usage_complete_until_seconds", []), &Sum::Gauge(seconds));
    }
    Ok(tally)
}

/// The sums of all months: those stay for good.
async fn of(state: &State, dimension: Dimension, now: Timestamp) -> Result<Vec<Rollup>, Error> {
    let list = RollupList {
        dimension,
        period: Period::Month,
        ids: RollupIds::All,
        since: FIRST,
        until: Period::Month.end(now),
    };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = state.store.list_rollups(&list, PAGE, after.as_ref()).await?;
        all.extend(page.items);
        after = page.next_cursor;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn tell_all(tally: &mut Tally, totals: &Totals) {
    let numbers = [
        ("input_tokens_total", totals.usage.prompt_tokens().as_u64()),
        ("output_tokens_total", totals.usage.output_tokens.as_u64()),
        ("model_cost_picodollars_total", picodollars(totals)),
    ];
    for (name, number) in numbers {
        add(tally, name, [], number);
    }
}

fn tell_model(tally: &mut Tally, model: &str, totals: &Totals) {
    let usage = &totals.usage;
    let kinds = [
        ("input", usage.input_tokens),
        ("output", usage.output_tokens),
        ("cache_read", usage.cache_read_input_tokens),
        ("cache_write_5m", usage.cache_write_5m_tokens),
        ("cache_write_1h", usage.cache_write_1h_tokens),
    ];
    add(tally, "usage_calls_total", [label("model", model)], totals.calls);
    for (kind, tokens) in kinds {
        let labels = [label("model", model), label("kind", kind)];
        add(tally, "usage_tokens_total", labels, tokens.as_u64());
    }
    let cost = picodollars(totals);
    add(tally, "usage_cost_picodollars_total", [label("model", model)], cost);
}

fn picodollars(totals: &Totals) -> u64 {
    u64::try_from(totals.cost.as_u128()).unwrap_or(u64::MAX)
}

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn add<const N: usize>(tally: &mut Tally, name: &'static str, labels: [(String, String); N], count: u64) {
    tally.add(Series::new(name, labels), &Sum::Counter(count));
}
