//! Waiting for what no event tells of: another process's end, a file that another process writes.

use std::time::{Duration, Instant};

/// How long a test waits for what must come. Far more than it takes: these machines do other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What `look` finds, once it finds something. `what` is said of it when it never does.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    found_within(PATIENCE, look)
        .await
        .unwrap_or_else(|| panic!("in vain was waited for this: {what}"))
}

/// What `look` finds, if it finds something in this time.
pub(super) async fn found_within<T>(time: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
