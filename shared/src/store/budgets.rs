//! Budgets: what limits there are, and what of each is gone in each of its windows.
//!
//! A window's state is one item: `limit`, `available`, `spent`, and an attribute for each hold in flight, so that one
//! conditional write holds and one settles, without a transaction, at whatever contention: DynamoDB orders the writes of an item.
//! `available + Σ holds + spent = limit` after each of them. A write whose answer was lost is told by its repetition: the
//! condition fails then, and the item that comes back with the refusal shows that the hold is there (or gone) already.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Cursor, Item, List, Page, Store, key, unavailable};
use crate::budget::{Amount, BudgetId, BudgetSet, ScopeKind};
use crate::error::Error;
use crate::money::Picodollars;

/// So often a write meets a transaction before it gives up.
const MOST_CONFLICTS: u32 = 7;
/// How long it waits the first time; each further time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// What the names of holds begin with; no other attribute does.
const HOLD_PREFIX: &str = "h-";

/// What of a limit is gone in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetState {
    /// The limit that it was begun with, or was changed to.
    pub limit: Amount,
    /// What was spent.
    pub spent: Amount,
    /// What is left. Negative only after the limit was lowered below what was spent and held.
    pub available: i128,
    /// What is held, by the name of the hold ([`hold_name`]).
    pub holds: BTreeMap<String, Amount>,
    /// The percentages for which an alert went out.
    pub alerted: Vec<u8>,
}

impl BudgetState {
    /// What is left, or nothing.
    pub fn available(&self) -> Amount {
        match u128::try_from(self.available) {
            Ok(left) => Picodollars::try_from(left).unwrap_or(Picodollars::MAX).into(),
            // Less than nothing is nothing to spend.
            Err(_) => Amount::ZERO,
        }
    }

    /// All that is held.
    pub fn held(&self) -> Amount {
        self.holds
            .values()
            .fold(Amount::ZERO, |sum, hold| sum.saturating_add(*hold))
    }
}

/// What becomes of a wish to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is held, by this write or an earlier one whose answer was lost.
    Held {
        /// What is left beside it.
        available: Amount,
    },
    /// It does not fit; so much is left of so much.
    Refused {
        /// What is left.
        available: Amount,
        /// Of what.
        limit: Amount,
    },
}

/// What a settled budget has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// What was spent.
    pub spent: Amount,
    /// What is left beside all holds, or nothing.
    pub available: Amount,
}

/// So many bytes of a digest name a hold.
const HOLD_NAME_BYTES: usize = 9;

/// The name of a call's hold: 72 bits of the SHA-256 of its request id. Short, since an item holds many and is paid by its size.
pub fn hold_name(request_id: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, request_id.as_bytes());
    let (start, _) = digest.as_ref().split_at(HOLD_NAME_BYTES);
    format!("{HOLD_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(start))
}

impl Store {
    /// Holds `amount` for a call, if that is left; a window that has no state yet begins with `limit`, atomically.
    /// `expires_at` is when the state may be forgotten, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be held or not.
    pub async fn hold(
        &self,
        budget: &BudgetId,
        limit: Amount,
        request_id: &str,
        amount: Amount,
        expires_at: Option<i64>,
    ) -> Result<Hold, Error> {
        let name = hold_name(request_id);
        let mut expression = "SET #limit = if_not_exists(#limit, :limit), spent = if_not_exists(spent, :zero), \
                              available = if_not_exists(available, :limit) - :amount, #hold = :amount"
            .to_owned();
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .condition_expression(
                "attribute_not_exists(#hold) AND (available >= :amount OR (attribute_not_exists(available) AND :limit >= :amount))",
            )
            .expression_attribute_names("#hold", &name)
            .expression_attribute_names("#limit", "limit")
            .expression_attribute_values(":limit", number(limit))
            .expression_attribute_values(":zero", number(Amount::ZERO))
            .expression_attribute_values(":amount", number(amount))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(seconds) = expires_at {
            expression.push_str(", expires_at = :expires_at");
            update = update.expression_attribute_values(":expires_at", AttributeValue::N(seconds.to_string()));
        }
        match unless_conflicting(update.update_expression(expression)).await {
            Ok(answer) => Ok(Hold::Held {
                available: after_update(answer.attributes)?.available(),
            }),
            Err(error) => match refused(error)? {
                Some(state) if state.holds.contains_key(&name) => Ok(Hold::Held {
                    available: state.available(),
                }),
                Some(state) => Ok(Hold::Refused {
                    available: state.available(),
                    limit: state.limit,
                }),
                None => Ok(Hold::Refused {
                    available: limit,
                    limit,
                }),
            },
        }
    }

