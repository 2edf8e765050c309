//! Prices, on the embedded DynamoDB: what admins may change, what a change does, and when a call sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::error::Kind;
use gateway::price::{BandRates, Entry, PriceList, Rates, ServiceTier, TokenRate};
use gateway::pricing::{CHECK_AFTER, COUNTS_FOR, Prices, current_book};
use gateway::store::{AuditEntry, PriceWrite, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::{Backing, nowhere};
use tests::event::{Request, request};
use tests::fixtures::held_clock;
use tests::in_process::Functions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const MODEL: &str = "us.anthropic.claude-opus-5";
const PATH: &str = "/api/admin/prices/us.anthropic.claude-opus-5";
const TIER: ServiceTier = ServiceTier::Default;
const SEED_INPUT: u64 = 5_500_000;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn by_admin(request: Request) -> Request {
    request.principal(json!({"principalId": "user:root", "sub": "user:root", "scopes": "admin"}))
}

fn five(rate: u64) -> Value {
    json!({"input": rate, "output": rate, "cache_read": rate, "cache_write_5m": rate, "cache_write_1h": rate})
}

fn body(from: &str, rate: u64) -> Value {
    json!({"effective_from": from, "rates": five(rate)})
}

async fn ask(functions: &Functions, request: Request) -> HttpAnswer {
    functions.call("admin", &by_admin(request).event()).await.http().clone()
}

async fn get(functions: &Functions, path: &str) -> Value {
    let answer = ask(functions, request("GET", path)).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

async fn put(functions: &Functions, from: &str, rate: u64) -> Value {
    let answer = ask(functions, request("PUT", PATH).json(&body(from, rate))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn export(functions: &Functions) -> String {
    let answer = ask(functions, request("GET", "/api/admin/prices.csv")).await;
    assert_eq!(
        (
            answer.status,
            &answer.headers["content-type"] == "text/csv; charset=utf-8"
        ),
        (200, true)
    );
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn import(functions: &Functions, query: &str, text: &str) -> HttpAnswer {
    let request = request("PUT", &format!("/api/admin/prices.csv{query}"));
    ask(functions, request.header("Content-Type", "text/csv").body(text)).await
}

/// Everything that a change could have changed: the revision, the whole book, the audit trail.
async fn everything(store: &Store) -> (u64, Vec<Entry>, Vec<AuditEntry>) {
    let revision = store.price_revision().await.unwrap();
    let entries = store.price_entries(revision).await.unwrap();
    (revision, entries, audit(store).await)
}

async fn audit(store: &Store) -> Vec<AuditEntry> {
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    store.audit_entries(since, until, 500, None).await.unwrap().items
}

async fn input_at(store: &Store, time: &str) -> Option<u64> {
    let seed = Arc::new(PriceList::embedded().unwrap());
    let book = current_book(store, seed).await.unwrap();
    let quote = book.quote(MODEL, TIER, at(time)).ok()?;
    Some(quote.rates.base.input.as_u64())
}

/// A-16
#[tokio::test]
async fn a_price_holds_from_its_day_on_and_what_is_deleted_gives_way_to_what_stands_below() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let (before, after) = ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z");
    let answer = put(&functions, after, 1).await;
    assert_eq!(
        (&answer["revision"], &answer["price"]["version"]),
        (&json!(1), &json!("book 1"))
    );
    assert_eq!(input_at(&store, before).await, Some(SEED_INPUT));
    assert_eq!(input_at(&store, after).await, Some(1));
    put(&functions, "2027-06-01T00:00:00Z", 2).await;
    assert_eq!(input_at(&store, "2027-05-31T23:59:59Z").await, Some(1));
    assert_eq!(input_at(&store, "2027-06-01T00:00:00Z").await, Some(2));
    // Again changes nothing, and leaves no trace.
    assert_eq!(put(&functions, after, 1).await["revision"], 2);
    let delete = async |query: &str| ask(&functions, request("DELETE", &format!("{PATH}?{query}"))).await;
    let unpriced = delete("effective_from=2027-06-01T00:00:00Z&unprice=true&tier=default").await;
    assert_eq!(
        (unpriced.status, &unpriced.json()["price"]["rates"]),
        (200, &Value::Null)
    );
    assert_eq!(
        input_at(&store, "2027-06-01T00:00:00Z").await,
        None,
        "unpriced is refused"
    );
    assert_eq!(delete("effective_from=2027-06-01T00:00:00Z").await.status, 200);
    assert_eq!(input_at(&store, "2027-06-01T00:00:00Z").await, Some(1));
    assert_eq!(delete("effective_from=2027-01-01T00:00:00Z").await.status, 200);
    assert_eq!(input_at(&store, "2027-06-01T00:00:00Z").await, Some(SEED_INPUT));
    assert_eq!(
        delete("effective_from=2027-01-01T00:00:00Z").await.status,
        404,
        "it is gone"
    );
    assert_eq!(
        delete("effective_from=1970-01-01T00:00:00Z").await.status,
        404,
        "what is built in stays"
    );
    let trail = audit(&store).await;
    let told: Vec<_> = trail
        .iter()
        .map(|it| (&*it.action, it.before.is_some(), it.after.is_some()))
        .collect();
    let mut expected = [
        ("price.put", false, true),
        ("price.put", false, true),
        ("price.unprice", true, true),
        ("price.delete", true, false),
        ("price.delete", true, false),
    ];
    // The clock stands still, so entries of one moment are in no order.
    expected.sort_unstable();
    let mut sorted = told;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert!(
        trail
            .iter()
            .all(|entry| entry.actor.as_str() == "user:root" && entry.request_id.len() == 36)
    );
}

/// A-16: what a row was priced by can be looked up for ever.
#[tokio::test]
async fn a_revision_that_counted_once_can_be_read_when_it_counts_no_more() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    put(&functions, "2026-01-01T00:00:00Z", 1).await;
    put(&functions, "2026-01-01T00:00:00Z", 2).await;
    let input = async |revision| {
        store.price_entries(revision).await.unwrap()[0]
            .rates
            .unwrap()
            .base
            .input
            .as_u64()
    };
    assert_eq!((input(1).await, input(2).await), (1, 2));
}

/// A-16
#[tokio::test]
async fn prices_are_listed_in_pages_and_by_model_tier_and_time() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    put(&functions, "2027-01-01T00:00:00Z", 1).await;
    let all = PriceList::embedded().unwrap().keys().len() + 1;
    let (mut seen, mut path) = (Vec::new(), "/api/admin/prices?limit=100".to_owned());
    loop {
        let page = get(&functions, &path).await;
        seen.extend(page["prices"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/admin/prices?limit=100&cursor={cursor}");
    }
    let key =
        |price: &Value| ["model", "tier", "effective_from"].map(|field| price[field].as_str().unwrap().to_owned());
    let mut keys: Vec<_> = seen.iter().map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((seen.len(), keys.len()), (all, all));
    let of = async |query: &str| get(&functions, &format!("/api/admin/prices?{query}")).await["prices"].clone();
    let opus = of(&format!("model={MODEL}")).await;
    assert_eq!(opus.as_array().unwrap().len(), 2);
    assert_eq!(
        (&opus[0]["source"], &opus[0]["version"]),
        (&json!("seed"), &json!("litellm 1.109.1"))
    );
    assert_eq!(
        (&opus[1]["source"], &opus[1]["version"]),
        (&json!("book"), &json!("book 1"))
    );
    let then = of(&format!("model={MODEL}&at=2026-12-31T00:00:00Z")).await;
    assert_eq!(
        (then.as_array().unwrap().len(), &then[0]["source"]),
        (1, &json!("seed"))
    );
    let later = of(&format!("model={MODEL}&at=2027-01-01T00:00:00Z&tier=default")).await;
    assert_eq!(
        (later.as_array().unwrap().len(), &later[0]["rates"]["input"]),
        (1, &json!(1))
    );
    let flex = of("tier=flex&limit=500").await;
    assert!(flex.as_array().unwrap().iter().all(|price| price["tier"] == "flex"));
    let one = get(&functions, PATH).await;
    assert_eq!((&one["context_tokens"], &one["prices"]), (&json!(1_000_000), &opus));
}

/// A-16, A-19: nothing of it is taken, and nothing is a 500.
#[tokio::test]
async fn a_price_that_is_none_is_refused_and_changes_nothing() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    put(&functions, "2027-01-01T00:00:00Z", 1).await;
    let before = everything(&store).await;
    let good = body("2027-01-01T00:00:00Z", 7);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        body
    };
    let mut bodies = vec![json!({}), json!([]), json!({"effective_from": "2027-01-01T00:00:00Z"})];
    for bad in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("1"),
        json!(null),
        json!(1_000_000_000_001_u64),
        json!(1e30),
        json!(true),
    ] {
        bodies.push(changed(&|body| body["rates"]["input"] = bad.clone()));
    }
    bodies.push(changed(&|body| body["rates"]["cost"] = json!(1)));
    bodies.push(changed(&|body| {
        body["rates"]
            .as_object_mut()
            .unwrap()
            .remove("cache_read")
            .map_or((), drop)
    }));
    bodies.push(changed(&|body| body["model"] = json!("us.a.b")));
    for bad in ["reserved", "", "Default", "flex' OR 1=1"] {
        bodies.push(changed(&|body| body["tier"] = json!(bad)));
    }
    for bad in ["2027-01-01", "1969-12-31T23:59:59Z", "tomorrow", ""] {
        bodies.push(changed(&|body| body["effective_from"] = json!(bad)));
    }
    for above in [json!(0), json!(-1), json!(1_000_000_001), json!(null)] {
        let mut long = five(1);
        long["above_tokens"] = above;
        bodies.push(changed(&|body| body["long_context"] = long.clone()));
    }
    bodies.push(changed(&|body| body["long_context"] = json!({"above_tokens": 5})));
    for body in bodies {
        let answer = ask(&functions, request("PUT", PATH).json(&body)).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    for id in [
        "claude",
        "us.a%20b",
        "us.a%27--",
        "us.a%0Ab",
        "US.a.b",
        "us.a..b",
        "%24ne.b",
        "%7B%22S%22:1%7D.a",
        "a.%C3%A9",
        "arn:aws:bedrock:us-east-1::foundation-model",
        "a.b%23R",
        "PRICES",
        "..%2F..",
        "%00.a",
    ] {
        let answer = ask(
            &functions,
            request("PUT", &format!("/api/admin/prices/{id}")).json(&good),
        )
        .await;
        assert!([400, 404].contains(&answer.status), "{id}: {answer:?}");
        for (method, query) in [("GET", ""), ("DELETE", "?effective_from=2027-01-01T00:00:00Z")] {
            let answer = ask(&functions, request(method, &format!("/api/admin/prices/{id}{query}"))).await;
            assert!([400, 404].contains(&answer.status), "{method} {id}: {answer:?}");
        }
    }
    for query in [
        "limit=0",
        "limit=501",
        "tier=reserved",
        "model=us.a%20b",
        "at=now",
        "cursor=e30",
        "cursor=S0VZIw",
        "order=asc",
        "model=a.b&model=a.c",
    ] {
        let answer = ask(&functions, request("GET", &format!("/api/admin/prices?{query}"))).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    for query in [
        "",
        "?tier=default",
        "?effective_from=x",
        "?effective_from=2027-01-01T00:00:00Z&unprice=yes",
    ] {
        let answer = ask(&functions, request("DELETE", &format!("{PATH}{query}"))).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    let unknown = "/api/admin/prices/us.no.such-model?effective_from=2027-01-01T00:00:00Z&unprice=true";
    assert_eq!(ask(&functions, request("DELETE", unknown)).await.status, 404);
    assert_eq!(everything(&store).await, before);
}

/// A-18: the right comes after who one is, and neither the price nor its existence is told without it.
#[tokio::test]
async fn prices_are_for_admins_alone() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (method, path) in [
        ("GET", "/api/admin/prices"),
        ("GET", "/api/admin/prices.csv"),
        ("PUT", "/api/admin/prices.csv"),
        ("GET", PATH),
        ("PUT", PATH),
        ("DELETE", PATH),
        ("GET", "/api/admin/prices/us.no.such-model"),
        ("PUT", "/api/admin/prices/not-an-id"),
    ] {
        let status = async |request: Request| functions.call("admin", &request.event()).await.http().status;
        assert_eq!(status(request(method, path)).await, 401, "{method} {path} by nobody");
        assert_eq!(
            status(request(method, path).by("user:alice")).await,
            403,
            "{method} {path} by a user"
        );
    }
}

/// A-17
#[tokio::test]
async fn what_export_gives_import_takes_and_nothing_changes() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    put(&functions, "2027-01-01T00:00:00Z", 1).await;
    let before = everything(&store).await;
    let text = export(&functions).await;
    let lines = PriceList::embedded().unwrap().keys().len() + 1;
    assert_eq!(text.lines().count(), lines + 1);
    for query in ["", "?dry_run=true", "?dry_run=false"] {
        let answer = import(&functions, query, &text).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let expected = json!({
            "total_processed": lines, "revision": 1, "added": 0, "changed": 0, "removed": 0, "unchanged": lines,
            "changes": [],
        });
        assert_eq!(answer.json(), expected, "{query}");
    }
    assert_eq!(everything(&store).await, before);
    assert_eq!(export(&functions).await, text);
}

/// A-17
#[tokio::test]
async fn an_import_is_the_whole_book_and_a_dry_run_tells_what_it_would_be() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    for (from, rate) in [
        ("2027-01-01T00:00:00Z", 1),
        ("2027-02-01T00:00:00Z", 2),
        ("2027-03-01T00:00:00Z", 3),
    ] {
        put(&functions, from, rate).await;
    }
    let header = export(&functions).await.lines().next().unwrap().to_owned();
    let text = [
        &header,
        "us.anthropic.claude-opus-5,default,2027-01-01T00:00:00Z,book,yes,1,1,1,1,1,,,,,,",
        "us.anthropic.claude-opus-5,default,2027-02-01T00:00:00Z,book,no,,,,,,,,,,,",
        "us.brand.new-v1:0,flex,2027-02-01T00:00:00Z,book,yes,1,2,3,4,5,200000,2,3,4,5,6",
    ]
    .join("\n");
    let before = everything(&store).await;
    let would = import(&functions, "?dry_run=true", &text).await.json();
    let counts =
        ["total_processed", "added", "changed", "removed", "unchanged"].map(|name| would[name].as_u64().unwrap());
    assert_eq!((counts, &would["revision"]), ([3, 1, 1, 1, 1], &json!(3)));
    let changes: Vec<_> = would["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["change"].clone())
        .collect();
    assert_eq!(changes, ["changed", "added", "removed"]);
    assert_eq!(would["changes"][0]["before"]["rates"]["input"], 2);
    assert_eq!(would["changes"][0]["after"]["rates"], Value::Null);
    assert_eq!(everything(&store).await, before, "a dry run writes nothing");
    let is = import(&functions, "", &text).await.json();
    assert_eq!(
        (&is["revision"], &is["changes"]),
        (&json!(4), &would["changes"]),
        "and the same happens without it"
    );
    assert_eq!(input_at(&store, "2027-01-15T00:00:00Z").await, Some(1));
    assert_eq!(input_at(&store, "2027-04-01T00:00:00Z").await, None);
    let revisions: Vec<_> = store
        .price_entries(4)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.revision)
        .collect();
    assert_eq!(revisions, [1, 4, 4], "what stays keeps its revision");
    assert_eq!(
        audit(&store)
            .await
            .iter()
            .filter(|entry| entry.action == "price.import")
            .count(),
        1
    );
}

/// A-17
#[tokio::test]
async fn one_bad_line_of_a_whole_book_keeps_all_of_it_out() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    put(&functions, "2027-01-01T00:00:00Z", 1).await;
    let before = everything(&store).await;
    let text = export(&functions).await;
    let bad = format!("{text}us.brand.new,default,2027-02-01T00:00:00Z,book,yes,-1,2,3,4,5,,,,,,\n");
    let answer = import(&functions, "", &bad).await;
    assert_eq!(
        (
            answer.status,
            &answer.headers["content-type"] == "application/problem+json"
        ),
        (400, true)
    );
    let line = text.lines().count() + 1;
    let errors = &answer.json()["errors"];
    assert_eq!(
        (errors.as_array().unwrap().len(), &errors[0]["line"]),
        (1, &json!(line))
    );
    assert!(errors[0]["reason"].as_str().unwrap().starts_with("input: "), "{errors}");
    let own = |count: usize| {
        let line = |number| format!("us.model-{number},default,2027-01-01T00:00:00Z,book,yes,1,2,3,4,5,,,,,,\n");
        let header = text.lines().next().unwrap();
        format!("{header}\n{}", (0..count).map(line).collect::<String>())
    };
    assert_eq!(import(&functions, "", &own(5_001)).await.status, 413);
    assert_eq!(import(&functions, "?dry_run=yes", &text).await.status, 400);
    assert_eq!(import(&functions, "?dry=true", &text).await.status, 400);
    assert_eq!(import(&functions, "", &format!("\u{feff}{text}")).await.status, 400);
    let as_json = request("PUT", "/api/admin/prices.csv").json(&json!({}));
    assert_eq!(ask(&functions, as_json).await.status, 415);
    assert_eq!(everything(&store).await, before);
    assert_eq!(
        import(&functions, "", &own(5_000)).await.json()["added"],
        5_000,
        "so many are taken"
    );
    let next = json!({"effective_from": "2028-01-01T00:00:00Z", "rates": five(1)});
    assert_eq!(
        ask(&functions, request("PUT", PATH).json(&next)).await.status,
        413,
        "and then not one more"
    );
    assert_eq!(store.price_revision().await.unwrap(), 2);
}

