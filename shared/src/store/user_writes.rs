//! How a person is written: the person, the identities that lead to them, and their place among the admins, in one transaction, on the
//! condition that the person is still as they were read.
//!
//! The items of `ADMINS` are the people who are active admins now. Whoever stops to be one does so on the condition that somebody else
//! is still among them, so of two admins who suspend each other at once one does not succeed, whatever else goes on.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use serde::{Deserialize, Serialize};

use super::directory::NamePointer;
use super::users::{Identity, StoredIdentity, User};
use super::{AuditEntry, Item, List, Page, Store, condition_failed, item, key, unavailable, was_conflict};
use crate::error::Error;
use crate::lookups;

const VERSION: u32 = 1;

/// So often another admin is looked for, if the one who was found stops to be one at the same moment.
const MOST_TRIES: u32 = 4;

/// What becomes of an attempt to write a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserWrite {
    /// It is written.
    Written,
    /// Somebody else wrote the person, or what was to be written with them, in the meantime.
    Overtaken,
    /// An identity, or a name in the directory, is somebody else's.
    Taken,
    /// Nobody would be left who is an admin.
    LastAdmin,
}

/// A person as they were read and as they are to be.
#[derive(Clone, Debug)]
pub struct UserChange<'a> {
    /// As they were read; none who is new.
    pub before: Option<&'a User>,
    /// As they are to be.
    pub after: &'a User,
    /// Identities that are to lead to them, besides those that do.
    pub identities: &'a [Identity],
    /// Whether the change is refused if nobody would be left who is an admin.
    pub keep_an_admin: bool,
    /// What the audit trail is told, if it is an administrator's or the directory's change.
    pub audit: Option<&'a AuditEntry>,
}

#[derive(Serialize, Deserialize)]
struct AdminPlace {
    user_id: String,
}

impl UserChange<'_> {
    fn is_admin_lost(&self) -> bool {
        self.before.is_some_and(User::is_admin) && !self.after.is_admin()
    }

    /// The identities that are to lead to the person, and those that are to no more.
    fn links(&self) -> (Vec<&Identity>, Option<&Identity>) {
        let of = |user: &User| user.directory.as_ref()?.link.clone();
        let (old, new) = (self.before.and_then(of), self.after.directory.as_ref());
        let new = new.and_then(|record| record.link.as_ref());
        let lost = self.before.and_then(|user| user.directory.as_ref()?.link.as_ref());
        let gained = new.filter(|new| old.as_ref() != Some(new));
        (
            self.identities.iter().chain(gained).collect(),
            lost.filter(|lost| Some(*lost) != new),
        )
    }

    /// The name in the directory that is to be the person's, and the one that is to be free.
    fn names(&self) -> (Option<NamePointer>, Option<NamePointer>) {
        let of = |user: &User| user.directory.as_ref()?.name_pointer(&user.user_id);
        let (old, new) = (self.before.and_then(of), of(self.after));
        if old == new {
            return (None, None);
        }
        // Written otherwise, but the same in lower case: one item, and a transaction names an item once.
        let digest = new.as_ref().map(NamePointer::digest);
        (new, old.filter(|old| digest.as_ref() != Some(&old.digest())))
    }
}

