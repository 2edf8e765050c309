//! What administrators do to budgets: they read, replace and take away limits, together with what is left of them.
//!
//! A changed limit moves in the states of the current windows in the transaction that changes its definition, by the difference,
//! so that `available + Σ holds + spent = limit` goes on holding whatever calls do meanwhile. The states of those who have a
//! default cannot be listed, and a window may begin with a limit that is remembered for some seconds more: the sweep repairs
//! these.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem, Update};
use jiff::Timestamp;

use super::{AuditEntry, Store, condition_failed, item, key, unavailable};
use crate::budget::{Amount, BudgetId, BudgetSet, DEFAULT_ID, ScopeKind, Unit, Window};
use crate::error::Error;
use crate::lookups;

const VERSION: u32 = 1;

/// So often a change is tried that runs into others of the same states.
const MOST_TRIES: usize = 10;

/// What becomes of a change of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetWrite {
    /// It is made.
    Written,
    /// Somebody else changed the same limits first, and nothing was changed.
    Overtaken,
}

/// A change of the limits of one scope and id.
#[derive(Clone, Debug)]
pub struct BudgetChange<'a> {
    /// Whose kind.
    pub scope: ScopeKind,
    /// Who.
    pub id: &'a str,
    /// How the limits are, as they were read; none if there are none.
    pub before: Option<&'a BudgetSet>,
    /// How they are to be; none if they are to go.
    pub after: Option<&'a BudgetSet>,
}

/// A state whose limit moves.
struct Move {
    budget: BudgetId,
    from: Amount,
    to: Amount,
}

impl BudgetChange<'_> {
    /// Every unit and window that there was or will be a limit of.
    fn places(&self) -> BTreeSet<(Unit, Window)> {
        let sets = self.before.into_iter().chain(self.after);
        let limits = sets.flat_map(|set| &set.limits);
        limits.map(|limit| (limit.unit, limit.window)).collect()
    }

    /// The limit that will hold: the own one, or the default.
    fn limit_after(&self, default: Option<&BudgetSet>, place: (Unit, Window)) -> Option<Amount> {
        let sets = self.after.into_iter().chain(default);
        let mut limits = sets.flat_map(|set| &set.limits);
        let found = limits.find(|limit| (limit.unit, limit.window) == place)?;
        Some(found.limit)
    }
}

fn is_cancelled<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(TransactWriteItemsError::is_transaction_canceled_exception)
}

impl Store {
    /// The limits of one scope and id, if it has any.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn budget_set(&self, scope: ScopeKind, id: &str) -> Result<Option<BudgetSet>, Error> {
        self.read(key::budget_set(scope, id)).await
    }

    /// Changes limits, and with them the states of the windows that are current at `now`; `audit` tells of it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_budgets(
        &self,
        change: &BudgetChange<'_>,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<BudgetWrite, Error> {
        let names = [lookups::LIMITS.name(&lookups::limits_id(change.scope, change.id))];
        self.changing(&names, Box::pin(self.try_change_budgets(change, now, audit)))
            .await
    }

    async fn try_change_budgets(
        &self,
        change: &BudgetChange<'_>,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<BudgetWrite, Error> {
        let mut last = None;
        for number in 0..MOST_TRIES {
            let moves = self.moves(change, now).await?;
            let mut items = vec![self.definition_write(change)?, self.audit_write(audit)?];
            for it in &moves {
                items.push(self.move_write(it)?);
            }
            let outcome = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items))
                // Each try is a transaction of its own: its states are read anew.
                .client_request_token(format!("{}-{number}", audit.audit_id))
                .send()
                .await;
            match outcome {
                Ok(_) => return Ok(BudgetWrite::Written),
                Err(error) if condition_failed(&error, 0) => return Ok(BudgetWrite::Overtaken),
                // A state was changed or written to at the same moment. (After any other failure the change may have been made.)
                Err(error) if is_cancelled(&error) => last = Some(error),
                Err(error) => return Err(unavailable(error)),
            }
        }
        Err(last.map_or_else(|| Error::internal("no try was made"), unavailable))
    }

    /// The states that are there and whose limit is to become another.
    async fn moves(&self, change: &BudgetChange<'_>, now: Timestamp) -> Result<Vec<Move>, Error> {
        if change.id == DEFAULT_ID {
            return Ok(Vec::new());
        }
        let default = match change.scope {
            ScopeKind::Organisation => None,
            scope => self.budget_set(scope, DEFAULT_ID).await?,
        };
        let wanted = change.places().into_iter().filter_map(|(unit, window)| {
            let to = change.limit_after(default.as_ref(), (unit, window))?;
            let budget = BudgetId {
                scope: change.scope,
                id: change.id.to_owned(),
                unit,
                window,
                start: window.start(now),
            };
            Some((budget, to))
        });
        let (budgets, limits): (Vec<_>, Vec<_>) = wanted.unzip();
        let states = self.budget_states(&budgets).await?;
        let all = budgets.into_iter().zip(limits);
        Ok(all
            .filter_map(|(budget, to)| {
                let from = states.get(&budget)?.limit;
                (from != to).then_some(Move { budget, from, to })
            })
            .collect())
    }

    fn definition_write(&self, change: &BudgetChange<'_>) -> Result<TransactWriteItem, Error> {
        let key = key::budget_set(change.scope, change.id);
        let Some(before) = change.before else {
            let after = change.after.ok_or_else(|| Error::internal("a change of nothing"))?;
            return self.put_new(item(key, VERSION, after)?);
        };
        // The revision alone could be that of limits which were taken away and made again.
        let condition = "revision = :revision AND updated_at = :updated_at";
        let revision = AttributeValue::N(before.revision.to_string());
        let updated_at = AttributeValue::S(before.updated_at.to_string());
        let builder = TransactWriteItem::builder();
        Ok(match change.after {
            Some(after) => {
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(item(key, VERSION, after)?))
                    .condition_expression(condition)
                    .expression_attribute_values(":revision", revision)
                    .expression_attribute_values(":updated_at", updated_at);
                builder.put(put.build().map_err(Error::internal)?).build()
            }
            None => {
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key.into_item()))
                    .condition_expression(condition)
                    .expression_attribute_values(":revision", revision)
                    .expression_attribute_values(":updated_at", updated_at);
                builder.delete(delete.build().map_err(Error::internal)?).build()
            }
        })
    }

    /// Moves a limit and what is left by the same difference. Holds and what was spent are not touched, and may change meanwhile.
    fn move_write(&self, it: &Move) -> Result<TransactWriteItem, Error> {
        let signed = |amount: Amount| i128::try_from(amount.as_u128()).map_err(Error::internal);
        let difference = signed(it.to)? - signed(it.from)?;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::budget_state(&it.budget).into_item()))
            .update_expression("SET #limit = :to, available = available + :difference")
            .condition_expression("#limit = :from")
            .expression_attribute_names("#limit", "limit")
            .expression_attribute_values(":from", AttributeValue::N(it.from.to_string()))
            .expression_attribute_values(":to", AttributeValue::N(it.to.to_string()))
            .expression_attribute_values(":difference", AttributeValue::N(difference.to_string()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
