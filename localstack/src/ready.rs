//! The ready file: what a tool or a test needs to know of a running stack.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};

/// The content of the ready file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The gateway: scheme, host and port, without a path.
    pub gateway: String,
    /// The gateway over TLS; with `--tls` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_tls: Option<String>,
    /// The gateway over mutual TLS; with `--mutual-tls` only, and then `gateway` refuses everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_mutual_tls: Option<String>,
    /// The file with the certificate authority of the gateway over TLS, in PEM; with `--tls` or `--mutual-tls` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// A user's API key.
    pub api_key: String,
    /// An administrator's API key.
    pub admin_key: String,
    /// URL of Bedrock Runtime, or of its mock.
    pub bedrock: String,
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// URL of S3.
    pub s3: String,
    /// URL of Secrets Manager.
    pub secretsmanager: String,
    /// The name of the table.
    pub table: String,
    /// The bucket of Bedrock's invocation log, if the mock writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_log_bucket: Option<String>,
    /// URL of `POST /2015-03-31/functions/NAME/invocations`: this program's, or the one of `cargo lambda watch`.
    pub lambda: String,
    /// The functions' variables, for `cargo lambda watch --env-file`; with `--lambda` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_file: Option<PathBuf>,
    /// The folder with the gateway's log and, without `--lambda`, the functions'.
    pub logs: PathBuf,
    /// The process ids of each function.
    pub functions: BTreeMap<String, Vec<u32>>,
}

impl Ready {
    /// Writes the file at once: a reader sees the old content or the new, never a part. It holds keys, so it is its owner's.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        let doing = || format!("writing {}", path.display());
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).doing(doing())?;
        let json = serde_json::to_vec_pretty(self).doing(doing())?;
        file.write_all(&json).doing(doing())?;
        file.persist(path).map_err(|error| error.error).doing(doing())?;
        Ok(())
    }

    /// Reads the file of a running stack.
    ///
    /// # Errors
    /// If there is none.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).doing(format!("reading {}", path.display()))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::new(format!("{}: {error}", path.display())))
    }
}
