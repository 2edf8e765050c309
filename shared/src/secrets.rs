//! Secrets Manager: read when first needed, by name or ARN.

use aws_sdk_secretsmanager::Client;

use crate::error::Error;

/// The client of Secrets Manager.
#[derive(Clone, Debug)]
pub struct Secrets {
    client: Client,
}

impl Secrets {
    /// A client, for example [`crate::aws::Aws::secretsmanager`].
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The current text of a secret.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: without its secrets the gateway lets nobody in.
    pub async fn read(&self, id: &str) -> Result<String, Error> {
        let answer = self
            .client
            .get_secret_value()
            .secret_id(id)
            .send()
            .await
            .map_err(Error::unavailable)?;
        answer
            .secret_string
            .ok_or_else(|| Error::unavailable("the secret holds no text"))
    }
}
