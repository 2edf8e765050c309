//! Usage over the routes: every filter, every page, every format, and nothing of anybody else's.

use gateway::money::Picodollars;
use gateway::store::{Store, UsageRow};
use gateway::usage::Outcome;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::request;
use tests::fixtures::usage_row;
use tests::in_process::Functions;

/// What the table holds for these tests: rows of three people and two teams, over five days with a gap.
struct Api {
    backing: Backing,
    functions: Functions,
    rows: Vec<UsageRow>,
}

/// `sub`, `scopes`, `team`.
type Who = (&'static str, &'static str, &'static str);

const ADMIN: Who = ("user:root", "admin", "");
const ANN: Who = ("user:ann", "usage:read", "red");
const LEAD: Who = ("user:lead", "usage:read team:admin", "red");

const DAYS: [&str; 5] = ["2026-11-24", "2026-11-25", "2026-11-26", "2026-11-28", "2026-12-01"];
const USERS: [&str; 3] = ["user:ann", "user:ben", "client:cat"];
const MODELS: [(&str, Option<&str>, &str); 3] = [
    (
        "us.anthropic.claude-opus-4-1-20250805-v1:0",
        Some("us"),
        "us.anthropic.claude-opus-4-1-20250805-v1:0",
    ),
    (
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        Some("global"),
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    (
        "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/abc",
        None,
        "anthropic.claude-opus-4-1-20250805-v1:0",
    ),
];

/// Rows that differ in all that is filtered by, in order of their start.
fn rows() -> Vec<UsageRow> {
    let mut rows = Vec::new();
    for (index, day) in DAYS.iter().enumerate() {
        for number in 0..12 {
            let mut row = usage_row(0);
            let (model, profile, price_model) = MODELS[(number + index) % 3];
            row.request_id = format!("{day}-{number:02}");
            row.principal = USERS[number % 3].parse().unwrap();
            row.team = [Some("red"), Some("blue"), None, None][number % 4].map(|team| team.parse().unwrap());
            row.started_at = format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap()
                + SignedDuration::from_mins(i64::try_from(number).unwrap() * 130);
            row.ended_at = row.started_at;
            row.model = model.to_owned();
            row.profile = profile.map(str::to_owned);
            row.price_model = price_model.to_owned();
            row.outcome = if number % 5 == 4 {
                Outcome::Throttled
            } else {
                Outcome::Success
            };
            row.cost_picodollars = Picodollars::new(u64::try_from(number).unwrap() * 1_000_000_007);
            rows.push(row);
        }
    }
    rows
}

impl Api {
    async fn start() -> Self {
        let backing = Backing::start().await;
        let (store, rows): (Store, _) = (backing.store(), rows());
        for row in &rows {
            store.record_usage(row, 400).await.unwrap();
        }
        Self {
            functions: Functions::new(&backing),
            backing,
            rows,
        }
    }

    async fn get(&self, who: Who, path: &str) -> HttpAnswer {
        self.get_with(who, path, &[]).await
    }

    async fn get_with(&self, (sub, scopes, team): Who, path: &str, headers: &[(&str, &str)]) -> HttpAnswer {
        let mut principal = json!({"principalId": sub, "sub": sub, "scopes": scopes});
        if !team.is_empty() {
            principal["team"] = team.into();
        }
        let with = headers
            .iter()
            .fold(request("GET", path), |it, (name, value)| it.header(name, value));
        self.functions
            .call("admin", &with.principal(principal).event())
            .await
            .http()
    }

    /// Ids of all pages of a list; no page is larger than `limit`.
    async fn ids(&self, who: Who, query: &str, limit: usize) -> Vec<String> {
        let path = format!("/api/usage/records?limit={limit}&{query}");
        let (mut ids, mut next) = (Vec::new(), path.clone());
        for _ in 0..200 {
            let answer = self.get(who, &next).await;
            assert_eq!(answer.status, 200, "{next}: {:?}", answer.body);
            let page = answer.json();
            let records = page["records"].as_array().unwrap();
            assert!(records.len() <= limit);
            ids.extend(records.iter().map(|row| row["request_id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => return ids,
            }
        }
        panic!("{path} does not end");
    }

    /// The ids of those rows, newest first.
    fn expected(&self, mut wanted: impl FnMut(&UsageRow) -> bool) -> Vec<String> {
        let mut ids: Vec<_> = self
            .rows
            .iter()
            .filter(|row| wanted(row))
            .map(|row| row.request_id.clone())
            .collect();
        ids.reverse();
        ids
    }
}

fn is_opus(row: &UsageRow) -> bool {
    row.price_model.ends_with("anthropic.claude-opus-4-1-20250805-v1:0")
}

fn is_of(row: &UsageRow, user: &str) -> bool {
    row.principal.as_str() == user
}

fn team_of(row: &UsageRow) -> &str {
    row.team.as_ref().map_or("", |team| team.as_str())
}

///
#[tokio::test]
async fn every_filter_keeps_what_it_names_and_pages_of_any_size_hold_all_of_it_once_and_in_order() {
    let api = Api::start().await;
    let day = |row: &UsageRow| row.started_at.to_string()[..10].to_owned();
    let opus = "anthropic.claude-opus-4-1-20250805-v1:0";
    type Wanted = Box<dyn Fn(&UsageRow) -> bool>;
    let cases: Vec<(Who, String, Wanted)> = vec![
        (ADMIN, String::new(), Box::new(|_| true)),
        (ADMIN, "user=user:ben".into(), Box::new(|row| is_of(row, "user:ben"))),
        (ADMIN, "team=blue".into(), Box::new(|row| team_of(row) == "blue")),
        (
            ADMIN,
            "team=blue&user=client:cat".into(),
            Box::new(|row| team_of(row) == "blue" && is_of(row, "client:cat")),
        ),
        (
            ADMIN,
            "success=true".into(),
            Box::new(|row| row.outcome == Outcome::Success),
        ),
        (
            ADMIN,
            "success=false".into(),
            Box::new(|row| row.outcome != Outcome::Success),
        ),
        (ADMIN, format!("model={opus}"), Box::new(is_opus)),
        (
            ADMIN,
            format!("model=us.{opus}"),
            Box::new(|row| row.price_model.starts_with("us.")),
        ),
        (
            ADMIN,
            format!("model={}", MODELS[2].0),
            Box::new(|row| row.model == MODELS[2].0),
        ),
        (
            ADMIN,
            "from=2026-11-25&to=2026-11-28".into(),
            Box::new(move |row| ("2026-11-25".."2026-11-29").contains(&&*day(row))),
        ),
        (
            ADMIN,
            "from=2026-11-26&to=2026-11-26&success=true".into(),
            Box::new(move |row| day(row) == "2026-11-26" && row.outcome == Outcome::Success),
        ),
        (
            ADMIN,
            "from=2026-11-25T02:10:00Z&to=2026-11-26T02:10:00Z".into(),
            Box::new(|row| ("2026-11-25T02:10:00Z".."2026-11-26T02:10:00Z").contains(&&*row.started_at.to_string())),
        ),
        (
            ADMIN,
            "to=2026-11-24".into(),
            Box::new(move |row| day(row) == "2026-11-24"),
        ),
        (ADMIN, "from=2026-11-27&to=2026-11-27".into(), Box::new(|_| false)),
        (ANN, String::new(), Box::new(|row| is_of(row, "user:ann"))),
        (
            ANN,
            "user=user:ann&team=blue".into(),
            Box::new(|row| is_of(row, "user:ann") && team_of(row) == "blue"),
        ),
        (
            ANN,
            format!("success=true&model={opus}&from=2026-11-25"),
            Box::new(move |row| {
                is_of(row, "user:ann") && is_opus(row) && row.outcome == Outcome::Success && *day(row) >= *"2026-11-25"
            }),
        ),
        (
            ANN,
            "to=2026-11-25T00:00:00Z".into(),
            Box::new(move |row| is_of(row, "user:ann") && day(row) == "2026-11-24"),
        ),
        (LEAD, "team=red".into(), Box::new(|row| team_of(row) == "red")),
        (
            LEAD,
            "team=red&user=user:ann&success=false".into(),
            Box::new(|row| team_of(row) == "red" && is_of(row, "user:ann") && row.outcome != Outcome::Success),
        ),
        (LEAD, String::new(), Box::new(|_| false)),
    ];
    for (who, query, wanted) in cases {
        let expected = api.expected(wanted);
        for limit in [1, 2, 3, 7, 59, 60, 61, 500] {
            assert_eq!(
                api.ids(who, &query, limit).await,
                expected,
                "{who:?} {query} by {limit}"
            );
        }
    }
}

///
#[tokio::test]
async fn others_rows_are_for_admins_a_teams_for_its_admins_and_nobodys_for_nobody() {
    let api = Api::start().await;
    let nobody = api
        .functions
        .call("admin", &request("GET", "/api/usage/records?limit=x").event())
        .await;
    assert_eq!(nobody.http().status, 401, "before anything else is looked at");
    let keys: Who = ("user:ann", "keys files models:invoke", "red");
    let loose: Who = ("user:lead", "usage:read team:admin", "");
    for (who, query, status) in [
        (keys, "", 403),
        (keys, "limit=x", 403),
        (ANN, "user=user:ben", 403),
        (ANN, "team=red", 403),
        (ANN, "team=blue", 403),
        (ANN, "user=user:ben&team=red", 403),
        (LEAD, "team=blue", 403),
        (LEAD, "user=user:ann", 403),
        (LEAD, "user=user:ann&team=blue", 403),
        (loose, "team=red", 403),
        (("user:lead", "team:admin", "red"), "", 403),
        (("user:lead", "team:admin", "red"), "team=red", 200),
        (ADMIN, "user=user:ann", 200),
    ] {
        let answer = api.get(who, &format!("/api/usage/records?{query}")).await;
        assert_eq!(answer.status, status, "{who:?} {query}: {:?}", answer.body);
        if status == 403 {
            assert_eq!(answer.json()["records"], Value::Null);
        }
    }
}

///
#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_and_filters_alone() {
    let api = Api::start().await;
    let cursor = async |who: Who, query: &str| {
        let page = api
            .get(who, &format!("/api/usage/records?limit=2&{query}"))
            .await
            .json();
        page["next_cursor"].as_str().unwrap().to_owned()
    };
    let (all, bens) = (cursor(ADMIN, "").await, cursor(ADMIN, "user=user:ben").await);
    let failed = cursor(ADMIN, "success=false").await;
    let keys = api.get(("user:alice", "keys", ""), "/api/keys?limit=1").await.json();
    for (who, query, cursor) in [
        (ADMIN, "user=user:ben", &*all),
        (ADMIN, "", &*bens),
        (ADMIN, "user=user:ann", &*bens),
        (ADMIN, "success=true", &*failed),
        (ADMIN, "success=false&team=red", &*failed),
        (ADMIN, "to=2026-11-30", &*all),
        (ADMIN, "format=csv", "e30"),
        (ANN, "", &*bens),
        (ANN, "", &*all),
        (LEAD, "team=red", &*all),
        (ANN, "", keys["next_cursor"].as_str().unwrap()),
    ] {
        let answer = api
            .get(who, &format!("/api/usage/records?{query}&cursor={cursor}"))
            .await;
        assert_eq!(answer.status, 400, "{who:?} {query} {cursor}: {:?}", answer.body);
        assert!(!String::from_utf8_lossy(&answer.body).contains("request_id\":\"2026"));
    }
    // A page may be of another size and form.
    let answer = api
        .get(ADMIN, &format!("/api/usage/records?limit=9&format=csv&cursor={all}"))
        .await;
    assert_eq!(answer.status, 200);
}

/// what goes into a sheet comes out of it.
#[tokio::test]
async fn csv_parses_back_to_the_records_and_no_cell_of_it_is_a_formula() {
    let api = Api::start().await;
    let mut hostile = usage_row(0);
    hostile.principal = "user:-2+3".parse().unwrap();
    hostile.team = Some("-red.1".parse().unwrap());
    hostile.started_at = "2026-11-30T00:00:00Z".parse().unwrap();
    hostile.upstream_request_id = Some("=HYPERLINK(\"http://x\",\"a,b\"\r\n)".into());
    hostile.price_version = "@SUM(A1)".into();
    hostile.region = "\tx".into();
    api.backing.store().record_usage(&hostile, 400).await.unwrap();
    let (mut path, mut lines) = ("/api/usage/records?limit=7&from=2026-11-01".to_owned(), Vec::new());
    let first = path.clone();
    loop {
        let answer = api.get_with(ADMIN, &path, &[("accept", "text/csv")]).await;
        assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
        assert_eq!(
            answer.headers["content-disposition"],
            "attachment; filename=\"usage-records.csv\""
        );
        let mut reader = csv::Reader::from_reader(&*answer.body);
        let columns = reader.headers().unwrap().clone();
        lines.extend(reader.records().map(|line| {
            let pairs = columns
                .iter()
                .map(str::to_owned)
                .zip(line.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
            pairs.collect::<std::collections::BTreeMap<_, _>>()
        }));
        let Some(cursor) = answer.headers.get("x-next-cursor") else {
            assert!(!answer.headers.contains_key("link"));
            break;
        };
        path = format!("{first}&cursor={}", cursor.to_str().unwrap());
        let link = answer.headers["link"].to_str().unwrap();
        let link = link
            .strip_prefix("<?")
            .unwrap()
            .strip_suffix(">; rel=\"next\"")
            .unwrap();
        let sorted = |query: &str| {
            let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
            pairs.sort();
            pairs
        };
        assert_eq!(sorted(link), sorted(path.split_once('?').unwrap().1));
    }
    let mut expected = api.rows.clone();
    expected.push(hostile);
    expected.sort_by_key(|row| std::cmp::Reverse(row.started_at));
    assert_eq!(lines.len(), expected.len());
    for (line, row) in lines.iter().zip(&expected) {
        assert_eq!(line["request_id"], row.request_id);
        assert_eq!(line["cost_picodollars"], row.cost_picodollars.as_u128().to_string());
        assert_eq!(line["cost_dollars"], row.cost_picodollars.to_string());
        assert_eq!(line["outcome"], row.outcome.label());
        assert_eq!(line["started_at"], row.started_at.to_string());
        assert_eq!(line["model"], row.model);
        assert!(
            line.values()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])),
            "{line:?}"
        );
    }
    let odd = lines.iter().find(|line| line["principal"] == "user:-2+3").unwrap();
    assert_eq!(odd["team"], "'-red.1");
    assert_eq!(odd["upstream_request_id"], "'=HYPERLINK(\"http://x\",\"a,b\"\r\n)");
    assert_eq!((&*odd["price_version"], &*odd["region"]), ("'@SUM(A1)", "'\tx"));
}

/// Whatever a filter looks for, and however many days have no row.
#[tokio::test]
async fn a_page_of_few_finds_among_many_rows_or_days_ends_with_a_cursor_and_loses_nothing() {
    let api = Api::start().await;
    let query = "from=2025-11-01&to=2026-12-01";
    let page = api
        .get(ADMIN, &format!("/api/usage/records?limit=500&{query}"))
        .await
        .json();
    let first = page["records"].as_array().unwrap().len();
    assert_eq!(first, api.rows.len(), "all of these are in the first 40 days");
    assert!(page["next_cursor"].is_string(), "and 360 days are left to look at");
    let all = api.ids(ADMIN, query, 500).await;
    assert_eq!(all.len(), api.rows.len() + 3, "the fixtures' rows are from January");
}

/// What somebody might send who wants more than they may have, or a page for a browser.
const HOSTILE: [&str; 24] = [
    "'%20OR%20'1'='1",
    "%22%7D%2C%7B%22S%22%3A%22x%22%7D",
    "user%3Aann%23",
    "user:ann%00",
    "USAGE%23user:ann",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E",
    "..%2f..%2fetc%2fpasswd",
    "$%7Bjndi:ldap://x%7D",
    "%0d%0aset-cookie:%20a=b",
    "%e2%80%ae",
    "%ff",
    "*",
    "%25",
    "%7C",
    "%23",
    ":success",
    "%23model%20OR%20%23team",
    "1%20OR%20attribute_exists(pk)",
    "true%20",
    "-1",
    "1e9",
    "18446744073709551616",
    "%F0%9F%92%A5",
];

///
#[tokio::test]
async fn no_parameter_is_a_way_past_a_filter_or_into_a_page() {
    let api = Api::start().await;
    let parameters = [
        "from", "to", "model", "success", "user", "team", "limit", "cursor", "format", "x",
    ];
    for who in [ANN, LEAD, ADMIN] {
        for parameter in parameters {
            for text in HOSTILE {
                let path = format!("/api/usage/records?{parameter}={text}");
                let answer = api.get(who, &path).await;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                let what = format!("{who:?} {path}: {} {body}", answer.status);
                assert!([200, 400, 403].contains(&answer.status), "{what}");
                if answer.status == 200 {
                    // What is well formed finds nothing: there is no such model or team.
                    assert_eq!(answer.json()["records"], json!([]), "{what}");
                }
                let content_type = answer.headers["content-type"].to_str().unwrap();
                assert!(
                    ["application/json", "application/problem+json"].contains(&content_type),
                    "{what}"
                );
                assert_eq!(answer.headers["x-content-type-options"], "nosniff");
                assert!(
                    !body.contains('<') && !answer.headers.contains_key("set-cookie"),
                    "{what}"
                );
            }
        }
    }
}
