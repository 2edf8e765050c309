//! Each call with its row and its line in the ledger.

use std::collections::HashMap;

use gateway::store::UsageRow;
use gateway::usage::{Outcome, Usage};

use super::{Books, Evidence, Fate, Seen};
use crate::local::LedgerCall;

/// A call with what is known of it: its row and its line, found by the ids that answer, row and ledger have in common.
pub(super) struct Call<'a> {
    pub(super) seen: &'a Seen,
    pub(super) row: Option<&'a UsageRow>,
    pub(super) line: Option<&'a LedgerCall>,
}

impl Call<'_> {
    fn fate(&self) -> Option<Fate> {
        self.seen.kind.fate(self.seen.form, self.seen.status)
    }

    /// How it must have ended at Bedrock, if it went out.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.fate()? {
            Fate::GoesOut(outcome) => Some(outcome),
            Fate::Stays => None,
        }
    }

    /// What its client saw of its tokens; none of a call that failed.
    pub(super) fn usage(&self) -> Usage {
        self.seen.usage.unwrap_or_default()
    }

    /// What its client was told that it cost, or, of a stream, makes of its tokens by the price list.
    pub(super) fn cost(&self, books: &Books) -> u128 {
        let listed = || {
            let rates = books.prices.get(&self.row?.price_model)?;
            Some(rates.cost(self.seen.usage.as_ref()?))
        };
        self.seen.cost.or_else(listed).unwrap_or_default()
    }
}

/// The calls in their order, each with its row and its line.
pub(super) fn calls(evidence: &Evidence) -> Vec<Call<'_>> {
    let books = &evidence.books;
    let rows: HashMap<_, _> = books.rows.iter().map(|row| (row.request_id.as_str(), row)).collect();
    let lines: HashMap<_, _> = books
        .ledger
        .iter()
        .map(|line| (line.request_id.as_str(), line))
        .collect();
    let mut calls: Vec<_> = evidence
        .seen
        .iter()
        .map(|seen| {
            let row = rows.get(seen.request_id.as_str()).copied();
            let line = row.and_then(|row| lines.get(row.upstream_request_id.as_deref()?).copied());
            Call { seen, row, line }
        })
        .collect();
    calls.sort_by_key(|call| call.seen.number);
    calls
}
