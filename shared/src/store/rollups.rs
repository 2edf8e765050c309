//! Rollups: the sums of usage rows, one item for each dimension, id and period.
//!
//! An item takes each batch of rows once: it keeps the number of the last batch it took, and batches come one after another
//! (`super::sweep`). So a batch may be applied again, in part or whole, by whoever finds it unfinished.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::concurrent::{WRITES_AT_ONCE, each};
use super::{Cursor, Item, List, Page, Store, key, unavailable};
use crate::budget::Amount;
use crate::error::Error;
use crate::rollup::{Dimension, Period, Rollup, RollupId, Sums, Totals};
use crate::usage::{Tokens, Usage};

const VERSION: &str = "1";
/// The number of the last batch that an item took.
const SEQ: &str = "seq";
const SECONDS_A_DAY: i64 = 86_400;
/// How long the sums of hours are kept; those of longer periods stay.
const HOURS_KEPT_DAYS: i64 = 400;
/// The longest list of periods in a bucket: the weeks of a year.
const MOST_PERIODS: usize = 54;

/// The attributes that are added up, in the order of [`numbers`].
const NUMBERS: [&str; 9] = [
    "calls",
    "errors",
    "estimated",
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cost_picodollars",
];

impl Store {
    /// Adds the sums of batch `seq` to the table's, to each once.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then some have taken the batch and some not; doing it again is safe.
    pub async fn add_to_rollups(&self, seq: u64, sums: Sums) -> Result<(), Error> {
        let adds = sums.into_rollups().map(|rollup| self.add_to_rollup(seq, rollup));
        each(adds, WRITES_AT_ONCE).await
    }

    async fn add_to_rollup(&self, seq: u64, rollup: Rollup) -> Result<(), Error> {
        let mut expression = String::from("SET #seq = :seq, v = :v");
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::rollup(&rollup.of)?.into_item()))
            .condition_expression("attribute_not_exists(#seq) OR #seq < :seq")
            .expression_attribute_names("#seq", SEQ)
            .expression_attribute_values(":seq", AttributeValue::N(seq.to_string()))
            .expression_attribute_values(":v", AttributeValue::N(VERSION.to_owned()));
        if let Some(seconds) = expires_at(&rollup.of)? {
            expression.push_str(", expires_at = :expires_at");
            update = update.expression_attribute_values(":expires_at", AttributeValue::N(seconds.to_string()));
        }
        for (index, (name, number)) in NUMBERS.into_iter().zip(numbers(&rollup.totals)).enumerate() {
            expression.push_str(if index == 0 { " ADD " } else { ", " });
            expression.push_str(&format!("#n{index} :n{index}"));
            update = update
                .expression_attribute_names(format!("#n{index}"), name)
                .expression_attribute_values(format!(":n{index}"), AttributeValue::N(number));
        }
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(failure))
                if matches!(failure.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(())
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The sums of one dimension and period that stand in a bucket ([`Period::bucket`]), in the order of time and then of ids;
    /// of one id alone, if that is given.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`], and [`crate::error::Kind::InvalidRequest`] for a cursor from elsewhere or a text
    /// that is no bucket.
    pub async fn rollups(
        &self,
        dimension: Dimension,
        period: Period,
        bucket: &str,
        id: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        if let Some(id) = id {
            return self.rollups_of(dimension, period, bucket, id, limit, after).await;
        }
        let partition = key::rollups(dimension, period, bucket);
        self.rollup_page(dimension, period, partition, None, limit, after).await
    }

    /// The sums of one dimension over the period that holds `at`, in the order of ids.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`], and [`crate::error::Kind::InvalidRequest`] for a cursor from elsewhere.
    pub async fn rollups_at(
        &self,
        dimension: Dimension,
        period: Period,
        at: Timestamp,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        let partition = key::rollups(dimension, period, &period.bucket(at));
        let prefix = format!("{}#", period.start(at));
        self.rollup_page(dimension, period, partition, Some(&prefix), limit, after)
            .await
    }

    async fn rollup_page(
        &self,
        dimension: Dimension,
        period: Period,
        partition: String,
        prefix: Option<&str>,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        let list = List {
            partition,
            prefix,
            newest_first: false,
            limit,
            after,
        };
        let page = self.list_items(list).await?;
        let items = page.items.iter().map(|item| rollup(dimension, period, item));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next_cursor: page.next_cursor,
        })
    }

    /// Reads each period of the bucket by its key: at most 53, where a filter would read everybody's.
    async fn rollups_of(
        &self,
        dimension: Dimension,
        period: Period,
        bucket: &str,
        id: &str,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        let starts = starts_in(period, bucket)?;
        let keys = starts
            .into_iter()
            .map(|start| key::rollup_of(dimension, period, bucket, &start, id))
            .map(key::Key::into_item)
            .collect();
        let found = self.batch_get(keys).await?;
        let mut found = found
            .iter()
            .map(|item| rollup(dimension, period, item))
            .collect::<Result<Vec<_>, _>>()?;
        found.sort_by(|one, other| one.of.start.cmp(&other.of.start));
        let place = |rollup: &Rollup| format!("{}#{id}", rollup.of.start);
        if let Some(after) = after {
            found.retain(|rollup| place(rollup) > after.0);
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more).map(place);
        Ok(Page {
            items: found,
            next_cursor: last.map(Cursor),
        })
    }
}

