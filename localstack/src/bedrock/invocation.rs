//! A call from its head to its answer.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::response::Response;
use futures_util::StreamExt as _;
use futures_util::stream::{iter, once};
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::answer::Answer;
use super::cache::Prompt;
use super::directive::{self, Directive};
use super::error::Refusal;
use super::log::Entry;
use super::play::{self, Bill, Play};
use super::record::Recorded;
use super::request::{self, Operation, Wanted};
use super::{State, access, converse, count, lock, metadata, regions, signature, wire};

/// What is read of a body before it is given up; a caller of a little too much still gets Bedrock's refusal.
const MAX_READ_BYTES: usize = 4 * request::MAX_BODY_BYTES;
/// Request headers that come back in the answer.
const ECHOED: [&str; 2] = [
    "x-amzn-bedrock-performanceconfig-latency",
    "x-amzn-bedrock-service-tier",
];

/// A call that may be answered.
struct Accepted {
    priced_as: String,
    tier: String,
    body: Value,
    prompt: Prompt,
    directive: Directive,
}

/// Answers any request that is not the control API's.
pub(super) async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let started = Instant::now();
    let request_id = wire::request_id();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_READ_BYTES).await else {
        return Refusal::new(413, "RequestEntityTooLargeException", "the body is too large").into_response(&request_id);
    };
    lock(&state.requests).push(Recorded::new(&request_id, &parts, body.clone()));
    let route = request::route(parts.uri.path()).filter(|_| parts.method == Method::POST);
    let Some((wanted, model)) = route else {
        return Refusal::new(404, "UnknownOperationException", "unknown operation").into_response(&request_id);
    };
    let Wanted::Call(operation) = wanted else {
        return count::answer(&state, &model, &parts, &body, &request_id).await;
    };
    let region = regions::region_of(&parts);
    state.ledger.open(&request_id, &model, &region, operation.name());
    let entry = Entry {
        region,
        request_id: request_id.clone(),
        time: state.log.now(),
        operation,
        model,
        metadata: metadata_of(operation, &parts, &body).ok().flatten(),
    };
    let answer = match accept(&state, &entry, &parts, &body) {
        Ok(accepted) => proceed(state.clone(), accepted, &parts.headers, entry, started).await,
        Err(refusal) => refuse(&state, refusal, &entry),
    };
    lock(&state.answers).record(&request_id, answer)
}

fn refuse(state: &State, refusal: Refusal, entry: &Entry) -> Response {
    state.log.failed(entry, &refusal);
    state.ledger.amend(&entry.request_id, |call| {
        call.status = refusal.status;
        call.outcome = "error";
    });
    refusal.into_response(&entry.request_id)
}

fn metadata_of(operation: Operation, parts: &Parts, body: &[u8]) -> Result<Option<Map<String, Value>>, Refusal> {
    if operation.converses() {
        metadata::of_body(&serde_json::from_slice(body).unwrap_or_default())
    } else {
        metadata::of(&parts.headers)
    }
}

fn accept(state: &State, entry: &Entry, parts: &Parts, body: &Bytes) -> Result<Accepted, Refusal> {
    let caller = signature::verify(parts, body)?;
    let (operation, model) = (entry.operation, &entry.model);
    access::check(state, caller, operation.action(), &entry.region, model)?;
    metadata_of(operation, parts, body)?;
    let priced_as = request::resolve(state, model)?;
    let (body, tier, prompt) = if operation.converses() {
        let body = converse::body(body)?;
        let tier = state
            .prices
            .offered(&priced_as, body["serviceTier"]["type"].as_str().unwrap_or("default"))?;
        let prompt = Prompt::of_converse(&body);
        (body, tier, prompt)
    } else {
        let tier = state.prices.tier(&priced_as, &parts.headers)?;
        let body = request::body(body)?;
        let prompt = Prompt::of(&body);
        (body, tier, prompt)
    };
    let prompt = prompt.map_err(Refusal::validation)?;
    let own = directive::in_last_user_message(&body["messages"]).map_err(Refusal::validation)?;
    let directive = own.or_else(|| lock(&state.faults).pop_front()).unwrap_or_default();
    let directive = state.scripts.in_region(&entry.region, directive);
    if Refusal::asked_for(&directive).is_none() {
        state.scripts.check_betas(match operation.converses() {
            true => &body["additionalModelRequestFields"],
            false => &body,
        })?;
    }
    Ok(Accepted {
        priced_as,
        tier,
        body,
        prompt,
        directive,
    })
}

