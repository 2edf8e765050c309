//! Tests that fill the machine by themselves wait for one another: what one of them measures by its own pace is not to be another's doing.

use tokio::sync::{Mutex, MutexGuard};

static ALONE: Mutex<()> = Mutex::const_new(());

/// Waits until no other test that has asked for this is at work. It is given up with what is returned.
pub async fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().await
}
