//! The audit trail: what administrators changed. Entries are put on the condition that they are not there, and nothing
//! here changes or deletes one.
//!
//! A month is a partition, so that a list newest first reads only what it shows. Before and after are kept as JSON text:
//! what a change looked like does not depend on what a table's types can hold.

use aws_sdk_dynamodb::types::TransactWriteItem;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cursor, Item, List, Page, Store, item, key};
use crate::clock::rfc3339_millis;
use crate::error::{Error, Kind};
use crate::principal::Subject;
use crate::random;

const VERSION: u32 = 1;

/// The most that `before` and `after` hold together, in bytes of JSON: an item has 400 KB, and the trail tells of changes,
/// not of whole tables.
const MAX_VALUES: usize = 64 * 1024;

/// So many months are looked through for one page. A page that ends there has a cursor, even if it holds nothing.
const MONTHS_A_PAGE: usize = 12;

/// One administrative change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Its name: unique, made when the entry is.
    pub audit_id: String,
    /// When, to the millisecond.
    pub time: Timestamp,
    /// Who changed it.
    pub actor: Subject,
    /// What was done, as `price.put`.
    pub action: String,
    /// What it was done to: an id of the aggregate's own.
    pub target: String,
    /// How it was, if it was.
    pub before: Option<Value>,
    /// How it is, if it is.
    pub after: Option<Value>,
    /// The request that did it.
    pub request_id: String,
}

/// An entry as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    audit_id: String,
    time: Timestamp,
    actor: Subject,
    action: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    request_id: String,
}

impl AuditEntry {
    /// An entry of a change of `target` by `actor` at `time`. `change` is how it was before and how it is after, none of
    /// them a secret.
    ///
    /// # Errors
    /// [`Kind::TooLarge`] if `change` has more than 64 KiB of JSON; [`Kind::Unavailable`] without randomness for its id.
    pub fn new(
        time: Timestamp,
        actor: Subject,
        action: &'static str,
        target: String,
        change: (Option<Value>, Option<Value>),
        request_id: String,
    ) -> Result<Self, Error> {
        let (before, after) = change;
        let length = |value: &Option<Value>| value.as_ref().map_or(0, |value| value.to_string().len());
        if length(&before) + length(&after) > MAX_VALUES {
            return Err(Error::new(
                Kind::TooLarge,
                "The change is too large for the audit trail.",
            ));
        }
        Ok(Self {
            audit_id: random::identifier("audit")?,
            time,
            actor,
            action: action.to_owned(),
            target,
            before,
            after,
            request_id,
        })
    }

    fn to_item(&self) -> Result<Item, Error> {
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let stored = Stored {
            audit_id: self.audit_id.clone(),
            time: self.time,
            actor: self.actor.clone(),
            action: self.action.clone(),
            target: self.target.clone(),
            before: text(&self.before),
            after: text(&self.after),
            request_id: self.request_id.clone(),
        };
        item(key::audit_entry(self.time, &self.audit_id), VERSION, stored)
    }

    fn from_stored(stored: Stored) -> Result<Self, Error> {
        let value = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(Self {
            before: value(stored.before).map_err(Error::internal)?,
            after: value(stored.after).map_err(Error::internal)?,
            audit_id: stored.audit_id,
            time: stored.time,
            actor: stored.actor,
            action: stored.action,
            target: stored.target,
            request_id: stored.request_id,
        })
    }
}

impl Store {
    /// The entry's write, for the transaction that makes the change: there is no change without its entry, and no entry
    /// without its change.
    pub(super) fn audit_write(&self, entry: &AuditEntry) -> Result<TransactWriteItem, Error> {
        self.put_new(entry.to_item()?)
    }

    /// Writes an entry by itself, for a change that is no item of the table. `false`: it is there already.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]
    pub async fn record_audit(&self, entry: &AuditEntry) -> Result<bool, Error> {
        self.insert(entry.to_item()?).await
    }

