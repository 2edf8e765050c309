//! What a time cost, computed anew from its rows alone, and compared with what they say and with the rollups.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _};
use gateway::budget::Amount;
use gateway::error::Error;
use gateway::money::Picodollars;
use gateway::price::{Rates, price};
use gateway::rollup::{Dimension, Period, Rollup, RollupId, Sums, Totals};
use gateway::store::{Cursor, Store, SweptRow, UsageRow};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::Time;

/// So many days are read at once.
const DAYS_AT_ONCE: usize = 8;
/// So much of what differs is told.
const MOST_TOLD: usize = 100;
/// So many rollups are read at once.
const PAGE: usize = 1_000;

/// What came out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Recomputed {
    rows: u64,
    /// What the rows say that they cost.
    cost_picodollars: Amount,
    /// What their tokens cost at the rates that they keep.
    recomputed_picodollars: Amount,
    /// How many rows say something else than comes out.
    differing_rows: u64,
    /// The first hundred of them.
    differing: Vec<Differing>,
    /// Rows from before rows kept their rates; they count as they are.
    without_rates: u64,
    /// Rows that wait for the sweep, and so are in no rollup yet.
    not_rolled_up: u64,
    /// Whether the rollups of the days are the sums of the rows.
    rollups_agree: bool,
    /// The first hundred that are not.
    differing_rollups: Vec<DifferingRollup>,
    /// Whether there was time for all days.
    complete: bool,
}

#[derive(Debug, Serialize)]
struct Differing {
    request_id: String,
    principal: String,
    started_at: Timestamp,
    cost_picodollars: Amount,
    recomputed_picodollars: Amount,
}

#[derive(Debug, Serialize)]
struct DifferingRollup {
    #[serde(flatten)]
    of: RollupId,
    rollup: Option<Totals>,
    rows: Option<Totals>,
}

/// What the rows of a day come to.
#[derive(Default)]
struct Day {
    recomputed: Recomputed,
    sums: Sums,
}

/// Recomputes these days.
///
/// # Errors
/// [`gateway::error::Kind::Unavailable`]
pub(crate) async fn run(store: &Store, days: &[Date], time: Time<'_>) -> Result<Recomputed, Error> {
    let covered = store.sweep_head().await?.covered_until.unwrap_or(Timestamp::MIN);
    let read = |day: &Date| {
        let day = *day;
        async move {
            match time.is_left() {
                true => one_day(store, day, covered).await.map(Some),
                false => Ok(None),
            }
        }
    };
    let all = futures_util::stream::iter(days.iter().map(read))
        .buffered(DAYS_AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    let mut total = Recomputed {
        complete: true,
        rollups_agree: true,
        ..Recomputed::default()
    };
    for day in all {
        match day {
            Some(day) => total.add(day),
            None => total.complete = false,
        }
    }
    Ok(total)
}

impl Recomputed {
    fn add(&mut self, day: Self) {
        self.rows += day.rows;
        self.cost_picodollars = self.cost_picodollars.saturating_add(day.cost_picodollars);
        self.recomputed_picodollars = self.recomputed_picodollars.saturating_add(day.recomputed_picodollars);
        self.differing_rows += day.differing_rows;
        self.differing.extend(day.differing);
        self.differing.truncate(MOST_TOLD);
        self.without_rates += day.without_rates;
        self.not_rolled_up += day.not_rolled_up;
        self.rollups_agree &= day.differing_rollups.is_empty();
        self.differing_rollups.extend(day.differing_rollups);
        self.differing_rollups.truncate(MOST_TOLD);
    }
}

async fn one_day(store: &Store, date: Date, covered: Timestamp) -> Result<Recomputed, Error> {
    let (mut day, mut after) = (Day::default(), None);
    loop {
        let (rows, next) = store.rows_of_day(&date.to_string(), after).await?;
        rows.iter().for_each(|row| day.count(row, covered));
        after = next;
        if after.is_none() {
            break;
        }
    }
    let mut recomputed = day.recomputed;
    recomputed.differing_rollups = compare(store, date, &day.sums).await?;
    Ok(recomputed)
}

impl Day {
    fn count(&mut self, swept: &SweptRow, covered: Timestamp) {
        let row = &swept.row;
        let (said, anew) = (row.cost_picodollars, recompute(row));
        let it = &mut self.recomputed;
        it.rows += 1;
        it.without_rates += u64::from(row.rates.is_none());
        it.cost_picodollars = it.cost_picodollars.saturating_add(said.into());
        it.recomputed_picodollars = it.recomputed_picodollars.saturating_add(anew.into());
        if said != anew {
            it.differing_rows += 1;
            if it.differing.len() < MOST_TOLD {
                it.differing.push(differing(row, anew));
            }
        }
        // At rest a row is in the rollups, marked or not, if its call began before the time that they are complete to.
        if swept.rolled_up.is_some() || row.started_at < covered {
            self.sums.add(&row.counted(), &[Period::Day]);
        } else {
            it.not_rolled_up += 1;
        }
    }
}

/// The cost of a row's tokens at the rates that it keeps: no price list is asked.
fn recompute(row: &UsageRow) -> Picodollars {
    let Some(base) = row.rates else {
        return row.cost_picodollars;
    };
    let rates = Rates {
        base,
        long_context: None,
    };
    price(&rates, &row.usage)
}

fn differing(row: &UsageRow, anew: Picodollars) -> Differing {
    Differing {
        request_id: row.request_id.clone(),
        principal: row.principal.to_string(),
        started_at: row.started_at,
        cost_picodollars: row.cost_picodollars.into(),
        recomputed_picodollars: anew.into(),
    }
}

/// What of a day's rollups is not the sum of the rows: too much, too little, one without the other.
async fn compare(store: &Store, date: Date, rows: &Sums) -> Result<Vec<DifferingRollup>, Error> {
    let at = date.to_zoned(TimeZone::UTC).map_err(Error::internal)?.timestamp();
    let (mut differing, mut seen) = (Vec::new(), HashSet::new());
    for dimension in Dimension::ALL {
        for rollup in of_day(store, dimension, at).await? {
            let sum = rows.get(&rollup.of).copied();
            if sum != Some(rollup.totals) {
                differing.push(DifferingRollup {
                    of: rollup.of.clone(),
                    rollup: Some(rollup.totals),
                    rows: sum,
                });
            }
            seen.insert(rollup.of);
        }
    }
    let absent = rows.iter().filter(|(of, _)| !seen.contains(of));
    differing.extend(absent.map(|(of, totals)| DifferingRollup {
        of: of.clone(),
        rollup: None,
        rows: Some(*totals),
    }));
    Ok(differing)
}

/// All rollups of one dimension and day.
async fn of_day(store: &Store, dimension: Dimension, at: Timestamp) -> Result<Vec<Rollup>, Error> {
    let mut found = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = store
            .rollups_at(dimension, Period::Day, at, PAGE, after.as_ref())
            .await?;
        found.extend(page.items);
        after = page.next_cursor;
        if after.is_none() {
            return Ok(found);
        }
    }
}
