//! A call comes to a clean end before its function is killed.

use gateway::usage::Outcome;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::answer::frames;
use tests::backing::Backing;
use tests::books::open_calls;
use tests::event::{bedrock_body, invoke, invoke_stream, messages, messages_body};
use tests::in_process::Functions;

use super::{ALICE, row};

/// How a call ends whose function has this long to live, and whose model never goes on.
async fn ended(backing: &Backing, function: &str, event: &Value) -> tests::answer::HttpAnswer {
    let functions = Functions::new(backing);
    let deadline = functions.clock.now() + SignedDuration::from_millis(1_400);
    functions.begin_by(function, event, Some(deadline)).await.rest().await
}

#[tokio::test]
async fn a_stream_that_stalls_ends_in_an_error_and_a_row_before_its_function_is_killed() {
    let backing = Backing::start().await;
    let event = messages(ALICE, &messages_body(true, &json!({"stall": true, "hold_after": 4}))).event();
    let answer = ended(&backing, "stream", &event).await;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let last = text.rsplit("event: ").next().unwrap();
    assert!(
        last.starts_with("error\n") && last.contains(r#""type":"timeout_error""#),
        "{text}"
    );
    let row = row(&backing).await;
    assert_eq!((row.outcome, row.estimated), (Outcome::Timeout, true));
    assert!(
        row.usage.prompt_tokens().as_u64() > 0 && row.usage.output_tokens.as_u64() > 0,
        "{row:?}"
    );
}

#[tokio::test]
async fn bedrocks_frames_end_in_an_exception_then() {
    let backing = Backing::start().await;
    let event = invoke_stream(ALICE, &bedrock_body(&json!({"stall": true}))).event();
    let answer = ended(&backing, "stream", &event).await;
    let last = frames(answer.body.clone()).pop().unwrap();
    assert!(last.to_string().contains("modelTimeoutException"), "{last}");
    assert_eq!(row(&backing).await.outcome, Outcome::Timeout);
}

/// Nothing is known of an answer that has not begun: it is written down at its worst.
#[tokio::test]
async fn an_answer_that_has_not_begun_is_given_up_then() {
    for (function, event, status) in [
        (
            "invoke",
            invoke(ALICE, &bedrock_body(&json!({"stall": true}))).event(),
            408,
        ),
        (
            "stream",
            messages(ALICE, &messages_body(false, &json!({"stall": true}))).event(),
            504,
        ),
    ] {
        let backing = Backing::start().await;
        let answer = ended(&backing, function, &event).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let row = row(&backing).await;
        assert_eq!(
            (row.outcome, row.estimated, row.usage.output_tokens.as_u64()),
            (Outcome::Timeout, true, 4096)
        );
        let open = open_calls(&backing.store()).await;
        assert_eq!(open.len(), 1, "the sweep puts it into the sums");
    }
}
