//! Whether Bedrock can be reached and takes our signature, for health.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Bedrock, NoAnswer};

/// No model has this id, so there is nothing to count.
const NO_MODEL: &str = "anthropic.tollgate-health";
/// What AWS answers whose signature or credentials do not count ("Common Errors" of its API references).
const REFUSALS: [&str; 5] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
];

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answers us.
    Answers,
    /// It does not know us.
    RefusesUs,
    /// It answers that it fails.
    Fails,
}

impl Bedrock {
    /// Asks for a count of tokens for a model that there is not, which is free and needs no right: that it is refused for the model, or
    /// because counting is not ours, is all that is wanted.
    ///
    /// # Errors
    /// [`NoAnswer`] when none came.
    pub async fn reach(&self) -> Result<Reach, NoAnswer> {
        let answer = self
            .count(NO_MODEL, HeaderMap::new(), Bytes::from_static(b"{}"))
            .await?;
        let kind = answer
            .headers
            .get("x-amzn-errortype")
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default();
        Ok(match answer.status {
            StatusCode::FORBIDDEN if REFUSALS.iter().any(|it| kind.starts_with(it)) => Reach::RefusesUs,
            status if status.is_server_error() => Reach::Fails,
            _ => Reach::Answers,
        })
    }
}
