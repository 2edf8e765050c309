//! Access tokens that were ended before their time, by their `jti`. An item goes by itself once the token would be dead anyway.

use serde::{Deserialize, Serialize};

use super::{ServiceClient, Store, item, key};
use crate::error::Error;
use crate::lookups;

const VERSION: u32 = 1;

/// A denied token as it is stored.
#[derive(Serialize, Deserialize)]
struct Denied {
    jti: String,
    /// When the token ends, in seconds since the Unix epoch: the table's time to live.
    expires_at: i64,
}

impl Store {
    /// Ends an access token: from now on it counts nowhere, once caches have forgotten it. To do it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn deny_token(&self, jti: &str, ends_at_seconds: i64) -> Result<(), Error> {
        let denied = Denied {
            jti: jti.to_owned(),
            expires_at: ends_at_seconds,
        };
        let write = self.insert(item(key::denied_token(jti), VERSION, denied)?);
        self.changing(&[lookups::DENIED.name(jti)], Box::pin(write))
            .await
            .map(drop)
    }

    /// Whether an access token was ended, and the service account that it was given to: one question for both.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn denied_and_client(&self, jti: &str, client_id: &str) -> Result<(bool, Option<ServiceClient>), Error> {
        let (denied, client) = (key::denied_token(jti), key::client(client_id));
        let keys = vec![denied.clone().into_item(), client.clone().into_item()];
        let items = self.batch_get(keys).await?;
        let is = |key: &key::Key| {
            let wanted = key.clone().into_item();
            items
                .iter()
                .find(move |item| wanted.iter().all(|(name, value)| item.get(name) == Some(value)))
        };
        let client = is(&client).cloned().map(serde_dynamo::from_item).transpose();
        Ok((is(&denied).is_some(), client.map_err(Error::internal)?))
    }

    /// Whether an access token was ended.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn is_denied(&self, jti: &str) -> Result<bool, Error> {
        Ok(self.read::<Denied>(key::denied_token(jti)).await?.is_some())
    }
}