fn entry(rate: u64) -> Entry {
    let base = BandRates::from([TokenRate::try_from(rate).unwrap(); 5]);
    Entry {
        model: MODEL.parse().unwrap(),
        tier: TIER,
        effective_from: at("2026-01-01T00:00:00Z"),
        rates: Some(Rates {
            base,
            long_context: None,
        }),
        revision: 1,
    }
}

fn told(rate: u64) -> AuditEntry {
    let actor = "user:root".parse().unwrap();
    let (time, change) = (at("2026-12-01T00:00:00Z"), (None, Some(json!(rate))));
    AuditEntry::new(time, actor, "price.put", rate.to_string(), change, "r".into()).unwrap()
}

async fn write(store: &Store, revision: u64, rate: u64) -> PriceWrite {
    store.write_prices(revision, &[entry(rate)], &told(rate)).await.unwrap()
}

#[tokio::test]
async fn a_change_that_is_written_again_after_a_lost_answer_is_one() {
    let backing = Backing::start().await;
    let (store, audit) = (backing.store(), told(1));
    for _ in 0..2 {
        let outcome = store.write_prices(0, &[entry(1)], &audit).await.unwrap();
        assert_eq!(outcome, PriceWrite::Written);
    }
    let (revision, entries, trail) = everything(&store).await;
    assert_eq!((revision, entries.len(), trail.len()), (1, 1, 1));
}

