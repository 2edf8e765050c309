//! Who is calling.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};
use crate::model::AllowedModels;
use crate::scope::{Scope, Scopes};

/// Whether a person or a program calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A service account (an OAuth client that acts for itself).
    Client,
}

/// A subject: `user:NAME` or `client:NAME`. The kind is part of it, so a client can never bear a user's subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

/// A subject has the wrong form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a subject is `user:` or `client:` and 1 to 128 of the characters A-Z a-z 0-9 . _ @ + -")]
pub struct BadSubject;

impl Subject {
    /// Whether this is a person or a program.
    pub fn kind(&self) -> PrincipalKind {
        if self.0.starts_with("client:") {
            PrincipalKind::Client
        } else {
            PrincipalKind::User
        }
    }

    /// The whole text, prefix included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject of the service account with this client id.
    pub fn of_client(client_id: &str) -> Result<Self, BadSubject> {
        format!("client:{client_id}").parse()
    }
}

impl FromStr for Subject {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, BadSubject> {
        let name = text
            .strip_prefix("user:")
            .or_else(|| text.strip_prefix("client:"))
            .ok_or(BadSubject)?;
        let fits = (1..=128).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadSubject)
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = BadSubject;

    fn try_from(text: String) -> Result<Self, BadSubject> {
        text.parse()
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A team: a name of 1 to 64 of the characters A-Z a-z 0-9 . _ -.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Team(String);

/// A team's name has the wrong form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a team is 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
pub struct BadTeam;

impl Team {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Team {
    type Err = BadTeam;

    fn from_str(text: &str) -> Result<Self, BadTeam> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if fits { Ok(Self(text.to_owned())) } else { Err(BadTeam) }
    }
}

impl TryFrom<String> for Team {
    type Error = BadTeam;

    fn try_from(text: String) -> Result<Self, BadTeam> {
        text.parse()
    }
}

impl From<Team> for String {
    fn from(team: Team) -> Self {
        team.0
    }
}

impl fmt::Display for Team {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Who calls, as the authorizer found out. Functions take it from the authorizer's context and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person or program.
    pub subject: Subject,
    /// What the credential allows.
    pub scopes: Scopes,
    /// The team on whose account the caller works, if it works on one's.
    pub team: Option<Team>,
    /// The models that it may call; every one if there is no list.
    pub models: Option<AllowedModels>,
    /// The API key that was shown, if one was.
    pub key_id: Option<String>,
    /// The login session of a person's access token.
    pub session_id: Option<String>,
    /// When the credential ends. API Gateway may hold an authorizer's answer past this moment, so functions check it too.
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// Passes if the credential is still alive at `now`.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`]
    pub fn require_alive(&self, now: Timestamp) -> Result<(), Error> {
        match self.expires_at {
            Some(end) if end <= now => Err(Error::new(Kind::Unauthenticated, "The credential has expired.")),
            _ => Ok(()),
        }
    }

    /// Passes if the credential is still alive at `now` and carries `scope`.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] past its end, [`Kind::Denied`] without the scope.
    pub fn require(&self, scope: Scope, now: Timestamp) -> Result<(), Error> {
        self.require_alive(now)?;
        if !self.scopes.contains(scope) {
            return Err(Error::insufficient_scope(scope));
        }
        Ok(())
    }

    /// Passes if the credential may call the model with this base id.
    ///
    /// # Errors
    /// [`Kind::Denied`], which names neither this model nor those that are allowed.
    pub fn require_model(&self, base: &str) -> Result<(), Error> {
        match &self.models {
            Some(models) if !models.allows(base) => Err(Error::new(
                Kind::Denied,
                "model: this credential may not call this model",
            )),
            _ => Ok(()),
        }
    }

    /// Passes if the credential is still alive at `now` and carries `scope` or one of `others`.
    ///
    /// # Errors
    /// As [`Self::require`]; what is named as missing is `scope`.
    pub fn require_any(&self, scope: Scope, others: &[Scope], now: Timestamp) -> Result<(), Error> {
        let held = others.iter().copied().find(|other| self.scopes.contains(*other));
        self.require(held.unwrap_or(scope), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_subject_can_never_equal_a_users() {
        let client = Subject::of_client("alice").unwrap();
        let user: Subject = "user:alice".parse().unwrap();
        assert_ne!(client, user);
        assert_eq!(
            (client.kind(), user.kind()),
            (PrincipalKind::Client, PrincipalKind::User)
        );
        assert_eq!(Subject::of_client("x user:alice"), Err(BadSubject));
    }

    #[test]
    fn a_subject_takes_its_alphabet_only() {
        for bad in [
            "",
            "alice",
            "user:",
            "user:a b",
            "user:a#b",
            "user:a\nb",
            "admin:alice",
            "user:é",
            "USER:a",
        ] {
            assert_eq!(bad.parse::<Subject>(), Err(BadSubject), "{bad:?}");
        }
        assert!(format!("user:{}", "a".repeat(129)).parse::<Subject>().is_err());
    }

    #[test]
    fn a_credential_past_its_end_is_refused_to_the_second() {
        let end = Timestamp::from_second(1000).unwrap();
        let principal = Principal {
            subject: "user:alice".parse().unwrap(),
            scopes: Scopes::of_a_user(),
            team: None,
            models: None,
            key_id: None,
            session_id: None,
            expires_at: Some(end),
        };
        assert!(
            principal
                .require(Scope::Files, Timestamp::from_second(999).unwrap())
                .is_ok()
        );
        assert_eq!(
            principal.require(Scope::Files, end).unwrap_err().kind,
            Kind::Unauthenticated
        );
        assert_eq!(
            principal
                .require(Scope::Admin, Timestamp::from_second(999).unwrap())
                .unwrap_err()
                .kind,
            Kind::Denied
        );
    }
}
