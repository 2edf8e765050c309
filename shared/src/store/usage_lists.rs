//! Usage rows in lists: one principal's, or everybody's by day, newest first, of a span of time and with filters.
//!
//! A span is a range of sort keys; the other filters are applied by DynamoDB to what it has read. So that a filter that nothing
//! passes costs no more than another, a page reads so much at the most, and may then be shorter than asked for and still have a
//! cursor.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Cursor, Item, Page, Store, UsageRow, key, sort_key, unavailable};
use crate::attribution::WorkId;
use crate::clock::rfc3339_millis;
use crate::error::Error;
use crate::model::Profile;
use crate::principal::{Subject, Team};
use crate::usage::Outcome;

/// So many queries a page takes at the most: a month of days without a row is passed over in one.
const QUERIES_A_PAGE: usize = 40;
/// So many rows a page looks at with a filter, whichever of them it shows.
const READ_A_PAGE: usize = 8_000;
/// So many rows a query with a filter looks at.
const READ_A_QUERY: usize = 1_000;
/// Between the parts of a place in the list of everybody's rows. No sort key and no subject has it.
const BAR: char = '|';

/// Which rows are wanted.
#[derive(Clone, Debug, Default)]
pub struct UsageWanted {
    /// Those that started then or later.
    pub since: Option<Timestamp>,
    /// Those that started before.
    pub until: Option<Timestamp>,
    /// Those of this model: as Bedrock was asked for it, as it was priced, or without profile.
    pub model: Option<String>,
    /// Those that succeeded, or those that did not.
    pub success: Option<bool>,
    /// Those on this team's account.
    pub team: Option<Team>,
    /// Those of this session of Claude Code.
    pub session: Option<WorkId>,
}

/// A key condition, or a filter, and the values in it.
#[derive(Default)]
struct Expression {
    conditions: Vec<String>,
    /// Attributes, each written as `#` and its name, since DynamoDB reserves hundreds of words.
    names: Vec<&'static str>,
    values: Item,
}

impl Expression {
    fn value(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
    }

    fn text(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }
}

impl UsageWanted {
    /// The range of sort keys. A sort key begins with the start and goes on, so none is equal to a moment's text: the end of
    /// the range is not in it.
    fn range(&self) -> Expression {
        let mut range = Expression::default();
        let since = self.since.map(rfc3339_millis);
        let until = self.until.map(rfc3339_millis);
        let condition = match (&since, &until) {
            (Some(_), Some(_)) => Some("sk BETWEEN :since AND :until"),
            (Some(_), None) => Some("sk >= :since"),
            (None, Some(_)) => Some("sk < :until"),
            (None, None) => None,
        };
        range.conditions.extend(condition.map(str::to_owned));
        for (name, value) in [(":since", since), (":until", until)] {
            if let Some(value) = value {
                range.value(name, &value);
            }
        }
        range
    }

    fn filter(&self) -> Expression {
        let mut filter = Expression::default();
        if let Some(success) = self.success {
            let sign = if success { "=" } else { "<>" };
            filter.conditions.push(format!("#outcome {sign} :success"));
            filter.names.push("outcome");
            filter.value(":success", Outcome::Success.label());
        }
        if let Some(team) = &self.team {
            filter.conditions.push("#team = :team".to_owned());
            filter.names.push("team");
            filter.value(":team", team.as_str());
        }
        if let Some(session) = &self.session {
            filter.conditions.push("#session_id = :session".to_owned());
            filter.names.push("session_id");
            filter.value(":session", session.as_str());
        }
        if let Some(model) = &self.model {
            let mut names = vec![":model".to_owned()];
            filter.value(":model", model);
            for (index, profile) in Profile::ALL.into_iter().enumerate() {
                let name = format!(":model{index}");
                filter.value(&name, &format!("{}.{model}", profile.label()));
                names.push(name);
            }
            let condition = format!("(#model = :model OR #price_model IN ({}))", names.join(", "));
            filter.conditions.push(condition);
            filter.names.extend(["model", "price_model"]);
        }
        filter
    }

    /// Passes if a sort key is one of the range. DynamoDB refuses a place outside of what is asked for, which only a forged cursor
    /// names.
    fn check(&self, sort: &str) -> Result<(), Error> {
        let after = self.since.is_none_or(|since| sort >= rfc3339_millis(since).as_str());
        let before = self.until.is_none_or(|until| sort < rfc3339_millis(until).as_str());
        if after && before { Ok(()) } else { Err(Cursor::wrong()) }
    }
}

