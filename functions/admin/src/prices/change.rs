//! A change of the price book: made up against one revision, written as the next, with its audit entry.

use std::collections::HashSet;

use gateway::error::{Error, Kind};
use gateway::http::{Caller, Outcome, json};
use gateway::price::{Difference, Entry, PriceBook, PricedModel, ServiceTier};
use gateway::store::{AuditEntry, PriceWrite};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::shown::Shown;
use crate::State;

/// So many changes of an import are told one by one.
const MAX_TOLD: usize = 200;

/// What the book is to become, and why.
pub(super) struct Change {
    revision: u64,
    entries: Vec<Entry>,
    pub(super) difference: Difference,
    action: &'static str,
    target: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    /// An entry is put, in the place of one of the same model, tier and time.
    pub(super) fn put(book: &PriceBook, entry: Entry, action: &'static str) -> Self {
        let (model, tier, from) = (entry.model.clone(), entry.tier, entry.effective_from);
        let before = book.entry(&model, tier, from).map(value);
        let (entries, difference) = book.with(entry);
        let of_it = |entry: &&Entry| key(entry) == (&model, tier, from);
        let after = entries.iter().find(of_it).map(value);
        Self {
            revision: book.revision(),
            difference,
            action,
            target: target(&model, tier, from),
            before,
            after,
            entries,
        }
    }

    /// An entry is taken away; nothing if there is none of this model, tier and time.
    pub(super) fn delete(book: &PriceBook, model: &PricedModel, tier: ServiceTier, from: Timestamp) -> Option<Self> {
        let before = book.entry(model, tier, from).map(value)?;
        let (entries, difference) = book.replaced_by(book.without(model, tier, from));
        Some(Self {
            revision: book.revision(),
            entries,
            difference,
            action: "price.delete",
            target: target(model, tier, from),
            before: Some(before),
            after: None,
        })
    }

    /// All entries are replaced. The audit entry tells how many, and of which revisions: those can be read for ever.
    pub(super) fn replace(book: &PriceBook, wanted: Vec<Entry>) -> Self {
        let (entries, difference) = book.replaced_by(wanted);
        Self {
            revision: book.revision(),
            difference,
            action: "price.import",
            target: "prices".to_owned(),
            before: Some(json!({"revision": book.revision(), "entries": book.entries().len()})),
            after: Some(json!({
                "revision": book.revision() + 1,
                "entries": entries.len(),
                "added": difference.added,
                "changed": difference.changed,
                "removed": difference.removed,
            })),
            entries,
        }
    }

    /// Every entry that changes, with what it was and will be: the first [`MAX_TOLD`] of them.
    pub(super) fn told(&self, book: &PriceBook) -> Vec<Value> {
        let next = self.revision + 1;
        let written = self.entries.iter().filter(|entry| entry.revision == next).map(|entry| {
            let before = book.entry(&entry.model, entry.tier, entry.effective_from);
            let change = if before.is_some() { "changed" } else { "added" };
            json!({"change": change, "before": before.map(value), "after": value(entry)})
        });
        let stays: HashSet<_> = self.entries.iter().map(key).collect();
        let removed = book.entries().iter().filter(|entry| !stays.contains(&key(entry)));
        let removed = removed.map(|entry| json!({"change": "removed", "before": value(entry), "after": null}));
        written.chain(removed).take(MAX_TOLD).collect()
    }

    /// Makes the change and answers with what is now.
    pub(super) async fn make(self, state: &State, caller: &Caller) -> Outcome {
        let price = self.after.clone();
        let revision = self.write(state, caller).await?;
        json(StatusCode::OK, &json!({"revision": revision, "price": price}))
    }

    /// Writes the next revision and gives its number. What changes nothing is not written, and leaves no audit entry.
    pub(super) async fn write(self, state: &State, caller: &Caller) -> Result<u64, Error> {
        if self.difference.is_none() {
            return Ok(self.revision);
        }
        let audit = AuditEntry::new(
            state.clock.now(),
            caller.principal.subject.clone(),
            self.action,
            self.target,
            (self.before, self.after),
            caller.request_id.clone(),
        )?;
        match state.store.write_prices(self.revision, &self.entries, &audit).await? {
            PriceWrite::Written => Ok(self.revision + 1),
            PriceWrite::Overtaken => Err(Error::new(
                Kind::Conflict,
                "Somebody else changed the price book at the same time; nothing was changed. Read it and try again.",
            )),
        }
    }
}

fn target(model: &PricedModel, tier: ServiceTier, from: Timestamp) -> String {
    format!("{model} {tier} {from}")
}

fn key(entry: &Entry) -> (&PricedModel, ServiceTier, Timestamp) {
    (&entry.model, entry.tier, entry.effective_from)
}

fn value(entry: &Entry) -> Value {
    json!(Shown::of_entry(entry))
}
