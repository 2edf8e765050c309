//! Summaries over the routes equal the rows that they are sums of, whoever asks for whichever of them.

use std::collections::BTreeMap;

use gateway::money::Picodollars;
use gateway::rollup::{Counted, Period, Sums};
use gateway::store::UsageRow;
use gateway::usage::{Outcome, Tokens};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::request;
use tests::fixtures::usage_row;
use tests::in_process::Functions;

/// `sub`, `scopes`, `team`.
type Who = (&'static str, &'static str, &'static str);

const ADMIN: Who = ("user:root", "admin", "");
const ANN: Who = ("user:ann", "usage:read", "red");
const LEAD: Who = ("user:lead", "usage:read team:admin", "red");

const OPUS: &str = "anthropic.claude-opus-4-1-20250805-v1:0";
const SONNET: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

struct Api {
    backing: Backing,
    functions: Functions,
    rows: Vec<UsageRow>,
}

/// 120 calls over ten weeks, of three people, two teams, two keys and two models.
fn rows() -> Vec<UsageRow> {
    let first: Timestamp = "2026-09-24T05:30:00Z".parse().unwrap();
    let row = |number: usize| {
        let mut row = usage_row(0);
        let index = i64::try_from(number).unwrap();
        row.started_at = first + SignedDuration::from_mins(index * 14 * 60);
        row.request_id = format!("call-{number}");
        row.principal = ["user:ann", "user:anna", "client:cat"][number % 3].parse().unwrap();
        row.team = [Some("red"), Some("blue"), None, None][number % 4].map(|team| team.parse().unwrap());
        row.key_id = [Some("key_a"), Some("key_b"), None][number % 5 % 3].map(str::to_owned);
        row.price_model = format!("global.{}", base_of(number));
        row.outcome = if number.is_multiple_of(7) {
            Outcome::Timeout
        } else {
            Outcome::Success
        };
        row.estimated = number.is_multiple_of(11);
        row.usage.input_tokens = Tokens::new(10 + number as u64);
        row.usage.cache_write_1h_tokens = Tokens::new(number as u64 % 3);
        row.cost_picodollars = Picodollars::new(1_000_000_000_001 * number as u64);
        row
    };
    (0..120).map(row).collect()
}

fn base_of(number: usize) -> &'static str {
    [OPUS, SONNET][number / 2 % 2]
}

fn counted(row: &UsageRow) -> Counted<'_> {
    Counted {
        started_at: row.started_at,
        principal: &row.principal,
        team: row.team.as_ref(),
        key_id: row.key_id.as_deref(),
        base_model: row.price_model.strip_prefix("global.").unwrap(),
        dialect: row.dialect,
        outcome: row.outcome,
        estimated: row.estimated,
        usage: row.usage,
        cost: row.cost_picodollars,
    }
}

impl Api {
    async fn start() -> Self {
        let backing = Backing::start().await;
        let rows = rows();
        for (seq, half) in [&rows[..60], &rows[60..]].into_iter().enumerate() {
            let mut sums = Sums::default();
            for row in half {
                sums.add(&counted(row), &Period::ALL);
            }
            backing.store().add_to_rollups(seq as u64 + 1, sums).await.unwrap();
        }
        Self {
            functions: Functions::new(&backing),
            backing,
            rows,
        }
    }

    async fn get(&self, (sub, scopes, team): Who, query: &str) -> HttpAnswer {
        let mut principal = json!({"principalId": sub, "sub": sub, "scopes": scopes});
        if !team.is_empty() {
            principal["team"] = team.into();
        }
        let asked = request("GET", &format!("/api/usage/summary?{query}")).principal(principal);
        self.functions.call("admin", &asked.event()).await.http()
    }

