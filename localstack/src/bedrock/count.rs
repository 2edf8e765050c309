//! `CountTokens`: what a body would be billed as input, for nothing.
//!
//! The API reference's form: `{"input":{"invokeModel":{"body":"<base64>"}}}` or `{"input":{"converse":{…}}}` in, `{"inputTokens":N}` out.
//! The real service counts for foundation models of Anthropic's alone; an inference profile is refused, also one whose model could be
//! counted for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use serde_json::{Value, json};

use super::cache::Prompt;
use super::directive::{self, CountScript, Directive};
use super::error::Refusal;
use super::{State, access, converse, lock, regions, request, signature, wire};

/// What the real service says of a model, or a profile, that it does not count for.
const UNSUPPORTED: &str = "The provided model doesn't support counting tokens";
/// Profiles under which a model may be priced that has no price of its own.
pub(super) const PROFILES: [&str; 8] = ["us.", "global.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov."];

/// Answers a count. It is in the ledger's totals, but no call of it.
pub(super) async fn answer(state: &Arc<State>, model: &str, parts: &Parts, body: &[u8], request_id: &str) -> Response {
    state.ledger.count_tokens();
    let counted = match accept(state, model, parts, body) {
        Ok((tokens, script)) => {
            tokio::time::sleep(Duration::from_millis(script.delay_ms)).await;
            Refusal::asked_for(&error_of(script)).map_or(Ok(tokens), Err)
        }
        Err(refusal) => Err(refusal),
    };
    match counted {
        Ok(tokens) => {
            let mut response = Response::new(Body::from(json!({ "inputTokens": tokens }).to_string()));
            wire::set(response.headers_mut(), "content-type", "application/json");
            wire::set(response.headers_mut(), "x-amzn-requestid", request_id);
            response
        }
        Err(refusal) => refusal.into_response(request_id),
    }
}

/// The tokens, and how the answer is to be: by the body's own directive, else as it is for all counts.
fn accept(state: &State, model: &str, parts: &Parts, body: &[u8]) -> Result<(u64, CountScript), Refusal> {
    let caller = signature::verify(parts, body)?;
    access::check(state, caller, "bedrock:CountTokens", &regions::region_of(parts), model)?;
    check_model(state, model)?;
    let (body, prompt) = match asked(body)? {
        Asked::Invoke(body) => {
            let body = request::body(&body)?;
            let prompt = Prompt::of(&body);
            (body, prompt)
        }
        Asked::Converse(body) => {
            let body = converse::body(body.to_string().as_bytes())?;
            let prompt = Prompt::of_converse(&body);
            (body, prompt)
        }
    };
    let prompt = prompt.map_err(Refusal::validation)?;
    let own = directive::in_last_user_message(&body["messages"]).map_err(Refusal::validation)?;
    let script = own.and_then(|own: Directive| own.count_tokens);
    let script = script.or_else(|| lock(&state.counts).clone()).unwrap_or_default();
    Ok((prompt.tokens(), script))
}

/// The part of a script that is an error, as a directive of a call says it.
fn error_of(script: CountScript) -> Directive {
    Directive {
        status: script.status,
        error_type: script.error_type,
        message: script.message,
        retry_after: script.retry_after,
        ..Directive::default()
    }
}

fn check_model(state: &State, id: &str) -> Result<(), Refusal> {
    let id = match id
        .strip_prefix("arn:")
        .and_then(|arn| arn.split_once("foundation-model/"))
    {
        Some((_, model)) => model,
        None => id,
    };
    let known = |model: &str| state.prices.knows(model);
    let is_others = known(id) && !id.contains("anthropic.");
    let is_profile = is_others || id.starts_with("arn:") || PROFILES.iter().any(|profile| id.starts_with(profile));
    if is_profile {
        return Err(Refusal::validation(UNSUPPORTED));
    }
    if known(id) || PROFILES.iter().any(|profile| known(&format!("{profile}{id}"))) {
        return Ok(());
    }
    Err(Refusal::validation("The provided model identifier is invalid."))
}

/// The body that is asked about.
enum Asked {
    Invoke(Vec<u8>),
    Converse(Value),
}

fn asked(body: &[u8]) -> Result<Asked, Refusal> {
    let asked: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::new(400, "SerializationException", "the body is not JSON"))?;
    let input = asked["input"].as_object().filter(|input| input.len() == 1);
    let Some(input) = input else {
        return Err(Refusal::validation(
            "input: exactly one of invokeModel and converse is required",
        ));
    };
    if let Some(body) = input.get("converse") {
        return Ok(Asked::Converse(body.clone()));
    }
    let encoded = input.get("invokeModel").and_then(|model| model["body"].as_str());
    let encoded = encoded.ok_or_else(|| Refusal::validation("input.invokeModel.body: Field required"))?;
    let decoded = STANDARD.decode(encoded);
    decoded
        .map(Asked::Invoke)
        .map_err(|_| Refusal::new(400, "SerializationException", "input.invokeModel.body is not base64"))
}
