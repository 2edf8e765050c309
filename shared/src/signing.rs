//! The issuer of access tokens and its key, as `token` signs and `authorizer` verifies.

use tokio::sync::OnceCell;

use crate::aws::Aws;
use crate::config::{ConfigError, Issuer, Variables};
use crate::error::Error;
use crate::jwt::SigningKey;
use crate::secrets::Secrets;

/// Who issues tokens, for whom, and with which key.
pub struct Signing {
    /// The issuer.
    pub issuer: Issuer,
    /// Whom tokens are for.
    pub audience: String,
    secrets: Secrets,
    secret_id: String,
    key: OnceCell<SigningKey>,
}

impl Signing {
    /// Reads the configuration. The key is read when it is first needed.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            issuer: variables.issuer()?,
            audience: variables.audience()?,
            secrets: Secrets::new(aws.secretsmanager()),
            secret_id: variables.signing_secret()?,
            key: OnceCell::new(),
        })
    }

    /// The key. However many ask at once, it is read once; a failure is not kept.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`] when the secret cannot be read, or holds no key.
    pub async fn key(&self) -> Result<&SigningKey, Error> {
        self.key
            .get_or_try_init(|| async {
                let stored = self.secrets.read(&self.secret_id).await?;
                SigningKey::from_stored(&stored).map_err(Error::unavailable)
            })
            .await
    }
}
