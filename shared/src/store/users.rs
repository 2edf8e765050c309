//! People. A person is known by (issuer, subject) of an identity provider, never by an e-mail address, which others may get later.
//!
//! A person is one item, and each identity another that points to it. How they are written is in `user_writes`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::DirectoryRecord;
use super::{Cursor, List, Page, Store, key};
use crate::error::Error;
use crate::login::LoginConfig;
use crate::model::AllowedModels;
use crate::principal::{Subject, Team};
use crate::role::{Role, known_roles, scopes_of};
use crate::scope::Scopes;
use crate::secret::SecretDigest;

/// Whether a person may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// They may.
    Active,
    /// Nothing of theirs counts: no login, no token, no key.
    Suspended,
}

/// Who says what a person's roles and team are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolesFrom {
    /// The rules of their provider, anew at each login.
    #[default]
    Login,
    /// An administrator; no login and no directory changes them.
    Admin,
    /// The rules for their groups in the company's directory.
    Directory,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Their name in paths. Their subject is `user:` and this.
    pub user_id: String,
    /// What they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where letters reach them. It identifies nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether their provider says that the address is theirs.
    pub email_verified: bool,
    /// The team on whose account they work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
    /// What they are. A name that is not known grants nothing.
    #[serde(deserialize_with = "known_roles")]
    pub roles: Vec<Role>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub roles_from: RolesFrom,
    /// The models that they may call; without a list every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<AllowedModels>,
    /// Whether administrators let them do anything.
    pub status: UserStatus,
    /// When they were made.
    pub created_at: Timestamp,
    /// When they last signed in, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login_at: Option<Timestamp>,
    /// What the company's directory says of them, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryRecord>,
    /// Counts their changes: each is made on the condition that it is the next one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub revision: u64,
}

/// Who a person is at a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's issuer, character by character.
    pub issuer: String,
    /// The claim that names the person: `sub`, unless a directory knows them by another.
    #[serde(default = "sub", skip_serializing_if = "is_sub")]
    pub claim: String,
    /// The provider's name for the person.
    pub subject: String,
}

const SUB: &str = "sub";

fn sub() -> String {
    SUB.to_owned()
}

fn is_sub(claim: &String) -> bool {
    claim == SUB
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize, Deserialize)]
pub(super) struct StoredIdentity {
    pub(super) user_id: String,
    #[serde(flatten)]
    pub(super) identity: Identity,
}

impl Identity {
    /// The identity of a subject (OpenID Connect Core, section 2).
    pub fn of_subject(issuer: String, subject: String) -> Self {
        Self {
            issuer,
            claim: sub(),
            subject,
        }
    }

    /// Its length stands before each part, so that no two are one text.
    pub(super) fn digest(&self) -> SecretDigest {
        let pair = format!("{}:{}{}", self.issuer.len(), self.issuer, self.subject);
        SecretDigest::of_text(&match is_sub(&self.claim) {
            true => pair,
            false => format!("claim {}:{}{pair}", self.claim.len(), self.claim),
        })
    }
}

impl User {
    /// A person of whom nothing is known yet, and who may do nothing.
    pub fn new(user_id: String, created_at: Timestamp) -> Self {
        Self {
            user_id,
            name: None,
            email: None,
            email_verified: false,
            team: None,
            roles: Vec::new(),
            roles_from: RolesFrom::Login,
            models: None,
            status: UserStatus::Active,
            created_at,
            last_login_at: None,
            directory: None,
            revision: 0,
        }
    }

    /// Gives them a team and roles, in the place of those that they had.
    pub fn take(&mut self, team: Option<Team>, roles: Vec<Role>) {
        self.team = team;
        self.roles = roles;
    }

    /// Gives them what the rules give to their groups in the directory.
    pub fn take_from_directory(&mut self, login: &LoginConfig) {
        let names = self.directory.as_ref().map(DirectoryRecord::group_names);
        let given = login.given_by_groups(&names.unwrap_or_default());
        self.take(given.team, given.roles);
    }

    /// Their subject.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] if their id is none.
    pub fn subject(&self) -> Result<Subject, Error> {
        format!("user:{}", self.user_id).parse().map_err(Error::internal)
    }

    /// Whether anything of theirs counts: neither an administrator nor the directory has switched them off.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active && self.directory.as_ref().is_none_or(DirectoryRecord::is_active)
    }

    /// Whether they are one of those who may do everything.
    pub fn is_admin(&self) -> bool {
        self.is_active() && self.roles.contains(&Role::Admin)
    }

    /// What they may do: nothing while they are suspended.
    pub fn scopes(&self) -> Scopes {
        match self.is_active() {
            true => scopes_of(&self.roles),
            false => Scopes::default(),
        }
    }
}

impl Store {
    /// The person with this id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn user(&self, user_id: &str) -> Result<Option<User>, Error> {
        self.read(key::user(user_id)).await
    }

    /// The person whom a provider knows as this.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn user_of_identity(&self, identity: &Identity) -> Result<Option<User>, Error> {
        let stored: Option<StoredIdentity> = self.read(key::identity(&identity.digest())).await?;
        match stored {
            // A digest that two pairs share does not exist; an item that was put there by another hand might.
            Some(stored) if stored.identity == *identity => self.user(&stored.user_id).await,
            _ => Ok(None),
        }
    }

    /// All people, in the order of their ids.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn users(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<User>, Error> {
        self.list(List {
            partition: key::USERS.to_owned(),
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }
}
