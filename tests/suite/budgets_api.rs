//! Budgets over the routes: limits are exact, changes lose nothing of what is spent or held, and everybody sees their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use gateway::budget::{Amount, BudgetId, ScopeKind, Unit, Window};
use gateway::store::{BudgetState, Hold, Store};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::in_process::Functions;

struct Api {
    functions: Functions,
    store: Store,
    _backing: Backing,
}

const MONTH: &str = "2026-12";

fn by(method: &str, path: &str, sub: &str, scopes: &str, more: &Value) -> Request {
    let mut principal = json!({"principalId": sub, "sub": sub, "scopes": scopes});
    for (name, value) in more.as_object().into_iter().flatten() {
        principal[name] = value.clone();
    }
    request(method, path).principal(principal)
}

fn by_root(method: &str, path: &str) -> Request {
    by(method, path, "user:root", "admin", &Value::Null)
}

fn money(dollars: &str) -> Value {
    json!({"limits": [{"unit": "picodollars", "window": "month", "limit_dollars": dollars}]})
}

/// The budget of this month's money.
fn budget(scope: ScopeKind, id: &str) -> BudgetId {
    let now = tests::fixtures::held_clock().now();
    BudgetId {
        scope,
        id: id.into(),
        unit: Unit::Picodollars,
        window: Window::Month,
        start: Window::Month.start(now),
    }
}

fn sum_of(state: &BudgetState) -> i128 {
    let signed = |amount: Amount| i128::try_from(amount.as_u128()).unwrap();
    state.available + signed(state.held()) + signed(state.spent)
}

fn assert_balanced(state: &BudgetState) {
    assert_eq!(
        sum_of(state),
        i128::try_from(state.limit.as_u128()).unwrap(),
        "{state:?}"
    );
}

impl Api {
    async fn start() -> Self {
        let backing = Backing::start().await;
        Self {
            functions: Functions::new(&backing),
            store: backing.store(),
            _backing: backing,
        }
    }

    async fn ask(&self, request: Request) -> HttpAnswer {
        self.functions.call("admin", &request.event()).await.http()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(by_root("GET", path)).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        answer.json()
    }

    async fn put(&self, whose: &str, body: &Value) -> HttpAnswer {
        self.ask(by_root("PUT", &format!("/api/admin/budgets/{whose}")).json(body))
            .await
    }

    /// Puts what must be fine.
    async fn set(&self, whose: &str, body: &Value) -> Value {
        let answer = self.put(whose, body).await;
        assert_eq!(answer.status, 200, "{whose} {body}: {:?}", answer.body);
        answer.json()
    }

    async fn hold(&self, budget: &BudgetId, request_id: &str, amount: u64) -> Hold {
        let limit = Amount::new(1_000);
        self.store
            .hold(budget, limit, request_id, Amount::new(amount), None)
            .await
            .unwrap()
    }

