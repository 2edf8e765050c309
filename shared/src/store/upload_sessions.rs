//! Uploads of large files that are under way. The bytes go to the storage in parts; here is what is to become of them.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    FileEnd, FileLimits, FileWrite, Store, StoredFile, TakenUp, condition_failed, item, key, unavailable, was_done,
};
use crate::error::Error;
use crate::principal::Subject;

/// Version 1 was counted nowhere.
const VERSION: u32 = 2;

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// Parts may come.
    Pending,
    /// All are there, and are being put together and verified.
    Verifying,
    /// The file is listed.
    Stored,
    /// What came is not what was announced, or nobody wants it: nothing of it is left, or will be.
    Refused,
}

/// An upload session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadSession {
    /// Its name in paths.
    pub session_id: String,
    /// The name of the file that it becomes.
    pub file_id: String,
    /// Whose it is.
    pub owner: Subject,
    /// The file's name.
    pub filename: String,
    /// The file's media type, as its owner gave it.
    pub content_type: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The text of a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// For how many days the file is kept, if it is temporary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_days: Option<u16>,
    /// How long the file is to be.
    pub size_bytes: u64,
    /// How long each part is to be, but for the last.
    pub part_size_bytes: u64,
    /// What the SHA-256 of the whole is to be, in lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the storage calls the upload.
    pub storage_id: String,
    /// How far it is.
    pub state: UploadState,
    /// Until when whoever verifies it is surely alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifying_until: Option<Timestamp>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Until when it can be completed.
    pub ends_at: Timestamp,
    /// Whether it is in the count of what its owner has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
}

impl UploadSession {
    /// How many parts there are to be.
    pub fn parts(&self) -> u64 {
        self.size_bytes.div_ceil(self.part_size_bytes.max(1))
    }

    /// How long a part is to be; nothing for a number that there is not.
    pub fn part_bytes(&self, number: u64) -> Option<u64> {
        let last = self.parts();
        match number {
            0 => None,
            number if number < last => Some(self.part_size_bytes),
            number if number == last => Some(self.size_bytes - (last - 1) * self.part_size_bytes),
            _ => None,
        }
    }

    /// What it takes up until it is over: as much as its file will.
    fn takes_up(&self) -> TakenUp {
        TakenUp {
            stored_bytes: self.size_bytes,
            upload_sessions: 1,
        }
    }

    /// When the sweep has to look at it.
    fn end(&self, grace: jiff::SignedDuration) -> FileEnd {
        FileEnd {
            at: self.ends_at + grace,
            owner: self.owner.clone(),
            id: self.session_id.clone(),
        }
    }
}

/// Whether a session was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadClaim {
    /// It is the taker's.
    Taken,
    /// Somebody else has it, or it is over: it is to be read again.
    Lost,
}

