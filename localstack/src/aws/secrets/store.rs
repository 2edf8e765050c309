//! Secrets and their versions, kept in one JSON file that is replaced as a whole.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Error;
use super::operations::Refusal;

/// All secrets by name.
pub(super) type Secrets = BTreeMap<String, Secret>;

/// A secret with all its versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Secret {
    pub(super) arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// Seconds since 1970.
    pub(super) created: f64,
    /// Seconds since 1970.
    pub(super) changed: f64,
    /// By version id.
    pub(super) versions: BTreeMap<String, Version>,
}

/// One value of a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    #[serde(flatten)]
    pub(super) value: SecretValue,
    /// Staging labels; none means deprecated.
    pub(super) stages: Vec<String>,
    /// Seconds since 1970.
    pub(super) created: f64,
}

/// A value is text or bytes (base64, as the protocol carries them).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SecretValue {
    #[serde(rename = "SecretString")]
    Text(String),
    #[serde(rename = "SecretBinary")]
    Binary(String),
}

/// The secrets and the file that holds them.
pub(super) struct Store {
    file: PathBuf,
    secrets: Mutex<Secrets>,
}

impl Store {
    /// Reads `file` if it is there.
    ///
    /// # Errors
    /// When it is there but cannot be read or understood: starting empty would lose the keys that tokens are signed with.
    pub(super) fn open(file: PathBuf) -> Result<Self, Error> {
        let what = || format!("cannot read {}", file.display());
        let secrets = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(io::Error::from)
                .map_err(Error::io(what()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Secrets::new(),
            Err(error) => return Err(Error::io(what())(error)),
        };
        Ok(Self {
            file,
            secrets: Mutex::new(secrets),
        })
    }

    pub(super) fn read<T>(&self, operation: impl FnOnce(&Secrets) -> Result<T, Refusal>) -> Result<T, Refusal> {
        operation(&self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `operation` on a copy that takes the place of the secrets once it is on the disk.
    pub(super) fn write<T>(&self, operation: impl FnOnce(&mut Secrets) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = secrets.clone();
        let answer = operation(&mut changed)?;
        save(&self.file, &changed)
            .map_err(|error| Refusal::new("InternalServiceError", format!("cannot keep the secrets: {error}")))?;
        *secrets = changed;
        Ok(answer)
    }
}

/// Written beside the file and renamed over it, so that a crash leaves the old content or the new.
fn save(file: &Path, secrets: &Secrets) -> io::Result<()> {
    let new = file.with_extension("json.new");
    // Nobody else on this machine reads them.
    let mut writer = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    writer.write_all(&serde_json::to_vec_pretty(secrets)?)?;
    writer.sync_all()?;
    std::fs::rename(&new, file)?;
    match file.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
