//! Teams that somebody described. A team needs no item to be one: its name on a person, an account or a key is enough.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditEntry, Cursor, List, Page, Store, condition_failed, item, key, unavailable};
use crate::error::Error;
use crate::lookups;
use crate::model::AllowedModels;
use crate::principal::Team;

const VERSION: u32 = 1;
/// So many are read at once where a team's members are looked for.
const READ_AT_ONCE: usize = 500;

/// A team as it is described.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamRecord {
    /// Its name in rows, budgets and paths.
    pub team: Team,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is there for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The models that may be called on its account; without a list every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<AllowedModels>,
    /// When it was described first.
    pub created_at: Timestamp,
    /// Counts its changes: each is made on the condition that it is the next one.
    pub revision: u64,
}

impl Store {
    /// What is known of a team.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn team(&self, team: &Team) -> Result<Option<TeamRecord>, Error> {
        self.read(key::team(team)).await
    }

    /// All teams that were described, by name.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn teams(&self, limit: usize, after: Option<&Cursor>) -> Result<Page<TeamRecord>, Error> {
        self.list(List {
            partition: key::TEAMS.to_owned(),
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }

    /// Writes a team over the one that was read, whose revision is one less; `audit` tells of it. `false`: another change came before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put_team(&self, team: &TeamRecord, audit: &AuditEntry) -> Result<bool, Error> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(key::team(&team.team), VERSION, team)?));
        let put = match team.revision {
            0 | 1 => put.condition_expression("attribute_not_exists(pk)"),
            next => put
                .condition_expression("revision = :read")
                .expression_attribute_values(":read", AttributeValue::N((next - 1).to_string())),
        };
        let put = put.build().map_err(Error::internal)?;
        self.change_team_item(&team.team, TransactWriteItem::builder().put(put).build(), audit)
            .await
    }

    /// Takes away what was read of a team; `audit` tells of it. `false`: another change came before.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete_team(&self, team: &TeamRecord, audit: &AuditEntry) -> Result<bool, Error> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key::team(&team.team).into_item()))
            .condition_expression("revision = :read")
            .expression_attribute_values(":read", AttributeValue::N(team.revision.to_string()))
            .build()
            .map_err(Error::internal)?;
        self.change_team_item(&team.team, TransactWriteItem::builder().delete(delete).build(), audit)
            .await
    }

    async fn change_team_item(
        &self,
        team: &Team,
        change: TransactWriteItem,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let write = self
            .client
            .transact_write_items()
            .transact_items(change)
            .transact_items(self.audit_write(audit)?)
            .client_request_token(&audit.audit_id);
        let write = async {
            match write.send().await {
                Ok(_) => Ok(true),
                Err(error) if condition_failed(&error, 0) || super::was_conflict(&error) => Ok(false),
                Err(error) => Err(unavailable(error)),
            }
        };
        self.changing(&[lookups::TEAMS.name(team.as_str())], Box::pin(write))
            .await
    }

    /// Whether any person, or any service account that was not ended, is of this team now. All of them are looked through.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn has_members(&self, team: &Team) -> Result<bool, Error> {
        let mut after = None;
        loop {
            let page = self.users(READ_AT_ONCE, after.as_ref()).await?;
            if page.items.iter().any(|user| user.team.as_ref() == Some(team)) {
                return Ok(true);
            }
            after = page.next_cursor;
            if after.is_none() {
                break;
            }
        }
        loop {
            let page = self.clients(READ_AT_ONCE, after.as_ref()).await?;
            let mut living = page.items.iter().filter(|client| client.revoked_at.is_none());
            if living.any(|client| client.team.as_ref() == Some(team)) {
                return Ok(true);
            }
            after = page.next_cursor;
            if after.is_none() {
                return Ok(false);
            }
        }
    }
}
