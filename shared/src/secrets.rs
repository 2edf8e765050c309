//! Secrets Manager: read when first needed, by name or ARN; replaced on the condition that nobody else has.

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use serde_json::json;

use crate::aws::Aws;
use crate::aws::signed::Service;
use crate::error::Error;
use crate::secret::hex;

/// Secrets Manager.
#[derive(Clone, Debug)]
pub struct Secrets {
    service: Service,
}

/// A version of a secret.
#[derive(Clone)]
pub struct SecretVersion {
    /// What it holds.
    pub text: String,
    /// Its id.
    pub id: String,
    /// When it was written, as Secrets Manager tells; what it does not tell is long ago.
    pub written_at: Timestamp,
}

/// What becomes of an attempt to replace a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It holds the new text.
    Written,
    /// Another one has replaced the version that was read.
    ByAnother,
}

impl Secrets {
    /// Nothing goes out before the first secret.
    pub fn new(aws: &Aws) -> Self {
        Self { service: aws.secrets() }
    }

    /// The current text of a secret.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without its secrets the gateway lets nobody in.
    pub async fn read(&self, id: &str) -> Result<String, Error> {
        self.read_version(id).await.map(|version| version.text)
    }

    /// The current version of a secret.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_version(&self, id: &str) -> Result<SecretVersion, Error> {
        let answer = self
            .service
            .call("secretsmanager.GetSecretValue", &json!({"SecretId": id}))
            .await
            .map_err(Error::unavailable)?;
        match (answer["SecretString"].as_str(), answer["VersionId"].as_str()) {
            (Some(text), Some(id)) => Ok(SecretVersion {
                text: text.to_owned(),
                id: id.to_owned(),
                written_at: written_at(answer["CreatedDate"].as_f64()),
            }),
            _ => Err(Error::unavailable("the secret holds no text")),
        }
    }

    /// Replaces the version that was read. The new version's id is made of the old one's, and Secrets Manager gives an id to one
    /// text only (API reference, `PutSecretValue`, `ClientRequestToken`): of two successors of one version the second is refused.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn replace(&self, id: &str, read: &str, text: String) -> Result<Replaced, Error> {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("after {read}").as_bytes());
        let input = json!({"SecretId": id, "SecretString": text, "ClientRequestToken": hex(digest.as_ref())});
        match self.service.call("secretsmanager.PutSecretValue", &input).await {
            Ok(_) => Ok(Replaced::Written),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("ResourceExistsException") => Ok(Replaced::ByAnother),
                _ => Err(Error::unavailable(error)),
            },
        }
    }
}

/// Seconds since 1970 with a fraction, as AWS's JSON protocol writes times.
fn written_at(seconds: Option<f64>) -> Timestamp {
    let seconds = seconds.map_or(0, |seconds| seconds as i64);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
