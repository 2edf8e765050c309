//! Budgets that cannot be overspent, and books that balance, through the functions as they run.

mod concurrency;
mod cuts;
mod holds;
mod prices;
mod refusals;

use gateway::budget::{ScopeKind, Unit, Window};
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::{MODEL, Request, invoke, messages};
use tests::in_process::Functions;

/// The user of these tests, the key and the team.
const CARLA: &str = "user:carla";
const KEY: &str = "key_carla";
const TEAM: &str = "money";
/// The model's id without its profile.
const BASE_MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const MONTH: (Unit, Window) = (Unit::Picodollars, Window::Month);

fn now(functions: &Functions) -> Timestamp {
    functions.clock.now()
}

fn body(directive: &Value, max_tokens: u64) -> Value {
    json!({"max_tokens": max_tokens, "messages": [{"role": "user", "content": format!("mock:{directive}")}]})
}

/// The Messages API, streamed or not.
fn by_messages(directive: &Value, max_tokens: u64, stream: bool) -> Request {
    let mut body = body(directive, max_tokens);
    body["model"] = MODEL.into();
    body["stream"] = stream.into();
    by_carla(messages(CARLA, &body))
}

/// Bedrock's own route, in one piece.
fn by_invoke(directive: &Value, max_tokens: u64) -> Request {
    let mut body = body(directive, max_tokens);
    body["anthropic_version"] = "bedrock-2023-05-31".into();
    by_carla(invoke(CARLA, &body))
}

fn by_carla(request: Request) -> Request {
    request.principal(json!({
        "principalId": CARLA, "sub": CARLA, "scopes": "models:invoke usage:read", "key_id": KEY, "team": TEAM,
    }))
}

async fn answer(functions: &Functions, function: &str, request: &Request) -> HttpAnswer {
    functions.begin(function, &request.event()).await.rest().await
}

/// Every scope that a call of Carla's is held against.
fn scopes() -> [(ScopeKind, &'static str); 5] {
    [
        (ScopeKind::Key, KEY),
        (ScopeKind::User, CARLA),
        (ScopeKind::Team, TEAM),
        (ScopeKind::Model, BASE_MODEL),
        (ScopeKind::Organisation, "all"),
    ]
}
