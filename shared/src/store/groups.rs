//! Groups of a company's directory (SCIM, RFC 7643, section 4.2), and who is in them.
//!
//! That somebody is in a group stands twice: as an item in the group's partition, by which a group's members are listed, and in the
//! person's own item, together with what their groups give them. Both change in one transaction, on the condition that the group is
//! still called as the person's item will say.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::directory::GroupNames;
use super::user_writes::{UserChange, UserWrite};
use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::error::Error;
use crate::secret::SecretDigest;

const VERSION: u32 = 1;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryGroup {
    /// Its name in paths.
    pub group_id: String,
    /// What it is called.
    #[serde(flatten)]
    pub names: GroupNames,
    /// Whether it is being taken away: nobody joins it any more.
    #[serde(default)]
    pub ended: bool,
    /// When the directory told of it first.
    pub created_at: Timestamp,
    /// When it was changed last, but for its members.
    pub changed_at: Timestamp,
    /// Counts its changes, but for its members: each is made on the condition that it is the next one.
    pub revision: u64,
}

/// What becomes of an attempt to write a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupWrite {
    /// It is written.
    Written,
    /// Somebody else wrote it in the meantime.
    Overtaken,
    /// Another group is called so.
    Taken,
}

/// Whether somebody comes into a group or leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// They come.
    Joins,
    /// They leave.
    Leaves,
    /// They stay, and the group is called otherwise.
    Stays,
}

#[derive(Serialize, Deserialize)]
struct NameOfGroup {
    group_id: String,
    display_name: String,
}

#[derive(Serialize, Deserialize)]
struct Member {
    user_id: String,
}

fn name_digest(display_name: &str) -> SecretDigest {
    SecretDigest::of_text(&display_name.to_lowercase())
}

impl Store {
    /// The group of this id, also one that is being taken away.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn group(&self, group_id: &str) -> Result<Option<DirectoryGroup>, Error> {
        self.read(key::group(group_id)).await
    }

    /// All groups, by id.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::TooLarge`] if there are more than 100,000.
    pub async fn groups(&self) -> Result<Vec<DirectoryGroup>, Error> {
        let all: Vec<DirectoryGroup> = self.whole(key::GROUPS.to_owned()).await?;
        Ok(all.into_iter().filter(|group| !group.ended).collect())
    }

    /// Writes a group over the one that was read, if there was one; `audit` tells of it. Its members are not touched.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_group(
        &self,
        before: Option<&DirectoryGroup>,
        after: &DirectoryGroup,
        audit: &AuditEntry,
    ) -> Result<GroupWrite, Error> {
        let name = |group: &DirectoryGroup| (!group.ended).then(|| name_digest(&group.names.display_name));
        let (old, new) = (before.and_then(name), name(after));
        let mut items = vec![self.group_put(before, after)?, self.audit_write(audit)?];
        if let Some(digest) = new.as_ref().filter(|new| old.as_ref() != Some(new)) {
            let named = NameOfGroup {
                group_id: after.group_id.clone(),
                display_name: after.names.display_name.clone(),
            };
            items.push(self.put_new(item(key::group_name(digest), VERSION, named)?)?);
        }
        if let Some(digest) = old.as_ref().filter(|old| new.as_ref() != Some(old)) {
            items.push(self.delete(key::group_name(digest))?);
        }
        let outcome = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .client_request_token(&audit.audit_id)
            .send()
            .await;
        match outcome {
            Ok(_) => Ok(GroupWrite::Written),
            Err(error) if condition_failed(&error, 0) || super::was_conflict(&error) => Ok(GroupWrite::Overtaken),
            Err(error) if condition_failed(&error, 2) => Ok(GroupWrite::Taken),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn group_put(&self, before: Option<&DirectoryGroup>, after: &DirectoryGroup) -> Result<TransactWriteItem, Error> {
        let mut after = after.clone();
        after.revision = before.map_or(1, |before| before.revision + 1);
        let put =
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(item(key::group(&after.group_id), VERSION, after)?));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(before.revision.to_string())),
        };
        Ok(TransactWriteItem::builder()
            .put(put.build().map_err(Error::internal)?)
            .build())
    }

    /// Takes away a group that nobody is in any more.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn drop_group(&self, group_id: &str) -> Result<(), Error> {
        self.take::<DirectoryGroup>(key::group(group_id)).await.map(drop)
    }

    /// The ids of a group's members.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn members(&self, group_id: &str, limit: usize, after: Option<&Cursor>) -> Result<Page<String>, Error> {
        let list = List {
            partition: key::members(group_id),
            prefix: None,
            newest_first: false,
            limit,
            after,
        };
        let page: Page<Member> = self.list(list).await?;
        Ok(Page {
            items: page.items.into_iter().map(|member| member.user_id).collect(),
            next_cursor: page.next_cursor,
        })
    }

    /// The ids of all members of a group.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]; [`crate::error::Kind::TooLarge`] if there are more than 100,000.
    pub async fn all_members(&self, group_id: &str) -> Result<Vec<String>, Error> {
        let all: Vec<Member> = self.whole(key::members(group_id)).await?;
        Ok(all.into_iter().map(|member| member.user_id).collect())
    }

    /// Whether somebody is in a group.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn is_member(&self, group_id: &str, user_id: &str) -> Result<bool, Error> {
        let found: Option<Member> = self.read(key::member(group_id, user_id)).await?;
        Ok(found.is_some())
    }

    /// Writes a person who comes into `group`, leaves it, or stays in it under its new name, and that they are in it. Who comes does so on
    /// the condition that the group is as it was read.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_member(
        &self,
        group: &DirectoryGroup,
        membership: Membership,
        change: &UserChange<'_>,
    ) -> Result<UserWrite, Error> {
        let user_id = &change.after.user_id;
        let mut more = Vec::new();
        match membership {
            Membership::Joins => {
                let member = Member {
                    user_id: user_id.clone(),
                };
                let put = Put::builder().table_name(&self.table).set_item(Some(item(
                    key::member(&group.group_id, user_id),
                    VERSION,
                    member,
                )?));
                let put = put.build().map_err(Error::internal)?;
                more.push(TransactWriteItem::builder().put(put).build());
                more.push(self.group_check(group)?);
            }
            Membership::Leaves => more.push(self.delete(key::member(&group.group_id, user_id))?),
            Membership::Stays => more.push(self.group_check(group)?),
        }
        self.change_user_and(change, || more.clone()).await
    }

    fn group_check(&self, group: &DirectoryGroup) -> Result<TransactWriteItem, Error> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key::group(&group.group_id).into_item()))
            .condition_expression("revision = :read")
            .expression_attribute_values(":read", AttributeValue::N(group.revision.to_string()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// The people of these ids, each of them once, as they are now; who is not there is left out.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn users_of(&self, user_ids: &[String]) -> Result<Vec<super::User>, Error> {
        let keys = user_ids.iter().map(|id| key::user(id).into_item()).collect();
        let items = self.batch_get(keys).await?;
        let users: Vec<super::User> = serde_dynamo::from_items(items).map_err(Error::internal)?;
        let mut by_id: HashMap<_, _> = users.into_iter().map(|user| (user.user_id.clone(), user)).collect();
        Ok(user_ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}
