//! For how long a token is used again.

use super::*;
use crate::recorded::Recorded;

/// B-04, B-06: the exact boundaries
#[tokio::test]
async fn a_token_is_used_again_while_more_than_300_seconds_are_left() {
    let desk = Desk::open().await;
    let client = desk.client();
    assert_eq!(client.state(), State::None);
    let token = client.token().await.unwrap();
    assert_eq!((token.expose(), token.expires_at()), (TOKEN, NOW + 1800));
    assert_eq!(client.state(), State::Valid);
    desk.clock.advance_seconds(1499);
    assert_eq!(client.state(), State::Valid, "301 s are left");
    client.token().await.unwrap();
    assert_eq!(desk.asked(), 1);
    desk.clock.advance_seconds(1);
    assert_eq!(client.state(), State::Expiring, "300 s are left");
    assert_eq!(client.token().await.unwrap().expires_at(), NOW + 1500 + 1800);
    assert_eq!((desk.asked(), client.state()), (2, State::Valid));
    desk.clock.advance_seconds(1799);
    assert_eq!(client.state(), State::Expiring, "1 s is left");
    desk.clock.advance_seconds(1);
    assert_eq!(client.state(), State::Expired, "none is left");
    client.token().await.unwrap();
    assert_eq!(desk.asked(), 3);
}

/// B-03, B-04
#[tokio::test]
async fn a_token_that_does_not_say_how_long_it_lives_lives_1800_seconds() {
    let desk = Desk::open().await;
    for absent in [json!({}), json!({"expires_in": null})] {
        desk.answers(200, &token_answer(&absent));
        assert_eq!(desk.client().token().await.unwrap().expires_at(), NOW + 1800);
    }
}

/// B-04
#[tokio::test]
async fn a_token_that_lives_300_seconds_or_less_is_used_once() {
    let desk = Desk::open().await;
    for (life, state) in [
        (300, State::Expiring),
        (1, State::Expiring),
        (0, State::Expired),
        (-5, State::Expired),
    ] {
        desk.answers(200, &token_answer(&json!({"expires_in": life})));
        let (client, before) = (desk.client(), desk.asked());
        client.token().await.unwrap();
        assert_eq!(client.state(), state);
        client.token().await.unwrap();
        assert_eq!(desk.asked(), before + 2, "{life}");
    }
    desk.answers(200, &token_answer(&json!({"expires_in": i64::MAX})));
    assert_eq!(desk.client().token().await.unwrap().expires_at(), i64::MAX);
}

/// B-05, B-06
#[tokio::test]
async fn an_old_token_is_not_given_out_because_there_is_no_new_one() {
    let desk = Desk::open().await;
    let client = desk.client();
    client.token().await.unwrap();
    desk.clock.advance_seconds(1500);
    desk.answers(500, "");
    for _ in 0..2 {
        client.token().await.unwrap_err();
        assert_eq!(client.state(), State::Expiring);
    }
    assert_eq!(desk.asked(), 3);
}

#[tokio::test]
async fn a_token_that_was_refused_is_forgotten_and_no_newer_one() {
    let desk = Desk::open().await;
    let client = desk.client();
    let first = client.token().await.unwrap();
    client.forget(&first);
    assert_eq!(client.state(), State::None);
    desk.answers(200, &token_answer(&json!({"access_token": "eyJ.second"})));
    client.token().await.unwrap();
    client.forget(&first);
    assert_eq!((client.state(), desk.asked()), (State::Valid, 2));
}

/// B-17, B-18: cache hits are not timed
#[tokio::test]
async fn requests_and_cache_hits_are_counted_and_only_requests_are_timed() {
    let recorded = Recorded::default();
    let _guard = recorded.begin();
    let desk = Desk::open().await;
    let client = desk.client();
    for _ in 0..3 {
        client.token().await.unwrap();
    }
    desk.clock.advance_seconds(1500);
    desk.answers(500, "");
    client.token().await.unwrap_err();
    let count = |result| recorded.sum(&format!("oauth_token_requests_total{{result={result}}}"));
    assert_eq!(
        (count("success"), count("cache_hit"), count("failure")),
        (1.0, 2.0, 1.0)
    );
    let durations = recorded.values("oauth_token_duration_seconds");
    assert!(
        durations.len() == 2 && durations.iter().all(|it| *it > 0.0),
        "{durations:?}"
    );
}

/// B-18
#[test]
fn a_request_of_more_than_a_second_is_warned_of() {
    let logs = peer::logs::capture();
    metering::requested(true, 1.0);
    assert!(!logs.text().contains("slow"));
    metering::requested(true, 1.000_1);
    assert!(logs.text().contains("WARN") && logs.text().contains("the token endpoint is slow"));
    assert_eq!(DURATION_BUCKETS, [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
}
