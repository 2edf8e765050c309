//! The audit trail: what the routes here tell it, and its list for admins.

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::Error;
use gateway::http::{Caller, Outcome, PageQuery, json, query};
use gateway::principal::Subject;
use gateway::scope::Scope;
use gateway::store::{AuditEntry, Cursor, Page};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{State, span};

/// So many times the trail is read for one page, if a filter leaves little of it.
const READS_A_PAGE: usize = 10;

/// An entry of what the caller changes: `change` is how it was and how it will be, none of them with a secret or a digest of one.
pub(crate) fn entry(
    caller: &Caller,
    now: Timestamp,
    action: &'static str,
    target: String,
    change: (Option<Value>, Option<Value>),
) -> Result<AuditEntry, Error> {
    let actor = caller.principal.subject.clone();
    AuditEntry::new(now, actor, action, target, change, caller.request_id.clone())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    from: Option<String>,
    to: Option<String>,
    actor: Option<Subject>,
    action: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Query {
    fn wants(&self, entry: &AuditEntry) -> bool {
        self.actor.as_ref().is_none_or(|actor| *actor == entry.actor)
            && self.action.as_ref().is_none_or(|action| *action == entry.action)
    }
}

/// `GET /api/admin/audit`: entries, newest first.
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: Query = query(&uri)?;
    let listing = format!("audit {:?}", (&wish.from, &wish.to, &wish.actor, &wish.action));
    let page = read(&state, &wish, &listing).await?;
    let next = page.next_cursor.map(|it| it.encode_for(&listing));
    json(
        StatusCode::OK,
        &serde_json::json!({"entries": page.items, "next_cursor": next}),
    )
}

async fn read(state: &State, wish: &Query, listing: &str) -> Result<Page<AuditEntry>, Error> {
    let (since, until) = (span::since(wish.from.as_deref())?, span::until(wish.to.as_deref())?);
    span::check(since, until)?;
    let page = PageQuery {
        limit: wish.limit,
        cursor: None,
    };
    let limit = page.size()?;
    let mut after = wish
        .cursor
        .as_deref()
        .map(|text| Cursor::decode_for(text, listing))
        .transpose()?;
    // The list of the trail ends with the moment itself; ours ends before it.
    let until = until.map(|until| Timestamp::from_millisecond(until.as_millisecond() - 1));
    let until = until.transpose().map_err(Error::internal)?.unwrap_or(state.clock.now());
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    let mut items = Vec::new();
    for _ in 0..READS_A_PAGE {
        let page = state
            .store
            .audit_entries(since, until, limit - items.len(), after.as_ref())
            .await?;
        items.extend(page.items.into_iter().filter(|entry| wish.wants(entry)));
        after = page.next_cursor;
        if after.is_none() || items.len() >= limit {
            break;
        }
    }
    Ok(Page {
        items,
        next_cursor: after,
    })
}
