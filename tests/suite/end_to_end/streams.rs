//! Streamed answers reach the client as they are made.

use serde_json::json;
use tests::local::{Events, Frames, Route, Stack, directed, eventually, marker, model_event};

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

/// The mock waits with the second frame, and nobody has let it go.
async fn still_held(stack: &Stack, hold: &str) {
    eventually("the mock holds the second frame back", async || {
        (stack.mock().waiting(hold).await == 1).then_some(())
    })
    .await;
}
