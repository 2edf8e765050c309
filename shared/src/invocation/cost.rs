//! What an answer's headers tell of its call: its cost, in dollars with all twelve decimals, and what became of the request.

use axum::response::IntoResponse as _;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::admission::Admission;
use super::live::Live;
use crate::error::Error;
use crate::http::Outcome;
use crate::money::Picodollars;
use crate::wire::dialect::DROPPED;

/// What the call cost. The head of a stream leaves before that is known.
const COST: HeaderName = HeaderName::from_static("x-tollgate-cost");
/// What a streamed call costs at the most.
const COST_AT_MOST: HeaderName = HeaderName::from_static("x-tollgate-cost-at-most");
/// What the tightest budget of money has left: after this call, or, of a stream, beside all that it may cost.
const REMAINING: HeaderName = HeaderName::from_static("x-tollgate-budget-remaining");
/// The longest answer in tokens, where a budget made it shorter than was asked for.
const MAX_TOKENS: HeaderName = HeaderName::from_static("x-tollgate-max-tokens");

/// The longest list of what was left out of a request, in bytes.
const LONGEST_DROPPED: usize = 2_048;

/// Of an answer in one piece, whose row is written.
pub(super) fn of_settled(live: &mut Live, headers: &mut HeaderMap) {
    if let Some(settlement) = live.settlement().copied() {
        set(headers, COST, settlement.cost);
        set(headers, REMAINING, settlement.remaining);
    }
    shortened(&live.admitted().admission, headers);
    of_dropped(live.what_was_dropped(), headers);
}

/// Flags and members of the request that Bedrock did not get: it would have refused them.
pub(super) fn of_dropped(what: &[String], headers: &mut HeaderMap) {
    let mut text = what.join(", ");
    text.retain(|c| c == ' ' || c.is_ascii_graphic());
    text.truncate(LONGEST_DROPPED);
    if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(&text)) {
        headers.insert(DROPPED, value);
    }
}

/// An error, which tells the same: errors become answers at the edge, and keep this header there.
pub(super) fn with_dropped(what: &[String], error: Error) -> Outcome {
    if what.is_empty() {
        return Err(error);
    }
    let mut answer = error.into_response();
    of_dropped(what, answer.headers_mut());
    Ok(answer)
}

/// Of a stream that begins.
pub(super) fn of_admitted(admission: &Admission, headers: &mut HeaderMap) {
    set(headers, COST_AT_MOST, Some(admission.call.worst.cost));
    set(headers, REMAINING, admission.remaining);
    shortened(admission, headers);
}

fn shortened(admission: &Admission, headers: &mut HeaderMap) {
    if let Some(tokens) = admission.lowered_to {
        headers.insert(MAX_TOKENS, HeaderValue::from(tokens.as_u64()));
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, money: Option<Picodollars>) {
    if let Some(value) = money.and_then(|money| HeaderValue::from_str(&money.to_string()).ok()) {
        headers.insert(name, value);
    }
}
