//! What limits there are.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Amount, ScopeKind, Unit, Window};

/// The id of the organisation's budgets.
pub const ORGANISATION_ID: &str = "all";
/// The id under which limits stand that everybody has who has none of the same unit and window of their own.
pub const DEFAULT_ID: &str = "*";
/// At which percentages of a limit an alert goes out, unless it says otherwise.
pub const DEFAULT_ALERTS: [u8; 4] = [50, 75, 90, 100];

/// One limit of somebody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What it counts.
    pub unit: Unit,
    /// When it begins anew.
    pub window: Window,
    /// How much there is for a window.
    pub limit: Amount,
    /// At which percentages of it an alert goes out; empty for none.
    pub alerts: Vec<u8>,
}

/// All limits of one scope and id, as they are stored and changed: together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetSet {
    /// Whose kind.
    pub scope: ScopeKind,
    /// Who: a key id, a subject, a team, a model, [`ORGANISATION_ID`], or [`DEFAULT_ID`].
    pub id: String,
    /// At most one for each unit and window.
    pub limits: Vec<Limit>,
    /// Counts changes, from 1.
    pub revision: u64,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Limits that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetSetError {
    /// The id names nobody of this scope.
    #[error("`id` is not one of this scope")]
    Id,
    /// Two limits of one unit and window.
    #[error("two limits have the same unit and window")]
    Twice,
    /// More limits than units and windows.
    #[error("there are too many limits")]
    TooMany,
    /// A percentage outside of 1 to 100, twice, or too many.
    #[error("`alerts` must be at most 10 different percentages from 1 to 100")]
    Alerts,
}

impl BudgetSet {
    /// Passes if the limits can be.
    ///
    /// # Errors
    /// [`BudgetSetError`]
    pub fn check(&self) -> Result<(), BudgetSetError> {
        if !is_id_of(self.scope, &self.id) {
            return Err(BudgetSetError::Id);
        }
        if self.limits.len() > Unit::ALL.len() * Window::ALL.len() {
            return Err(BudgetSetError::TooMany);
        }
        for (index, limit) in self.limits.iter().enumerate() {
            let same = |other: &&Limit| (other.unit, other.window) == (limit.unit, limit.window);
            if self.limits.iter().take(index).any(|other| same(&other)) {
                return Err(BudgetSetError::Twice);
            }
            check_alerts(&limit.alerts)?;
        }
        Ok(())
    }
}

fn check_alerts(alerts: &[u8]) -> Result<(), BudgetSetError> {
    let different = alerts
        .iter()
        .enumerate()
        .all(|(index, it)| !alerts[..index].contains(it));
    if alerts.len() <= 10 && different && alerts.iter().all(|it| (1..=100).contains(it)) {
        Ok(())
    } else {
        Err(BudgetSetError::Alerts)
    }
}

fn is_id_of(scope: ScopeKind, id: &str) -> bool {
    if id == DEFAULT_ID {
        return scope != ScopeKind::Organisation;
    }
    match scope {
        ScopeKind::Key => crate::random::is_identifier(id),
        ScopeKind::User => id.parse::<crate::principal::Subject>().is_ok(),
        ScopeKind::Team => id.parse::<crate::principal::Team>().is_ok(),
        ScopeKind::Model => id
            .parse::<crate::model::ModelId>()
            .is_ok_and(|model| model.as_str() == id),
        ScopeKind::Organisation => id == ORGANISATION_ID,
    }
}

/// A limit, in one of its windows: which item of the table its state is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BudgetId {
    /// Whose kind.
    pub scope: ScopeKind,
    /// Who; never [`DEFAULT_ID`]: a default counts for each who has it apart.
    pub id: String,
    /// What it counts.
    pub unit: Unit,
    /// When it begins anew.
    pub window: Window,
    /// Which window.
    pub start: super::WindowStart,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(scope: ScopeKind, id: &str, limits: Vec<Limit>) -> BudgetSet {
        BudgetSet {
            scope,
            id: id.into(),
            limits,
            revision: 1,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn limit(unit: Unit, window: Window, alerts: &[u8]) -> Limit {
        Limit {
            unit,
            window,
            limit: Amount::new(1),
            alerts: alerts.to_vec(),
        }
    }

    #[test]
    fn an_id_must_be_one_of_its_scope() {
        for (scope, good) in [
            (ScopeKind::Key, "key_0a"),
            (ScopeKind::User, "user:a@b.c"),
            (ScopeKind::User, "client:x"),
            (ScopeKind::Team, "platform"),
            (ScopeKind::Model, "anthropic.claude-opus-4-20250514-v1:0"),
            (ScopeKind::Organisation, "all"),
            (ScopeKind::Key, "*"),
        ] {
            assert_eq!(set(scope, good, vec![]).check(), Ok(()), "{good}");
        }
        for (scope, bad) in [
            (ScopeKind::Key, "a#b"),
            (ScopeKind::User, "alice"),
            (ScopeKind::Team, "a b"),
            (ScopeKind::Model, "a#b"),
            (ScopeKind::Organisation, "*"),
            (ScopeKind::Organisation, "x"),
        ] {
            assert_eq!(set(scope, bad, vec![]).check(), Err(BudgetSetError::Id), "{bad}");
        }
    }

    #[test]
    fn limits_differ_in_unit_or_window_and_alerts_are_percentages() {
        let day = limit(Unit::Picodollars, Window::Day, &DEFAULT_ALERTS);
        let twice = set(ScopeKind::Organisation, "all", vec![day.clone(), day.clone()]);
        assert_eq!(twice.check(), Err(BudgetSetError::Twice));
        let two = vec![day, limit(Unit::Requests, Window::Day, &[])];
        assert_eq!(set(ScopeKind::Organisation, "all", two).check(), Ok(()));
        for bad in [&[0][..], &[101], &[50, 50], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
            let set = set(ScopeKind::Team, "t", vec![limit(Unit::Tokens, Window::Day, bad)]);
            assert_eq!(set.check(), Err(BudgetSetError::Alerts), "{bad:?}");
        }
    }
}
