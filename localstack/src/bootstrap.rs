//! The first credentials of a new stack.

use crate::aws::Endpoints;
use crate::error::Result;

/// API keys to begin with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// A user's.
    pub api_key: String,
    /// An administrator's.
    pub admin_key: String,
}

/// Makes an API key of a user and one of an administrator in `table`.
///
/// # Errors
/// When the table cannot be written.
pub async fn bootstrap(_endpoints: &Endpoints, _table: &str) -> Result<Keys> {
    // Written with the store of the crate `gateway`, which is still to come.
    Ok(Keys {
        api_key: String::new(),
        admin_key: String::new(),
    })
}
