//! What is known of files. Their bytes are in [`crate::objects`].
//!
//! A file has one item. It is put when its bytes are there, and taken away before they go, so what is listed can be read. What it takes up
//! is counted in the same transactions ([`super::taken_up`]).

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Cursor, FileEnd, FileLimits, FileWrite, List, Page, Store, TakenUp, condition_failed, item, key, unavailable,
};
use crate::compression::Compression;
use crate::error::Error;
use crate::principal::Subject;

/// Version 1 had neither compression, metadata nor an end; version 2 was counted nowhere.
const VERSION: u32 = 3;

/// A file as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its name in paths.
    pub file_id: String,
    /// Whose it is.
    pub owner: Subject,
    /// The name its owner gave it: text, never a path.
    pub filename: String,
    /// The media type its owner gave it.
    pub content_type: String,
    /// What its owner says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its owner's programs say of it: the text of a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Its length.
    pub size_bytes: u64,
    /// How its bytes are stored; nothing: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// The length of what is stored, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_size_bytes: Option<u64>,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// What the storage calls these bytes, where they are read from it directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_tag: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it ends, if it is temporary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// Until when it is kept for a finalization that was prepared, whenever it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared_until: Option<Timestamp>,
    /// When it became permanent, if it was not from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_at: Option<Timestamp>,
    /// Whether it is in the count of what its owner has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counted: bool,
}

impl StoredFile {
    /// Whether it is there at `now`: from the second of its end it is not, whenever its bytes go.
    pub fn is_there(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end) || self.prepared_until.is_some_and(|until| now < until)
    }

    /// The length of what is stored.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_size_bytes.unwrap_or(self.size_bytes)
    }

    /// What it takes up.
    pub(super) fn takes_up(&self) -> TakenUp {
        TakenUp {
            stored_bytes: self.stored_bytes(),
            upload_sessions: 0,
        }
    }

    /// When the sweep has to look at it, if it is temporary.
    pub(super) fn end(&self) -> Option<FileEnd> {
        self.ends_at.map(|at| FileEnd {
            at,
            owner: self.owner.clone(),
            id: self.file_id.clone(),
        })
    }
}

/// Which part of an owner's files is wanted.
#[derive(Clone, Copy, Debug)]
pub struct FileList<'a> {
    /// How many.
    pub limit: usize,
    /// Whether later files come before earlier ones.
    pub newest_first: bool,
    /// Behind which place of that order.
    pub after: Option<&'a Cursor>,
    /// What has ended by then is not listed.
    pub now: Timestamp,
}

impl Store {
    /// Lists a file whose bytes are stored, and forgets the intention to store them, unless its owner has as much as an owner may have.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_file(
        &self,
        file: &StoredFile,
        intention: Option<&FileEnd>,
        limits: &FileLimits,
    ) -> Result<FileWrite, Error> {
        let mut writes = self.file_writes(file)?;
        // A file that ends when its intention would be looked at has made that its own end.
        if let Some(intention) = intention.filter(|intention| file.end().as_ref() != Some(intention)) {
            writes.push(self.end_removed(intention)?);
        }
        if file.counted {
            match self.taking(&file.owner, file.takes_up(), limits)? {
                None => return Ok(FileWrite::LimitReached),
                Some(taking) => writes.push(taking),
            }
        }
        let last = writes.len() - 1;
        match self.transact(writes).await {
            Ok(_) => Ok(FileWrite::Done),
            Err(error) if condition_failed(&error, 0) => Ok(FileWrite::Taken),
            Err(error) if file.counted && condition_failed(&error, last) => Ok(FileWrite::LimitReached),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The writes that list a file, the first on the condition that it is not there.
    pub(super) fn file_writes(&self, file: &StoredFile) -> Result<Vec<TransactWriteItem>, Error> {
        let mut writes = vec![self.put_new(item(key::file(&file.owner, &file.file_id), VERSION, file)?)?];
        if let Some(end) = file.end() {
            writes.push(self.end_added(&end)?);
        }
        Ok(writes)
    }

    /// A file of this owner's, also one that has ended and waits for the sweep.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn file(&self, owner: &Subject, file_id: &str) -> Result<Option<StoredFile>, Error> {
        if file_id.starts_with(key::FILE_PREFIX) {
            self.read(key::file(owner, file_id)).await
        } else {
            Ok(None)
        }
    }

    /// The files of an owner that are there.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn files_of(&self, owner: &Subject, wanted: FileList<'_>) -> Result<Page<StoredFile>, Error> {
        let mut items: Vec<StoredFile> = Vec::new();
        let mut place = wanted.after.cloned();
        loop {
            let list = List {
                partition: key::files(owner),
                prefix: Some(key::FILE_PREFIX),
                newest_first: wanted.newest_first,
                limit: wanted.limit.saturating_sub(items.len()),
                after: place.as_ref(),
            };
            let page = self.list::<StoredFile>(list).await?;
            items.extend(page.items.into_iter().filter(|file| file.is_there(wanted.now)));
            place = page.next_cursor;
            if place.is_none() || items.len() >= wanted.limit {
                return Ok(Page {
                    items,
                    next_cursor: place,
                });
            }
        }
    }

    /// Takes a file off its owner's list, and writes down that its bytes are to go: returns the entry, to be removed when they are
    /// gone. `None`: there is no such file.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete_file(&self, file: &StoredFile, now: Timestamp) -> Result<Option<FileEnd>, Error> {
        let end = FileEnd {
            at: now,
            owner: file.owner.clone(),
            id: file.file_id.clone(),
        };
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key::file(&file.owner, &file.file_id).into_item()))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(Error::internal)?;
        let mut writes = vec![
            TransactWriteItem::builder().delete(delete).build(),
            self.end_added(&end)?,
        ];
        writes.extend(self.giving_back_file(file)?);
        match self.transact(writes).await {
            Ok(_) => Ok(Some(end)),
            Err(error) if condition_failed(&error, 0) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Takes a file off its owner's list if it is exactly as it was read: `false` says that somebody was faster, as one who finalized it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete_ended_file(&self, file: &StoredFile) -> Result<bool, Error> {
        let mut delete = Delete::builder().table_name(&self.table);
        let mut conditions = Vec::new();
        for (name, value, at) in [
            ("ends_at", ":ends_at", file.ends_at),
            ("prepared_until", ":prepared_until", file.prepared_until),
        ] {
            match at {
                None => conditions.push(format!("attribute_not_exists({name})")),
                Some(at) => {
                    conditions.push(format!("{name} = {value}"));
                    delete = delete.expression_attribute_values(value, AttributeValue::S(at.to_string()));
                }
            }
        }
        let delete = delete
            .set_key(Some(key::file(&file.owner, &file.file_id).into_item()))
            .condition_expression(conditions.join(" AND "))
            .build()
            .map_err(Error::internal)?;
        let mut writes = vec![TransactWriteItem::builder().delete(delete).build()];
        writes.extend(self.giving_back_file(file)?);
        match self.transact(writes).await {
            Ok(_) => Ok(true),
            Err(error) if condition_failed(&error, 0) => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// What a file took up, given back with it.
    fn giving_back_file(&self, file: &StoredFile) -> Result<Option<TransactWriteItem>, Error> {
        file.counted
            .then(|| self.giving_back(&file.owner, file.takes_up()))
            .transpose()
    }
}
