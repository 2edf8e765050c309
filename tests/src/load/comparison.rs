//! A number, and who says what of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The clients, by their answers.
    Clients,
    /// The usage rows; of files their list.
    Rows,
    /// The mock's ledger.
    Ledger,
    /// The budgets.
    Budgets,
    /// `GET /metrics`.
    Metrics,
    /// The functions' metric lines.
    Lines,
}

impl Source {
    /// All of them, in the order of the report's columns.
    pub const ALL: [Self; 6] = [
        Self::Clients,
        Self::Rows,
        Self::Ledger,
        Self::Budgets,
        Self::Metrics,
        Self::Lines,
    ];

    /// As the report calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Rows => "rows",
            Self::Ledger => "ledger",
            Self::Budgets => "budgets",
            Self::Metrics => "/metrics",
            Self::Lines => "metric lines",
        }
    }
}

/// One number, as each says it who knows of it.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What is counted.
    pub what: String,
    /// Who says what.
    pub said: BTreeMap<Source, u128>,
}

impl Comparison {
    /// Whether all say the same.
    pub fn agrees(&self) -> bool {
        self.said.values().collect::<BTreeSet<_>>().len() <= 1
    }
}
