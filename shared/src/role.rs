//! What a person is, and may do for it.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::scope::{Scope, Scopes};

/// A part that a person plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May call models, and sees what is their own.
    User,
    /// Sees the usage and budgets of their own team too.
    TeamAdmin,
    /// May do everything.
    Admin,
}

/// A role's name that means nothing here. It never grants anything.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role")]
pub struct UnknownRole;

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::User, Self::TeamAdmin, Self::Admin];

    /// The name in configuration and items.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::TeamAdmin => "team_admin",
            Self::Admin => "admin",
        }
    }

    fn scopes(self) -> Scopes {
        match self {
            Self::User => Scopes::of_a_user(),
            Self::TeamAdmin => Scopes::from_iter([Scope::TeamAdmin]),
            Self::Admin => Scopes::of_an_admin(),
        }
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or(UnknownRole)
    }
}

/// The roles of these names; [`UnknownRole`] if one is none.
///
/// # Errors
/// [`UnknownRole`]
pub fn roles_named(names: &[String]) -> Result<Vec<Role>, UnknownRole> {
    let mut roles = names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?;
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

/// Reads stored roles. A name that is not known grants nothing.
pub(crate) fn known_roles<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
    let names = Vec::<String>::deserialize(from)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// What these roles allow together: nothing without a role.
pub fn scopes_of(roles: &[Role]) -> Scopes {
    let allowed = |scope: &Scope| roles.iter().any(|role| role.scopes().contains(*scope));
    Scope::ALL.into_iter().filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B-25
    #[test]
    fn an_unknown_role_grants_nothing_and_no_role_neither() {
        for bad in ["", "ADMIN", "Admin", "root", "admin "] {
            assert_eq!(bad.parse::<Role>(), Err(UnknownRole), "{bad:?}");
        }
        assert!(scopes_of(&[]).is_empty());
        assert!(!scopes_of(&[Role::User, Role::TeamAdmin]).contains(Scope::Admin));
        assert_eq!(scopes_of(&[Role::Admin]), Scopes::of_an_admin());
    }
}