impl Store {
    /// Writes a person.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn change_user(&self, change: &UserChange<'_>) -> Result<UserWrite, Error> {
        self.change_user_and(change, Vec::new).await
    }

    /// Writes a person and `more`, items whose conditions are told as [`UserWrite::Overtaken`].
    pub(super) async fn change_user_and(
        &self,
        change: &UserChange<'_>,
        more: impl Fn() -> Vec<TransactWriteItem> + Send + Sync,
    ) -> Result<UserWrite, Error> {
        let names = [lookups::PEOPLE.name(&change.after.user_id)];
        self.changing(&names, Box::pin(self.write_user_and(change, more))).await
    }

    async fn write_user_and(
        &self,
        change: &UserChange<'_>,
        more: impl Fn() -> Vec<TransactWriteItem> + Send + Sync,
    ) -> Result<UserWrite, Error> {
        for _ in 0..MOST_TRIES {
            let mut own = vec![self.user_put(change)?];
            own.extend(more());
            if change.is_admin_lost() && change.keep_an_admin {
                let Some(other) = self.another_admin(&change.after.user_id).await? else {
                    return Ok(UserWrite::LastAdmin);
                };
                let outcome = self.write(change, own, Some(&other)).await?;
                if let Some(write) = outcome {
                    return Ok(write);
                }
            } else if let Some(write) = self.write(change, own, None).await? {
                return Ok(write);
            }
        }
        Ok(UserWrite::Overtaken)
    }

    /// `None`: the other admin stopped to be one.
    async fn write(
        &self,
        change: &UserChange<'_>,
        own: Vec<TransactWriteItem>,
        other: Option<&str>,
    ) -> Result<Option<UserWrite>, Error> {
        let (overtaking, mut items) = (own.len(), own);
        items.extend(self.taking_writes(change)?);
        let taking = items.len();
        if let Some(other) = other {
            items.push(self.is_admin_check(other)?);
        }
        items.extend(self.freeing_writes(change)?);
        let audit = change.audit.map(|audit| self.audit_write(audit)).transpose()?;
        items.extend(audit);
        let outcome = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .send()
            .await;
        let failed = |error: &SdkError<TransactWriteItemsError, _>, range: std::ops::Range<usize>| {
            range.into_iter().any(|index| condition_failed(error, index))
        };
        match outcome {
            Ok(_) => Ok(Some(UserWrite::Written)),
            Err(error) if failed(&error, 0..overtaking) => Ok(Some(UserWrite::Overtaken)),
            Err(error) if failed(&error, overtaking..taking) => Ok(Some(UserWrite::Taken)),
            Err(error) if other.is_some() && condition_failed(&error, taking) => Ok(None),
            Err(error) if was_conflict(&error) => Ok(Some(UserWrite::Overtaken)),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn user_put(&self, change: &UserChange<'_>) -> Result<TransactWriteItem, Error> {
        let mut after = change.after.clone();
        after.revision = change.before.map_or(0, |before| before.revision + 1);
        let put =
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(item(key::user(&after.user_id), VERSION, after)?));
        let put = match change.before.map(|before| before.revision) {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(0) => put.condition_expression("attribute_exists(pk) AND attribute_not_exists(revision)"),
            Some(read) => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N(read.to_string())),
        };
        Ok(TransactWriteItem::builder()
            .put(put.build().map_err(Error::internal)?)
            .build())
    }

    /// What somebody else may have: identities, and a name in the directory.
    fn taking_writes(&self, change: &UserChange<'_>) -> Result<Vec<TransactWriteItem>, Error> {
        let user_id = &change.after.user_id;
        let mut items = Vec::new();
        for identity in change.links().0 {
            let stored = StoredIdentity {
                user_id: user_id.clone(),
                identity: identity.clone(),
            };
            items.push(self.own_put(item(key::identity(&identity.digest()), VERSION, stored)?, user_id)?);
        }
        if let (Some(name), _) = change.names() {
            let key = key::directory_name(&name.digest());
            items.push(self.own_put(item(key, VERSION, name)?, user_id)?);
        }
        Ok(items)
    }

    /// What is the person's no more, and their place among the admins.
    fn freeing_writes(&self, change: &UserChange<'_>) -> Result<Vec<TransactWriteItem>, Error> {
        let user_id = &change.after.user_id;
        let mut items = Vec::new();
        if let Some(identity) = change.links().1 {
            items.push(self.delete(key::identity(&identity.digest()))?);
        }
        if let (_, Some(name)) = change.names() {
            items.push(self.delete(key::directory_name(&name.digest()))?);
        }
        let was_admin = change.before.is_some_and(User::is_admin);
        match (was_admin, change.after.is_admin()) {
            (false, true) => {
                let place = AdminPlace {
                    user_id: user_id.clone(),
                };
                items.push(self.own_put(item(key::admin(user_id), VERSION, place)?, user_id)?);
            }
            (true, false) => items.push(self.delete(key::admin(user_id))?),
            _ => {}
        }
        Ok(items)
    }

    /// A put of an item that is not there, or is this person's already.
    fn own_put(&self, item: Item, user_id: &str) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR user_id = :me")
            .expression_attribute_values(":me", AttributeValue::S(user_id.to_owned()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    pub(super) fn delete(&self, key: key::Key) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key.into_item()))
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    fn is_admin_check(&self, user_id: &str) -> Result<TransactWriteItem, Error> {
        let check = ConditionCheck::builder()
            .table_name(&self.table)
            .set_key(Some(key::admin(user_id).into_item()))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(Error::internal)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// Somebody else who is an active admin.
    async fn another_admin(&self, user_id: &str) -> Result<Option<String>, Error> {
        let list = List {
            partition: key::ADMINS.to_owned(),
            prefix: None,
            newest_first: false,
            limit: 2,
            after: None,
        };
        let page: Page<AdminPlace> = self.list(list).await?;
        let mut others = page.items.into_iter().map(|place| place.user_id);
        Ok(others.find(|other| other != user_id))
    }
}
