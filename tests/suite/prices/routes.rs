//! The admin routes: one price at a time.

use gateway::price::PriceList;
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::in_process::Functions;

use super::{MODEL, PATH, SEED_INPUT, ask, audit, body, everything, five, get, input_at, put};

///
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

///
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

/// nothing of it is taken, and nothing is a 500.
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
            .retain(|name, _| name != "cache_read");
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

/// the right comes after who one is, and neither the price nor its existence is told without it.
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
