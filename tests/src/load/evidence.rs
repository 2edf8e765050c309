//! Everything that is held against each other.

use std::time::Duration;

use super::{Books, Counts, Report, Seen, Stored};
use crate::samples::Samples;

/// What clients saw, what the books say, and what the metrics say.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Calls and uploads that were asked for.
    pub wished: (usize, usize),
    /// What the load took.
    pub took: Duration,
    /// The calls, as they were answered.
    pub seen: Vec<Seen>,
    /// The uploads.
    pub stored: Vec<Stored>,
    /// Requests of all kinds, as clients have counted them.
    pub counts: Counts,
    /// The books.
    pub books: Books,
    /// `GET /metrics` of the gateway.
    pub told: Change,
    /// The functions' metric lines.
    pub lines: Change,
}

impl Evidence {
    /// What comes of it.
    pub fn report(&self) -> Report {
        Report::of(self)
    }
}

/// What was counted between two looks.
#[derive(Clone, Debug)]
pub struct Change {
    before: Samples,
    after: Samples,
}

impl Change {
    pub(super) fn new(before: Samples, after: Samples) -> Self {
        Self { before, after }
    }

    /// By how much the samples of this name with these labels have grown together.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u128 {
        let (before, after) = (self.before.sum(name, labels), self.after.sum(name, labels));
        u128::from(after.saturating_sub(before))
    }
}
