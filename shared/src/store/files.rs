//! What is known of uploaded files. Their bytes are in [`crate::objects`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cursor, List, Page, Store, item, key, unavailable};
use crate::error::Error;
use crate::principal::Subject;

const VERSION: u32 = 1;

/// A file as it is listed.
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
    /// Its length.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// When it was stored.
    pub created_at: Timestamp,
}

impl StoredFile {
    /// A file that is not listed yet.
    #[expect(clippy::too_many_arguments, reason = "a record's fields, each of its own meaning")]
    pub fn new(
        file_id: String,
        owner: Subject,
        filename: String,
        content_type: String,
        description: Option<String>,
        size_bytes: u64,
        sha256: String,
        created_at: Timestamp,
    ) -> Self {
        Self {
            file_id,
            owner,
            filename,
            content_type,
            description,
            size_bytes,
            sha256,
            created_at,
        }
    }
}

impl Store {
    /// Lists a file that was stored. `false`: its id is taken.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn create_file(&self, file: &StoredFile) -> Result<bool, Error> {
        self.insert(item(key::file(&file.owner, &file.file_id), VERSION, file)?)
            .await
    }

    /// A file of this owner's.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn file(&self, owner: &Subject, file_id: &str) -> Result<Option<StoredFile>, Error> {
        self.read(key::file(owner, file_id)).await
    }

    /// The files of an owner.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn files_of(
        &self,
        owner: &Subject,
        limit: usize,
        after: Option<&Cursor>,
    ) -> Result<Page<StoredFile>, Error> {
        let partition = key::files(owner);
        self.list(List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Takes a file off its owner's list.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete_file(&self, owner: &Subject, file_id: &str) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete
            .set_key(Some(key::file(owner, file_id).into_item()))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }
}
