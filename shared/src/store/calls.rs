//! Open calls: the outbox. A call stands here from before it goes out until the sweep has put its row into the rollups.
//!
//! Whatever kills a function, the table knows of each call that may have gone out, what it may cost at the most, and where that
//! is held; what became of it is found out later (`functions/sweep`).

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cursor, List, Page, Store, item, key, unavailable};
use crate::attribution::WorkId;
use crate::budget::{BudgetId, Charge, ORGANISATION_ID, ScopeKind, Unit, Window};
use crate::clock::rfc3339_millis;
use crate::error::Error;
use crate::price::Rates;
use crate::principal::{Subject, Team};
use crate::usage::Usage;
use crate::wire::dialect::Dialect;

const VERSION: u32 = 1;

/// So many partitions share the open calls, since one takes a thousand writes a second.
pub const CALL_SHARDS: u8 = 4;

/// A limit that a call holds a part of. Whose it is, and in which window, follows from the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldLimit {
    /// Whose.
    pub scope: ScopeKind,
    /// What it counts.
    pub unit: Unit,
    /// When it begins anew.
    pub window: Window,
}

/// What is known of a call before it goes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// The request's id.
    pub request_id: String,
    /// Who calls.
    pub principal: Subject,
    /// On whose account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Team>,
    /// By which API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The model, as Bedrock is asked for it.
    pub model: String,
    /// The price list's id.
    pub price_model: String,
    /// The model without profile.
    pub base_model: String,
    /// The profile, which is part of the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The region that Bedrock is called in.
    pub region: String,
    /// The target that is asked, as it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The session of Claude Code that the caller named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<WorkId>,
    /// The agent within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<WorkId>,
    /// Bedrock's service tier.
    pub service_tier: String,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// Whether the answer comes in events.
    pub streamed: bool,
    /// When the call began.
    pub started_at: Timestamp,
    /// When the function that makes it is surely dead.
    pub deadline_at: Timestamp,
    /// What its tokens cost.
    pub rates: Rates,
    /// Which prices say so.
    pub price_version: String,
    /// What it may use at the most.
    pub worst_usage: Usage,
    /// What it may take of its budgets at the most; this is what is held.
    pub worst: Charge,
    /// The limits that it holds a part of, in the order in which it holds them.
    #[serde(with = "held_limits")]
    pub holds: Vec<HeldLimit>,
}

impl OpenCall {
    /// The budget of one of its limits.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] for a limit of a key or team that the call has not: it could be neither held nor given back.
    pub fn budget(&self, held: HeldLimit) -> Result<BudgetId, Error> {
        let id = match held.scope {
            ScopeKind::Key => self.key_id.as_deref(),
            ScopeKind::User => Some(self.principal.as_str()),
            ScopeKind::Team => self.team.as_ref().map(Team::as_str),
            ScopeKind::Model => Some(self.base_model.as_str()),
            ScopeKind::Organisation => Some(ORGANISATION_ID),
        };
        let id = id.ok_or_else(|| Error::internal("a call that holds a part of a limit which is none of its own"))?;
        Ok(BudgetId {
            scope: held.scope,
            id: id.to_owned(),
            unit: held.unit,
            window: held.window,
            start: held.window.start(self.started_at),
        })
    }

    /// The budgets that it holds a part of, in the order in which it holds them.
    ///
    /// # Errors
    /// As [`Self::budget`].
    pub fn budgets(&self) -> Result<Vec<BudgetId>, Error> {
        self.holds.iter().map(|held| self.budget(*held)).collect()
    }
}

/// `scope/unit/window`, joined by spaces: an item is paid by its size.
mod held_limits {
    use super::HeldLimit;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(holds: &[HeldLimit], serializer: S) -> Result<S::Ok, S::Error> {
        let text = |held: &HeldLimit| format!("{}/{}/{}", held.scope.label(), held.unit.label(), held.window.label());
        serializer.serialize_str(&holds.iter().map(text).collect::<Vec<_>>().join(" "))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<HeldLimit>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let held = |text: &str| match text.split('/').collect::<Vec<_>>()[..] {
            [scope, unit, window] => Ok(HeldLimit {
                scope: scope.parse().map_err(D::Error::custom)?,
                unit: unit.parse().map_err(D::Error::custom)?,
                window: window.parse().map_err(D::Error::custom)?,
            }),
            _ => Err(D::Error::custom("not a held limit")),
        };
        text.split(' ').filter(|text| !text.is_empty()).map(held).collect()
    }
}

impl Store {
    /// Writes that a call is about to go out. Writing it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it may be written or not, and the call must not go out.
    pub async fn open_call(&self, call: &OpenCall) -> Result<(), Error> {
        let key = key::open_call(call.started_at, &call.request_id);
        // How its row will be written is found out on the way, so that nobody waits for it at the end.
        let written = self.insert(item(key, VERSION, call)?);
        let (written, _) = futures_util::future::join(written, self.writes_compact_usage()).await;
        written.map(drop)
    }

    /// Writes anew what is known of a call, after its bound has changed.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]: then it is written or not, and the call must not go out.
    pub async fn reopen_call(&self, call: &OpenCall) -> Result<(), Error> {
        let key = key::open_call(call.started_at, &call.request_id);
        let put = self.client.put_item().table_name(&self.table);
        put.set_item(Some(item(key, VERSION, call)?))
            .send()
            .await
            .map(drop)
            .map_err(unavailable)
    }

    /// Forgets a call: one that was refused, or whose row is in the rollups. Forgetting it again changes nothing.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn forget_call(&self, started_at: Timestamp, request_id: &str) -> Result<(), Error> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete
            .set_key(Some(key::open_call(started_at, request_id).into_item()))
            .send()
            .await
            .map(drop)
            .map_err(|error: SdkError<DeleteItemError, _>| unavailable(error))
    }

    /// The open calls of a shard, oldest first.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn open_calls(&self, shard: u8, limit: usize, after: Option<&Cursor>) -> Result<Page<OpenCall>, Error> {
        let partition = key::open_calls(shard);
        self.list(List {
            partition,
            prefix: None,
            newest_first: false,
            limit,
            after,
        })
        .await
    }
}

/// The sort key of an open call, which is also its place in [`Store::open_calls`].
pub(super) fn open_call_place(started_at: Timestamp, request_id: &str) -> String {
    format!("{}#{request_id}", rfc3339_millis(started_at))
}
