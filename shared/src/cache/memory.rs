//! The memory of an environment: bounded by bytes, the least used goes first. When an entry is over is not its affair.

use std::sync::Arc;

use jiff::Timestamp;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::Name;

/// What an entry takes besides its name and its bytes, about.
const OVERHEAD: usize = 160;
/// An entry must fit into its shard, and few requests are served at once.
const SHARDS: usize = 4;

/// An entry.
#[derive(Debug)]
pub(super) struct Held {
    /// When the table was asked for it.
    pub(super) read_at: Timestamp,
    /// When this environment got it, from the table or from Redis.
    pub(super) seen_at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Name, Arc<Held>> for ByBytes {
    fn weight(&self, name: &Name, held: &Arc<Held>) -> u64 {
        u64::try_from(OVERHEAD + name.as_str().len() + held.bytes.len()).unwrap_or(u64::MAX)
    }
}

type Bounded = Cache<Name, Arc<Held>, ByBytes, DefaultHashBuilder, DefaultLifecycle<Name, Arc<Held>>>;

pub(super) struct Memory(Bounded);

impl Memory {
    /// One of so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        let options = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity(256)
            .shards(SHARDS)
            .build();
        let lifecycle = DefaultLifecycle::default();
        match options {
            Ok(options) => Self(Cache::with_options(
                options,
                ByBytes,
                DefaultHashBuilder::default(),
                lifecycle,
            )),
            // Nothing that is set above lacks.
            Err(_) => Self(Cache::with(
                256,
                bytes,
                ByBytes,
                DefaultHashBuilder::default(),
                lifecycle,
            )),
        }
    }

    pub(super) fn get(&self, name: &Name) -> Option<Arc<Held>> {
        self.0.get(name)
    }

    pub(super) fn put(&self, name: &Name, held: Arc<Held>) {
        self.0.insert(name.clone(), held);
    }

    pub(super) fn remove(&self, name: &Name) {
        self.0.remove(name);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.weight()
    }
}
