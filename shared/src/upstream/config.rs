//! Where model calls may go, as configured: the settings below `upstream`, described in `docs/failover.md`.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use super::health::Rests;
use crate::config::{ConfigError, Variables, tree};
use crate::model::Profile;

/// What `upstream.targets` must hold.
pub const TARGETS: &str = "JSON: a list of targets, each with a `name` of its own (lower-case letters, digits and _) and a `region`, and with \
                           known members";
/// What `upstream.routes` must hold.
pub const ROUTES: &str =
    "JSON: a list of routes, each with `models` and `targets` (names out of upstream.targets), and with known members";

/// The name of the one target that there is without configuration.
pub const HOME: &str = "home";
/// The longest name of a target.
const LONGEST_NAME: usize = 32;
/// A weight is at most so much.
const MOST_WEIGHT: u32 = 1_000;
/// So many targets there are at the most, and so many routes.
const MOST: usize = 64;

/// All of the section.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// So many targets a call asks at the most.
    pub attempts: u32,
    /// Later than this after a call began no further target is asked.
    pub attempt_time: Duration,
    /// How long the connection to a target may take.
    pub connect_timeout: Duration,
    /// So long before its function is killed a call comes to its end.
    pub end_before_deadline: Duration,
    /// How long targets rest.
    pub rests: Rests,
    /// Whether a call whose answer was lost goes to another target, though it may have been billed.
    pub repeat_lost: bool,
    /// What Bedrock is told of a call besides its id.
    pub metadata: Vec<Told>,
    /// At least one, in the order of their list.
    pub targets: Vec<TargetConfig>,
    /// The first one that is for a model counts.
    pub routes: Vec<Route>,
}

/// Where calls may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    /// Its name.
    pub name: String,
    /// The region.
    pub region: String,
    /// The geographic profile by which models are called there; without one, that of the model's id.
    pub profile: Option<Profile>,
    /// The role, of another account, to assume for it.
    pub role: Option<String>,
    /// What that role wants to hear besides.
    pub external_id: Option<String>,
    /// A URL other than the region's own, such as one of a VPC endpoint.
    pub endpoint: Option<String>,
    /// Its share of conversations, where targets are chosen by weight.
    pub weight: u32,
    /// What Bedrock lets it do in a minute, if that is to be planned.
    pub quota: Quota,
    /// Where its invocation log is: bucket, prefix, and the account whose calls are in it.
    pub log: Option<LogPlace>,
}

/// A target's limits a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Tokens a minute.
    pub tokens: Option<u64>,
    /// Requests a minute.
    pub requests: Option<u64>,
    /// So many tokens of the quota a token of output takes, in the end.
    pub burndown: u32,
}

impl Quota {
    /// Whether there is anything to plan.
    pub fn is_limited(&self) -> bool {
        self.tokens.is_some() || self.requests.is_some()
    }
}

/// Where an invocation log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The bucket.
    pub bucket: String,
    /// Below what in it.
    pub prefix: String,
    /// The account, of twelve digits; the function's own if there is none.
    pub account: Option<String>,
}

/// How targets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The first that is well.
    First,
    /// By weight, and the same one for a whole conversation.
    Weight,
}

impl FromStr for Order {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "first" => Ok(Self::First),
            "weight" => Ok(Self::Weight),
            _ => Err(()),
        }
    }
}

/// What Bedrock may be told of who calls, for its own reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The subject.
    User,
    /// The team on whose account the call is made.
    Team,
    /// The API key's id.
    Key,
    /// Claude Code's session.
    Session,
}

impl FromStr for Told {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "user" => Ok(Self::User),
            "team" => Ok(Self::Team),
            "key" => Ok(Self::Key),
            "session" => Ok(Self::Session),
            _ => Err(()),
        }
    }
}

/// A list of them, with commas in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldList(pub Vec<Told>);

impl FromStr for ToldList {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split(',')
            .map(|word| word.trim().parse())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Which targets the calls of some models go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Names as callers write them, or ids without profile; a `*` at the end stands for whatever follows. None: every model.
    pub models: Vec<String>,
    /// Places in the list of targets.
    pub targets: Vec<usize>,
    /// How one of them is chosen.
    pub order: Order,
}

impl Route {
    /// Whether it is for a model that was asked for by this name, and is this one.
    pub fn is_for(&self, requested: &str, base: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => requested.starts_with(start) || base.starts_with(start),
            None => requested == pattern || base == pattern,
        };
        self.models.is_empty() || self.models.iter().any(matches)
    }
}

/// The text of `upstream.targets`, read.
#[derive(Clone, Debug)]
pub struct Targets(Vec<TargetConfig>);