/// A-17
#[tokio::test]
async fn a_change_that_was_overtaken_writes_nothing_at_all() {
    let backing = Backing::start().await;
    let store = backing.store();
    assert_eq!(write(&store, 0, 1).await, PriceWrite::Written);
    let before = everything(&store).await;
    for stale in [0, 2, 7] {
        assert_eq!(write(&store, stale, 9).await, PriceWrite::Overtaken, "{stale}");
    }
    assert_eq!(everything(&store).await, before);
    assert_eq!(write(&store, 1, 2).await, PriceWrite::Written);
}

/// A-17
#[tokio::test]
async fn of_changes_at_once_each_is_whole_or_answered_with_409() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let puts = (1..=12_u64).map(|rate| {
        let request = request("PUT", &format!("/api/admin/prices/us.model.number-{rate}"));
        ask(&functions, request.json(&body("2027-01-01T00:00:00Z", rate)))
    });
    let answers: Vec<_> = join_all(puts).await.into_iter().map(|answer| answer.status).collect();
    let written = answers.iter().filter(|status| **status == 200).count();
    assert!(
        written >= 1 && answers.iter().all(|status| [200, 409].contains(status)),
        "{answers:?}"
    );
    let (revision, entries, trail) = everything(&store).await;
    assert_eq!(
        (usize::try_from(revision).unwrap(), entries.len(), trail.len()),
        (written, written, written)
    );
}

