//! Waiting for what no event tells of: another process's end, a file that another process writes.

use std::time::{Duration, Instant};

/// How long a test waits for what must come. Far more than it takes: these machines do other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What `look` finds, once it finds something. `what` is said of it when it never does.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain was waited for this: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