/// The text of `upstream.routes`, read. Whether its targets are there is seen when both are.
#[derive(Clone, Debug)]
pub struct Routes(Vec<RouteJson>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetJson {
    name: String,
    region: String,
    profile: Option<Profile>,
    role: Option<String>,
    external_id: Option<String>,
    endpoint: Option<String>,
    weight: Option<u32>,
    tokens_a_minute: Option<u64>,
    requests_a_minute: Option<u64>,
    output_burndown: Option<u32>,
    account: Option<String>,
    log_bucket: Option<String>,
    log_prefix: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteJson {
    models: Vec<String>,
    targets: Vec<String>,
    order: Option<Order>,
}

impl FromStr for Targets {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let read: Vec<TargetJson> = serde_json::from_str(text).map_err(|_| ())?;
        let targets = read.into_iter().map(TargetJson::checked);
        let targets: Vec<TargetConfig> = targets.collect::<Option<_>>().ok_or(())?;
        let is_new = |(at, target): (usize, &TargetConfig)| !targets[..at].iter().any(|it| it.name == target.name);
        let fits = (1..=MOST).contains(&targets.len()) && targets.iter().enumerate().all(is_new);
        if fits { Ok(Self(targets)) } else { Err(()) }
    }
}

impl FromStr for Routes {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let routes: Vec<RouteJson> = serde_json::from_str(text).map_err(|_| ())?;
        let is_whole = |route: &RouteJson| !route.models.is_empty() && !route.targets.is_empty();
        let fits = routes.len() <= MOST && routes.iter().all(is_whole);
        if fits { Ok(Self(routes)) } else { Err(()) }
    }
}

impl TargetJson {
    fn checked(self) -> Option<TargetConfig> {
        let is_account = |text: &String| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = is_name(&self.name)
            && is_region(&self.region)
            && self.role.as_ref().is_none_or(|role| role.starts_with("arn:"))
            && self.endpoint.as_deref().is_none_or(is_endpoint)
            && self.account.as_ref().is_none_or(is_account)
            && self.weight.is_none_or(|weight| weight <= MOST_WEIGHT);
        let (prefix, account) = (self.log_prefix.unwrap_or_default(), self.account);
        let log = self.log_bucket.map(|bucket| LogPlace {
            bucket,
            prefix,
            account,
        });
        fits.then_some(TargetConfig {
            name: self.name,
            region: self.region,
            profile: self.profile,
            role: self.role,
            external_id: self.external_id,
            endpoint: self.endpoint,
            weight: self.weight.unwrap_or(1),
            quota: Quota {
                tokens: self.tokens_a_minute,
                requests: self.requests_a_minute,
                burndown: self.output_burndown.unwrap_or(DEFAULT_BURNDOWN),
            },
            log,
        })
    }
}

/// Quota tokens for a token of output, for Claude 3.7 and later (Amazon Bedrock user guide, "How tokens are counted").
const DEFAULT_BURNDOWN: u32 = 5;

impl UpstreamConfig {
    /// Reads the settings. `home` is the function's own region, which is the one target where none is listed.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn read(variables: &Variables, home: &str) -> Result<Self, ConfigError> {
        let targets = tree::UPSTREAM_TARGETS.find(variables)?;
        let targets = targets.map_or_else(|| vec![TargetConfig::home(home)], |Targets(targets)| targets);
        let seconds = |seconds: u32| SignedDuration::from_secs(seconds.into());
        let millis = Duration::from_millis;
        Ok(Self {
            attempts: tree::UPSTREAM_ATTEMPTS.get(variables)?,
            attempt_time: Duration::from_secs(tree::UPSTREAM_ATTEMPT_SECONDS.get(variables)?),
            connect_timeout: millis(tree::UPSTREAM_CONNECT_TIMEOUT_MILLISECONDS.get(variables)?),
            end_before_deadline: millis(tree::UPSTREAM_END_BEFORE_DEADLINE_MILLISECONDS.get(variables)?),
            rests: Rests {
                first: seconds(tree::UPSTREAM_REST_SECONDS.get(variables)?),
                longest: seconds(tree::UPSTREAM_LONGEST_REST_SECONDS.get(variables)?),
            },
            repeat_lost: tree::UPSTREAM_REPEAT_LOST.get(variables)?,
            metadata: tree::UPSTREAM_METADATA
                .find(variables)?
                .map_or_else(Vec::new, |list| list.0),
            routes: routes(variables, &targets)?,
            targets,
        })
    }
}

impl TargetConfig {
    fn home(region: &str) -> Self {
        Self {
            name: HOME.to_owned(),
            region: region.to_owned(),
            profile: None,
            role: None,
            external_id: None,
            endpoint: None,
            weight: 1,
            quota: Quota::default(),
            log: None,
        }
    }
}

fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(known)
}

fn is_region(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (5..=32).contains(&text.len()) && text.bytes().all(known)
}

fn is_endpoint(text: &str) -> bool {
    const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    text.starts_with("https://") || LOOPBACK.iter().any(|start| text.starts_with(start))
}