async fn quoted(prices: &Prices) -> Result<u64, Kind> {
    let quote = prices.quote(MODEL, TIER, at("2026-12-01T00:00:00Z")).await;
    quote
        .map(|quote| quote.rates.base.input.as_u64())
        .map_err(|error| error.kind)
}

/// A-16: the lag that the documents state.
#[tokio::test]
async fn a_change_is_seen_after_a_minute_and_not_asked_for_before() {
    let backing = Backing::start().await;
    let (store, clock) = (backing.store(), held_clock());
    let prices = Prices::new(backing.store(), clock.clone()).unwrap();
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    assert_eq!(write(&store, 0, 1).await, PriceWrite::Written);
    clock.advance_seconds(CHECK_AFTER.as_secs() - 1);
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    clock.advance_seconds(1);
    assert_eq!(quoted(&prices).await, Ok(1));
    assert_eq!(write(&store, 1, 2).await, PriceWrite::Written);
    clock.advance_seconds(-3600);
    assert_eq!(quoted(&prices).await, Ok(2), "a clock that was set back hides nothing");
    let none = prices.quote("us.no.such-model", TIER, clock.now()).await.unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
    let none = prices
        .quote(MODEL, ServiceTier::Priority, clock.now())
        .await
        .unwrap_err();
    assert_eq!(none.kind, Kind::NotFound);
}

