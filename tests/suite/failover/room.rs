//! The planner of tokens a minute: a target's quota is shared by all environments, and never blocks where none is configured.

use gateway::usage::Outcome;
use serde_json::json;
use tests::backing::Backing;
use tests::books::rows;
use tests::in_process::Functions;

use super::{ALICE, ask, asking, regions, two};

/// `max_tokens` of 512 and a short prompt: one call fits into 1,000 tokens, and two do not.
const SMALL: [(&str, &str); 2] = [("east.tokens_a_minute", "1000"), ("west.tokens_a_minute", "1000")];

#[tokio::test]
async fn calls_under_way_fill_a_targets_minute_and_others_go_elsewhere_or_come_back_in_the_next() {
    let backing = Backing::start().await;
    let environments: Vec<Functions> = (0..3).map(|_| two(&backing, &SMALL)).collect();
    // All are under way at once.
    let body = asking(&json!({"hold": "all"}));
    let first = ask(&environments[0], &body);
    let second = ask(&environments[1], &body);
    let third = async {
        tests::local::eventually("two calls are under way", async || {
            (backing.mock.ledger().calls.len() == 2).then_some(())
        })
        .await;
        environments[2].clock.advance_seconds(15);
        let answer = ask(&environments[2], &body).await;
        backing.mock.release("all");
        answer
    };
    let (first, second, third) = futures_util::join!(first, second, third);
    assert_eq!((first.status, second.status, third.status), (200, 200, 429));
    assert_eq!(third.headers["retry-after"], "45");
    let ledger = backing.mock.ledger();
    let mut asked = regions(&ledger.calls);
    asked.sort_unstable();
    assert_eq!(asked, ["us-east-1", "us-west-2"]);
    let rows = rows(&backing.store(), ALICE).await;
    let refused: Vec<_> = rows.iter().filter(|row| row.outcome == Outcome::Throttled).collect();
    assert_eq!((rows.len(), refused.len()), (3, 1));
    assert_eq!(
        (refused[0].upstream_status, refused[0].cost_picodollars.as_u128()),
        (None, 0)
    );
    environments[2].clock.advance_seconds(45);
    assert_eq!(ask(&environments[2], &body).await.status, 200);
}

#[tokio::test]
async fn what_a_call_did_not_use_is_free_again_when_it_has_ended() {
    let backing = Backing::start().await;
    let functions = two(&backing, &SMALL);
    for _ in 0..3 {
        assert_eq!(ask(&functions, &asking(&json!({"output_tokens": 2}))).await.status, 200);
    }
    assert_eq!(regions(&backing.mock.ledger().calls), ["us-east-1"; 3]);
}

#[tokio::test]
async fn requests_a_minute_are_counted_and_refused_ones_are_not() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[("east.requests_a_minute", "2")]);
    let refused = ask(&functions, &asking(&json!({"error_type": "ValidationException"}))).await;
    assert_eq!(refused.status, 400);
    for _ in 0..2 {
        ask(&functions, &asking(&json!({}))).await;
    }
    assert_eq!(
        regions(&backing.mock.ledger().calls),
        ["us-east-1", "us-east-1", "us-west-2"],
        "Bedrock counts what it took in, whatever came of it"
    );
}

#[tokio::test]
async fn without_a_quota_nothing_is_written_and_nobody_waits() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[]);
    let ten: Vec<_> = (0..10).map(|_| asking(&json!({}))).collect();
    let answers = futures_util::future::join_all(ten.iter().map(|body| ask(&functions, body))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let scan = backing
        .dynamodb()
        .scan()
        .table_name(backing.template.table_name("Table").unwrap());
    let items = scan.send().await.unwrap().items.unwrap();
    assert!(
        !items
            .iter()
            .any(|item| item["pk"].as_s().unwrap().starts_with("QUOTA#"))
    );
}
