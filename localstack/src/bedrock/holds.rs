//! Named places at which streams wait until a test lets them go on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use serde::Serialize;
use tokio::sync::watch;

use super::lock;

/// What a waiting stream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Wait,
    GoOn,
    /// The mock is stopping.
    Close,
}

/// One name, as a test sees it.
#[derive(Debug, Serialize)]
pub(super) struct Hold {
    waiting: usize,
    released: bool,
}

/// All names.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<String, watch::Sender<Word>>>);

impl Holds {
    /// Waits until `name` is released, which it may be already. False when the mock stops.
    pub(super) async fn wait(&self, name: &str) -> bool {
        let mut word = self.with(name, watch::Sender::subscribe);
        let said = word.wait_for(|word| *word != Word::Wait).await;
        said.is_ok_and(|word| *word == Word::GoOn)
    }

    /// Waits until the mock stops.
    pub(super) async fn forever(&self) {
        // No name of a directive can be this, so nobody releases it.
        let _ = self.wait("\0").await;
    }

    /// A release lasts: a stream that comes to its hold later does not wait.
    pub(super) fn release(&self, name: &str) {
        self.with(name, |sender| sender.send_replace(Word::GoOn));
    }

    /// Ends everything that waits.
    pub(super) fn close(&self) {
        lock(&self.0).values().for_each(|sender| {
            sender.send_replace(Word::Close);
        });
    }

    /// Forgets the names; what waits is ended.
    pub(super) fn reset(&self) {
        self.close();
        lock(&self.0).clear();
    }

    pub(super) fn all(&self) -> BTreeMap<String, Hold> {
        let holds = lock(&self.0);
        let named = holds.iter().filter(|(name, _)| *name != "\0");
        named.map(|(name, sender)| (name.clone(), hold(sender))).collect()
    }

    fn with<T>(&self, name: &str, use_it: impl FnOnce(&watch::Sender<Word>) -> T) -> T {
        let mut holds = lock(&self.0);
        use_it(
            holds
                .entry(name.to_owned())
                .or_insert_with(|| watch::Sender::new(Word::Wait)),
        )
    }
}

fn hold(sender: &watch::Sender<Word>) -> Hold {
    Hold {
        waiting: sender.receiver_count(),
        released: *sender.borrow() == Word::GoOn,
    }
}