/// The routes, and the one for whatever they are not for, which leads everywhere.
fn routes(variables: &Variables, targets: &[TargetConfig]) -> Result<Vec<Route>, ConfigError> {
    let place = |name: &String| targets.iter().position(|target| target.name == *name);
    let route = |route: RouteJson| {
        Some(Route {
            targets: route.targets.iter().map(place).collect::<Option<_>>()?,
            order: route.order.unwrap_or(Order::First),
            models: route.models,
        })
    };
    let written = tree::UPSTREAM_ROUTES.find(variables)?;
    let written = written.map_or_else(Vec::new, |Routes(routes)| routes);
    let mut routes: Vec<Route> = written
        .into_iter()
        .map(route)
        .collect::<Option<_>>()
        .ok_or_else(|| tree::UPSTREAM_ROUTES.declared.wrong(variables))?;
    routes.push(Route {
        models: Vec::new(),
        targets: (0..targets.len()).collect(),
        order: tree::UPSTREAM_ORDER.get(variables)?,
    });
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = r#"[{"name":"virginia","region":"us-east-1","weight":3,"tokens_a_minute":100000},
        {"name":"frankfurt","region":"eu-central-1","profile":"eu","role":"arn:aws:iam::111122223333:role/b",
         "account":"111122223333","log_bucket":"logs"}]"#;
    const ROUTES: &str =
        r#"[{"models":["anthropic.claude-sonnet-*","claude-opus-5"],"targets":["frankfurt"],"order":"first"}]"#;

    fn read(targets: &str, routes: &str) -> Result<UpstreamConfig, ConfigError> {
        let given = [
            ("TOLLGATE_UPSTREAM_TARGETS", targets),
            ("TOLLGATE_UPSTREAM_ROUTES", routes),
            ("TOLLGATE_UPSTREAM_ORDER", "weight"),
            ("TOLLGATE_UPSTREAM_METADATA", "user, key"),
        ];
        let given = given.map(|(name, value)| (name, value.to_owned()));
        UpstreamConfig::read(&Variables::Given(given.to_vec()), "us-west-2")
    }

    #[test]
    fn targets_and_routes_are_read_and_the_first_route_for_a_model_counts() {
        let config = read(TARGETS, ROUTES).unwrap();
        let [virginia, frankfurt] = &config.targets[..] else {
            panic!("two targets")
        };
        assert_eq!((virginia.weight, virginia.quota.tokens), (3, Some(100_000)));
        assert_eq!(
            (frankfurt.profile, frankfurt.quota.is_limited()),
            (Some(Profile::Eu), false)
        );
        assert_eq!(frankfurt.log.as_ref().unwrap().account.as_deref(), Some("111122223333"));
        assert_eq!(config.metadata, [Told::User, Told::Key]);
        let targets = |requested: &str, base: &str| {
            let route = config
                .routes
                .iter()
                .find(|route| route.is_for(requested, base))
                .unwrap();
            (route.targets.clone(), route.order)
        };
        assert_eq!(
            targets("x", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
            (vec![1], Order::First)
        );
        assert_eq!(
            targets("claude-opus-5", "anthropic.claude-opus-5"),
            (vec![1], Order::First)
        );
        assert_eq!(
            targets("claude-haiku-4-5", "anthropic.claude-haiku-4-5"),
            (vec![0, 1], Order::Weight)
        );
    }

    #[test]
    fn a_file_has_targets_and_routes_as_lists() {
        const FILE: &str = "
upstream:
  targets:
    - {name: east, region: us-east-1, tokens_a_minute: 1000}
    - {name: west, region: us-west-2, account: '000000000001', log_bucket: logs}
  routes:
    - {models: [claude-opus-5], targets: [west], order: weight}
  metadata: [user, team]
";
        let variables = Variables::Given(Vec::new()).over_file("s.yaml", FILE).unwrap();
        let config = UpstreamConfig::read(&variables, "us-east-1").unwrap();
        assert_eq!((config.targets.len(), config.routes.len()), (2, 2));
        assert_eq!(config.targets[0].quota.tokens, Some(1_000));
        assert_eq!(
            (&config.routes[0].targets[..], config.routes[0].order),
            (&[1][..], Order::Weight)
        );
        assert_eq!(config.metadata, [Told::User, Told::Team]);
    }

    #[test]
    fn without_targets_there_is_the_functions_own_region() {
        let config = read("", "").unwrap();
        assert_eq!(config.targets, [TargetConfig::home("us-west-2")]);
        assert_eq!((config.attempts, config.repeat_lost), (3, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to) in [
            ("us-east-1", "x"),
            (r#""profile":"eu""#, r#""profile":"mars""#),
            (r#""weight":3"#, r#""weight":1001"#),
            (r#""weight":3"#, r#""wait":3"#),
            ("frankfurt", "virginia"),
            ("virginia", "Virginia"),
            (r#""account":"111122223333""#, r#""account":"1""#),
            ("\"arn:", "\"x:"),
            (r#""region":"us-east-1","#, ""),
        ] {
            let targets = TARGETS.replace(from, to);
            assert_ne!(targets, TARGETS);
            let error = read(&targets, "").unwrap_err().to_string();
            assert!(error.contains("TOLLGATE_UPSTREAM_TARGETS"), "{to}: {error}");
        }
        for routes in [
            r#"[{"models":["a"],"targets":["paris"]}]"#,
            r#"[{"models":[],"targets":["virginia"]}]"#,
        ] {
            let error = read(TARGETS, routes).unwrap_err().to_string();
            assert!(error.contains("TOLLGATE_UPSTREAM_ROUTES"), "{error}");
        }
    }
}
