//! The whole book in one CSV, out and in.

use gateway::price::PriceList;
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::event::request;
use tests::in_process::Functions;

use super::{PATH, ask, audit, everything, export, five, import, input_at, put};

///
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

///
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

///
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
