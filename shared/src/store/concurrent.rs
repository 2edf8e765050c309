//! Many small operations at once, so many at the most.

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::error::Error;

/// How many writes go out at once. The table takes more; one connection after another is what a function opens them by.
pub(super) const WRITES_AT_ONCE: usize = 16;

/// Runs all of them, the first failure ends it.
pub(super) async fn each<F>(operations: impl Iterator<Item = F>, at_once: usize) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    futures_util::stream::iter(operations)
        .buffer_unordered(at_once)
        .try_collect::<()>()
        .await
}
