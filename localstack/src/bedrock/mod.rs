//! Stand-in for the Bedrock mock while it is built.

use crate::error::Result;

/// The running mock.
#[derive(Debug)]
pub struct Mock {
    /// Scheme, host and port.
    pub url: String,
}

impl Mock {
    /// Stops the mock.
    pub async fn stop(self) {}
}

/// Starts the mock on a free port.
///
/// # Errors
/// When the port cannot be bound.
pub async fn start() -> Result<Mock> {
    Ok(Mock {
        url: "http://127.0.0.1:9".to_owned(),
    })
}