#[tokio::test]
async fn without_the_table_a_known_book_counts_for_ten_minutes_and_an_unknown_one_never() {
    let backing = Backing::start().await;
    let clock = held_clock();
    let prices = Prices::new(backing.store(), clock.clone()).unwrap();
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    let down = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &nowhere())]);
    let table = down.table().unwrap();
    let nothing = Store::new(Aws::from_environment(down).unwrap().dynamodb(), table);
    assert_eq!(
        quoted(&Prices::new(nothing, clock.clone()).unwrap()).await,
        Err(Kind::Unavailable)
    );
    drop(backing);
    clock.advance_seconds(COUNTS_FOR.as_secs() - 1);
    assert_eq!(quoted(&prices).await, Ok(SEED_INPUT));
    clock.advance_seconds(1);
    assert_eq!(quoted(&prices).await, Err(Kind::Unavailable));
}

/// A table that takes connections and closes them, and how many it took.
async fn broken_table() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, count) = (
        format!("http://{}", listener.local_addr().unwrap()),
        Arc::new(AtomicUsize::new(0)),
    );
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (url, count)
}

#[tokio::test]
async fn concurrent_callers_share_one_failure_and_the_next_one_tries_again() {
    let backing = Backing::start().await;
    let (url, count) = broken_table().await;
    let variables = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]);
    let table = variables.table().unwrap();
    let store = Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table);
    let prices = Prices::new(store, held_clock()).unwrap();
    let answers = join_all((0..20).map(|_| quoted(&prices))).await;
    assert!(
        answers.iter().all(|answer| *answer == Err(Kind::Unavailable)),
        "{answers:?}"
    );
    let of_one = count.load(Ordering::SeqCst);
    assert!(of_one > 0);
    assert_eq!(quoted(&prices).await, Err(Kind::Unavailable));
    assert_eq!(
        count.load(Ordering::SeqCst),
        2 * of_one,
        "the SDK tries as often for one as it did for twenty"
    );
}

