//! Rollups in lists: those of one dimension and period over a span of time, in the order of time and then of ids.

use jiff::Timestamp;

use super::rollups::{moment, rollup};
use super::{Cursor, List, Page, Store, key};
use crate::error::Error;
use crate::rollup::{Dimension, Period, Rollup};

/// So many sums are looked at for a page at the most, whichever of them it shows.
const READ_A_PAGE: usize = 20_000;
/// So many parts of the table are read for a page at the most.
const PARTS_A_PAGE: usize = 60;
/// So many sums are read at once, if fewer are wanted.
const READ_AT_ONCE: usize = 1_000;

/// Which ids' sums are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RollupIds {
    /// Everybody's.
    All,
    /// Those of one id.
    One(String),
    /// Of [`Dimension::UserModel`], those of a user.
    OfUser(String),
    /// Of [`Dimension::UserModel`], those of a model.
    OfModel(String),
}

impl RollupIds {
    fn holds(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == id,
            Self::OfUser(user) => id.split_once('|').is_some_and(|(of, _)| of == user),
            Self::OfModel(model) => id.split_once('|').is_some_and(|(_, of)| of == model),
        }
    }
}

/// What is read one after the other: a bucket, or of a user's models one period of it, since a user's stand together there.
struct Part {
    bucket: String,
    prefix: Option<String>,
}

impl Part {
    fn name(&self) -> &str {
        self.prefix.as_deref().unwrap_or(&self.bucket)
    }
}

/// A list of sums.
#[derive(Clone, Debug)]
pub struct RollupList {
    /// By what.
    pub dimension: Dimension,
    /// Over how long.
    pub period: Period,
    /// Whose.
    pub ids: RollupIds,
    /// From the period that holds this moment on.
    pub since: Timestamp,
    /// Up to the last period that began before this one.
    pub until: Timestamp,
}

impl RollupList {
    fn parts(&self) -> Vec<Part> {
        let (mut at, mut all) = (self.since, Vec::<Part>::new());
        while at < self.until {
            let bucket = self.period.bucket(at);
            let prefix = match &self.ids {
                RollupIds::OfUser(user) => Some(format!("{}#{user}|", self.period.start(at))),
                _ => None,
            };
            if prefix.is_some() || all.last().is_none_or(|last| last.bucket != bucket) {
                all.push(Part { bucket, prefix });
            }
            let end = self.period.end(at);
            if end <= at {
                break;
            }
            at = end;
        }
        all
    }

    fn is_over(&self, rollup: &Rollup) -> bool {
        moment(self.period, &rollup.of.start).is_none_or(|at| at >= self.until)
    }
}

impl Store {
    /// A page of at most `limit` sums. It may be short, or empty, and still have a cursor.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::InvalidRequest`] for a cursor from elsewhere.
    pub async fn list_rollups(
        &self,
        list: &RollupList,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        let parts = list.parts();
        let first = list.period.start(list.since);
        // A start sorts before all that stands under it.
        let from_the_beginning = || {
            (
                0,
                (!matches!(list.ids, RollupIds::OfUser(_))).then(|| Cursor(first.clone())),
            )
        };
        let (mut index, mut place) = match after {
            None => from_the_beginning(),
            Some(cursor) => place_in(&parts, cursor)?,
        };
        let (mut items, mut read, stop) = (Vec::new(), 0, index + PARTS_A_PAGE);
        while let Some(part) = parts.get(index) {
            if items.len() >= limit || read >= READ_A_PAGE || index >= stop {
                let next_cursor = Some(cursor_at(part, place.as_ref()));
                return Ok(Page { items, next_cursor });
            }
            let page = self
                .read_rollups(list, part, limit.max(READ_AT_ONCE), place.as_ref())
                .await?;
            read += page.items.len().max(1);
            place = page.next_cursor;
            for rollup in page.items {
                if list.is_over(&rollup) {
                    return Ok(Page {
                        items,
                        next_cursor: None,
                    });
                }
                if rollup.of.start < first || !list.ids.holds(&rollup.of.id) {
                    continue;
                }
                if items.len() >= limit {
                    let last = items.last().map(place_of);
                    let next_cursor = Some(cursor_at(part, last.as_ref()));
                    return Ok(Page { items, next_cursor });
                }
                items.push(rollup);
            }
            if place.is_none() {
                index += 1;
            }
        }
        Ok(Page {
            items,
            next_cursor: None,
        })
    }

    async fn read_rollups(
        &self,
        list: &RollupList,
        part: &Part,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<Rollup>, Error> {
        let (dimension, period) = (list.dimension, list.period);
        let one = match &list.ids {
            RollupIds::One(id) => Some(id.as_str()),
            _ => None,
        };
        if part.prefix.is_none() {
            return self.rollups(dimension, period, &part.bucket, one, limit, after).await;
        }
        let query = List {
            partition: key::rollups(dimension, period, &part.bucket),
            prefix: part.prefix.as_deref(),
            newest_first: false,
            limit,
            after,
        };
        let page = self.list_items(query).await?;
        let items = page.items.iter().map(|item| rollup(dimension, period, item));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            next_cursor: page.next_cursor,
        })
    }
}

fn place_of(rollup: &Rollup) -> Cursor {
    Cursor(format!("{}#{}", rollup.of.start, rollup.of.id))
}

/// Between a part and the place in it. A subject, a bucket and a start have none.
const GAP: char = '!';

fn cursor_at(part: &Part, place: Option<&Cursor>) -> Cursor {
    let place = place.map_or("", |place| place.0.as_str());
    Cursor(format!("{}{GAP}{place}", part.name()))
}

fn place_in(parts: &[Part], cursor: &Cursor) -> Result<(usize, Option<Cursor>), Error> {
    let (name, place) = cursor.0.split_once(GAP).ok_or_else(Cursor::wrong)?;
    let index = parts.iter().position(|part| part.name() == name);
    let place = (!place.is_empty()).then(|| Cursor(place.to_owned()));
    Ok((index.ok_or_else(Cursor::wrong)?, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_the_buckets_of_all_its_periods() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let of = |period, since, until| {
            let list = RollupList {
                dimension: Dimension::User,
                period,
                ids: RollupIds::All,
                since: at(since),
                until: at(until),
            };
            list.parts().into_iter().map(|part| part.bucket).collect::<Vec<_>>()
        };
        assert_eq!(
            of(Period::Hour, "2026-11-25T23:59:00Z", "2026-11-27T00:00:00Z"),
            ["2026-11-25", "2026-11-26"]
        );
        assert_eq!(
            of(Period::Day, "2026-11-30T00:00:00Z", "2026-12-01T00:00:00.001Z"),
            ["2026-11", "2026-12"]
        );
        assert_eq!(
            of(Period::Week, "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z"),
            ["2026"]
        );
        assert_eq!(
            of(Period::Month, "2026-01-31T00:00:00Z", "2026-12-31T00:00:00Z"),
            ["2026"]
        );
    }
}
