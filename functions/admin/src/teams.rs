//! Teams, described by admins. A team that nobody described works too: its name on a person, an account or a key makes it one.

use std::sync::Arc;

use axum::extract::State as Extract;
use axum::response::IntoResponse as _;
use gateway::budget::ScopeKind;
use gateway::error::{Error, Kind};
use gateway::http::{Caller, Id, Outcome, PageQuery, Whole, json, query, read_json};
use gateway::model::AllowedModels;
use gateway::principal::Team;
use gateway::scope::Scope;
use gateway::store::TeamRecord;
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::json as value;

use crate::name::checked_name;
use crate::{State, audit};

/// What is told of a team.
#[derive(Serialize)]
struct Shown<'a> {
    team: &'a Team,
    name: Option<&'a str>,
    description: Option<&'a str>,
    models: Option<&'a AllowedModels>,
    created_at: jiff::Timestamp,
}

impl<'a> Shown<'a> {
    fn of(record: &'a TeamRecord) -> Self {
        Self {
            team: &record.team,
            name: record.name.as_deref(),
            description: record.description.as_deref(),
            models: record.models.as_ref(),
            created_at: record.created_at,
        }
    }

    fn told(record: &'a TeamRecord) -> Result<serde_json::Value, Error> {
        serde_json::to_value(Self::of(record)).map_err(Error::internal)
    }
}

fn named(id: &str) -> Result<Team, Error> {
    id.parse().map_err(|_| nobodys())
}

fn nobodys() -> Error {
    Error::not_found("team")
}

async fn found(state: &State, id: &str) -> Result<TeamRecord, Error> {
    state.store.team(&named(id)?).await?.ok_or_else(nobodys)
}

/// `GET /api/admin/teams`
pub(crate) async fn list(Extract(state): Extract<Arc<State>>, caller: Caller, uri: Uri) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: PageQuery = query(&uri)?;
    let page = state.store.teams(wish.size()?, wish.after()?.as_ref()).await?;
    let teams: Vec<_> = page.items.iter().map(Shown::of).collect();
    let next_cursor = page.next_cursor.map(|it| it.encode());
    json(StatusCode::OK, &value!({"teams": teams, "next_cursor": next_cursor}))
}

/// `GET /api/admin/teams/{team}`
pub(crate) async fn read(Extract(state): Extract<Arc<State>>, caller: Caller, Id(team): Id) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    json(StatusCode::OK, &Shown::of(&found(&state, &team).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    models: Option<AllowedModels>,
}

impl Wish {
    fn check(&self) -> Result<(), Error> {
        self.name.as_deref().map(checked_name).transpose()?;
        let fits = |text: &String| text.chars().count() <= 1000 && !text.contains('\0');
        match self.description.as_ref().is_none_or(fits) {
            true => Ok(()),
            false => Err(Error::invalid("`description` must have at most 1,000 characters.")),
        }
    }
}

/// `PUT /api/admin/teams/{team}`: describes it, anew or for the first time.
pub(crate) async fn put(
    Extract(state): Extract<Arc<State>>,
    caller: Caller,
    Id(team): Id,
    headers: HeaderMap,
    Whole(body): Whole,
) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let wish: Wish = read_json(&headers, &body)?;
    wish.check()?;
    let team = team
        .parse::<Team>()
        .map_err(|error| Error::invalid(format!("{error}.")))?;
    let (before, now) = (state.store.team(&team).await?, state.clock.now());
    let after = TeamRecord {
        team,
        name: wish.name,
        description: wish.description,
        models: wish.models,
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        revision: before.as_ref().map_or(1, |before| before.revision + 1),
    };
    let told = (
        before.as_ref().map(Shown::told).transpose()?,
        Some(Shown::told(&after)?),
    );
    let audit = audit::entry(&caller, now, "team.put", after.team.to_string(), told)?;
    match state.store.put_team(&after, &audit).await? {
        true => json(StatusCode::OK, &Shown::of(&after)),
        false => Err(overtaken()),
    }
}

/// `DELETE /api/admin/teams/{team}`: takes its description away. Nobody works on its account any more, or it is refused.
pub(crate) async fn delete(Extract(state): Extract<Arc<State>>, caller: Caller, Id(team): Id) -> Outcome {
    caller.require(Scope::Admin, &state.clock)?;
    let before = found(&state, &team).await?;
    let budgets = state.store.budget_set(ScopeKind::Team, before.team.as_str()).await?;
    if budgets.is_some_and(|set| !set.limits.is_empty()) {
        return Err(Error::new(
            Kind::Conflict,
            "The team has budgets; take them away first.",
        ));
    }
    if state.store.has_members(&before.team).await? {
        return Err(Error::new(
            Kind::Conflict,
            "People or service accounts are of the team; give them another first.",
        ));
    }
    let told = (Some(Shown::told(&before)?), None);
    let audit = audit::entry(&caller, state.clock.now(), "team.delete", before.team.to_string(), told)?;
    match state.store.delete_team(&before, &audit).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(overtaken()),
    }
}

fn overtaken() -> Error {
    Error::new(Kind::Conflict, "The team is being changed by somebody else; try again.")
}
