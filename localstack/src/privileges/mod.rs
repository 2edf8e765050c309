//! What each function may do at the embedded AWS: the statements of its role in the template, enforced and observed.
//!
//! A function signs by an access key id of its own ([`access_key_id`]), which tells the services who calls. Each service says which
//! action on which resource a request takes, asks `Privileges::check`, and refuses in its own form what the role does not allow. Which
//! of the allowed has been used is kept, so that a test finds what a role allows for nothing.
//!
//! Sources: "Policy evaluation logic" in the IAM user guide (what is denied is denied, and what nothing allows), and each
//! service's page in the Service Authorization Reference.

mod matching;
mod role;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};

use crate::aws::{ACCESS_KEY_ID, ACCOUNT_ID};
use crate::template::Function;

use role::{Held, Verdict};

/// How many different denials are kept.
const MOST_DENIALS: usize = 1000;

/// The access key id by which a function signs.
#[must_use]
pub fn access_key_id(function: &str) -> String {
    format!("{ACCESS_KEY_ID}-{function}")
}

/// Who calls a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller<'a> {
    /// Whoever runs the stack. They may do everything.
    Owner,
    /// A function, by its name.
    Function(&'a str),
}

impl<'a> Caller<'a> {
    /// Who signs by this access key id, if anybody here does.
    pub(crate) fn of(access_key_id: &'a str) -> Option<Self> {
        match access_key_id.strip_prefix(ACCESS_KEY_ID)? {
            "" => Some(Self::Owner),
            rest => rest.strip_prefix('-').map(Self::Function),
        }
    }

    /// Who has signed, by the header `Authorization`.
    pub(crate) fn of_header(authorization: &'a str) -> Option<Self> {
        let (_, credential) = authorization
            .strip_prefix("AWS4-HMAC-SHA256 ")?
            .split_once("Credential=")?;
        Self::of(credential.split('/').next()?)
    }
}

/// What a request wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `dynamodb:GetItem`.
    pub(crate) action: String,
    /// An ARN.
    pub(crate) resource: String,
    /// What `dynamodb:LeadingKeys` stands for: the hash keys of the items that are named. None where none is.
    pub(crate) leading_keys: Vec<String>,
}

impl Asked {
    pub(crate) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            leading_keys: Vec::new(),
        }
    }
}

/// The roles of a stack's functions. Until they are known everything is allowed, as the stack itself needs it to begin.
#[derive(Clone, Debug, Default)]
pub struct Privileges(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    enforced: OnceLock<Enforced>,
    denied: Mutex<BTreeSet<Denial>>,
}

#[derive(Debug)]
struct Enforced {
    /// By the functions' names.
    roles: BTreeMap<String, Held>,
    /// Where denials are written too.
    log: Option<PathBuf>,
}

/// What a function was not allowed to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// The function's name.
    pub function: String,
    /// `dynamodb:PutItem`.
    pub action: String,
    /// The ARN.
    pub resource: String,
    /// Whether a statement denies it; else none allows it.
    pub explicit: bool,
    role: String,
}

impl fmt::Display for Denial {
    /// AWS's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            action,
            resource,
            role,
            ..
        } = self;
        let user = format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{function}");
        write!(
            f,
            "User: {user} is not authorized to perform: {action} on resource: {resource} "
        )?;
        if self.explicit {
            write!(f, "with an explicit deny in an identity-based policy")
        } else {
            write!(f, "because no identity-based policy allows the {action} action")
        }
    }
}

/// An action on a resource that a function's role allows, and whether it has been used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Allowed {
    /// The function's name.
    pub function: String,
    /// As the template has it.
    pub action: String,
    /// As the template has it, resolved.
    pub resource: String,
    /// Whether the statement has conditions.
    pub conditional: bool,
    /// Whether a call was allowed by it.
    pub used: bool,
}

/// What was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Everything that the roles allow.
    pub allowed: Vec<Allowed>,
    /// What was refused.
    pub denied: Vec<Denial>,
}

impl Privileges {
    /// Holds these functions to their roles from now on; one that names no role may do everything. Denials are also written to the
    /// file `denied.log` in the folder. What is enforced once stays so.
    pub fn enforce(&self, functions: &[Function], logs: Option<&Path>) {
        let held = |function: &Function| Some((function.name.clone(), Held::new(function.role.as_ref()?)));
        let enforced = Enforced {
            roles: functions.iter().filter_map(held).collect(),
            log: logs.map(|folder| folder.join("denied.log")),
        };
        let _ = self.0.enforced.set(enforced);
    }

    /// Whether a caller may do what it asks for.
    ///
    /// # Errors
    /// When it may not.
    pub(crate) fn check(&self, caller: Caller<'_>, asked: &Asked) -> Result<(), Denial> {
        let (Caller::Function(name), Some(enforced)) = (caller, self.0.enforced.get()) else {
            return Ok(());
        };
        let Some(role) = enforced.roles.get(name) else {
            return Ok(());
        };
        let explicit = match role.verdict(asked) {
            Verdict::Allowed => return Ok(()),
            Verdict::Denied => true,
            Verdict::NotAllowed => false,
        };
        let denial = Denial {
            function: name.to_owned(),
            action: asked.action.clone(),
            resource: asked.resource.clone(),
            explicit,
            role: role.name().to_owned(),
        };
        self.keep(&denial, enforced.log.as_deref());
        Err(denial)
    }

    /// Whether a caller may do what it has not asked for, but what an answer depends on. It is no denial if it may not.
    pub(crate) fn may(&self, caller: Caller<'_>, asked: &Asked) -> bool {
        match (caller, self.0.enforced.get()) {
            (Caller::Function(name), Some(enforced)) => enforced
                .roles
                .get(name)
                .is_none_or(|role| role.verdict(asked) == Verdict::Allowed),
            _ => true,
        }
    }

    /// What the roles allow, what of it was used, and what was refused.
    #[must_use]
    pub fn report(&self) -> Report {
        let roles = self.0.enforced.get().map(|enforced| &enforced.roles);
        let allowed = roles
            .into_iter()
            .flatten()
            .flat_map(|(function, role)| role.allowed(function));
        let denied = self.0.denied.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            allowed: allowed.collect(),
            denied: denied.iter().cloned().collect(),
        }
    }

    /// A denial is told once: on the standard error, where a developer looks, and in the file, where tests do.
    fn keep(&self, denial: &Denial, log: Option<&Path>) {
        let mut denied = self.0.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if denied.len() >= MOST_DENIALS || !denied.insert(denial.clone()) {
            return;
        }
        let Some(log) = log else { return };
        let _ = writeln!(std::io::stderr(), "local: {denial}");
        let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
        let _ = file.and_then(|mut file| writeln!(file, "{denial}"));
    }
}