    async fn state(&self, budget: &BudgetId) -> BudgetState {
        self.store.budget_state(budget).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn limits_are_read_as_they_were_put_to_the_picodollar() {
    let api = Api::start().await;
    let put = api
        .set(
            "user/user:ann",
            &json!({"limits": [
                {"unit": "picodollars", "window": "month", "limit_dollars": "50.00", "alerts": [50, 100]},
                {"unit": "picodollars", "window": "day", "limit_picodollars": "99999999999999999999999999999999999999"},
                {"unit": "picodollars", "window": "total", "limit_picodollars": 18_446_744_073_709_551_615_u64},
                {"unit": "requests", "window": "minute", "limit": 60, "alerts": []},
                {"unit": "tokens", "window": "minute", "limit": "100000"},
            ]}),
        )
        .await;
    assert_eq!(put["limits"][0]["limit_picodollars"], "50000000000000");
    assert_eq!(put["limits"][0]["limit_dollars"], "50.000000000000");
    assert_eq!(put["limits"][0]["alerts"], json!([50, 100]));
    assert_eq!(
        put["limits"][1]["limit_dollars"],
        "99999999999999999999999999.999999999999"
    );
    assert_eq!(put["limits"][1]["alerts"], json!([50, 75, 90, 100]));
    assert_eq!(put["limits"][2]["limit_picodollars"], "18446744073709551615");
    assert_eq!(
        (&put["limits"][3]["limit"], &put["limits"][3]["limit_dollars"]),
        (&json!("60"), &Value::Null)
    );
    assert_eq!(put["limits"][4]["limit"], "100000");
    assert_eq!(
        (&put["scope"], &put["id"], &put["revision"]),
        (&json!("user"), &json!("user:ann"), &json!(1))
    );
    assert_eq!(api.get("/api/admin/budgets/user/user:ann").await, put);
    assert_eq!(api.get("/api/admin/budgets/user/user%3Aann").await, put);
    let again = api.set("user/user:ann", &money("0.000000000001")).await;
    assert_eq!(
        (&again["revision"], again["limits"].as_array().unwrap().len()),
        (&json!(2), 1)
    );
    assert_eq!(again["limits"][0]["limit_picodollars"], "1");
    assert_eq!(
        api.ask(by_root("DELETE", "/api/admin/budgets/user/user:ann"))
            .await
            .status,
        204
    );
    for method in ["GET", "DELETE"] {
        assert_eq!(
            api.ask(by_root(method, "/api/admin/budgets/user/user:ann"))
                .await
                .status,
            404
        );
    }
    let trail = api.get("/api/admin/audit?from=2026-12-01").await;
    let told: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["target"] == "user/user:ann")
        .collect();
    assert_eq!(told.len(), 3);
    let deleted = told.iter().find(|it| it["action"] == "budget.delete").unwrap();
    assert_eq!(
        (&deleted["before"], &deleted["after"], &deleted["actor"]),
        (&again, &Value::Null, &json!("user:root"))
    );
    assert!(told.iter().any(|it| it["before"] == Value::Null && it["after"] == put));
    assert!(told.iter().any(|it| it["before"] == put && it["after"] == again));
}

#[tokio::test]
async fn what_cannot_be_a_limit_is_a_400_and_changes_nothing() {
    let api = Api::start().await;
    let before = api.set("team/red", &money("5")).await;
    let limit = |limit: Value| json!({ "limits": [limit] });
    let requests = |count: Value| limit(json!({"unit": "requests", "window": "minute", "limit": count}));
    let dollars = |text: Value| limit(json!({"unit": "picodollars", "window": "month", "limit_dollars": text}));
    let picodollars = |text: Value| limit(json!({"unit": "picodollars", "window": "month", "limit_picodollars": text}));
    let alerts = |alerts: Value| limit(json!({"unit": "requests", "window": "day", "limit": 1, "alerts": alerts}));
    let one = json!({"unit": "requests", "window": "minute", "limit": 1});
    let mut bad = vec![
        json!({}),
        json!({"limits": null}),
        json!({"limits": {}}),
        json!({"limits": [null]}),
        json!({"limits": [one, one]}),
        json!({"limits": [], "revision": 7}),
        json!({"limits": [], "id": "blue"}),
        limit(json!({"unit": "requests", "window": "minute"})),
        limit(json!({"unit": "requests", "window": "minute", "limit": 1, "limit_dollars": "1"})),
        limit(json!({"unit": "picodollars", "window": "month", "limit": 1})),
        limit(json!({"unit": "picodollars", "window": "month", "limit_dollars": "1", "limit_picodollars": "1"})),
        limit(json!({"unit": "picodollars", "window": "month"})),
        limit(json!({"unit": "dollars", "window": "month", "limit": 1})),
        limit(json!({"unit": "requests", "window": "hour", "limit": 1})),
        limit(json!({"unit": "requests", "window": "minute", "limit": 1, "spent": 0})),
    ];
    bad.extend(
        [
            json!(-1),
            json!(1.5),
            json!(1e30),
            json!("1.0"),
            json!("-1"),
            json!(""),
            json!(" 1"),
            json!([1]),
            json!("9".repeat(39)),
        ]
        .map(requests),
    );
    bad.extend(
        [
            json!("-1"),
            json!("1e3"),
            json!("0.0000000000001"),
            json!(50),
            json!("1,5"),
            json!(""),
            json!("$5"),
            json!("9".repeat(27)),
        ]
        .map(dollars),
    );
    bad.extend(
        [
            json!("1.5"),
            json!(-1),
            json!(0.5),
            json!("9".repeat(39)),
            json!("0x10"),
        ]
        .map(picodollars),
    );
    bad.extend(
        [
            json!([0]),
            json!([101]),
            json!([50, 50]),
            json!(["50"]),
            json!([256]),
            json!((1..=11).collect::<Vec<_>>()),
        ]
        .map(alerts),
    );
    for body in &bad {
        let answer = api.put("team/red", body).await;
        assert_eq!(answer.status, 400, "{body}: {:?}", answer.body);
    }
    for (id, body) in [
        ("organisation/%2A", money("1")),
        ("key/a%23b", money("1")),
        ("user/alice", money("1")),
        ("team/a%20b", money("1")),
        ("moon/x", money("1")),
        ("organisation/x", money("1")),
    ] {
        assert_eq!(api.put(id, &body).await.status, 404, "{id}");
    }
    for model in [
        "us.anthropic.claude-opus-4-1-20250805-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model%2Fx",
    ] {
        assert_eq!(
            api.put(&format!("model/{model}"), &money("1")).await.status,
            400,
            "{model}"
        );
    }
    let no_json = by_root("PUT", "/api/admin/budgets/team/red")
        .header("Content-Type", "text/plain")
        .body("x");
    assert_eq!(api.ask(no_json).await.status, 415);
    assert_eq!(api.get("/api/admin/budgets/team/red").await, before);
    assert_eq!(api.get("/api/admin/budgets").await["budgets"], json!([before]));
}

#[tokio::test]
async fn who_has_seen_other_limits_changes_nothing() {
    let api = Api::start().await;
    let with = |method: &str, tag: &str| {
        let request = by_root(method, "/api/admin/budgets/team/red").header("If-Match", tag);
        if method == "PUT" {
            request.json(&money("9"))
        } else {
            request
        }
    };
    assert_eq!(api.ask(with("PUT", "*")).await.status, 409, "there is nothing yet");
    let first = api.put("team/red", &money("1")).await;
    assert_eq!(first.headers["etag"], "\"1\"");
    for (tag, status) in [
        ("\"0\"", 409),
        ("\"2\"", 409),
        ("1", 409),
        ("", 409),
        ("\"1\"", 200),
        ("\"7\", \"2\"", 200),
        ("*", 200),
        ("\"2\"", 409),
    ] {
        assert_eq!(api.ask(with("PUT", tag)).await.status, status, "{tag}");
    }
    assert_eq!(api.ask(with("DELETE", "\"3\"")).await.status, 409);
    assert_eq!(api.ask(with("DELETE", "\"4\"")).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_once_each_is_made_whole_or_refused() {
    let api = Api::start().await;
    let limits = ["1", "2", "3", "4", "5", "6", "7", "8"].map(money);
    let answers = join_all(limits.iter().map(|limit| api.put("team/red", limit))).await;
    let made = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(
        answers.iter().all(|answer| [200, 409].contains(&answer.status)),
        "{answers:?}"
    );
    let set = api.get("/api/admin/budgets/team/red").await;
    assert_eq!(set["revision"], made, "as many revisions as changes");
    let last = answers.iter().map(HttpAnswer::json).find(|it| *it == set);
    assert!(last.is_some(), "and the last is one of them");
    let told = api.get("/api/admin/audit?action=budget.put&from=2026-12-01").await;
    assert_eq!(told["entries"].as_array().unwrap().len(), made, "and each is told once");
}

/// A limit moves, and what is spent and held stays.
#[tokio::test]
async fn a_changed_limit_moves_what_is_left_and_nothing_else() {
    let api = Api::start().await;
    let team = budget(ScopeKind::Team, "red");
    api.set(
        "team/red",
        &json!({"limits": [{"unit": "picodollars", "window": "month", "limit_picodollars": 1_000}]}),
    )
    .await;
    assert_eq!(
        api.get("/api/admin/budgets/team/red/state").await["budgets"][0]["available"],
        "1000"
    );
    assert!(matches!(api.hold(&team, "a", 300).await, Hold::Held { .. }));
    assert!(matches!(api.hold(&team, "b", 500).await, Hold::Held { .. }));
    api.store
        .settle_hold(&team, "a", Amount::new(300), Amount::new(250))
        .await
        .unwrap();
    for (limit, available) in [
        (2_000_u64, 1_250),
        (751, 1),
        (750, 0),
        (100, -650),
        (0, -750),
        (1_000, 250),
    ] {
        let body =
            json!({"limits": [{"unit": "picodollars", "window": "month", "limit_picodollars": limit.to_string()}]});
        api.set("team/red", &body).await;
        let state = api.state(&team).await;
        assert_balanced(&state);
        assert_eq!((state.limit, state.available), (Amount::new(limit), available));
        assert_eq!((state.spent, state.held()), (Amount::new(250), Amount::new(500)));
        let told = api.get("/api/admin/budgets/team/red/state").await["budgets"][0].clone();
        assert_eq!(
            (&told["limit"], &told["available"]),
            (&json!(limit.to_string()), &json!(available.to_string()))
        );
        assert_eq!((&told["spent"], &told["held"]), (&json!("250"), &json!("500")));
    }
    assert_eq!(
        api.hold(&team, "c", 251).await,
        Hold::Refused {
            available: Amount::new(250),
            limit: Amount::new(1_000)
        }
    );
    // Without a limit of its own the default holds, and with none the state stays as it is.
    api.set(
        "team/*",
        &json!({"limits": [{"unit": "picodollars", "window": "month", "limit_picodollars": 900}]}),
    )
    .await;
    assert_eq!(
        api.state(&team).await.limit,
        Amount::new(1_000),
        "a default moves nobody's"
    );
    assert_eq!(
        api.ask(by_root("DELETE", "/api/admin/budgets/team/red")).await.status,
        204
    );
    let state = api.state(&team).await;
    assert_balanced(&state);
    assert_eq!((state.limit, state.available), (Amount::new(900), 150));
    let told = api.get("/api/admin/budgets/team/red/state").await["budgets"][0].clone();
    assert_eq!((&told["is_default"], &told["available"]), (&json!(true), &json!("150")));
    assert_eq!(
        api.ask(by_root("DELETE", "/api/admin/budgets/team/*")).await.status,
        204
    );
    assert_eq!(api.state(&team).await, state);
    assert_eq!(api.get("/api/admin/budgets/team/red/state").await["budgets"], json!([]));
}

/// A small generator, so that a failure can be repeated.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a caller spent, in all its calls.
async fn calls(store: Store, budget: BudgetId, number: u64) -> u64 {
    let (mut seeded, mut spent) = (Seeded(number), 0);
    for call in 0..40 {
        let (id, held) = (format!("{number}-{call}"), seeded.below(200) + 1);
        let hold = store
            .hold(&budget, Amount::new(5_000), &id, Amount::new(held), None)
            .await;
        if !matches!(hold.unwrap(), Hold::Held { .. }) {
            continue;
        }
        let cost = if seeded.below(4) == 0 {
            0
        } else {
            seeded.below(held + 1)
        };
        // Every other answer is lost, and the write repeated.
        for _ in 0..=call % 2 {
            store
                .settle_hold(&budget, &id, Amount::new(held), Amount::new(cost))
                .await
                .unwrap();
        }
        spent += cost;
    }
    spent
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_change_under_calls_in_flight_keep_available_and_held_and_spent_the_limit() {
    let api = Api::start().await;
    let user = budget(ScopeKind::User, "user:busy");
    api.set(
        "user/user:busy",
        &json!({"limits": [{"unit": "picodollars", "window": "month", "limit_picodollars": 5_000}]}),
    )
    .await;
    let callers: Vec<_> = (0..6)
        .map(|number| tokio::spawn(calls(api.store.clone(), user.clone(), number)))
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (store, user, is_over) = (api.store.clone(), user.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut seen = 0;
            while !is_over.load(Ordering::SeqCst) {
                if let Some(state) = store.budget_state(&user).await.unwrap() {
                    assert_balanced(&state);
                    seen += 1;
                }
            }
            seen
        })
    };
    let (mut seeded, mut last) = (Seeded(7), 0);
    for _ in 0..40 {
        last = seeded.below(20_000);
        api.set(
            "user/user:busy",
            &json!({"limits": [{"unit": "picodollars", "window": "month", "limit_picodollars": last}]}),
        )
        .await;
    }
    let spent: u64 = join_all(callers).await.into_iter().map(Result::unwrap).sum();
    is_over.store(true, Ordering::SeqCst);
    assert!(watcher.await.unwrap() > 0);
    let state = api.state(&user).await;
    assert_balanced(&state);
    assert_eq!(
        (state.limit, state.spent, state.held()),
        (Amount::new(last), Amount::new(spent), Amount::ZERO)
    );
}

#[tokio::test]
async fn everybody_sees_what_is_left_of_their_own_and_admins_of_the_models_and_the_organisation() {
    let api = Api::start().await;
    let minute = json!({"unit": "requests", "window": "minute", "limit": 60});
    let month = json!({"unit": "picodollars", "window": "month", "limit_dollars": "50"});
    api.set("user/*", &json!({"limits": [minute, month]})).await;
    api.set("user/user:ann", &money("10")).await;
    api.set("team/red", &money("100")).await;
    api.set("team/blue", &money("200")).await;
    api.set("key/key_ann", &money("1")).await;
    api.set("model/anthropic.claude-opus-4-1-20250805-v1:0", &money("7"))
        .await;
    api.set("organisation/all", &money("1000")).await;
    let ann = budget(ScopeKind::User, "user:ann");
    api.store
        .hold(
            &ann,
            Amount::new(10_000_000_000_000),
            "r",
            Amount::new(4_000_000_000_000),
            None,
        )
        .await
        .unwrap();
    api.store
        .settle_hold(
            &ann,
            "r",
            Amount::new(4_000_000_000_000),
            Amount::new(1_500_000_000_001),
        )
        .await
        .unwrap();
    let own = async |sub: &str, scopes: &str, more: Value| {
        let answer = api.ask(by("GET", "/api/budgets", sub, scopes, &more)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer.json()["budgets"].as_array().unwrap().clone()
    };
    let names = |budgets: &[Value]| -> BTreeSet<String> {
        let name = |it: &Value| {
            format!(
                "{} {} {}",
                it["scope"].as_str().unwrap(),
                it["id"].as_str().unwrap(),
                it["unit"].as_str().unwrap()
            )
        };
        budgets.iter().map(name).collect()
    };
    let of = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    let anns = own("user:ann", "usage:read", json!({"team": "red", "key_id": "key_ann"})).await;
    assert_eq!(
        names(&anns),
        of(&[
            "user user:ann picodollars",
            "user user:ann requests",
            "team red picodollars",
            "key key_ann picodollars"
        ])
    );
    let month = anns
        .iter()
        .find(|it| it["scope"] == "user" && it["unit"] == "picodollars")
        .unwrap();
    assert_eq!(
        month["dollars"],
        json!({"limit": "10.000000000000", "spent": "1.500000000001", "held": "0.000000000000", "available": "8.499999999999"})
    );
    assert_eq!(
        (&month["window_start"], &month["resets_at"]),
        (&json!(MONTH), &json!("2027-01-01T00:00:00Z"))
    );
    assert_eq!(
        (&month["is_default"], &month["window"]),
        (&json!(false), &json!("month"))
    );
    let minute = anns.iter().find(|it| it["unit"] == "requests").unwrap();
    assert_eq!(
        (&minute["limit"], &minute["is_default"], &minute["resets_at"]),
        (&json!("60"), &json!(true), &json!("2026-12-01T12:01:00Z"))
    );
    assert_eq!(
        names(&own("user:ben", "usage:read", json!({"team": "none", "key_id": "key_ben"})).await),
        of(&["user user:ben picodollars", "user user:ben requests"])
    );
    assert_eq!(
        names(&own("client:x", "team:admin", json!({"team": "blue"})).await),
        of(&[
            "user client:x picodollars",
            "user client:x requests",
            "team blue picodollars"
        ])
    );
    assert_eq!(
        names(&own("user:root", "admin", Value::Null).await),
        of(&[
            "user user:root picodollars",
            "user user:root requests",
            "organisation all picodollars",
            "model anthropic.claude-opus-4-1-20250805-v1:0 picodollars",
        ])
    );
    assert_eq!(
        api.ask(by_root("GET", "/api/admin/budgets/user/*/state")).await.status,
        400
    );
    assert_eq!(
        api.ask(by("GET", "/api/budgets", "user:ann", "files keys", &Value::Null))
            .await
            .status,
        403
    );
    assert_eq!(api.ask(request("GET", "/api/budgets")).await.status, 401);
}

/// A-14, A-18
#[tokio::test]
async fn budgets_are_listed_in_pages_for_admins_alone() {
    let api = Api::start().await;
    for number in 0..7 {
        api.set(&format!("team/t{number}"), &money("1")).await;
    }
    for limit in [1, 2, 3, 7, 8] {
        let (mut ids, mut path) = (Vec::new(), format!("/api/admin/budgets?limit={limit}"));
        loop {
            let page = api.get(&path).await;
            let budgets = page["budgets"].as_array().unwrap();
            assert!(budgets.len() <= limit);
            ids.extend(budgets.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/admin/budgets?limit={limit}&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(ids, (0..7).map(|it| format!("t{it}")).collect::<Vec<_>>());
    }
    for (method, path) in [
        ("GET", "/api/admin/budgets?limit=x"),
        ("GET", "/api/admin/budgets/team/t0"),
        ("PUT", "/api/admin/budgets/team/t0"),
        ("DELETE", "/api/admin/budgets/team/t0"),
        ("GET", "/api/admin/budgets/team/t0/state"),
    ] {
        // The right is looked at before the body is.
        let user = by(
            method,
            path,
            "user:ann",
            "usage:read team:admin keys",
            &json!({"team": "t0"}),
        );
        assert_eq!(api.ask(user).await.status, 403, "{method} {path}");
        assert_eq!(api.ask(request(method, path)).await.status, 401, "{method} {path}");
    }
    let audits = api.get("/api/admin/audit?limit=1").await;
    let cursor = audits["next_cursor"].as_str().unwrap();
    assert_eq!(
        api.ask(by_root("GET", &format!("/api/admin/budgets?cursor={cursor}")))
            .await
            .status,
        400
    );
}

/// A-19, A-20
#[tokio::test]
async fn no_path_of_a_budget_leads_anywhere_else() {
    let api = Api::start().await;
    api.set("team/red", &money("1")).await;
    let hostile = [
        "..",
        "%2e%2e",
        "..%2f..%2f",
        "red%00",
        "red%23",
        "red%20",
        "%3Cscript%3E",
        "'%20OR%20'1'='1",
        "%7B%22S%22:%22x%22%7D",
        "%ff",
        "red%2F..%2Fblue",
        "RED%2A",
        "%25",
        "team%23red",
        "%e2%80%ae",
    ];
    for text in hostile {
        for path in [
            format!("{text}/red"),
            format!("team/{text}"),
            format!("user/{text}"),
            format!("key/{text}"),
            format!("organisation/{text}"),
        ] {
            for method in ["GET", "PUT", "DELETE"] {
                let request = by_root(method, &format!("/api/admin/budgets/{path}"));
                let answer = api
                    .ask(if method == "PUT" {
                        request.json(&money("1"))
                    } else {
                        request
                    })
                    .await;
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(
                    [400, 404, 405].contains(&answer.status),
                    "{method} {path}: {} {body}",
                    answer.status
                );
                assert!(
                    !body.contains('<') && !body.contains("script"),
                    "{method} {path}: {body}"
                );
            }
        }
    }
    assert_eq!(
        api.get("/api/admin/budgets").await["budgets"].as_array().unwrap().len(),
        1
    );
}