    /// The sums of all pages, in order; no page is larger than `limit`.
    async fn all(&self, who: Who, query: &str, limit: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        for _ in 0..500 {
            let answer = self.get(who, &format!("{query}&limit={limit}{cursor}")).await;
            assert_eq!(answer.status, 200, "{query}: {:?}", answer.body);
            let page = answer.json();
            let sums = page["summaries"].as_array().unwrap();
            assert!(sums.len() <= limit);
            all.extend(sums.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
        panic!("{query} does not end");
    }

    /// `[start, id, calls, errors, estimated, input, 1 h writes, picodollars]` of each period and id, from the rows.
    fn expected(&self, period: Period, id: impl Fn(&UsageRow) -> Option<String>) -> Vec<Value> {
        let mut sums: BTreeMap<(String, String), [u64; 6]> = BTreeMap::new();
        for row in &self.rows {
            let Some(id) = id(row) else { continue };
            let sum = sums.entry((period.start(row.started_at), id)).or_default();
            let adds = [
                1,
                u64::from(row.outcome != Outcome::Success),
                u64::from(row.estimated),
                row.usage.input_tokens.as_u64(),
                row.usage.cache_write_1h_tokens.as_u64(),
                u64::try_from(row.cost_picodollars.as_u128()).unwrap(),
            ];
            for (total, add) in sum.iter_mut().zip(adds) {
                *total += add;
            }
        }
        let told = |((start, id), numbers): ((String, String), [u64; 6])| {
            let mut told = vec![json!(start), json!(id)];
            told.extend(numbers.map(Value::from));
            Value::from(told)
        };
        sums.into_iter().map(told).collect()
    }
}

fn told(sum: &Value) -> Value {
    let usage = &sum["usage"];
    json!([
        sum["start"],
        sum["id"],
        sum["calls"],
        sum["errors"],
        sum["estimated"],
        usage["input_tokens"],
        usage["cache_creation"]["ephemeral_1h_input_tokens"],
        sum["cost_picodollars"],
    ])
}

fn model(row: &UsageRow) -> String {
    row.price_model.replace("global.", "")
}

fn of_user(row: &UsageRow, user: &str) -> bool {
    row.principal.as_str() == user
}

///
#[tokio::test]
async fn every_summary_is_the_sum_of_its_rows_on_pages_of_any_size() {
    let api = Api::start().await;
    type Id = Box<dyn Fn(&UsageRow) -> Option<String>>;
    let cases: Vec<(Who, &str, Id)> = vec![
        (ADMIN, "group=organisation", Box::new(|_| Some("all".into()))),
        (ADMIN, "group=user", Box::new(|row| Some(row.principal.to_string()))),
        (
            ADMIN,
            "group=user&user=user:anna",
            Box::new(|row| of_user(row, "user:anna").then(|| "user:anna".into())),
        ),
        (
            ADMIN,
            "group=team",
            Box::new(|row| row.team.as_ref().map(ToString::to_string)),
        ),
        (
            ADMIN,
            "group=team&team=blue",
            Box::new(|row| row.team.as_ref().map(ToString::to_string).filter(|it| it == "blue")),
        ),
        (ADMIN, "group=key", Box::new(|row| row.key_id.clone())),
        (
            ADMIN,
            "group=key&key=key_b",
            Box::new(|row| row.key_id.clone().filter(|it| it == "key_b")),
        ),
        (ADMIN, "group=model", Box::new(|row| Some(model(row)))),
        (
            ADMIN,
            "group=model&model=anthropic.claude-opus-4-1-20250805-v1:0",
            Box::new(|row| Some(model(row)).filter(|it| it == OPUS)),
        ),
        (
            ADMIN,
            "group=user_model",
            Box::new(|row| Some(format!("{}|{}", row.principal, model(row)))),
        ),
        (
            ADMIN,
            "group=user_model&model=anthropic.claude-opus-4-1-20250805-v1:0",
            Box::new(|row| Some(format!("{}|{}", row.principal, model(row))).filter(|_| model(row) == OPUS)),
        ),
        (
            ADMIN,
            "group=user_model&user=user:ann",
            Box::new(|row| of_user(row, "user:ann").then(|| format!("user:ann|{}", model(row)))),
        ),
        (
            ADMIN,
            "group=model&user=client:cat",
            Box::new(|row| of_user(row, "client:cat").then(|| model(row))),
        ),
        (
            ANN,
            "group=user",
            Box::new(|row| of_user(row, "user:ann").then(|| "user:ann".into())),
        ),
        (
            ANN,
            "group=model",
            Box::new(|row| of_user(row, "user:ann").then(|| model(row))),
        ),
        (
            ANN,
            "group=model&model=anthropic.claude-opus-4-1-20250805-v1:0",
            Box::new(|row| (of_user(row, "user:ann") && model(row) == OPUS).then(|| OPUS.into())),
        ),
        (
            LEAD,
            "group=team",
            Box::new(|row| row.team.as_ref().map(ToString::to_string).filter(|it| it == "red")),
        ),
        (
            LEAD,
            "group=team&team=red",
            Box::new(|row| row.team.as_ref().map(ToString::to_string).filter(|it| it == "red")),
        ),
        (LEAD, "group=user", Box::new(|_| None)),
    ];
    for (who, query, id) in cases {
        for period in Period::ALL {
            let expected = api.expected(period, &id);
            let query = format!("{query}&period={}&from=2026-09-01&to=2026-12-31", period.label());
            // Of hours there are many parts to read for each page.
            let limits: &[usize] = if period == Period::Hour { &[41] } else { &[3, 17, 5_000] };
            for limit in limits.iter().copied() {
                let sums: Vec<_> = api.all(who, &query, limit).await.iter().map(told).collect();
                assert_eq!(sums, expected, "{who:?} {query} by {limit}");
            }
        }
    }
}

#[tokio::test]
async fn a_span_holds_the_periods_that_it_touches_and_no_others() {
    let api = Api::start().await;
    let starts = async |query: &str| -> Vec<String> {
        let sums = api.all(ADMIN, &format!("group=organisation&{query}"), 7).await;
        sums.iter()
            .map(|sum| sum["start"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        starts("period=day&from=2026-10-30&to=2026-11-01").await,
        ["2026-10-30", "2026-10-31", "2026-11-01"]
    );
    assert_eq!(
        starts("period=day&from=2026-10-30T12:00:00Z&to=2026-11-01T00:00:00Z").await,
        ["2026-10-30", "2026-10-31"]
    );
    assert_eq!(
        starts("period=month&from=2026-10-31&to=2026-11-01").await,
        ["2026-10", "2026-11"]
    );
    assert_eq!(
        starts("period=week&from=2026-10-11&to=2026-10-12").await,
        ["2026-10-05", "2026-10-12"]
    );
    assert_eq!(
        starts("period=hour&from=2026-09-24T05:59:00Z&to=2026-09-24T19:30:00.001Z").await,
        ["2026-09-24T05", "2026-09-24T19"]
    );
}

#[tokio::test]
async fn a_cost_is_told_exactly_and_a_sum_says_how_far_it_is_complete() {
    let api = Api::start().await;
    let ask = async || {
        api.get(ADMIN, "group=organisation&period=month&from=2026-10-01&to=2026-10-31")
            .await
            .json()
    };
    let before = ask().await;
    let total: u128 = api
        .rows
        .iter()
        .filter(|row| Period::Month.start(row.started_at) == "2026-10")
        .map(|row| row.cost_picodollars.as_u128())
        .sum();
    assert_eq!(
        before["summaries"][0]["cost_picodollars"].to_string(),
        total.to_string()
    );
    let dollars = format!("{}.{:012}", total / 10_u128.pow(12), total % 10_u128.pow(12));
    assert_eq!(before["summaries"][0]["cost_dollars"], dollars);
    assert_eq!(before["complete_until"], Value::Null);
    let until = "2026-12-01T11:55:00Z";
    api.backing.store().cover_until(until.parse().unwrap()).await.unwrap();
    assert_eq!(ask().await["complete_until"], until);
    let csv = api
        .get(
            ADMIN,
            "group=organisation&period=month&from=2026-10-01&to=2026-10-31&format=csv",
        )
        .await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    let mut reader = csv::Reader::from_reader(&*csv.body);
    let columns = reader.headers().unwrap().clone();
    let line = reader.records().next().unwrap().unwrap();
    let cell = |name: &str| line.get(columns.iter().position(|it| it == name).unwrap()).unwrap();
    assert_eq!(
        (
            cell("start"),
            cell("id"),
            cell("cost_picodollars"),
            cell("cost_dollars")
        ),
        ("2026-10", "all", &*total.to_string(), &*dollars)
    );
}

///
#[tokio::test]
async fn sums_of_others_are_for_admins_and_of_a_team_for_its_admins() {
    let api = Api::start().await;
    let cases = [
        (ANN, "group=organisation", 403),
        (ANN, "group=outcome", 403),
        (ANN, "group=key", 403),
        (ANN, "group=team", 403),
        (ANN, "group=team&team=red", 403),
        (ANN, "group=user&user=user:anna", 403),
        (ANN, "group=user_model&user=user:anna", 403),
        (ANN, "group=model&user=client:cat", 403),
        (ANN, "group=user&user=user:ann", 200),
        (LEAD, "group=team&team=blue", 403),
        (LEAD, "group=organisation", 403),
        (LEAD, "group=user&user=user:ann", 403),
        (("user:lead", "team:admin", ""), "group=team", 403),
        (("user:lead", "team:admin", "red"), "group=team", 200),
        (("user:lead", "team:admin", "red"), "group=model", 403),
        (("user:ann", "keys files", "red"), "group=x", 403),
        (ADMIN, "group=team&user=user:ann", 400),
        (ADMIN, "group=user&model=x", 400),
        (ADMIN, "group=outcome", 200),
        (ADMIN, "group=outcome&model=x", 400),
        (ADMIN, "group=organisation&team=red", 400),
        (ADMIN, "group=model&key=key_a", 400),
        (ADMIN, "", 400),
    ];
    for (who, query, status) in cases {
        let answer = api.get(who, &format!("period=day&{query}")).await;
        assert_eq!(answer.status, status, "{who:?} {query}: {:?}", answer.body);
    }
    let nobody = api
        .functions
        .call("admin", &request("GET", "/api/usage/summary").event())
        .await;
    assert_eq!(nobody.http().status, 401);
    for limit in ["0", "5001", "-1", "1.5"] {
        assert_eq!(
            api.get(ADMIN, &format!("period=day&group=user&limit={limit}"))
                .await
                .status,
            400
        );
    }
    for (period, from) in [("hour", "2025-10-01"), ("day", "2016-01-01")] {
        let query = format!("period={period}&group=user&from={from}&to=2026-12-01");
        assert_eq!(api.get(ADMIN, &query).await.status, 400, "{query}");
    }
}

///
#[tokio::test]
async fn a_cursor_of_a_summary_is_good_for_its_own_list_alone_and_no_parameter_leads_elsewhere() {
    let api = Api::start().await;
    let span = "from=2026-09-01&to=2026-12-31";
    let page = api
        .get(ADMIN, &format!("period=day&group=user&limit=2&{span}"))
        .await
        .json();
    let cursor = page["next_cursor"].as_str().unwrap();
    for (who, query) in [
        (ADMIN, format!("period=day&group=user&user=user:ann&{span}")),
        (ADMIN, format!("period=hour&group=user&{span}")),
        (ADMIN, format!("period=day&group=model&{span}")),
        (ADMIN, "period=day&group=user&from=2026-09-01".to_owned()),
        (ANN, format!("period=day&group=user&{span}")),
    ] {
        let answer = api.get(who, &format!("{query}&cursor={cursor}")).await;
        assert_eq!(answer.status, 400, "{who:?} {query}");
    }
    let hostile = [
        "'%20OR%20'1'='1",
        "%3Cscript%3E",
        "%00",
        "%ff",
        "%7C",
        "user:ann%7C",
        "%23",
        "*",
        "..%2f",
        "%0d%0ax:%20y",
        "%e2%80%ae",
        "ROLLUP%23",
    ];
    for who in [ANN, LEAD, ADMIN] {
        for parameter in [
            "period", "group", "from", "to", "user", "team", "key", "model", "limit", "cursor", "format", "x",
        ] {
            for text in hostile {
                let answer = api
                    .get(who, &format!("period=day&group=model&{parameter}={text}"))
                    .await;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(answer.status, 400, "{who:?} {parameter}={text}: {body}");
                assert!(!body.contains('<'), "{body}");
            }
        }
    }
}
