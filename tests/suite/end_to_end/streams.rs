//! Streamed answers reach the client as they are made.

use serde_json::json;
use tests::local::{Events, Frames, Route, Stack, directed, eventually, marker, model_event};
use tests::paced::Paced;

/// How long a service account's token counts.
const TOKEN_SECONDS: i64 = 1800;

on_every_host!(
    the_first_event_arrives_while_the_second_is_held_back,
    the_first_frame_arrives_while_the_second_is_held_back,
);

///
async fn the_first_event_arrives_while_the_second_is_held_back(stack: &Stack) {
    let (user, hold) = (stack.user(), marker());
    let text = directed(&hold, json!({ "hold": hold, "hold_after": 1, "output_tokens": 10 }));
    let mut events = Events::of(Route::MessagesStream.open(&user, &text).await);
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first.name, "message_start");
    still_held(stack, &hold).await;
    stack.mock().release(&hold).await;
    let names: Vec<String> = events.rest().await.into_iter().map(|event| event.name).collect();
    assert_eq!(names[0], "content_block_start");
    assert_eq!(names.last().unwrap(), "message_stop");
}

///
async fn the_first_frame_arrives_while_the_second_is_held_back(stack: &Stack) {
    let (user, hold) = (stack.user(), marker());
    let text = directed(&hold, json!({ "hold": hold, "hold_after": 1, "output_tokens": 10 }));
    let mut frames = Frames::of(Route::InvokeStream.open(&user, &text).await);
    let first = frames.next().await.unwrap().unwrap();
    assert_eq!(model_event(&first.content).unwrap()["type"], "message_start");
    still_held(stack, &hold).await;
    stack.mock().release(&hold).await;
    let last = frames.rest().await.pop().unwrap();
    assert_eq!(model_event(&last.content).unwrap()["type"], "message_stop");
}

/// who was let in is let in for the whole answer, which is billed to its end; who comes after the end is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_during_a_stream_ends_no_stream_and_opens_no_other() {
    let paced = Paced::new();
    let stack = paced.stack(&["--environments", "2"]).await;
    let (program, hold) = (stack.service_account().await, marker());
    let text = directed(&hold, json!({ "hold": hold, "hold_after": 1, "output_tokens": 10 }));
    let mut events = Events::of(Route::MessagesStream.open(&program.caller, &text).await);
    assert_eq!(events.next().await.unwrap().unwrap().name, "message_start");
    paced.advance_seconds(TOKEN_SECONDS);
    assert_eq!(program.caller.get("/auth/me").await.status, 401);
    stack.mock().release(&hold).await;
    assert_eq!(events.rest().await.pop().unwrap().name, "message_stop");
    let path = format!("/api/usage/records?user={}", program.name);
    let records = stack.admin().get(&path).await.json()["records"].take();
    let outcomes: Vec<_> = records.as_array().unwrap().iter().map(|row| &row["outcome"]).collect();
    assert_eq!(outcomes, ["success"], "{records:#}");
}

/// The mock waits with the second frame, and nobody has let it go.
async fn still_held(stack: &Stack, hold: &str) {
    eventually("the mock holds the second frame back", async || {
        (stack.mock().waiting(hold).await == 1).then_some(())
    })
    .await;
}
