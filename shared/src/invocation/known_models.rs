//! The catalog of the price book that counts, made once for each of its revisions.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{ApplicationProfiles, Catalog};
use crate::price::{PriceBook, PriceList};

/// Knows the catalog of the last revision that was asked for.
#[derive(Debug)]
pub struct KnownModels {
    seed: Catalog,
    last: Mutex<(u64, Arc<Catalog>)>,
}

impl KnownModels {
    /// Knows the built-in list, which is revision 0, and the application profiles that the settings name.
    pub fn new(seed: &PriceList, profiles: Option<ApplicationProfiles>) -> Self {
        let seed = Catalog::new(seed).with_application_profiles(&profiles.unwrap_or_default());
        Self {
            last: Mutex::new((0, Arc::new(seed.clone()))),
            seed,
        }
    }

    /// The models of the book: those of the built-in list, and those that administrators have priced besides.
    pub fn catalog(&self, book: &PriceBook) -> Arc<Catalog> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != book.revision() {
            let priced = book.entries().iter().map(|entry| entry.model.as_str());
            *last = (book.revision(), Arc::new(self.seed.clone().knowing(priced)));
        }
        last.1.clone()
    }
}
