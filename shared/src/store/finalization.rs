//! A temporary file becomes permanent in two phases: it is prepared, which keeps it for a while whenever it ends, and then committed.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Store, StoredFile, key, was_done};
use crate::error::Error;

/// How far the finalization of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finalization {
    /// The file is temporary, and nothing was prepared, or too long ago.
    None,
    /// It is kept until then, to be committed.
    Prepared(Timestamp),
    /// It is permanent.
    Committed,
}

impl StoredFile {
    /// How far its finalization is at `now`.
    pub fn finalization(&self, now: Timestamp) -> Finalization {
        match (self.ends_at, self.prepared_until) {
            (None, _) => Finalization::Committed,
            (Some(_), Some(until)) if now < until => Finalization::Prepared(until),
            (Some(_), _) => Finalization::None,
        }
    }
}

impl Store {
    /// Keeps a temporary file until then. `false`: it is not as it was read, and is to be read again.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn prepare_file(&self, file: &StoredFile, until: Timestamp) -> Result<bool, Error> {
        let values = [(":until", until), (":end", file.ends_at.unwrap_or(until))];
        self.change_file(file, "SET prepared_until = :until", "ends_at = :end", &values)
            .await
    }

    /// Makes a temporary file permanent whose finalization is prepared. `false`: it is not, at `now`.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn commit_file(&self, file: &StoredFile, now: Timestamp) -> Result<bool, Error> {
        let Some(until) = file.prepared_until.filter(|until| now < *until) else {
            return Ok(false);
        };
        self.change_file(
            file,
            "SET finalized_at = :now REMOVE ends_at, prepared_until",
            "prepared_until = :until",
            &[(":now", now), (":until", until)],
        )
        .await
    }

    async fn change_file(
        &self,
        file: &StoredFile,
        change: &str,
        condition: &str,
        values: &[(&str, Timestamp)],
    ) -> Result<bool, Error> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key::file(&file.owner, &file.file_id).into_item()))
            .update_expression(change)
            .condition_expression(condition);
        for (name, at) in values {
            update = update.expression_attribute_values(*name, AttributeValue::S(at.to_string()));
        }
        was_done(
            update.send().await,
            UpdateItemError::is_conditional_check_failed_exception,
        )
    }
}
