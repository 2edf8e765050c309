//! What Bedrock answers is what callers get: its bytes in its own dialect, its meaning in Anthropic's.

use gateway::usage::Outcome;
use gateway::wire::frames::{Content, Frame, FrameReader};
use serde_json::{Value, json};
use tests::local::{Answer, Event, Events, Frames, Mock, Route, Stack, directed, marker, model_event};

on_every_host!(
    an_answer_in_one_piece_and_frames_pass_to_the_byte,
    events_are_bedrocks_chunks_without_its_metrics,
    an_error_before_the_head_passes_to_the_byte_in_bedrocks_dialect,
    an_error_before_the_head_keeps_its_meaning_in_anthropics_dialect,
    an_exception_inside_a_stream_reaches_the_caller_in_its_dialect,
    a_stream_that_breaks_never_ends_as_if_it_were_complete,
    an_answer_in_one_piece_that_breaks_off_is_an_error_and_its_row_has_what_its_head_said,
);

/// Answers of every form.
fn forms() -> Vec<Value> {
    vec![
        json!({ "text": "Grüße, 日本 👍", "delta_tokens": 1 }),
        json!({ "thinking": "let me see", "text": "so it is", "split": 1 }),
        json!({ "tool_use": { "name": "f", "input": { "a": [1, { "b": null }] } }, "split": 3 }),
        json!({ "unknown_event": true, "text": "and\nmore \u{2028} \"quoted\"" }),
        json!({ "output_tokens": 300, "extra_headers": { "x-amzn-bedrock-service": "kept" } }),
        json!({ "refusal": true }),
    ]
}

/// The bytes that the mock sent for the one call with this marker.
async fn sent(mock: &Mock, mark: &str) -> Vec<u8> {
    let requests = mock.requests(mark).await;
    assert_eq!(requests.len(), 1, "{requests:#?}");
    mock.sent(&requests[0].request_id).await
}

///
async fn an_answer_in_one_piece_and_frames_pass_to_the_byte(stack: &Stack) {
    let (user, mock) = (stack.user(), stack.mock());
    for form in forms() {
        for (route, content_type) in [
            (Route::Invoke, "application/json"),
            (Route::InvokeStream, "application/vnd.amazon.eventstream"),
        ] {
            let mark = marker();
            let answer = route.call(&user, &directed(&mark, form.clone())).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
            assert!(answer.body == sent(&mock, &mark).await, "{route:?} {form}: {answer:?}");
            let kept = form["extra_headers"].as_object().into_iter().flatten();
            for (name, value) in kept {
                assert_eq!(answer.header(name), value.as_str().unwrap());
            }
        }
    }
}

///
async fn events_are_bedrocks_chunks_without_its_metrics(stack: &Stack) {
    let user = stack.user();
    for form in forms() {
        let mark = marker();
        let text = directed(&mark, form.clone());
        let events = Events::of(Route::MessagesStream.open(&user, &text).await).rest().await;
        let frames = frames(&sent(&stack.mock(), &mark).await);
        let mut expected: Vec<Value> = frames.iter().filter_map(|frame| model_event(&frame.content)).collect();
        let last = expected.last_mut().unwrap().as_object_mut().unwrap();
        assert!(
            last.remove("amazon-bedrock-invocationMetrics").is_some(),
            "the mock sends metrics"
        );
        let got: Vec<Value> = events.iter().map(|event| event.data.clone()).collect();
        assert_eq!(got, expected, "{form}");
        assert!(events.iter().all(|event| event.data["type"] == event.name.as_str()));
    }
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

/// Every error of the service: its type and status, and what Anthropic's dialect makes of it.
const ERRORS: [(&str, u16, u16, &str); 11] = [
    ("ValidationException", 400, 400, "invalid_request_error"),
    ("ServiceQuotaExceededException", 400, 400, "invalid_request_error"),
    ("ConflictException", 400, 409, "invalid_request_error"),
    ("AccessDeniedException", 403, 403, "permission_error"),
    ("ResourceNotFoundException", 404, 404, "not_found_error"),
    ("ModelTimeoutException", 408, 504, "timeout_error"),
    ("ModelErrorException", 424, 500, "api_error"),
    ("ThrottlingException", 429, 429, "rate_limit_error"),
    ("ModelNotReadyException", 429, 429, "rate_limit_error"),
    ("InternalServerException", 500, 500, "api_error"),
    ("ServiceUnavailableException", 503, 503, "overloaded_error"),
];

fn error(kind: &str) -> Value {
    json!({ "error_type": kind, "message": format!("said of {kind}"), "retry_after": 7 })
}

///
async fn an_error_before_the_head_passes_to_the_byte_in_bedrocks_dialect(stack: &Stack) {
    for (kind, status, _, _) in ERRORS {
        for route in [Route::Invoke, Route::InvokeStream] {
            let mark = marker();
            let answer = route.call(&stack.user(), &directed(&mark, error(kind))).await;
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (status, "7"),
                "{answer:?}"
            );
            assert!(answer.header("x-amzn-errortype").starts_with(kind), "{answer:?}");
            assert!(answer.body == sent(&stack.mock(), &mark).await, "{answer:?}");
            assert_eq!(answer.json()["message"], format!("said of {kind}"));
        }
    }
}

