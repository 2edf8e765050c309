//! Health: `GET /health` runs what it names, `GET /health/live` nothing, and `GET /api/admin/health` tells an administrator more.
//!
//! Anybody may ask the first two, so they name what is wrong by a word of a fixed list, and no host, name, error or date. Each check has
//! [`LIMIT`]; they run side by side, and the worst is the whole's.

mod checks;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use gateway::clock::Stopwatch;
use gateway::error::Error;
use gateway::http::{Caller, Outcome, json, query};
use gateway::scope::Scope;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::State;
pub(crate) use checks::Dependencies;

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(3);

/// How something is, from well to ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// It is not configured, so there is nothing to look at.
    NotConfigured,
    /// It works.
    Healthy,
    /// It works, and somebody should look.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) status: Status,
    /// Why, in a word of ours.
    pub(crate) reason: Option<&'static str>,
    /// More of it, for administrators.
    pub(crate) detail: Value,
}

impl Finding {
    pub(crate) fn well() -> Self {
        Self::of(Status::Healthy, None)
    }

    pub(crate) fn ill(reason: &'static str) -> Self {
        Self::of(Status::Unhealthy, Some(reason))
    }

    pub(crate) fn of(status: Status, reason: Option<&'static str>) -> Self {
        let detail = Value::Null;
        Self { status, reason, detail }
    }

    /// With more for administrators.
    pub(crate) fn telling(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Cache,
    Db,
    Aws,
    Storage,
    Tls,
}

impl Part {
    const ALL: [Self; 5] = [Self::Cache, Self::Db, Self::Aws, Self::Storage, Self::Tls];

    const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Db => "db",
            Self::Aws => "aws",
            Self::Storage => "storage",
            Self::Tls => "tls",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    check: Option<String>,
}

impl Query {
    /// `None`: nothing is to be run.
    fn parts(&self) -> Result<Option<Vec<Part>>, Error> {
        match self.check.as_deref() {
            None => Ok(None),
            Some("all") => Ok(Some(Part::ALL.to_vec())),
            Some(name) => match Part::ALL.into_iter().find(|part| part.name() == name) {
                Some(part) => Ok(Some(vec![part])),
                None => Err(Error::invalid(
                    "`check` must be one of: all, cache, db, aws, storage, tls.",
                )),
            },
        }
    }
}

/// `GET /health`
pub(crate) async fn check(Extract(state): Extract<Arc<State>>, uri: Uri) -> Outcome {
    match query::<Query>(&uri)?.parts()? {
        None => json(StatusCode::OK, &serde_json::json!({"status": "healthy", "checks": {}})),
        Some(parts) => report(&state, &parts, false).await,
    }
}

/// `GET /health/live`: the function runs, and that is all that is said.
pub(crate) async fn live() -> Outcome {
    json(StatusCode::OK, &serde_json::json!({"status": "healthy"}))
}

/// `GET /api/admin/health`
pub(crate) async fn detailed(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let parts = query::<Query>(&uri)?.parts()?.unwrap_or_else(|| Part::ALL.to_vec());
    report(&state, &parts, true).await
}

async fn report(state: &State, parts: &[Part], detailed: bool) -> Outcome {
    let looks = parts.iter().map(|part| look(state, *part, detailed));
    let (mut worst, mut checks) = (Status::Healthy, Map::new());
    for (part, (status, check)) in parts.iter().zip(futures_util::future::join_all(looks).await) {
        worst = worst.max(status);
        checks.insert(part.name().to_owned(), check);
    }
    let code = match worst {
        Status::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    json(code, &serde_json::json!({"status": worst, "checks": checks}))
}

/// Runs one check, within its time.
async fn look(state: &State, part: Part, detailed: bool) -> (Status, Value) {
    let stopwatch = Stopwatch::start();
    let finding = tokio::time::timeout(LIMIT, state.dependencies.look(state, part)).await;
    let finding = finding.unwrap_or_else(|_| Finding::ill("slow"));
    let mut check = serde_json::json!({
        "status": finding.status, "duration_ms": stopwatch.elapsed_ms(), "reason": finding.reason,
    });
    if detailed && !finding.detail.is_null() {
        check["detail"] = finding.detail;
    }
    (finding.status, check)
}
