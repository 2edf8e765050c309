//! The ledger of migrations: how far each is, how far each pass over a segment of the table is, and who is at work.
//!
//! One lease is for all of them. Whoever takes it gets a number that nobody had before (its fence), and what a segment has come to is
//! written only by the highest number that it has seen: one that was taken for dead cannot set back what its successor has done.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::sweep::refusal;
use super::{Item, List, ScanPlace, Store, Way, item, key, unavailable};
use crate::error::Error;

const VERSION: u32 = 1;
/// There are not so many migrations.
const MOST: usize = 1_000;
/// How long the notes of a pass are kept.
const KEPT_SECONDS: i64 = 30 * 86_400;

/// How far a migration is. Readers know both forms at every time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Items are written in the old form (and were never otherwise).
    #[default]
    Pending,
    /// Items are written in the new form, and old ones are being converted.
    Rising,
    /// All items are in the new form.
    Raised,
    /// Items are written in the old form again, and new ones are being converted back.
    Falling,
    /// All items are in the old form again.
    Lowered,
    /// All items are in the new form, for good: code that knows the new form alone may follow.
    Contracted,
}

impl Phase {
    /// Whether items are written in the new form.
    pub fn writes_new(self) -> bool {
        matches!(self, Self::Rising | Self::Raised | Self::Contracted)
    }

    /// Where it is on its way to, if it is.
    pub fn way(self) -> Option<Way> {
        match self {
            Self::Rising => Some(Way::Up),
            Self::Falling => Some(Way::Down),
            _ => None,
        }
    }
}

/// What a pass over the table does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassKind {
    /// It converts.
    Convert,
    /// It changes nothing, and looks at every item.
    Verify,
}

/// A pass over the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// What it does.
    pub kind: PassKind,
    /// Its number in its run, from 1.
    pub number: u32,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Items of the kind.
    pub items: u64,
    /// Those that were converted, now or before. (On the way back: that are in the old form.)
    pub converted: u64,
    /// Those that were written in the new form.
    pub native: u64,
    /// Those of versions that the migration has nothing to do with.
    pub other: u64,
    /// Those that are not in the wanted form, though they could be.
    pub missed: u64,
    /// Those that cannot be converted, or are not what they were converted to.
    pub wrong: u64,
    /// All marks, each exclusive-ored with the others: the same of the same set.
    pub checksum: u64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, more: &Self) {
        self.items += more.items;
        self.converted += more.converted;
        self.native += more.native;
        self.other += more.other;
        self.missed += more.missed;
        self.wrong += more.wrong;
        self.checksum ^= more.checksum;
    }
}

/// Who has changed what, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// To which phase.
    pub phase: Phase,
}

/// How far a migration is, and all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Its name.
    pub id: String,
    /// The SHA-256 of what it does: another migration under the same name is refused.
    pub checksum: String,
    /// How far it is.
    pub phase: Phase,
    /// What [`Phase::writes_new`] says of it, for whoever writes.
    pub writes_new: bool,
    /// Counts its ups and downs.
    pub run: u32,
    /// The pass that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass: Option<Pass>,
    /// Before this time nothing is scanned: some may still write as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_from: Option<Timestamp>,
    /// In how many segments the table is scanned.
    pub segments: u16,
    /// The capacity units a second that it may take at the most.
    pub rate: u32,
    /// What the last pass that converted has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// What the verification has counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Counts>,
    /// Converted items that were there and are not any more: their time was over, or they were deleted.
    #[serde(default)]
    pub gone: u64,
    /// The first things that are wrong.
    #[serde(default)]
    pub faults: Vec<String>,
    /// Its history, oldest first.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// Counts the changes of this entry: each is made on the condition that it is the next.
    #[serde(default)]
    pub revision: u64,
}

/// How far a pass is in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The highest fence that has written it.
    pub fence: u64,
    /// Where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ScanPlace>,
    /// Whether it is at its end.
    pub done: bool,
    /// What was counted until there.
    pub counts: Counts,
    /// The first things that are wrong.
    #[serde(default)]
    pub faults: Vec<String>,
}

/// The right to migrate, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub holder: String,
    /// Its number; nobody had it before.
    pub fence: u64,
}

/// What becomes of a claim to the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseClaim {
    /// It is given.
    Taken(Lease),
    /// Somebody has it, until then at least.
    Busy {
        /// Who.
        holder: String,
        /// Until when, unless it is renewed.
        until: Timestamp,
    },
}

fn millis(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.as_millisecond().to_string())
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

