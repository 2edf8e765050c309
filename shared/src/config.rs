//! The environment, read here and nowhere else. What is wrong is named, with what would be right.

mod settings;

use std::fmt;
use std::str::FromStr;

pub use settings::{Section, Settings};

/// A variable is missing or holds what it may not. The message names the variable and never shows its value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("the environment variable {name} is not set; it must hold {expected}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
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

/// Where variables come from: the process's environment, or a list that a test gives.
pub enum Variables {
    /// The environment of this process.
    Process,
    /// Names and values.
    Given(Vec<(&'static str, String)>),
}

impl Variables {
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
        };
        value.filter(|value| !value.is_empty())
    }

    /// A variable that must be there.
    ///
    /// # Errors
    /// [`ConfigError`], naming the variable and what it must hold.
    pub fn required<T: FromStr>(&self, name: &'static str, expected: &'static str) -> Result<T, ConfigError> {
        let text = self.text(name).ok_or(ConfigError::Missing { name, expected })?;
        text.parse().map_err(|_| ConfigError::Wrong { name, expected })
    }

    /// A variable that has a default.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], naming the variable and what it must hold.
    pub fn or<T: FromStr>(&self, name: &'static str, expected: &'static str, default: T) -> Result<T, ConfigError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| ConfigError::Wrong { name, expected }),
        }
    }

    /// The table's name.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn table(&self) -> Result<String, ConfigError> {
        self.required("TOLLGATE_TABLE", "the name of the DynamoDB table")
    }

    /// The bucket of files.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn bucket(&self) -> Result<String, ConfigError> {
        self.required("TOLLGATE_BUCKET", "the name of the S3 bucket")
    }

    /// Where the signing secret is.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn signing_secret(&self) -> Result<String, ConfigError> {
        self.required("TOLLGATE_SIGNING_SECRET", "the name or ARN of the signing secret")
    }

    /// The issuer of access tokens. It is configured, and never made of what a request says of its host.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn issuer(&self) -> Result<Issuer, ConfigError> {
        self.required(
            "TOLLGATE_ISSUER",
            "an https:// URL without query, fragment or final slash (http:// on loopback)",
        )
    }

    /// The domain with mutual TLS, if there is one.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`]
    pub fn mutual_tls(&self) -> Result<Option<Issuer>, ConfigError> {
        let name = "TOLLGATE_MUTUAL_TLS_URL";
        match self.text(name) {
            Some(_) => self
                .required(name, "an https:// URL without query, fragment or final slash")
                .map(Some),
            None => Ok(None),
        }
    }

    /// Whom access tokens are for.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn audience(&self) -> Result<String, ConfigError> {
        self.required("TOLLGATE_AUDIENCE", "the audience of access tokens")
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
mod tests {
    use super::*;

    ///
    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right_and_not_shown() {
        let variables = Variables::Given(vec![
            ("TOLLGATE_ISSUER", "hunter2".into()),
            ("TOLLGATE_TABLE", String::new()),
        ]);
        let wrong = variables.issuer().unwrap_err().to_string();
        assert!(wrong.contains("TOLLGATE_ISSUER") && wrong.contains("https://") && !wrong.contains("hunter2"));
        assert_eq!(
            variables.table().unwrap_err(),
            ConfigError::Missing {
                name: "TOLLGATE_TABLE",
                expected: "the name of the DynamoDB table"
            }
        );
    }

    #[test]
    fn an_issuer_is_a_clean_https_url_or_on_loopback() {
        for good in [
            "https://gate.example.com",
            "https://gate.example.com/a",
            "http://127.0.0.1:8787",
            "http://localhost",
        ] {
            assert!(good.parse::<Issuer>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "gate",
            "http://gate.example.com",
            "http://127.0.0.1.evil.example",
            "https://",
            "https:///a",
            "https://a/",
            "https://a?b",
            "https://a#b",
            "https://u@a",
        ] {
            assert!(bad.parse::<Issuer>().is_err(), "{bad}");
        }
    }
}
