//! Migrations: stored items from one form to the next, and back, while calls run.
//!
//! The order is expand, migrate, contract. Code that knows both forms is deployed first (expand): it reads either, and writes the one that
//! the ledger names. `up` names the new one, waits until every environment has seen that, converts what is old, and verifies every item
//! (migrate); `down` does the reverse. Once nobody wants to go back the migration is closed (contract), and later code may know the new
//! form alone.
//!
//! Everything may be cut off anywhere and done twice. See `docs/migrations.md`.

mod advance;
mod command;
mod look;
mod pace;
mod report;
mod usage_rows;

use aws_lc_rs::digest;

use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Conversion, Item, Store, canonical_bytes};

pub use advance::{Limit, Worked};
pub use command::Wish;
pub use look::Looked;
pub use report::{Outcome, Report, Status};

/// A migration of one kind of items.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its name, by which migrations are in an order: `0001-…`.
    pub id: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it does.
    pub conversion: Conversion,
    /// An item of the old form: how it is converted is part of what the migration is.
    pub sample: fn() -> Item,
}

/// All migrations of the house, in their order.
pub fn all() -> Vec<Migration> {
    vec![usage_rows::compact()]
}

/// Carries migrations out.
#[derive(Clone, Copy, Debug)]
pub struct Migrator<'a> {
    /// The table.
    pub store: &'a Store,
    /// What leases and waits go by.
    pub clock: &'a Clock,
    /// The migrations that there are, in their order.
    pub migrations: &'a [Migration],
}

impl Migration {
    /// The SHA-256 of its name, its versions, its footprint and what becomes of its sample: a migration that does something else is
    /// another one.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] if the sample cannot be converted.
    pub fn checksum(&self) -> Result<String, Error> {
        let it = &self.conversion;
        let mut bytes = Vec::new();
        let versions = format!(
            "{} {} {} {} {}",
            self.id,
            it.prefix,
            it.from,
            it.to,
            it.footprint.join(" ")
        );
        bytes.extend(versions.as_bytes());
        let old = (self.sample)();
        let new = (it.up)(old.clone())?;
        if (it.down)(new.clone())? != old {
            return Err(Error::internal("a migration whose sample does not come back"));
        }
        for item in [&old, &new] {
            bytes.extend(canonical_bytes(item));
        }
        let digest = digest::digest(&digest::SHA256, &bytes);
        Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<'a> Migrator<'a> {
    fn named(&self, id: &str) -> Option<&'a Migration> {
        self.migrations.iter().find(|migration| migration.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_houses_migrations_are_in_the_order_of_their_names_and_each_comes_back() {
        let all = all();
        let ids: Vec<_> = all.iter().map(|it| it.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
        for migration in &all {
            assert_eq!(migration.checksum().unwrap().len(), 64);
        }
    }

    ///
    #[test]
    fn a_migration_that_does_something_else_has_another_checksum() {
        let house = usage_rows::compact();
        let mut others = [house; 4];
        others[0].conversion.to += 1;
        others[1].conversion.footprint = &["usage"];
        others[2].sample = || Item::new();
        others[3].conversion.up = Ok;
        for other in others {
            assert_ne!(other.checksum().unwrap(), house.checksum().unwrap(), "{other:?}");
        }
        let mut lossy = house;
        lossy.conversion.down = |_| Ok(Item::new());
        assert!(lossy.checksum().is_err());
    }
}