/// A partition of rows: one principal's, or a day's in the index.
enum Part<'a> {
    Of(&'a Subject),
    On(Date),
}

/// What a page holds so far, and how much it may still read.
struct Gathered {
    limit: usize,
    rows: Vec<UsageRow>,
    queries: usize,
    read: usize,
}

impl Gathered {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            rows: Vec::new(),
            queries: 0,
            read: 0,
        }
    }

    fn is_done(&self) -> bool {
        self.rows.len() >= self.limit || self.queries >= QUERIES_A_PAGE || self.read >= READ_A_PAGE
    }

    /// Takes what a query found, up to the limit, and tells where to go on in the same partition: behind the last row that it
    /// took if it left one, else where the query stopped.
    fn take(&mut self, answer: QueryOutput) -> Result<Option<(String, Subject)>, Error> {
        self.queries += 1;
        self.read += usize::try_from(answer.scanned_count).unwrap_or_default();
        let stopped = answer.last_evaluated_key.as_ref().map(place).transpose()?;
        let items = answer
            .items
            .ok_or_else(|| Error::internal("an answer to a query without its items"))?;
        let room = self.limit.saturating_sub(self.rows.len());
        let stopped = match items.get(room.saturating_sub(1)) {
            Some(last) if items.len() > room => Some(place(last)?),
            _ => stopped,
        };
        let taken: Vec<Item> = items.into_iter().take(room).collect();
        let rows: Result<Vec<UsageRow>, Error> = taken.into_iter().map(super::usage::row).collect();
        self.rows.extend(rows?);
        Ok(stopped)
    }
}

/// The sort key of an item, and whose it is.
fn place(item: &Item) -> Result<(String, Subject), Error> {
    let partition = item.get(key::PARTITION).and_then(|value| value.as_s().ok());
    let subject = partition.and_then(|partition| key::subject_of_usage(partition));
    let subject = subject.ok_or_else(|| Error::internal("a usage row of nobody's"))?;
    Ok((sort_key(item)?, subject))
}