async fn proceed(
    state: Arc<State>,
    accepted: Accepted,
    headers: &HeaderMap,
    entry: Entry,
    started: Instant,
) -> Response {
    let (operation, request_id) = (entry.operation, entry.request_id.clone());
    let delay = accepted.directive.delay_ms;
    if let Some(refusal) = Refusal::asked_for(&accepted.directive) {
        // Noted before the delay, in which the caller may leave.
        let mut response = refuse(&state, refusal, &entry);
        sleep(delay).await;
        add_headers(&mut response, headers, &accepted.directive);
        return response;
    }
    let mut bill = open_bill(&state, &accepted, entry);
    let answer = Answer::new(&accepted.priced_as, &accepted.body, &accepted.directive);
    bill.usage.output_tokens = answer.output_tokens();
    sleep(delay).await;
    let directive = accepted.directive.clone();
    let mut response = if operation.streams() {
        streamed(bill, answer, accepted, started)
    } else {
        whole(bill, answer, &accepted, started).await
    };
    wire::set(response.headers_mut(), "x-amzn-requestid", &request_id);
    add_headers(&mut response, headers, &directive);
    response
}

async fn sleep(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// From here on the call costs money, whatever becomes of it.
fn open_bill(state: &Arc<State>, accepted: &Accepted, entry: Entry) -> Bill {
    // Each region has a cache of its own.
    let place = format!("{}/{}", entry.region, accepted.priced_as);
    let usage = lock(&state.cache).count(&place, &accepted.prompt, Instant::now());
    state.ledger.amend(&entry.request_id, |call| {
        call.status = 200;
        call.priced_as.clone_from(&accepted.priced_as);
    });
    Bill {
        state: state.clone(),
        entry,
        priced_as: accepted.priced_as.clone(),
        tier: accepted.tier.clone(),
        usage,
        exact: false,
        settled: false,
    }
}

fn add_headers(response: &mut Response, request: &HeaderMap, directive: &Directive) {
    for name in ECHOED {
        if let Some(value) = request.get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    for (name, value) in &directive.extra_headers {
        wire::set(response.headers_mut(), name, value);
    }
}

async fn whole(mut bill: Bill, answer: Answer, accepted: &Accepted, started: Instant) -> Response {
    let (operation, directive) = (bill.entry.operation, &accepted.directive);
    if directive.holds_after().is_some() && !play::hold(&bill.state, directive).await {
        return broken(String::new());
    }
    let message = if operation.converses() {
        answer.converse(&accepted.body, &bill.usage, started.elapsed().as_millis())
    } else {
        answer.message(&bill.usage)
    };
    let cut = directive.cut_after.is_some() || directive.truncate_frame.is_some();
    // The head holds all the counts, and it comes whole; but that of `Converse` holds none.
    bill.exact = !cut || !operation.converses();
    let mut response = if cut {
        bill.settle("cut", answer.output_tokens());
        broken(message)
    } else {
        bill.settle("complete", answer.output_tokens());
        Response::new(Body::from(message))
    };
    let headers = response.headers_mut();
    wire::set(headers, "content-type", "application/json");
    if operation.converses() {
        return response;
    }
    let counts = [
        ("input-token-count", bill.usage.input_tokens),
        ("output-token-count", bill.usage.output_tokens),
        ("cache-read-input-token-count", bill.usage.cache_read_input_tokens),
        ("cache-write-input-token-count", bill.usage.cache_creation.total()),
    ];
    for (name, count) in counts {
        wire::set(headers, &format!("x-amzn-bedrock-{name}"), &count.to_string());
    }
    wire::set(
        headers,
        "x-amzn-bedrock-invocation-latency",
        &started.elapsed().as_millis().to_string(),
    );
    response
}

/// Half of `message`, and then the connection breaks.
fn broken(message: String) -> Response {
    let length = message.len().max(1);
    let half = Bytes::from(message).slice(..length / 2);
    let cut = async {
        // Gives the connection the chance to write head and half before it breaks.
        tokio::task::yield_now().await;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut, as asked for"))
    };
    let mut response = Response::new(Body::from_stream(iter([Ok(half)]).chain(once(cut))));
    wire::set(response.headers_mut(), "content-length", &length.to_string());
    response
}

fn streamed(bill: Bill, answer: Answer, accepted: Accepted, started: Instant) -> Response {
    let converses = bill.entry.operation.converses();
    let events = if converses {
        answer.converse_events()
    } else {
        answer.events(&bill.usage)
    };
    let play = Play {
        bill,
        body: accepted.body,
        answer,
        directive: accepted.directive,
        started,
        first_byte: None,
        events: events.into(),
        sent: 0,
        said: 0,
        pending: VecDeque::new(),
        end: None,
        held: false,
    };
    let mut response = Response::new(Body::from_stream(play::body(play)));
    wire::set(
        response.headers_mut(),
        "content-type",
        "application/vnd.amazon.eventstream",
    );
    if converses {
        return response;
    }
    wire::set(
        response.headers_mut(),
        "x-amzn-bedrock-content-type",
        "application/json",
    );
    response
}
