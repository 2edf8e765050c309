//! Which sessions were begun in a browser, so that the browser can end them. The browser is known by the digest of its cookie.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{List, Session, Store, item, key};
use crate::error::Error;
use crate::principal::Subject;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;
/// So many are read at once.
const PAGE: usize = 100;

/// A session, as its browser remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunSession {
    /// Whose it is.
    pub subject: Subject,
    /// Its name.
    pub session_id: String,
    /// By which provider the person came.
    pub provider: String,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When DynamoDB may delete this, in seconds since the Unix epoch.
    pub expires_at: i64,
}

impl Store {
    /// Writes that a session was begun in a browser. It is written before the session, so that none is there that cannot be ended.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn remember_session(&self, browser: &SecretDigest, session: &Session) -> Result<(), Error> {
        let begun = BegunSession {
            subject: session.subject.clone(),
            session_id: session.session_id.clone(),
            provider: session.provider.clone(),
            created_at: session.created_at,
            expires_at: session.expires_at,
        };
        let key = key::begun_session(browser, &session.session_id);
        self.insert(item(key, VERSION, begun)?).await.map(drop)
    }

    /// What was begun in a browser, the ended ones too.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn sessions_of_browser(&self, browser: &SecretDigest) -> Result<Vec<BegunSession>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .list(List {
                    partition: key::browser(browser),
                    prefix: None,
                    newest_first: false,
                    limit: PAGE,
                    after: after.as_ref(),
                })
                .await?;
            all.extend(page.items);
            after = page.next_cursor;
            if after.is_none() {
                return Ok(all);
            }
        }
    }
}
