//! What becomes of a request to the table: by what is switched on, by a script, or by chance that a seed repeats.

use std::collections::{BTreeMap, VecDeque};

/// How the whole table fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The connection breaks without an answer.
    Broken,
    /// It answers that it cannot.
    Failing,
}

/// Which shares of the writes fail. The same seed lets the same writes fail, counted from 1 since this was switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// What chance hangs on.
    pub seed: u64,
    /// Percent of writes that are refused for too much throughput, and not done.
    pub throttled_percent: u64,
    /// Percent of writes that are done, but whose answer never comes: the connection breaks.
    pub lost_percent: u64,
}

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is refused and not done.
    Throttled,
    /// It is done, and its answer is lost.
    Lost,
    /// It meets a transaction on its item, and is not done. Only a script asks for it.
    Conflicting,
}

/// How many requests there were and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by operation (`GetItem`), as often as they were sent: a retry counts again.
    pub by_operation: BTreeMap<String, u64>,
    /// Writes that were refused.
    pub throttled: u64,
    /// Writes whose answer was lost.
    pub lost: u64,
    /// Requests to Secrets Manager, which this is no table of, but may stand before.
    pub secrets: u64,
}

impl Counts {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.by_operation.values().sum()
    }

    /// Requests of one operation.
    pub fn of(&self, operation: &str) -> u64 {
        self.by_operation.get(operation).copied().unwrap_or(0)
    }
}

/// The operations that change items.
const WRITES: [&str; 5] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "TransactWriteItems",
    "BatchWriteItem",
];

/// What is switched on, and what has happened.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) outage: Option<Outage>,
    pub(super) script: VecDeque<Fate>,
    pub(super) counts: Counts,
    pub(super) secrets_down: bool,
    faults: Option<Faults>,
    /// Writes that chance has decided on.
    writes: u64,
}

impl Plan {
    /// Switches chance on or off and counts writes anew.
    pub(super) fn set_faults(&mut self, faults: Option<Faults>) {
        self.faults = faults;
        self.writes = 0;
    }

    /// Counts a request to Secrets Manager, and says whether it is down.
    pub(super) fn secret_asked_in_vain(&mut self) -> bool {
        self.counts.secrets += 1;
        self.secrets_down
    }

    /// Counts a request and decides on it.
    pub(super) fn decide(&mut self, operation: &str) -> Result<Fate, Outage> {
        *self.counts.by_operation.entry(operation.to_owned()).or_default() += 1;
        if let Some(outage) = self.outage {
            return Err(outage);
        }
        let fate = if WRITES.contains(&operation) {
            self.fate_of_write()
        } else {
            Fate::Done
        };
        self.counts.throttled += u64::from(fate == Fate::Throttled);
        self.counts.lost += u64::from(fate == Fate::Lost);
        Ok(fate)
    }

    fn fate_of_write(&mut self) -> Fate {
        if let Some(fate) = self.script.pop_front() {
            return fate;
        }
        let Some(faults) = self.faults else {
            return Fate::Done;
        };
        self.writes += 1;
        faults.fate_of(self.writes)
    }
}

impl Faults {
    /// What becomes of the write of this number.
    pub fn fate_of(&self, number: u64) -> Fate {
        match spread(self.seed, number) % 100 {
            percent if percent < self.throttled_percent => Fate::Throttled,
            percent if percent < self.throttled_percent + self.lost_percent => Fate::Lost,
            _ => Fate::Done,
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014) at a place of its sequence: neighbouring numbers share nothing that one can see.
fn spread(seed: u64, number: u64) -> u64 {
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