impl Store {
    /// Opens a session, which the sweep looks at so long after its end, unless its owner has as much as an owner may have.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn open_upload(
        &self,
        session: &UploadSession,
        grace: jiff::SignedDuration,
        limits: &FileLimits,
    ) -> Result<FileWrite, Error> {
        let Some(taking) = self.taking(&session.owner, session.takes_up(), limits)? else {
            return Ok(FileWrite::LimitReached);
        };
        let key = key::file(&session.owner, &session.session_id);
        let writes = vec![
            self.put_new(item(key, VERSION, session)?)?,
            self.end_added(&session.end(grace))?,
            taking,
        ];
        match self.transact(writes).await {
            Ok(_) => Ok(FileWrite::Done),
            Err(error) if condition_failed(&error, 0) => Ok(FileWrite::Taken),
            Err(error) if condition_failed(&error, 2) => Ok(FileWrite::LimitReached),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// A session of this owner's, also one that is over and waits for the sweep.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn upload_session(&self, owner: &Subject, session_id: &str) -> Result<Option<UploadSession>, Error> {
        if session_id.starts_with(key::FILE_PREFIX) {
            return Ok(None);
        }
        self.read(key::file(owner, session_id)).await
    }

    /// Takes a session that nobody verifies at `now`, to verify it until then.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn verify_upload(
        &self,
        session: &UploadSession,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<UploadClaim, Error> {
        let (until, now) = (until.to_string(), now.to_string());
        let change = self
            .change(session, "SET #state = :to, verifying_until = :until", FREE)
            .expression_attribute_values(":pending", text("pending"))
            .expression_attribute_values(":now", text(&now))
            .expression_attribute_values(":to", text("verifying"))
            .expression_attribute_values(":until", text(&until));
        self.changed(vec![update(change)?]).await
    }

    /// Ends a session that nobody verifies at `now`, with a reason, and gives back what it took up.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn end_upload(
        &self,
        session: &UploadSession,
        now: Timestamp,
        reason: &str,
    ) -> Result<UploadClaim, Error> {
        let change = self
            .change(session, END, FREE)
            .expression_attribute_values(":pending", text("pending"))
            .expression_attribute_values(":now", text(&now.to_string()))
            .expression_attribute_values(":to", text("refused"))
            .expression_attribute_values(":reason", text(reason));
        self.ended(session, change).await
    }

    /// Lets go a session that was taken to be verified until then, so that it can be taken again at once (`refused` is nothing) or
    /// never (the reason); in that case it gives back what it took up.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn release_upload(
        &self,
        session: &UploadSession,
        taken_until: Timestamp,
        refused: Option<&str>,
    ) -> Result<(), Error> {
        let set = match refused {
            None => "SET #state = :to REMOVE verifying_until",
            Some(_) => END,
        };
        let to = if refused.is_some() { "refused" } else { "pending" };
        let change = self
            .change(session, set, "#state = :verifying AND verifying_until = :until")
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":until", text(&taken_until.to_string()));
        // Where it was taken over by somebody who found it dead, it is theirs.
        match refused {
            None => self.changed(vec![update(change)?]).await.map(drop),
            Some(reason) => {
                let change = change.expression_attribute_values(":reason", text(reason));
                self.ended(session, change).await.map(drop)
            }
        }
    }

    async fn ended(&self, session: &UploadSession, change: UpdateBuilder) -> Result<UploadClaim, Error> {
        let mut writes = vec![update(change)?];
        if session.counted {
            writes.push(self.giving_back(&session.owner, session.takes_up())?);
        }
        self.changed(writes).await
    }

    /// Does these writes if the condition of the first holds.
    async fn changed(&self, writes: Vec<TransactWriteItem>) -> Result<UploadClaim, Error> {
        match self.transact(writes).await {
            Ok(_) => Ok(UploadClaim::Taken),
            Err(error) if condition_failed(&error, 0) => Ok(UploadClaim::Lost),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn change(&self, session: &UploadSession, set: &str, condition: &str) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key::file(&session.owner, &session.session_id).into_item()))
            .update_expression(set)
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":verifying", text("verifying"))
    }

    /// Lists the file that a session has become, whoever holds it: its bytes are verified.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn finish_upload(&self, session: &UploadSession, file: &StoredFile) -> Result<UploadClaim, Error> {
        let change = self.change(
            session,
            "SET #state = :to REMOVE verifying_until",
            "#state = :verifying",
        );
        let change = change.expression_attribute_values(":to", text("stored"));
        let mut writes = self.file_writes(file)?;
        writes.push(update(change)?);
        let last = writes.len() - 1;
        if session.counted {
            // The file takes up what its session did.
            let place = TakenUp {
                stored_bytes: 0,
                upload_sessions: 1,
            };
            writes.push(self.giving_back(&session.owner, place)?);
        }
        match self.transact(writes).await {
            Ok(_) => Ok(UploadClaim::Taken),
            Err(error) if condition_failed(&error, 0) || condition_failed(&error, last) => Ok(UploadClaim::Lost),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Takes away a session that is over. `false`: it is not, any more or yet.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete_upload(&self, session: &UploadSession) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key::file(&session.owner, &session.session_id).into_item()))
            .condition_expression("#state IN (:stored, :refused)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":stored", AttributeValue::S("stored".to_owned()))
            .expression_attribute_values(":refused", AttributeValue::S("refused".to_owned()))
            .send()
            .await;
        was_done(answer, DeleteItemError::is_conditional_check_failed_exception)
    }
}

/// The condition of who wants a session: nobody verifies it, or whoever did is surely dead.
const FREE: &str = "#state = :pending OR (#state = :verifying AND verifying_until <= :now)";
const END: &str = "SET #state = :to, reason = :reason REMOVE verifying_until";

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn update(change: UpdateBuilder) -> Result<TransactWriteItem, Error> {
    let change = change.build().map_err(Error::internal)?;
    Ok(TransactWriteItem::builder().update(change).build())
}