    /// Turns a call's hold of `held` into what it really cost. `None`: nothing is held for it (any more), and nothing was changed.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be settled or not; doing it again is safe.
    pub async fn settle_hold(
        &self,
        budget: &BudgetId,
        request_id: &str,
        held: Amount,
        spent: Amount,
    ) -> Result<Option<Left>, Error> {
        let name = hold_name(request_id);
        let mut held = held;
        loop {
            // An expression adds or subtracts once, so what comes back is reckoned here, of what the condition makes sure is held.
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key::budget_state(budget).into_item()))
                .update_expression("SET available = available + :back, spent = spent + :spent REMOVE #hold")
                .condition_expression("#hold = :held")
                .expression_attribute_names("#hold", &name)
                .expression_attribute_values(":back", difference(held, spent))
                .expression_attribute_values(":spent", number(spent))
                .expression_attribute_values(":held", number(held))
                .return_values(ReturnValue::UpdatedNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let refused = match unless_conflicting(update).await {
                Ok(answer) => {
                    let state = after_update(answer.attributes)?;
                    return Ok(Some(Left {
                        spent: state.spent,
                        available: state.available(),
                    }));
                }
                Err(error) => refused(error)?,
            };
            // Held is something else only if a call's bound was changed in between, which its settlement comes after.
            match refused.and_then(|state| state.holds.get(&name).copied()) {
                None => return Ok(None),
                Some(other) => held = other,
            }
        }
    }

    /// Gives back what is held for a call that was not made.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be released or not; doing it again is safe.
    pub async fn release_hold(&self, budget: &BudgetId, request_id: &str) -> Result<(), Error> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .update_expression("SET available = available + #hold REMOVE #hold")
            .condition_expression("attribute_exists(#hold)")
            .expression_attribute_names("#hold", hold_name(request_id));
        match unless_conflicting(update).await {
            Ok(_) => Ok(()),
            Err(error) => refused(error).map(drop),
        }
    }

    /// The state of a budget's window; `None` where nothing was ever held in it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn budget_state(&self, budget: &BudgetId) -> Result<Option<BudgetState>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(budget).into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(unavailable)?;
        answer.item.as_ref().map(state).transpose()
    }

    /// The limits of these, of those that have any.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn budget_sets(&self, wanted: &[(ScopeKind, &str)]) -> Result<Vec<BudgetSet>, Error> {
        let keys = wanted.iter().map(|(scope, id)| key::budget_set(*scope, id).into_item());
        let items = self.batch_get(keys.collect()).await?;
        serde_dynamo::from_items(items).map_err(Error::internal)
    }

    /// All limits, by scope and id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn all_budget_sets(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<BudgetSet>, Error> {
        let partition = key::BUDGETS.to_owned();
        self.list(List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }
}