/// The day, in UTC, that a moment is in.
fn day_of(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

impl Store {
    /// The wanted rows of a principal, newest first. A page may be short of `limit`, or empty, and still have a cursor.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::InvalidRequest`] for a cursor from elsewhere.
    pub async fn usage_records_of(
        &self,
        principal: &Subject,
        wanted: &UsageWanted,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<UsageRow>, Error> {
        let mut start = after.map(|cursor| (cursor.0.clone(), principal.clone()));
        if let Some((sort, _)) = &start {
            wanted.check(sort)?;
        }
        let mut gathered = Gathered::new(limit);
        self.gather(&Part::Of(principal), wanted, &mut start, &mut gathered)
            .await?;
        Ok(Page {
            items: gathered.rows,
            next_cursor: start.map(|(sort, _)| Cursor(sort)),
        })
    }

    /// Everybody's wanted rows from `since` on, newest first, by way of the index, which is behind the table by a moment.
    /// A page may be short of `limit`, or empty, and still have a cursor.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::InvalidRequest`] for a cursor from elsewhere.
    pub async fn usage_records_of_all(
        &self,
        (since, until): (Timestamp, Timestamp),
        wanted: &UsageWanted,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<UsageRow>, Error> {
        let wanted = &UsageWanted {
            since: Some(since),
            until: Some(until),
            ..wanted.clone()
        };
        let (mut day, mut start) = match after {
            None => (last_day_before(until), None),
            Some(cursor) => place_by_day(cursor, wanted, since, until)?,
        };
        let mut gathered = Gathered::new(limit);
        let next_cursor = loop {
            self.gather(&Part::On(day), wanted, &mut start, &mut gathered).await?;
            if let Some((sort, subject)) = start {
                break Some(Cursor(format!("{sort}{BAR}{subject}")));
            }
            day = match day.yesterday() {
                Ok(before) if before >= day_of(since) => before,
                _ => break None,
            };
            if gathered.is_done() {
                break Some(Cursor(day.to_string()));
            }
        };
        Ok(Page {
            items: gathered.rows,
            next_cursor,
        })
    }

    /// Reads a part from `start` on until it ends, which is when `start` is none, or the page does.
    async fn gather(
        &self,
        part: &Part<'_>,
        wanted: &UsageWanted,
        start: &mut Option<(String, Subject)>,
        gathered: &mut Gathered,
    ) -> Result<(), Error> {
        loop {
            let room = gathered.limit.saturating_sub(gathered.rows.len());
            let answer = self.query_usage(part, wanted, start.take(), room).await?;
            *start = gathered.take(answer)?;
            if start.is_none() || gathered.is_done() {
                return Ok(());
            }
        }
    }

    async fn query_usage(
        &self,
        part: &Part<'_>,
        wanted: &UsageWanted,
        start: Option<(String, Subject)>,
        room: usize,
    ) -> Result<QueryOutput, Error> {
        let (range, filter) = (wanted.range(), wanted.filter());
        let mut start = start.map(|(sort, subject)| key::Key::new(&key::usage(&subject), &sort).into_item());
        let (index, attribute, partition) = match part {
            Part::Of(principal) => (None, key::PARTITION, key::usage(principal)),
            Part::On(day) => (Some(key::BY_DAY.to_owned()), key::DAY, day.to_string()),
        };
        if let (Some(start), Part::On(day)) = (&mut start, part) {
            start.insert(key::DAY.to_owned(), AttributeValue::S(day.to_string()));
        }
        let condition = ["#partition = :partition".to_owned()]
            .into_iter()
            .chain(range.conditions);
        let text = filter.text();
        let limit = text.as_ref().map_or(room, |_| READ_A_QUERY);
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            // An index answers no consistent reads.
            .consistent_read(index.is_none())
            .set_index_name(index)
            .key_condition_expression(condition.collect::<Vec<_>>().join(" AND "))
            .set_filter_expression(text)
            .expression_attribute_names("#partition", attribute)
            .expression_attribute_values(":partition", AttributeValue::S(partition))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        for name in filter.names {
            query = query.expression_attribute_names(format!("#{name}"), name);
        }
        for (name, value) in range.values.into_iter().chain(filter.values) {
            query = query.expression_attribute_values(name, value);
        }
        query.send().await.map_err(unavailable)
    }
}

/// The last day of a span whose end is not in it.
fn last_day_before(until: Timestamp) -> Date {
    let millis = until.as_millisecond() - 1;
    day_of(Timestamp::from_millisecond(millis).unwrap_or(until))
}

/// A place in the list of everybody's rows: a whole day's beginning, or behind a row.
fn place_by_day(
    cursor: &Cursor,
    wanted: &UsageWanted,
    since: Timestamp,
    until: Timestamp,
) -> Result<(Date, Option<(String, Subject)>), Error> {
    let wrong = |_| Cursor::wrong();
    let day = cursor.0.get(..10).ok_or_else(Cursor::wrong)?;
    let day: Date = day.parse().map_err(wrong)?;
    let start = match cursor.0.split_once(BAR) {
        None if cursor.0.len() == 10 && (day_of(since)..=last_day_before(until)).contains(&day) => None,
        None => return Err(Cursor::wrong()),
        Some((sort, subject)) => {
            wanted.check(sort)?;
            let subject = subject.parse().map_err(|_| Cursor::wrong())?;
            Some((sort.to_owned(), subject))
        }
    };
    Ok((day, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A-19
    #[test]
    fn a_forged_place_is_refused_before_it_is_asked_for() {
        let (since, until) = (at("2026-11-01T00:00:00Z"), at("2026-11-25T00:00:00Z"));
        let wanted = UsageWanted {
            since: Some(since),
            until: Some(until),
            ..UsageWanted::default()
        };
        let place = |text: &str| place_by_day(&Cursor(text.to_owned()), &wanted, since, until);
        for good in ["2026-11-24", "2026-11-01", "2026-11-24T01:02:03.004Z#r|user:a"] {
            assert!(place(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "2026-11-25",
            "2026-10-31",
            "2026-13-01",
            "2026-11-24T01:02:03.004Z#r",
            "2026-11-24T01:02:03.004Z#r|alice",
            "2026-11-25T00:00:00.000Z#r|user:a",
            "2026-10-31T23:59:59.999Z#r|user:a",
            "KEY#key_1|user:a",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_ends_with_the_day_before_its_end_if_that_is_a_midnight() {
        assert_eq!(last_day_before(at("2026-11-25T00:00:00Z")).to_string(), "2026-11-24");
        assert_eq!(
            last_day_before(at("2026-11-25T00:00:00.001Z")).to_string(),
            "2026-11-25"
        );
    }
}