    /// The entries from `since` to `until`, both included, newest first. A page may be short of `limit`, or empty, and
    /// still have a cursor: a page looks through a year at the most.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]; [`Kind::InvalidRequest`] for a cursor from elsewhere.
    pub async fn audit_entries(
        &self,
        since: Timestamp,
        until: Timestamp,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<AuditEntry>, Error> {
        // `~` sorts after the `#` that follows the time in every sort key, so this is the place just past `until`.
        let mut place = after
            .cloned()
            .unwrap_or_else(|| Cursor(format!("{}~", rfc3339_millis(until))));
        let mut items = Vec::new();
        for _ in 0..MONTHS_A_PAGE {
            let month = Month::of(&place)?;
            let page = self.audit_month(&month, limit - items.len(), &place).await?;
            for stored in page.items {
                if stored.time < since {
                    return Ok(Page {
                        items,
                        next_cursor: None,
                    });
                }
                items.push(AuditEntry::from_stored(stored)?);
            }
            let Some(next) = page.next_cursor.or_else(|| month.end_of_the_one_before(since)) else {
                return Ok(Page {
                    items,
                    next_cursor: None,
                });
            };
            place = next;
            if items.len() >= limit {
                break;
            }
        }
        Ok(Page {
            items,
            next_cursor: Some(place),
        })
    }

    async fn audit_month(&self, month: &Month, limit: usize, after: &Cursor) -> Result<Page<Stored>, Error> {
        self.list(List {
            partition: key::audit(&month.text()),
            prefix: None,
            newest_first: true,
            limit,
            after: Some(after),
        })
        .await
    }
}

/// A month in UTC.
struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that a place is in: places begin with a time.
    fn of(place: &Cursor) -> Result<Self, Error> {
        let (year, rest) = place.0.split_once('-').ok_or_else(Cursor::wrong)?;
        let month = rest.get(..2).ok_or_else(Cursor::wrong)?;
        match (year.len() == 4, year.parse(), month.parse()) {
            (true, Ok(year @ 2000..=9999), Ok(month @ 1..=12)) => Ok(Self { year, month }),
            _ => Err(Cursor::wrong()),
        }
    }

    fn text(&self) -> String {
        format!("{:04}-{:02}", self.year, self.month)
    }

    /// The place past everything of the month before, unless that month is over before `since`.
    fn end_of_the_one_before(&self, since: Timestamp) -> Option<Cursor> {
        let (year, month) = if self.month == 1 {
            (self.year - 1, 12)
        } else {
            (self.year, self.month - 1)
        };
        let before = Self { year, month }.text();
        let first = rfc3339_millis(since);
        (year >= 2000 && before.as_str() >= first.get(..7)?).then(|| Cursor(format!("{before}-~")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Cursor {
        Cursor(text.to_owned())
    }

    #[test]
    fn months_go_back_to_the_one_of_since_and_no_further() {
        let since = "2025-12-31T23:59:59Z".parse().unwrap();
        let january = Month::of(&place("2026-01-05T00:00:00.000Z~")).unwrap();
        let december = january.end_of_the_one_before(since).unwrap();
        assert_eq!(december, place("2025-12-~"));
        assert!(Month::of(&december).unwrap().end_of_the_one_before(since).is_none());
    }

    #[test]
    fn a_place_that_names_no_month_is_refused() {
        for bad in [
            "",
            "2026",
            "KEY#key_1",
            "2026-13-~",
            "26-01-~",
            "2026-1",
            "0000-01-~",
            "-026-01",
        ] {
            let error = Month::of(&place(bad)).err().map(|error| error.kind);
            assert_eq!(error, Some(Kind::InvalidRequest), "{bad:?}");
        }
    }

    #[test]
    fn a_change_of_more_than_64_kib_is_refused() {
        let of = |length: usize| {
            let value = Some(Value::String("x".repeat(length)));
            let actor = "user:a".parse().unwrap();
            AuditEntry::new(
                Timestamp::UNIX_EPOCH,
                actor,
                "a.b",
                "t".into(),
                (None, value),
                "r".into(),
            )
        };
        assert!(of(MAX_VALUES - 2).is_ok());
        assert_eq!(of(MAX_VALUES - 1).unwrap_err().kind, Kind::TooLarge);
    }
}
