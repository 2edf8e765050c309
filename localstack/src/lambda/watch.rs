//! Functions under `cargo lambda watch`.

use bytes::Bytes;

use super::answer::{Answer, Failure};

/// A running `cargo lambda watch`.
#[derive(Debug, Clone)]
pub struct Watch {
    url: String,
    client: reqwest::Client,
}

impl Watch {
    /// The functions behind this URL (scheme, host and port).
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: reqwest::Client::new(),
        }
    }

    pub(super) async fn invoke(&self, _function: &str, _event: Bytes) -> Result<Answer, Failure> {
        let _ = (&self.url, &self.client);
        Err(Failure::Unavailable(String::new()))
    }
}
