//! Administration: usage, budgets, API keys, service accounts, prices, the audit trail, health, metrics.

mod audit;
mod budgets;
mod client_changes;
mod clients;
mod health;
mod keys;
mod metrics;
mod name;
mod openapi;
mod operator;
mod prices;
mod scim;
mod sheet;
mod span;
mod teams;
mod usage;
mod users;

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use gateway::aws::Aws;
use gateway::cache::Cache;
use gateway::clock::Clock;
use gateway::config::{ConfigError, Issuer, Variables, tree};
use gateway::http::buffered;
use gateway::login::LoginConfig;
use gateway::store::Store;
use health::Dependencies;
use lambda_http::request::LambdaRequest;
use lambda_runtime::LambdaEvent;
use lambda_runtime::tower::ServiceExt as _;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What the admin function works with.
pub struct State {
    store: Store,
    keys_per_owner: NonZeroU32,
    login: LoginConfig,
    issuer: Issuer,
    dependencies: Dependencies,
    clock: Clock,
}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first request.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, ConfigError> {
        let keys_per_owner = tree::API_KEYS_PER_OWNER.get(variables)?;
        let cache = Cache::read(aws, variables, &clock)?;
        Ok(Self {
            dependencies: Dependencies::new(aws, variables, &clock, cache.clone())?,
            store: Store::new(aws.dynamodb(), variables.table()?).with_cache(cache),
            keys_per_owner,
            login: LoginConfig::read(variables)?,
            issuer: variables.issuer()?,
            clock,
        })
    }
}

/// The function's routes.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/health", get(health::check))
        .route("/openapi.json", get(openapi::document))
        .route("/health/live", get(health::live))
        .route("/api/admin/health", get(health::detailed))
        .route("/metrics", get(metrics::metrics))
        .route("/api/usage/records", get(usage::records))
        .route("/api/usage/summary", get(usage::summary))
        .route("/api/keys", get(keys::list).post(keys::create))
        .route("/api/keys/{id}", delete(keys::revoke))
        .route("/api/admin/clients", get(clients::list).post(clients::create))
        .route(
            "/api/admin/clients/{id}",
            delete(clients::revoke).patch(client_changes::change),
        )
        .route("/api/admin/clients/{id}/secrets", post(client_changes::add_secret))
        .route(
            "/api/admin/clients/{id}/secrets/{secret_id}",
            delete(client_changes::end_secret),
        )
        .merge(people_routes())
        .merge(scim::routes())
        .route("/api/admin/prices", get(prices::list))
        .route("/api/admin/prices.csv", get(prices::export).put(prices::import))
        .route(
            "/api/admin/prices/{id}",
            get(prices::read).put(prices::put).delete(prices::delete),
        )
        .route("/api/admin/audit", get(audit::list))
        .route("/api/budgets", get(budgets::own))
        .route("/api/admin/budgets", get(budgets::list))
        .route(
            "/api/admin/budgets/{scope}/{id}",
            get(budgets::read).put(budgets::put).delete(budgets::delete),
        )
        .route("/api/admin/budgets/{scope}/{id}/state", get(budgets::of_one))
        .with_state(state)
}

/// Answers an event: API Gateway's, or an operator's, who has invoked the function past it (see docs/login.md).
///
/// # Errors
/// An operator's command that fails; and an event that is neither.
pub async fn handle(
    state: Arc<State>,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<impl Serialize, lambda_runtime::Error> {
    if let Some(command) = operator::command(event.payload.get()) {
        let told = Box::pin(operator::handle(&state, &command, &event.context.request_id)).await?;
        return Ok(Answer::Operator(told));
    }
    let payload: LambdaRequest = serde_json::from_str(event.payload.get())?;
    let request = LambdaEvent {
        payload,
        context: event.context,
    };
    match buffered(router(state)).oneshot(request).await {
        Ok(answer) => Ok(Answer::Gateway(answer)),
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<G> {
    Gateway(G),
    Operator(Value),
}

/// People and teams.
fn people_routes() -> Router<Arc<State>> {
    Router::new()
        .route("/api/admin/users", get(users::list).post(users::create))
        .route(
            "/api/admin/users/{id}",
            get(users::read).put(users::put).patch(users::patch),
        )
        .route("/api/admin/teams", get(teams::list))
        .route(
            "/api/admin/teams/{id}",
            get(teams::read).put(teams::put).delete(teams::delete),
        )
}
