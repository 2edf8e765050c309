//! What a company's directory says of a person (SCIM, RFC 7643): a part of the person's own item, so that what they may do, what the
//! directory calls them and which groups they are in change together.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Identity, List, Page, Store, key};
use crate::error::Error;
use crate::secret::SecretDigest;

/// So many pages of names are read for one list: some 100,000 people.
const MOST_PAGES: usize = 100;
/// So many names are asked for at once.
const NAMES_A_PAGE: usize = 1000;

/// A person in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRecord {
    /// The directory's name for them, unique in any case.
    pub user_name: String,
    /// The directory's id of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The identity by which they will come, if the directory's id says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Identity>,
    /// Whether the directory lets them in.
    pub active: bool,
    /// Whether the directory has taken them out.
    #[serde(default)]
    pub deleted: bool,
    /// What else it says, as SCIM writes it: `name`, `displayName`, `emails`.
    #[serde(default)]
    pub attributes: String,
    /// The groups they are in, by id.
    #[serde(default)]
    pub groups: BTreeMap<String, GroupNames>,
    /// When the directory told of them first.
    pub created_at: Timestamp,
    /// When it changed anything last.
    pub changed_at: Timestamp,
}

/// What a group is called: rules may name either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNames {
    /// By people.
    pub display_name: String,
    /// By the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// Whose a name in the directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NamePointer {
    pub(super) user_id: String,
    pub(super) user_name: String,
}

/// RFC 7643, section 4.1.1: a `userName` is unique in any case.
fn name_digest(user_name: &str) -> SecretDigest {
    SecretDigest::of_text(&user_name.to_lowercase())
}

impl NamePointer {
    pub(super) fn digest(&self) -> SecretDigest {
        name_digest(&self.user_name)
    }
}

impl DirectoryRecord {
    /// Whether the directory lets them in.
    pub fn is_active(&self) -> bool {
        self.active && !self.deleted
    }

    /// What their groups are called, by people and by the directory.
    pub fn group_names(&self) -> Vec<String> {
        let of = |group: &GroupNames| [Some(group.display_name.clone()), group.external_id.clone()];
        self.groups.values().flat_map(of).flatten().collect()
    }

    pub(super) fn name_pointer(&self, user_id: &str) -> Option<NamePointer> {
        (!self.deleted).then(|| NamePointer {
            user_id: user_id.to_owned(),
            user_name: self.user_name.clone(),
        })
    }
}

impl Store {
    /// The id of the person whom the directory calls so.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn directory_user_id(&self, user_name: &str) -> Result<Option<String>, Error> {
        let pointer: Option<NamePointer> = self.read(key::directory_name(&name_digest(user_name))).await?;
        Ok(pointer.map(|pointer| pointer.user_id))
    }

    /// The ids of everybody in the directory, in an order that stays. Only their pointers are read.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::TooLarge`] if there are more than 100,000.
    pub async fn directory_user_ids(&self) -> Result<Vec<String>, Error> {
        let pointers: Vec<NamePointer> = self.whole(key::DIRECTORY_NAMES.to_owned()).await?;
        Ok(pointers.into_iter().map(|pointer| pointer.user_id).collect())
    }

    /// All items of a partition of small items.
    pub(super) async fn whole<T: serde::de::DeserializeOwned>(&self, partition: String) -> Result<Vec<T>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let list = List {
                partition: partition.clone(),
                prefix: None,
                newest_first: false,
                limit: NAMES_A_PAGE,
                after: after.as_ref(),
            };
            let page: Page<T> = self.list(list).await?;
            all.extend(page.items);
            after = page.next_cursor;
            if after.is_none() {
                return Ok(all);
            }
        }
        Err(Error::new(
            crate::error::Kind::TooLarge,
            "There are more than can be listed; ask for one of them.",
        ))
    }
}
