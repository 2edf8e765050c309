//! What a credential may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One right (RFC 6749, section 3.3: a scope token).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Call models.
    ModelsInvoke,
    /// Read one's own usage.
    UsageRead,
    /// Store and read one's own files.
    Files,
    /// Make and end one's own API keys.
    Keys,
    /// Read the usage and the budgets of one's own team.
    TeamAdmin,
    /// Tell of the company's people and groups, as its directory does.
    Directory,
    /// Read the metrics of the whole gateway.
    Metrics,
    /// Administer everything.
    Admin,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 8] = [
        Self::ModelsInvoke,
        Self::UsageRead,
        Self::Files,
        Self::Keys,
        Self::TeamAdmin,
        Self::Directory,
        Self::Metrics,
        Self::Admin,
    ];

    /// The name as it stands in tokens and in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModelsInvoke => "models:invoke",
            Self::UsageRead => "usage:read",
            Self::Files => "files",
            Self::Keys => "keys",
            Self::TeamAdmin => "team:admin",
            Self::Directory => "directory",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

/// A scope name that means nothing here. An unknown name never grants anything.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.name() == name)
            .ok_or(UnknownScope)
    }
}

/// A set of scopes; in text, names parted by single spaces, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// What a person may do who is no administrator.
    pub fn of_a_user() -> Self {
        Self::from_iter([Scope::ModelsInvoke, Scope::UsageRead, Scope::Files, Scope::Keys])
    }

    /// Everything.
    pub fn of_an_admin() -> Self {
        Self::from_iter(Scope::ALL)
    }

    /// What a program may do unless told otherwise.
    pub fn of_a_client() -> Self {
        Self::from_iter([Scope::ModelsInvoke, Scope::UsageRead, Scope::Files])
    }

    /// Whether `scope` is among them.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether all of these are among `others`.
    pub fn is_subset_of(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// The known ones of a list in text. An unknown name grants nothing.
    pub fn known_in(text: &str) -> Self {
        Self(text.split(' ').filter_map(|name| name.parse().ok()).collect())
    }

    /// Those that both have.
    #[must_use]
    pub fn intersection(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).copied().collect())
    }

    /// Those that either has.
    #[must_use]
    pub fn union(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).copied().collect())
    }

    /// Their names, sorted as they are here.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|scope| scope.name()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split(' ')
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for Scopes {
    type Error = UnknownScope;

    fn try_from(text: String) -> Result<Self, UnknownScope> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(out, "{space}{}", scope.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scope_grants_nothing_and_spoils_the_set() {
        assert_eq!("ADMIN".parse::<Scope>(), Err(UnknownScope));
        assert_eq!("files root".parse::<Scopes>(), Err(UnknownScope));
    }

    #[test]
    fn of_a_list_with_an_unknown_scope_the_known_ones_count() {
        assert_eq!(
            Scopes::known_in("files root  usage:read"),
            "files usage:read".parse().unwrap()
        );
        assert!(Scopes::known_in("").is_empty());
    }

    #[test]
    fn a_set_survives_its_text() {
        let scopes = Scopes::of_an_admin();
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
    }

    #[test]
    fn a_user_is_no_admin() {
        assert!(!Scopes::of_a_user().contains(Scope::Admin));
        assert!(Scopes::of_a_user().is_subset_of(&Scopes::of_an_admin()));
        assert!(!Scopes::of_an_admin().is_subset_of(&Scopes::of_a_user()));
    }
}