impl Store {
    /// Takes the lease until `until`, if nobody has it at `now`. `holder` is a name that was made for it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be taken; it ends by itself.
    pub async fn take_lease(&self, holder: &str, now: Timestamp, until: Timestamp) -> Result<LeaseClaim, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::migration_lock().into_item()))
            .update_expression("SET holder = :me, lease_until = :until ADD fence :one REMOVE wanted")
            // The repetition of a claim whose answer was lost meets its own work.
            .condition_expression("attribute_not_exists(lease_until) OR lease_until <= :now OR holder = :me")
            .expression_attribute_values(":me", AttributeValue::S(holder.to_owned()))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let mut taken = None;
        let outcome = outcome.map(|answer| taken = answer.attributes);
        if let Some(item) = refusal(outcome)? {
            return busy(&item);
        }
        let fence = taken.and_then(|item| number(&item, "fence"));
        let fence = fence.and_then(|fence| u64::try_from(fence).ok());
        Ok(LeaseClaim::Taken(Lease {
            holder: holder.to_owned(),
            fence: fence.ok_or_else(|| Error::internal("a lease without its number"))?,
        }))
    }

    /// Keeps the lease until `until`. `false`: it is another's now, or somebody has asked for it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn keep_lease(&self, lease: &Lease, until: Timestamp) -> Result<bool, Error> {
        self.set_lease(lease, until, " AND attribute_not_exists(wanted)").await
    }

    /// Gives the lease back, if it is still one's own.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it ends by itself.
    pub async fn give_lease_back(&self, lease: &Lease) -> Result<(), Error> {
        self.set_lease(lease, Timestamp::UNIX_EPOCH, "").await.map(drop)
    }

    async fn set_lease(&self, lease: &Lease, until: Timestamp, condition: &str) -> Result<bool, Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::migration_lock().into_item()))
            .update_expression("SET lease_until = :until")
            .condition_expression(format!("fence = :mine{condition}"))
            .expression_attribute_values(":until", millis(until))
            .expression_attribute_values(":mine", AttributeValue::N(lease.fence.to_string()))
            .send()
            .await;
        refusal(outcome.map(drop)).map(|refused| refused.is_none())
    }

    /// Asks whoever has the lease to give it back.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn ask_for_lease(&self) -> Result<(), Error> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::migration_lock().into_item()))
            .update_expression("SET wanted = :yes")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .send()
            .await;
        refusal(outcome.map(drop)).map(drop)
    }

    /// All entries of the ledger, in the order of their names.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn migrations(&self) -> Result<Vec<Ledger>, Error> {
        let list = List {
            partition: key::MIGRATIONS.to_owned(),
            prefix: Some(key::MIGRATION_PREFIX),
            newest_first: false,
            limit: MOST,
            after: None,
        };
        Ok(self.list(list).await?.items)
    }

    /// Writes an entry over the one that was read. `false`: another change came before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it is written or not.
    pub async fn write_migration(&self, ledger: &mut Ledger) -> Result<bool, Error> {
        let read = ledger.revision;
        ledger.revision += 1;
        ledger.writes_new = ledger.phase.writes_new();
        let item = item(key::migration(&ledger.id), VERSION, &*ledger)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item.clone()));
        let put = match read {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            read => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(read.to_string())),
        };
        let answer = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(failure)) => match failure.into_err() {
                // The repetition of a write whose answer was lost meets its own work.
                PutItemError::ConditionalCheckFailedException(refusal) => Ok(refusal.item.as_ref() == Some(&item)),
                other => Err(Error::unavailable(other)),
            },
            Err(error) => Err(unavailable(error)),
        }
    }

    /// How far the pass under way is in a segment.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn segment(&self, ledger: &Ledger, number: u16) -> Result<Segment, Error> {
        let found = self.read(segment_key(ledger, number)?).await?;
        Ok(found.unwrap_or_default())
    }

    /// Writes how far it is now. `false`: one with a higher fence has been here.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it is written or not; doing it again is safe.
    pub async fn write_segment(
        &self,
        ledger: &Ledger,
        number: u16,
        segment: &Segment,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let mut item = item(segment_key(ledger, number)?, VERSION, segment)?;
        let ends = now.as_second() + KEPT_SECONDS;
        item.insert("expires_at".to_owned(), AttributeValue::N(ends.to_string()));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR fence <= :mine")
            .expression_attribute_values(":mine", AttributeValue::N(segment.fence.to_string()))
            .send()
            .await;
        super::was_done(answer, |error| {
            matches!(error, PutItemError::ConditionalCheckFailedException(_))
        })
    }
}

fn segment_key(ledger: &Ledger, number: u16) -> Result<key::Key, Error> {
    let pass = ledger.pass.ok_or_else(|| Error::internal("no pass is under way"))?;
    Ok(key::migration_segment(&ledger.id, ledger.run, pass.number, number))
}

fn busy(item: &Item) -> Result<LeaseClaim, Error> {
    let holder = item.get("holder").and_then(|value| value.as_s().ok()).cloned();
    let until = number(item, "lease_until").and_then(|millis| Timestamp::from_millisecond(millis).ok());
    match (holder, until) {
        (Some(holder), Some(until)) => Ok(LeaseClaim::Busy { holder, until }),
        _ => Err(Error::internal("the lease of migrations is malformed")),
    }
}
