//! Whose usage a caller may see: their own with `usage:read`, their team's with `team:admin`, anybody's with `admin`.

use gateway::clock::Clock;
use gateway::error::Error;
use gateway::http::Caller;
use gateway::principal::{Subject, Team};
use gateway::scope::Scope;

/// Whose usage is shown: of one or of all, and of these what is on a team's account or all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) user: Option<Subject>,
    pub(crate) team: Option<Team>,
}

/// Passes if the credential is alive and can see anybody's usage at all: what is checked before the request is looked at.
pub(crate) fn admit(caller: &Caller, clock: &Clock) -> Result<(), Error> {
    let others = [Scope::TeamAdmin, Scope::Admin];
    caller.principal.require_any(Scope::UsageRead, &others, clock.now())
}

/// What a caller who asks for a user's and a team's usage is shown: without a wish, an admin everybody's, anybody else their own.
pub(crate) fn whose(caller: &Caller, user: Option<Subject>, team: Option<Team>, clock: &Clock) -> Result<Whose, Error> {
    let principal = &caller.principal;
    let is_own = user.as_ref() == Some(&principal.subject);
    if principal.scopes.contains(Scope::Admin) {
        return Ok(Whose { user, team });
    }
    if let (Some(team), false) = (&team, is_own) {
        caller.require(Scope::TeamAdmin, clock)?;
        return if principal.team.as_ref() == Some(team) {
            Ok(Whose {
                user,
                team: Some(team.clone()),
            })
        } else {
            Err(Error::insufficient_scope(Scope::Admin))
        };
    }
    caller.require(Scope::UsageRead, clock)?;
    if user.is_some() && !is_own {
        return Err(Error::insufficient_scope(Scope::Admin));
    }
    Ok(Whose {
        user: Some(principal.subject.clone()),
        team,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway::attribution::Attribution;
    use gateway::principal::Principal;
    use jiff::Timestamp;

    fn caller(scopes: &str, team: Option<&str>) -> Caller {
        let principal = Principal {
            subject: "user:me".parse().unwrap(),
            scopes: scopes.parse().unwrap(),
            team: team.map(|team| team.parse().unwrap()),
            models: None,
            key_id: None,
            session_id: None,
            expires_at: None,
        };
        Caller {
            principal,
            request_id: "r".into(),
            deadline: None,
            attribution: Attribution::default(),
        }
    }

    /// `user` and `team` as they are shown, or the scope that is missing.
    fn shown(caller: &Caller, user: Option<&str>, team: Option<&str>) -> Result<(String, String), &'static str> {
        let clock = Clock::held_at(Timestamp::UNIX_EPOCH);
        let (user, team) = (user.map(|it| it.parse().unwrap()), team.map(|it| it.parse().unwrap()));
        admit(caller, &clock)
            .and_then(|()| whose(caller, user, team, &clock))
            .map(|it| {
                let text = |it: Option<String>| it.unwrap_or_else(|| "all".into());
                (
                    text(it.user.map(|it| it.to_string())),
                    text(it.team.map(|it| it.to_string())),
                )
            })
            .map_err(|error| error.missing_scope.unwrap().name())
    }

    fn of(user: &str, team: &str) -> Result<(String, String), &'static str> {
        Ok((user.into(), team.into()))
    }

    /// A-15
    #[test]
    fn everybody_sees_their_own_a_team_admin_the_teams_and_an_admin_all() {
        let user = caller("usage:read", Some("red"));
        assert_eq!(shown(&user, None, None), of("user:me", "all"));
        assert_eq!(shown(&user, Some("user:me"), Some("blue")), of("user:me", "blue"));
        assert_eq!(shown(&user, Some("user:you"), None), Err("admin"));
        assert_eq!(shown(&user, None, Some("red")), Err("team:admin"));
        let lead = caller("usage:read team:admin", Some("red"));
        assert_eq!(shown(&lead, None, None), of("user:me", "all"));
        assert_eq!(shown(&lead, None, Some("red")), of("all", "red"));
        assert_eq!(shown(&lead, Some("user:you"), Some("red")), of("user:you", "red"));
        assert_eq!(shown(&lead, Some("user:you"), None), Err("admin"));
        assert_eq!(shown(&lead, None, Some("blue")), Err("admin"));
        assert_eq!(shown(&caller("team:admin", None), None, Some("red")), Err("admin"));
        assert_eq!(shown(&caller("team:admin", Some("red")), None, None), Err("usage:read"));
        let admin = caller("admin", None);
        assert_eq!(shown(&admin, None, None), of("all", "all"));
        assert_eq!(shown(&admin, Some("user:you"), Some("red")), of("user:you", "red"));
        assert_eq!(shown(&caller("files keys", None), None, None), Err("usage:read"));
    }
}
