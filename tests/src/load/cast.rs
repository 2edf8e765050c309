//! Who calls: people by keys, programs by tokens, and those who are refused. Each request through the gateway is counted by its client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::local::{Answer, Caller, Stack, User, marker};

const PEOPLE: usize = 4;
const PROGRAMS: usize = 2;
/// What nobody spends here: a thousand dollars each, and a million together.
const ENOUGH: &str = "1000.00";
const ENOUGH_FOR_ALL: &str = "1000000.00";

/// What clients have counted of their requests through the gateway.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Answers of functions, by the class of their status.
    pub classes: BTreeMap<&'static str, u64>,
    /// Requests whose credential counted.
    pub allowed: u64,
    /// Those whose credential did not: 401.
    pub refused: u64,
    /// Requests with an access token that counted.
    pub tokens: u64,
}

/// A client that counts.
#[derive(Clone, Debug)]
pub(super) struct Client {
    caller: Caller,
    by_token: bool,
    counts: Arc<Mutex<Counts>>,
}

impl Client {
    /// The whole answer.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let answer = self.caller.send(method, path, headers, body).await;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.status == 401 {
            counts.refused += 1;
        } else {
            counts.allowed += 1;
            counts.tokens += u64::from(self.by_token);
            *counts.classes.entry(class(answer.status)).or_default() += 1;
        }
        answer
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send("POST", path, &headers, body.to_string()).await
    }

    /// The same caller, for what is asked before or after the load.
    pub(super) fn uncounted(&self) -> &Caller {
        &self.caller
    }
}

fn class(status: u16) -> &'static str {
    match status {
        ..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

/// Somebody who calls.
#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) user: User,
    pub(super) client: Client,
    /// A file of theirs.
    pub(super) file_id: String,
}

/// All who call.
#[derive(Debug)]
pub(super) struct Cast {
    /// People and programs whose calls are answered.
    pub(super) payers: Vec<Player>,
    /// Who has one picodollar.
    pub(super) spent: Player,
    /// Who may call once a minute.
    pub(super) hurried: Player,
    /// Who shows a key that nobody has.
    pub(super) stranger: Client,
    pub(super) scraper: Client,
    pub(super) admin: Caller,
    /// On whose account the people are.
    pub(super) team: String,
    counts: Arc<Mutex<Counts>>,
}

impl Cast {
    /// Makes them, with budgets, before any model is called: functions know of them from their first look on.
    pub(super) async fn of(stack: &Stack) -> Self {
        let counts = Arc::default();
        let team = marker();
        let mut payers = Vec::new();
        for _ in 0..PEOPLE {
            payers.push(person(stack, Some(&team), &counts).await);
        }
        for _ in 0..PROGRAMS {
            let program = stack.service_account().await;
            payers.push(player(program, true, &counts).await);
        }
        let (spent, hurried) = (person(stack, None, &counts).await, person(stack, None, &counts).await);
        let client = |key: &str| Client {
            caller: stack.bearer(key),
            by_token: false,
            counts: Arc::clone(&counts),
        };
        let scraper = client(&stack.new_key("user:prometheus", &["metrics"]).await);
        let cast = Self {
            stranger: client("tgk_nobody_has_this_one"),
            admin: stack.admin(),
            payers,
            spent,
            hurried,
            scraper,
            team,
            counts: Arc::clone(&counts),
        };
        cast.limit().await;
        cast
    }

    async fn limit(&self) {
        let dollars = |limit: &str| json!({"unit": "picodollars", "window": "total", "limit_dollars": limit});
        self.limits("organisation/all", dollars(ENOUGH_FOR_ALL)).await;
        self.limits(&format!("team/{}", self.team), dollars(ENOUGH_FOR_ALL))
            .await;
        for player in &self.payers {
            self.limits(&format!("user/{}", player.user.name), dollars(ENOUGH))
                .await;
        }
        let one = json!({"unit": "picodollars", "window": "total", "limit_picodollars": "1"});
        self.limits(&format!("user/{}", self.spent.user.name), one).await;
        let once = json!({"unit": "requests", "window": "minute", "limit": 1});
        self.limits(&format!("user/{}", self.hurried.user.name), once).await;
    }

    async fn limits(&self, scope: &str, limit: Value) {
        let path = format!("/api/admin/budgets/{scope}");
        let answer = self.admin.put(&path, &json!({ "limits": [limit] })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Who makes the call or the upload of this number.
    pub(super) fn payer(&self, number: usize) -> &Player {
        &self.payers[number % self.payers.len()]
    }

    /// Everybody who may have rows.
    pub(super) fn everybody(&self) -> impl Iterator<Item = &Player> {
        self.payers.iter().chain([&self.spent, &self.hurried])
    }

    /// What clients have counted until now.
    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn person(stack: &Stack, team: Option<&str>, counts: &Arc<Mutex<Counts>>) -> Player {
    let name = format!("user:{}", marker());
    let scopes = ["models:invoke", "usage:read", "files"];
    let wish = json!({ "name": "load", "owner": name, "scopes": scopes, "team": team });
    let answer = stack.admin().post("/api/keys", &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let key = answer.json()["key"].as_str().unwrap().to_owned();
    let user = User {
        caller: stack.bearer(&key),
        name,
        key,
    };
    player(user, false, counts).await
}

async fn player(user: User, by_token: bool, counts: &Arc<Mutex<Counts>>) -> Player {
    let answer = user.caller.upload("a.txt", b"What stands in the file.").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    Player {
        client: Client {
            caller: user.caller.clone(),
            by_token,
            counts: Arc::clone(counts),
        },
        file_id: answer.json()["file_id"].as_str().unwrap().to_owned(),
        user,
    }
}
