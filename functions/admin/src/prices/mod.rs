//! Prices: read, put and taken away by admins, one by one or all in one CSV.

mod change;
mod csv;
mod import;
mod shown;

use std::sync::Arc;

use axum::extract::State as Extract;
use gateway::error::Error;
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::price::{Entry, Listed, PriceBook, PriceList, PricedModel, ServiceTier};
use gateway::pricing::current_book;
use gateway::scope::Scope;
use gateway::store::Cursor;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::Deserialize;

use crate::State;
use change::Change;
use shown::{NewPrice, Shown};

pub(crate) use import::{export, import};

/// The price book as it is now.
async fn book(state: &State) -> Result<PriceBook, Error> {
    let seed = PriceList::embedded().map_err(Error::internal)?;
    current_book(&state.store, Arc::new(seed)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    model: Option<PricedModel>,
    tier: Option<ServiceTier>,
    at: Option<Timestamp>,
}

pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: ListQuery = query(&uri)?;
    let page = PageQuery {
        limit: wish.limit,
        cursor: wish.cursor,
    };
    let (size, after) = (page.size()?, page.after()?);
    let after = after.as_ref().map(place).transpose()?;
    let book = book(&state).await?;
    let mut lines = book.listed(wish.at);
    lines.retain(|line| {
        wish.model.as_ref().is_none_or(|model| model.as_str() == line.model)
            && wish.tier.is_none_or(|tier| tier == line.tier)
            && after
                .as_ref()
                .is_none_or(|after| key_of(line) > (after.0.as_str(), after.1, after.2))
    });
    let has_more = lines.len() > size;
    lines.truncate(size);
    let next_cursor = lines.last().filter(|_| has_more).map(|line| cursor_at(line).encode());
    let prices = shown(&book, &lines)?;
    json(
        StatusCode::OK,
        &serde_json::json!({"revision": book.revision(), "prices": prices, "next_cursor": next_cursor}),
    )
}

fn shown<'a>(book: &PriceBook, lines: &[Listed<'a>]) -> Result<Vec<Shown<'a>>, Error> {
    lines.iter().map(|line| Shown::of_line(book, line)).collect()
}

fn key_of<'a>(line: &Listed<'a>) -> (&'a str, ServiceTier, Timestamp) {
    (line.model, line.tier, line.effective_from)
}

fn cursor_at(line: &Listed<'_>) -> Cursor {
    Cursor::at(format!("{}|{}|{}", line.model, line.tier, line.effective_from))
}

/// The place that [`cursor_at`] wrote down.
fn place(cursor: &Cursor) -> Result<(String, ServiceTier, Timestamp), Error> {
    let mut parts = cursor.place().split('|');
    let mut next = || parts.next().unwrap_or_default();
    let (model, tier, from) = (next().to_owned(), next().parse(), next().parse());
    match (tier, from) {
        (Ok(tier), Ok(from)) => Ok((model, tier, from)),
        _ => Err(Error::invalid("The cursor is not one of ours.")),
    }
}

pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(model): Id) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let book = book(&state).await?;
    let mut lines = book.listed(None);
    lines.retain(|line| line.model == model);
    if lines.is_empty() {
        return Err(Error::not_found("price"));
    }
    let limits = book.limits(&model);
    json(
        StatusCode::OK,
        &serde_json::json!({
            "model": model,
            "context_tokens": limits.map(|it| it.context_tokens),
            "max_output_tokens": limits.map(|it| it.max_output_tokens),
            "revision": book.revision(),
            "prices": shown(&book, &lines)?,
        }),
    )
}

pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(model): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: NewPrice = read_json(&headers, &body)?;
    let entry = Entry {
        model: model_of(&model)?,
        tier: wish.tier,
        effective_from: checked_time(wish.effective_from)?,
        rates: Some(wish.rates()?),
        revision: 0,
    };
    let book = book(&state).await?;
    Change::put(&book, entry, "price.put").make(&state, &caller).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    #[serde(default)]
    tier: ServiceTier,
    effective_from: Timestamp,
    #[serde(default)]
    unprice: bool,
}

/// Takes an entry of the book away, so that what stands below it counts again; or, with `unprice`, writes that there is no
/// price.
pub(crate) async fn delete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(model): Id, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: DeleteQuery = query(&uri)?;
    let model = model_of(&model)?;
    let book = book(&state).await?;
    if wish.unprice {
        let is_known = book
            .listed(None)
            .iter()
            .any(|line| (line.model, line.tier) == (model.as_str(), wish.tier));
        if !is_known {
            return Err(Error::not_found("price"));
        }
        let entry = Entry {
            model,
            tier: wish.tier,
            effective_from: checked_time(wish.effective_from)?,
            rates: None,
            revision: 0,
        };
        return Change::put(&book, entry, "price.unprice").make(&state, &caller).await;
    }
    let change = Change::delete(&book, &model, wish.tier, wish.effective_from);
    change
        .ok_or_else(|| Error::not_found("price"))?
        .make(&state, &caller)
        .await
}

fn model_of(text: &str) -> Result<PricedModel, Error> {
    text.parse()
        .map_err(|error| Error::invalid(format!("The path names nothing that has a price: {error}.")))
}

/// A price holds from a moment since 1970: before that there is the built-in one.
fn checked_time(time: Timestamp) -> Result<Timestamp, Error> {
    if time >= Timestamp::UNIX_EPOCH {
        Ok(time)
    } else {
        Err(Error::invalid("`effective_from` must not be before 1970."))
    }
}