/// Passes on what goes to `upstream`, and counts the readings in it.
async fn counting_proxy(upstream: &str, count: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = upstream.trim_start_matches("http://").trim_end_matches('/').to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(passed_on(client, server, count.clone()));
        }
    });
    url
}

async fn passed_on(client: TcpStream, server: TcpStream, count: Arc<AtomicUsize>) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let requests = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let text = String::from_utf8_lossy(&buffer[..length]);
            count.fetch_add(text.matches("DynamoDB_20120810.GetItem").count(), Ordering::SeqCst);
            to_server.write_all(&buffer[..length]).await.unwrap();
        }
    };
    tokio::select! {
        () = requests => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_callers_cause_one_reading() {
    let backing = Backing::start().await;
    assert_eq!(write(&backing.store(), 0, 1).await, PriceWrite::Written);
    let count = Arc::new(AtomicUsize::new(0));
    let direct = backing
        .variables("admin", &[])
        .text("AWS_ENDPOINT_URL_DYNAMODB")
        .unwrap();
    let counted = counting_proxy(&direct, count.clone()).await;
    let variables = backing.variables("admin", &[("AWS_ENDPOINT_URL_DYNAMODB", &counted)]);
    let table = variables.table().unwrap();
    let store = Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table);
    let clock: Clock = held_clock();
    let prices = Arc::new(Prices::new(store, clock.clone()).unwrap());
    let ask = async || {
        let callers = (0..50).map(|_| {
            let prices = prices.clone();
            tokio::spawn(async move { quoted(&prices).await })
        });
        let answers = join_all(callers).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == Ok(1)));
    };
    ask().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "the head and the revision");
    ask().await;
    assert_eq!(count.load(Ordering::SeqCst), 2, "known");
    clock.advance_seconds(CHECK_AFTER.as_secs());
    ask().await;
    assert_eq!(
        count.load(Ordering::SeqCst),
        3,
        "the head alone, since it has not moved"
    );
}
