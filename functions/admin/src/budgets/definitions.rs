//! The limits themselves, for admins.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::budget::{BudgetSet, ScopeKind};
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::model::Profile;
use gateway::scope::Scope;
use gateway::store::{BudgetChange, BudgetWrite, Cursor};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::Value;

use super::body::{NewLimits, Shown};
use super::{Whose, nobodys};
use crate::{State, audit};

const LISTING: &str = "budgets";

/// `GET /api/admin/budgets`: all limits, by scope and id.
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: PageQuery = query(&uri)?;
    let after = wish.cursor.as_deref().map(|text| Cursor::decode_for(text, LISTING));
    let after = after.transpose()?;
    let page = state.store.all_budget_sets(wish.size()?, after.as_ref()).await?;
    let budgets: Vec<_> = page.items.iter().map(Shown::of).collect();
    let next = page.next_cursor.map(|it| it.encode_for(LISTING));
    json(
        StatusCode::OK,
        &serde_json::json!({"budgets": budgets, "next_cursor": next}),
    )
}

/// `GET /api/admin/budgets/{scope}/{id}`
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, whose: Whose) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    whose.check()?;
    let set = state.store.budget_set(whose.scope, &whose.id).await?;
    shown(&set.ok_or_else(nobodys)?)
}

/// `PUT /api/admin/budgets/{scope}/{id}`: replaces all limits of this scope and id.
pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    whose: Whose,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewLimits = read_json(&headers, &body)?;
    let limits = wish.limits()?;
    whose.check()?;
    check_model(&whose)?;
    let before = state.store.budget_set(whose.scope, &whose.id).await?;
    let after = BudgetSet {
        scope: whose.scope,
        id: whose.id.clone(),
        limits,
        revision: before.as_ref().map_or(1, |set| set.revision.saturating_add(1)),
        updated_at: state.clock.now(),
    };
    after
        .check()
        .map_err(|error| Error::invalid(format!("These limits cannot be: {error}.")))?;
    change(&state, &caller, &headers, &whose, (before.as_ref(), Some(&after))).await?;
    shown(&after)
}

/// `DELETE /api/admin/budgets/{scope}/{id}`: takes all limits of this scope and id away; the defaults, if any, hold then.
pub(crate) async fn delete(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    whose: Whose,
    headers: HeaderMap,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    whose.check()?;
    let before = state.store.budget_set(whose.scope, &whose.id).await?;
    let before = before.ok_or_else(nobodys)?;
    change(&state, &caller, &headers, &whose, (Some(&before), None)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change(
    state: &State,
    caller: &Caller,
    headers: &HeaderMap,
    whose: &Whose,
    (before, after): (Option<&BudgetSet>, Option<&BudgetSet>),
) -> Result<(), Error> {
    check_if_match(headers, before)?;
    let told = |set: Option<&BudgetSet>| -> Result<Option<Value>, Error> {
        let value = set.map(|set| serde_json::to_value(Shown::of(set)));
        value.transpose().map_err(Error::internal)
    };
    let action = if after.is_some() { "budget.put" } else { "budget.delete" };
    let target = format!("{}/{}", whose.scope.label(), whose.id);
    let now = state.clock.now();
    let audit = audit::entry(caller, now, action, target, (told(before)?, told(after)?))?;
    let change = BudgetChange {
        scope: whose.scope,
        id: &whose.id,
        before,
        after,
    };
    match state.store.change_budgets(&change, now, &audit).await? {
        BudgetWrite::Written => Ok(()),
        BudgetWrite::Overtaken => Err(overtaken()),
    }
}

/// Passes if the limits are the ones that the caller has seen, if the caller says which those are (RFC 9110, section 13.1.1).
fn check_if_match(headers: &HeaderMap, before: Option<&BudgetSet>) -> Result<(), Error> {
    let mut wishes = headers.get_all(header::IF_MATCH).iter().peekable();
    if wishes.peek().is_none() {
        return Ok(());
    }
    let tag = before.map(tag);
    let fits = |wish: &str| (wish == "*" && tag.is_some()) || tag.as_deref() == Some(wish);
    let mut texts = wishes.filter_map(|value| value.to_str().ok());
    if texts.any(|text| text.split(',').any(|wish| fits(wish.trim()))) {
        Ok(())
    } else {
        Err(overtaken())
    }
}

fn tag(set: &BudgetSet) -> String {
    format!("\"{}\"", set.revision)
}

fn overtaken() -> Error {
    let message = "The limits are not as they were seen; nothing was changed. Read them and try again.";
    Error::new(Kind::Conflict, message)
}

/// A limit counts a model whatever runs it, so under an id with a profile it would count nothing.
fn check_model(whose: &Whose) -> Result<(), Error> {
    let has_profile = |profile: Profile| {
        let rest = whose.id.strip_prefix(profile.label());
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let is_base = !whose.id.starts_with("arn:") && !Profile::ALL.into_iter().any(has_profile);
    if whose.scope != ScopeKind::Model || is_base {
        Ok(())
    } else {
        Err(Error::invalid(
            "A model's limits stand under its Bedrock id without profile, as `anthropic.claude-…`.",
        ))
    }
}

fn shown(set: &BudgetSet) -> Outcome {
    let mut response = json(StatusCode::OK, &Shown::of(set))?;
    let tag = HeaderValue::from_str(&tag(set)).map_err(Error::internal)?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