/// Sends an update, again and again while a transaction on the same item is under way: that of an administrator who changes the
/// limit is the only one there is, and takes milliseconds. (The SDK does not repeat these by itself.)
async fn unless_conflicting(
    update: UpdateItemFluentBuilder,
) -> Result<UpdateItemOutput, SdkError<UpdateItemError, HttpResponse>> {
    for number in 0..MOST_CONFLICTS {
        match update.clone().send().await {
            Err(error) if is_conflict(&error) => {
                let pause = FIRST_PAUSE.saturating_mul(1 << number);
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    update.send().await
}

fn is_conflict<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(UpdateItemError::is_transaction_conflict_exception)
}

pub(super) fn number(amount: Amount) -> AttributeValue {
    AttributeValue::N(amount.to_string())
}

/// `minuend - subtrahend`, which is negative where more was spent than held.
pub(super) fn difference(minuend: Amount, subtrahend: Amount) -> AttributeValue {
    let (minuend, subtrahend) = (minuend.as_u128(), subtrahend.as_u128());
    AttributeValue::N(match minuend.checked_sub(subtrahend) {
        Some(difference) => difference.to_string(),
        None => format!("-{}", subtrahend - minuend),
    })
}

/// The item that a condition refused; none where there is no item. Any other failure stays one.
fn refused<R>(error: SdkError<UpdateItemError, R>) -> Result<Option<BudgetState>, Error>
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(failure) => match failure.into_err() {
            UpdateItemError::ConditionalCheckFailedException(refusal) => refusal.item.as_ref().map(state).transpose(),
            other => Err(Error::unavailable(other)),
        },
        other => Err(unavailable(other)),
    }
}

/// Reads the part of an item that an update gives back. It has what was changed, and every update changes both of these.
fn after_update(attributes: Option<Item>) -> Result<BudgetState, Error> {
    let item = attributes.filter(|item| ["spent", "available"].iter().all(|name| item.contains_key(*name)));
    state(&item.ok_or_else(|| Error::unavailable("a budget's state that an update did not give back"))?)
}

/// Reads an item, or the part of one that an update gives back.
pub(super) fn state(item: &Item) -> Result<BudgetState, Error> {
    // A part of an item lacks numbers; one that is there and is no number is a fault, and no nought.
    let digits = |name: &str| match item.get(name).map(AttributeValue::as_n) {
        None => Ok("0"),
        Some(Ok(digits)) => Ok(digits.as_str()),
        Some(Err(_)) => Err(Error::internal("a budget's state with what is no number")),
    };
    let amount = |name: &str| digits(name)?.parse::<Amount>().map_err(Error::internal);
    let holds: HashMap<_, _> = item.iter().filter(|(name, _)| name.starts_with(HOLD_PREFIX)).collect();
    let holds = holds.into_keys().map(|name| Ok((name.clone(), amount(name)?)));
    Ok(BudgetState {
        limit: amount("limit")?,
        spent: amount("spent")?,
        available: digits("available")?.parse().map_err(Error::internal)?,
        holds: holds.collect::<Result<_, Error>>()?,
        alerted: item.get("alerted").map(percentages).transpose()?.unwrap_or_default(),
    })
}

fn percentages(value: &AttributeValue) -> Result<Vec<u8>, Error> {
    let malformed = |_| Error::internal("alerted percentages that are no numbers");
    let numbers = value.as_ns().map_err(malformed)?;
    numbers.iter().map(|it| it.parse().map_err(Error::internal)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_gives_back_nothing_or_a_part_is_a_fault_and_no_empty_budget() {
        let five = AttributeValue::N("5".to_owned());
        let both = Item::from([("spent", five.clone()), ("available", five)].map(|(name, it)| (name.to_owned(), it)));
        let read = after_update(Some(both.clone())).unwrap();
        assert_eq!((read.spent, read.available), (Amount::new(5), 5));
        assert!(after_update(None).is_err() && after_update(Some(Item::new())).is_err());
        for name in ["spent", "available"] {
            let mut part = both.clone();
            part.remove(name);
            assert!(after_update(Some(part)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_state_with_what_is_no_number_is_a_fault_and_no_nought() {
        let number = |digits: &str| AttributeValue::N(digits.to_owned());
        let mut item = Item::from([
            ("limit".to_owned(), number("5")),
            ("available".to_owned(), number("-1")),
        ]);
        let read = state(&item).unwrap();
        assert_eq!(
            (read.limit, read.available, read.available()),
            (Amount::new(5), -1, Amount::ZERO)
        );
        for name in ["limit", "spent", "available"] {
            let before = item.insert(name.to_owned(), AttributeValue::S("5".to_owned()));
            assert!(state(&item).is_err(), "{name}");
            match before {
                Some(before) => item.insert(name.to_owned(), before),
                None => item.remove(name),
            };
        }
    }
}
