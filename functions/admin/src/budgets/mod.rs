//! Budgets: limits, which admins set, and what is left of them, which everybody sees of their own.

mod body;
mod definitions;
mod dollars;
mod states;

use axum::extract::{FromRequestParts, Path};
use gateway::budget::{BudgetSet, ScopeKind};
use gateway::error::Error;
use http::request::Parts;
use jiff::Timestamp;

pub(crate) use definitions::{delete, list, put, read};
pub(crate) use states::{of_one, own};

/// The scope and the id of a path, decoded.
#[derive(Debug)]
pub(crate) struct Whose {
    scope: ScopeKind,
    id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Whose {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((scope, id)) = path.map_err(|_| nobodys())?;
        let scope = scope.parse().map_err(|_| nobodys())?;
        Ok(Self { scope, id })
    }
}

impl Whose {
    /// Passes if the id can be one of its scope.
    fn check(&self) -> Result<(), Error> {
        let empty = BudgetSet {
            scope: self.scope,
            id: self.id.clone(),
            limits: Vec::new(),
            revision: 1,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        empty.check().map_err(|_| nobodys())
    }
}

fn nobodys() -> Error {
    Error::not_found("budget")
}
