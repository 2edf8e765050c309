//! Items that have a number for each of many names: attributes that begin with a prefix, behind which the name stands.

use super::Item;
use crate::error::Error;

/// The names with their numbers. One that is there and cannot be read is a fault, and not left out.
pub(super) fn numbers(item: &Item, prefix: &str) -> Result<Vec<(String, i64)>, Error> {
    let named = item
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    named
        .map(|(name, value)| {
            let digits = value
                .as_n()
                .map_err(|_| Error::internal("a number under a name that is none"))?;
            Ok((name.to_owned(), digits.parse().map_err(Error::internal)?))
        })
        .collect()
}
