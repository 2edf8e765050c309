//! The configuration: defaults, over them a YAML file, over that the environment, which is read here and nowhere else. What is wrong is
//! named, with what would be right.
//!
//! Every setting is declared in [`tree`]. [`Variables`] are the environment with the file beneath it, so whoever reads a setting asks them and need not
//! know where it stands.

mod check;
mod file;
pub mod reference;
pub mod setting;
mod settings;
pub mod tree;
pub mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use check::Faults;
pub use setting::Function;
pub use settings::{Section, Settings};

use file::File;

/// A variable is missing or holds what it may not. The message names the variable and never shows its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Set to what it may not be.
    #[error("the environment variable {name} holds a wrong value; it must hold {expected}")]
    Wrong {
        /// The variable.
        name: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
    /// A setting that may stand in a file or in the environment lacks, or is what it may not be.
    #[error("{place} {fault}; it must hold {expected}")]
    Setting {
        /// The variable, or the path in the file, or both.
        place: String,
        /// `is not set`, or `holds a wrong value`.
        fault: &'static str,
        /// What it must hold.
        expected: String,
    },
    /// The file of settings cannot be read, or is no map of settings.
    #[error("the settings file {file} {fault}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The certificates towards a peer cannot be used.
    #[error("TLS with the {peer} service cannot be spoken as configured: {reason}")]
    Tls {
        /// Which peer.
        peer: &'static str,
        /// What is wrong, and in which file.
        reason: String,
    },
    /// The file has a setting that there is not.
    #[error("{place} is no setting; there are {known}")]
    Unknown {
        /// Its path in the file.
        place: String,
        /// Those that there are.
        known: String,
    },
}

/// Where settings come from: the process's environment, or a list that a test gives, and perhaps a file beneath.
#[derive(Clone)]
pub enum Variables {
    /// The environment of this process.
    Process,
    /// Names and values.
    Given(Vec<(&'static str, String)>),
    /// One of these two, and a file.
    OverFile(Arc<OverFile>),
}

/// The environment with a file beneath.
pub struct OverFile {
    environment: Variables,
    file: File,
    /// The file's settings, by their variables.
    texts: BTreeMap<String, String>,
}

impl Variables {
    /// The same with a file beneath, of this name and with this text.
    ///
    /// # Errors
    /// [`ConfigError::File`] when it is not one YAML map.
    pub fn over_file(self, name: &str, text: &str) -> Result<Self, ConfigError> {
        let file = File::of(name, text)?;
        let texts = file.texts();
        Ok(Self::OverFile(Arc::new(OverFile {
            environment: self,
            file,
            texts,
        })))
    }

    /// What `TOLLGATE_SETTINGS` says of where the file is, if there is one.
    ///
    /// # Errors
    /// [`ConfigError::Setting`]
    pub fn source(&self) -> Result<Option<values::Source>, ConfigError> {
        tree::SETTINGS.find(self)
    }

    /// The folder that the function was unpacked in, where Lambda says so.
    pub fn task_root(&self) -> Option<String> {
        self.text("LAMBDA_TASK_ROOT")
    }

    /// Where a setting of this variable stands, or would: in words.
    fn place(&self, variable: &str) -> String {
        if let Self::OverFile(over) = self
            && over.environment.text(variable).is_none()
            && over.texts.contains_key(variable)
        {
            let declared = tree::ALL.iter().find(|it| it.variable() == variable);
            return format!("{} in {}", declared.map_or("", |it| it.path), over.file.name);
        }
        format!("the environment variable {variable}")
    }

    fn file_name(&self) -> Option<&str> {
        self.file().map(|file| &*file.name)
    }

    fn file(&self) -> Option<&File> {
        match self {
            Self::OverFile(over) => Some(&over.file),
            _ => None,
        }
    }

    fn file_faults(&self) -> Vec<ConfigError> {
        self.file().map(File::faults).unwrap_or_default()
    }

    /// The names of all variables.
    fn names(&self) -> Vec<String> {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the environment"
            )]
            Self::Process => std::env::vars_os()
                .filter_map(|(name, value)| (!value.is_empty()).then(|| name.into_string().ok()).flatten())
                .collect(),
            Self::Given(list) => list.iter().map(|(name, _)| (*name).to_owned()).collect(),
            Self::OverFile(over) => over.environment.names(),
        }
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that reads the environment"
            )]
            Self::Process => std::env::var(name).ok(),
            Self::Given(list) => list
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.clone()),
            Self::OverFile(over) => over.environment.text(name).or_else(|| over.texts.get(name).cloned()),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The table's name.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn table(&self) -> Result<String, ConfigError> {
        tree::TABLE.get(self)
    }

    /// The bucket of files.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn bucket(&self) -> Result<String, ConfigError> {
        tree::BUCKET.get(self)
    }

    /// Where the signing secret is.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn signing_secret(&self) -> Result<String, ConfigError> {
        tree::SIGNING_SECRET.get(self)
    }

    /// The issuer of access tokens. It is configured, and never made of what a request says of its host.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn issuer(&self) -> Result<Issuer, ConfigError> {
        tree::ISSUER.get(self)
    }

    /// The domain with mutual TLS, if there is one.
    ///
    /// # Errors
    /// [`ConfigError::Setting`]
    pub fn mutual_tls(&self) -> Result<Option<Issuer>, ConfigError> {
        tree::MUTUAL_TLS_URL.find(self)
    }

    /// Whom access tokens are for.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn audience(&self) -> Result<String, ConfigError> {
        tree::AUDIENCE.get(self)
    }
}

/// An issuer identifier (RFC 8414, section 2): a URL that clients compare character by character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Issuer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
            .iter()
            .any(|start| {
                text.strip_prefix(start)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
            });
        let secure = text
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let clean = !text.contains(['?', '#', ' ', '@']) && !text.ends_with('/');
        if clean && (secure || loopback) {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