fn numbers(totals: &Totals) -> [String; 9] {
    let usage = &totals.usage;
    [
        totals.calls.to_string(),
        totals.errors.to_string(),
        totals.estimated.to_string(),
        usage.input_tokens.to_string(),
        usage.output_tokens.to_string(),
        usage.cache_read_input_tokens.to_string(),
        usage.cache_write_5m_tokens.to_string(),
        usage.cache_write_1h_tokens.to_string(),
        totals.cost.to_string(),
    ]
}

/// Reads an item. A cost has up to 38 digits, which no integer of `serde_dynamo` holds, so all numbers are read as digits.
pub(super) fn rollup(dimension: Dimension, period: Period, item: &Item) -> Result<Rollup, Error> {
    let place = super::sort_key(item)?;
    let (start, id) = place
        .split_once('#')
        .ok_or_else(|| Error::internal("a rollup's key without an id"))?;
    let [
        calls,
        errors,
        estimated,
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        cost,
    ] = NUMBERS.map(|name| digits(item, name));
    let tokens = |amount: Result<Amount, Error>| count(amount).map(Tokens::new);
    Ok(Rollup {
        of: RollupId {
            dimension,
            id: id.to_owned(),
            period,
            start: start.to_owned(),
        },
        totals: Totals {
            calls: count(calls)?,
            errors: count(errors)?,
            estimated: count(estimated)?,
            usage: Usage {
                input_tokens: tokens(input)?,
                output_tokens: tokens(output)?,
                cache_read_input_tokens: tokens(cache_read)?,
                cache_write_5m_tokens: tokens(cache_write_5m)?,
                cache_write_1h_tokens: tokens(cache_write_1h)?,
            },
            cost: cost?,
        },
    })
}

fn digits(item: &Item, name: &'static str) -> Result<Amount, Error> {
    let number = item.get(name).and_then(|value| value.as_n().ok());
    let number = number.ok_or_else(|| Error::internal("a rollup without one of its numbers"))?;
    number.parse().map_err(Error::internal)
}

fn count(amount: Result<Amount, Error>) -> Result<u64, Error> {
    amount.map(|amount| u64::try_from(amount.as_u128()).unwrap_or(u64::MAX))
}

fn expires_at(of: &RollupId) -> Result<Option<i64>, Error> {
    if of.period != Period::Hour {
        return Ok(None);
    }
    let start: Timestamp =
        moment(Period::Hour, &of.start).ok_or_else(|| Error::internal("not the start of an hour"))?;
    Ok(Some(start.as_second() + HOURS_KEPT_DAYS * SECONDS_A_DAY))
}

/// The moment that a text of [`Period::start`] names.
pub(super) fn moment(period: Period, start: &str) -> Option<Timestamp> {
    let whole = match period {
        Period::Hour => format!("{start}:00:00Z"),
        Period::Day | Period::Week => format!("{start}T00:00:00Z"),
        Period::Month => format!("{start}-01T00:00:00Z"),
    };
    whole.parse().ok().filter(|at| period.start(*at) == start)
}

/// The starts of all periods in a bucket.
fn starts_in(period: Period, bucket: &str) -> Result<Vec<String>, Error> {
    let first = match period {
        Period::Hour => moment(Period::Day, bucket),
        Period::Day => moment(Period::Month, bucket),
        Period::Week | Period::Month => moment(Period::Month, &format!("{bucket}-01")),
    };
    let mut at = first.ok_or_else(|| Error::invalid("There is no such period."))?;
    if period.bucket(at) != bucket {
        // The week of new year's day began in the year before.
        at = period.end(at);
    }
    let mut starts = Vec::new();
    while period.bucket(at) == bucket && starts.len() < MOST_PERIODS {
        starts.push(period.start(at));
        at = period.end(at);
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_all_its_periods_and_no_other() {
        for (period, bucket, count, first, last) in [
            (Period::Hour, "2026-11-25", 24, "2026-11-25T00", "2026-11-25T23"),
            (Period::Day, "2024-02", 29, "2024-02-01", "2024-02-29"),
            (Period::Week, "2026", 52, "2026-01-05", "2026-12-28"),
            (Period::Week, "2024", 53, "2024-01-01", "2024-12-30"),
            (Period::Month, "2026", 12, "2026-01", "2026-12"),
        ] {
            let starts = starts_in(period, bucket).unwrap();
            assert_eq!(starts.len(), count, "{period:?} {bucket}");
            assert_eq!((starts[0].as_str(), starts[count - 1].as_str()), (first, last));
        }
        for bad in ["", "2026-13", "26", "2026-11-25T13", "x"] {
            assert!(starts_in(Period::Day, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_sums_of_hours_end_and_they_last_400_days() {
        let of = |period: Period, start: &str| RollupId {
            dimension: Dimension::Organisation,
            id: "all".into(),
            period,
            start: start.into(),
        };
        assert_eq!(
            expires_at(&of(Period::Hour, "1970-01-01T01")).unwrap(),
            Some(3600 + 400 * 86_400)
        );
        for (period, start) in [
            (Period::Day, "2026-11-25"),
            (Period::Week, "2026-11-23"),
            (Period::Month, "2026-11"),
        ] {
            assert_eq!(expires_at(&of(period, start)).unwrap(), None);
        }
    }
}
