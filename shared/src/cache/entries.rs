//! What an entry is called, and how long it counts.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::memory::Held;

/// A kind of entries.
pub struct Entries<T> {
    /// The kind's name.
    pub kind: &'static str,
    /// The form of `T`. Whoever changes the form counts on, so that nobody reads the bytes of another.
    pub version: u32,
    /// The longest that one may count, whatever is configured: what is stated elsewhere of how soon a change counts.
    pub most_seconds: i64,
    /// Whether an environment remembers it also where no cache is configured.
    pub always: bool,
    of: PhantomData<fn() -> T>,
}

impl<T> Entries<T> {
    /// Entries that are remembered where a cache is configured.
    pub const fn new(kind: &'static str, version: u32, most_seconds: i64) -> Self {
        Self {
            kind,
            version,
            most_seconds,
            always: false,
            of: PhantomData,
        }
    }

    /// Entries that every environment remembers.
    pub const fn always(kind: &'static str, version: u32, most_seconds: i64) -> Self {
        Self {
            always: true,
            ..Self::new(kind, version, most_seconds)
        }
    }

    /// The name of the entry of this id.
    pub fn name(&self, id: &str) -> Name {
        Name(format!("v{}:{}:{id}", self.version, self.kind))
    }
}

impl<T: DeserializeOwned> Entries<T> {
    /// What an entry says. `None`: it cannot be read, so it is no entry.
    pub(super) fn decoded(&self, held: &Held) -> Option<Known<T>> {
        let value = serde_json::from_slice(&held.bytes).ok()?;
        Some(Known {
            value,
            read_at: held.read_at,
        })
    }
}

/// What an entry is called: `v1:api_key:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What is known, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<T> {
    /// What.
    pub value: T,
    /// When the table was asked for it.
    pub read_at: Timestamp,
}

/// How long entries count, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Since an environment has seen it.
    pub(super) local: i64,
    /// Since it was read, in Redis. 0: it is not there.
    pub(super) shared: i64,
}

impl Life {
    /// Since it was read, wherever it is.
    pub(super) fn whole(self) -> i64 {
        if self.shared > 0 { self.shared } else { self.local }
    }
}
