//! The folder with a stack's state.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// The folder with the stack's state, held by one stack at a time.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    pub(crate) logs: PathBuf,
    _lock: File,
    _temporary: Option<tempfile::TempDir>,
}

impl Data {
    /// Opens the folder, or makes one that is removed at the end.
    ///
    /// # Errors
    /// If it cannot be made, or another stack holds it.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let temporary = match path {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("tollgate-")
                    .tempdir()
                    .doing("making a folder for data")?,
            ),
        };
        let path = temporary
            .as_ref()
            .map(tempfile::TempDir::path)
            .or(path)
            .unwrap_or(Path::new("."));
        std::fs::create_dir_all(path).doing(format!("making {}", path.display()))?;
        let path = path.canonicalize().doing(format!("finding {}", path.display()))?;
        let lock = File::create(path.join("lock")).doing(format!("locking {}", path.display()))?;
        lock.try_lock()
            .map_err(|_| Error::new(format!("another stack uses {}", path.display())))?;
        let logs = path.join("logs");
        std::fs::create_dir_all(&logs).doing(format!("making {}", logs.display()))?;
        Ok(Self {
            path,
            logs,
            _lock: lock,
            _temporary: temporary,
        })
    }
}