///
async fn an_error_before_the_head_keeps_its_meaning_in_anthropics_dialect(stack: &Stack) {
    for (kind, _, status, code) in ERRORS {
        for route in [Route::Messages, Route::MessagesStream] {
            let answer = route.call(&stack.user(), &directed(&marker(), error(kind))).await;
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (status, "7"),
                "{answer:?}"
            );
            let expected = json!({
                "type": "error",
                "error": { "type": code, "message": format!("said of {kind}") },
                "request_id": answer.header("request-id"),
            });
            assert_eq!(answer.json(), expected);
        }
    }
}

/// Exceptions of the service's streams, one that it does not have, and what Anthropic's dialect makes of them.
const EXCEPTIONS: [(&str, &str); 7] = [
    ("internalServerException", "api_error"),
    ("modelStreamErrorException", "api_error"),
    ("validationException", "invalid_request_error"),
    ("throttlingException", "rate_limit_error"),
    ("modelTimeoutException", "timeout_error"),
    ("serviceUnavailableException", "overloaded_error"),
    ("somethingNewException", "api_error"),
];

async fn an_exception_inside_a_stream_reaches_the_caller_in_its_dialect(stack: &Stack) {
    let user = stack.user();
    for (kind, code) in EXCEPTIONS {
        for after in [0, 5] {
            let thrown = json!({ "events": after, "type": kind, "message": "no more" });
            let directive = json!({ "output_tokens": 40, "exception_after": thrown });
            let mark = marker();
            let answer = Route::InvokeStream
                .call(&user, &directed(&mark, directive.clone()))
                .await;
            assert!(
                answer.body == sent(&stack.mock(), &mark).await,
                "{kind} after {after}: {answer:?}"
            );
            let reply = Route::MessagesStream.open(&user, &directed(&marker(), directive)).await;
            let events = Events::of(reply).rest().await;
            assert_eq!(events.len(), after + 1);
            assert_is_error(events.last().unwrap(), code, "no more");
        }
    }
}

fn assert_is_error(event: &Event, code: &str, message: &str) {
    assert_eq!(event.name, "error");
    assert_eq!(event.data["type"], "error");
    assert_eq!(event.data["error"], json!({ "type": code, "message": message }));
    assert!(event.data["request_id"].is_string());
}

/// Ways in which a stream of about 18 frames breaks, and how many whole frames come before. Frame 17 says what was used and
/// frame 18 that the message is complete.
fn breaks() -> Vec<(Value, usize)> {
    let broken = |field: &str, number: usize| json!({ "output_tokens": 60, "delta_tokens": 5, field: number });
    let mut all = vec![
        (broken("truncate_frame", 1), 0),
        (broken("truncate_frame", 6), 5),
        (broken("corrupt_crc", 1), 0),
        (broken("corrupt_crc", 6), 5),
        (broken("corrupt_crc", 18), 17),
    ];
    for after in [0, 1, 6, 16, 17] {
        all.push((broken("cut_after", after), after));
        all.push((broken("end_after", after), after));
    }
    all
}

async fn a_stream_that_breaks_never_ends_as_if_it_were_complete(stack: &Stack) {
    let user = stack.new_user().await;
    let breaks = breaks();
    for (directive, whole) in &breaks {
        let mark = marker();
        let text = directed(&mark, directive.clone());
        let frames = Frames::of(Route::InvokeStream.open(&user.caller, &text).await)
            .rest()
            .await;
        assert_eq!(frames.len(), whole + 1, "{directive}");
        let (last, before) = frames.split_last().unwrap();
        let sent = sent(&stack.mock(), &mark).await;
        let before: Vec<u8> = before.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        assert!(sent.starts_with(&before), "{directive}: what came whole is unchanged");
        assert!(matches!(&last.content, Content::Exception { kind, .. } if kind == "modelStreamErrorException"));

        let reply = Route::MessagesStream
            .open(&user.caller, &directed(&marker(), directive.clone()))
            .await;
        let events = Events::of(reply).rest().await;
        assert_eq!(events.len(), whole + 1, "{directive}");
        assert!(events.iter().all(|event| event.name != "message_stop"), "{directive}");
        let message = events.last().unwrap().data["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_is_error(events.last().unwrap(), "overloaded_error", &message);
    }
    let rows = user.rows_once(breaks.len() * 2).await;
    assert!(
        rows.iter().all(|row| row.outcome == Outcome::StreamInterrupted),
        "{rows:#?}"
    );
    // What Bedrock said itself is no estimate, also in a stream that broke just before its end.
    let exact = breaks.iter().filter(|(_, whole)| *whole == 17).count() * 2;
    assert_eq!(rows.iter().filter(|row| !row.estimated).count(), exact, "{rows:#?}");
}

async fn an_answer_in_one_piece_that_breaks_off_is_an_error_and_its_row_has_what_its_head_said(stack: &Stack) {
    let user = stack.new_user().await;
    let cut = |route: Route| {
        let caller = user.caller.clone();
        async move {
            route
                .call(&caller, &directed(&marker(), json!({ "cut_after": 1 })))
                .await
        }
    };
    let told: [Answer; 2] = [cut(Route::Invoke).await, cut(Route::Messages).await];
    assert_eq!(told[0].status, 503);
    assert_eq!(told[0].header("x-amzn-errortype"), "ServiceUnavailableException");
    assert_eq!(
        (told[1].status, &told[1].json()["error"]["type"]),
        (503, &json!("overloaded_error"))
    );
    for row in user.rows_once(2).await {
        assert_eq!(
            (row.estimated, row.outcome),
            (false, Outcome::UpstreamError),
            "{row:#?}"
        );
        assert!(
            row.usage.output_tokens.as_u64() > 0 && row.cost_picodollars.as_u128() > 0,
            "{row:#?}"
        );
    }
}
