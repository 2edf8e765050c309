//! Secrets Manager: read when first needed, by name or ARN; replaced on the condition that nobody else has.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::put_secret_value::PutSecretValueError;
use jiff::Timestamp;

use crate::aws::Aws;
use crate::error::Error;
use crate::secret::hex;

/// The client of Secrets Manager.
#[derive(Clone, Debug)]
pub struct Secrets {
    client: Client,
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
        Self {
            client: aws.secretsmanager(),
        }
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
            .client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(Error::unavailable)?;
        match (answer.secret_string, answer.version_id) {
            (Some(text), Some(id)) => Ok(SecretVersion {
                text,
                id,
                written_at: answer.created_date.map_or(Timestamp::UNIX_EPOCH, |date| {
                    Timestamp::from_second(date.secs()).unwrap_or(Timestamp::UNIX_EPOCH)
                }),
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
        let put = self.client.put_secret_value().secret_id(id).secret_string(text);
        let outcome = put.client_request_token(hex(digest.as_ref())).send().await;
        match outcome {
            Ok(_) => Ok(Replaced::Written),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutSecretValueError::ResourceExistsException(_))
                ) =>
            {
                Ok(Replaced::ByAnother)
            }
            Err(error) => Err(Error::unavailable(error)),
        }
    }
}
