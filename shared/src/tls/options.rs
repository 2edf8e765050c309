//! What may be configured of TLS.

use std::path::PathBuf;
use std::str::FromStr;

use crate::config::{ConfigError, Section};

/// The lowest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinimumVersion {
    /// TLS 1.2, and 1.3 where the other side knows it.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl FromStr for MinimumVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(()),
        }
    }
}

/// TLS towards one service, as configured. What it names is looked at when [`super::Tls`] is made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The authorities that are trusted, in PEM. Without it: those of the machine.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and those that lead to its authority, in PEM.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's key, in PEM.
    pub key_file: Option<PathBuf>,
    /// The lowest version.
    pub minimum_version: MinimumVersion,
    /// Cipher suites by their names in IANA's registry. Empty: rustls's own choice.
    pub cipher_suites: Vec<String>,
}

const KNOWN: [&str; 6] = [
    "enabled",
    "ca_file",
    "certificate_file",
    "key_file",
    "minimum_version",
    "cipher_suites",
];

impl Options {
    /// Reads a section; `None` unless `enabled` is true. What is wrong in it is an error all the same.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and what it must hold.
    pub fn read(section: &Section<'_>) -> Result<Option<Self>, ConfigError> {
        section.refuse_others(&KNOWN)?;
        let enabled = section.or("enabled", "true or false", false)?;
        let file = |name| section.optional::<PathBuf>(name, "the name of a PEM file");
        let options = Self {
            ca_file: file("ca_file")?,
            certificate_file: file("certificate_file")?,
            key_file: file("key_file")?,
            minimum_version: section.or("minimum_version", "1.2 or 1.3", MinimumVersion::default())?,
            cipher_suites: section.list(
                "cipher_suites",
                "names of cipher suites, for example TLS_AES_256_GCM_SHA384",
            )?,
        };
        options.refuse_half(section)?;
        Ok(enabled.then_some(options))
    }

    fn refuse_half(&self, section: &Section<'_>) -> Result<(), ConfigError> {
        let half = match (&self.certificate_file, &self.key_file) {
            (Some(_), None) => "key_file",
            (None, Some(_)) => "certificate_file",
            _ => return Ok(()),
        };
        section
            .required::<String>(
                half,
                "the name of a PEM file, since a certificate and its key belong together",
            )
            .map(drop)
    }
}
