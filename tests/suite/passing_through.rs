//! Bytes that need no change are not changed, and what is not Bedrock's business does not reach it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::answer::frames;
use tests::backing::Backing;
use tests::event::{MODEL, bedrock_body, invoke, invoke_stream, messages, messages_body, request};
use tests::in_process::Functions;
use tests::logs;

const ALICE: &str = "user:alice";

/// A Bedrock that answers every call with the same bytes, in writes of a size that the test sets.
struct Upstream {
    url: String,
    write_bytes: Arc<AtomicUsize>,
    body: Arc<std::sync::Mutex<Bytes>>,
}

impl Upstream {
    async fn start() -> Self {
        let (write_bytes, body) = (
            Arc::new(AtomicUsize::new(1)),
            Arc::new(std::sync::Mutex::new(Bytes::new())),
        );
        let (size, bytes) = (write_bytes.clone(), body.clone());
        let router = Router::new().fallback(move || {
            let (size, bytes) = (size.load(Ordering::SeqCst), bytes.lock().unwrap().clone());
            async move { in_writes(bytes, size) }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        // Or else small writes wait for the other side's word that the last one came.
        let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, write_bytes, body }
    }

    fn answers(&self, body: &Bytes, write_bytes: usize) {
        *self.body.lock().unwrap() = body.clone();
        self.write_bytes.store(write_bytes, Ordering::SeqCst);
    }
}

fn in_writes(bytes: Bytes, size: usize) -> axum::response::Response {
    let starts: Vec<_> = (0..bytes.len()).step_by(size).collect();
    let writes = stream::iter(starts).then(move |start| {
        let part = bytes.slice(start..bytes.len().min(start + size));
        async move {
            // The connection gets the chance to write what it has.
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(part)
        }
    });
    let headers = [
        ("content-type", "application/vnd.amazon.eventstream"),
        ("x-amzn-requestid", "r"),
    ];
    (headers, Body::from_stream(writes)).into_response()
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let text = |text: &str| text.to_owned();
    let mut message = Message::new(payload.to_vec());
    for (name, value) in headers {
        message = message.add_header(Header::new(text(name), HeaderValue::String(text(value).into())));
    }
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    out.into()
}

/// A chunk as Bedrock sends it, padding included.
fn chunk(json: &Value, padding: &str) -> Bytes {
    let payload = format!(
        r#"{{"bytes":"{}","p":"{padding}"}}"#,
        BASE64_STANDARD.encode(json.to_string())
    );
    let headers = [
        (":event-type", "chunk"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload.as_bytes())
}

fn stop() -> Bytes {
    chunk(
        &json!({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}),
        "",
    )
}

/// Frames that Bedrock may send some day: of any type, with any payload.
fn any_frame() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (".{0,40}", "[a-z]{0,30}").prop_map(|(text, padding)| {
            chunk(
                &json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}),
                &padding,
            )
        }),
        ("[a-z_]{1,12}", any::<i64>()).prop_map(|(kind, n)| chunk(&json!({"type": format!("x_{kind}"), "n": n}), "")),
        ("[a-z]{1,12}", prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(kind, payload)| {
            frame(
                &[(":message-type", "event"), (":event-type", &format!("new-{kind}"))],
                &payload,
            )
        }),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|payload| frame(&[], &payload)),
    ]
}

async fn answer_of(functions: &Functions) -> Bytes {
    let request = invoke_stream(ALICE, &bedrock_body(&json!({})));
    functions.call("stream", &request.event()).await.http().body
}

/// The functions, and the same with two targets, of which the first frame of a stream decides which one answers.
fn with_one_and_two_targets(backing: &Backing, upstream: &Upstream) -> [Functions; 2] {
    let target = |name: &str| json!({"name": name, "region": "us-east-1", "endpoint": upstream.url});
    let targets = json!([target("east"), target("west")]).to_string();
    [
        Functions::with(backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &upstream.url)]),
        Functions::with(backing, &[("TOLLGATE_UPSTREAM_TARGETS", &targets)]),
    ]
}

/// A-30
#[tokio::test]
async fn frames_leave_byte_for_byte_as_bedrock_sent_them_however_its_writes_are_cut() {
    let (backing, upstream) = tokio::join!(Backing::start(), Upstream::start());
    let all = with_one_and_two_targets(&backing, &upstream);
    let delta = json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ü👍"}});
    let body: Bytes = [
        chunk(&delta, "abcdef"),
        frame(&[(":message-type", "event"), (":event-type", "new")], &[0, 255, 13, 10]),
        stop(),
    ]
    .concat()
    .into();
    for size in 1..=body.len() {
        upstream.answers(&body, size);
        for functions in &all {
            assert_eq!(answer_of(functions).await, body, "in writes of {size} bytes");
        }
    }
    let kinds = [
        (":message-type", "exception"),
        (":exception-type", "throttlingException"),
    ];
    let refusal = Bytes::from([frame(&kinds, br#"{"message":"slow down","x":1.0}"#), body].concat());
    for functions in &all {
        upstream.answers(&refusal, 7);
        assert_eq!(
            answer_of(functions).await,
            refusal,
            "a refusal of all targets is told as it came"
        );
    }
}

/// A-30
#[test]
fn random_streams_pass_unchanged_and_an_end_without_an_end_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (backing, upstream) = runtime.block_on(async { tokio::join!(Backing::start(), Upstream::start()) });
    let both = runtime.block_on(async { with_one_and_two_targets(&backing, &upstream) });
    let streams = (
        prop::collection::vec(any_frame(), 0..8),
        1..200_usize,
        any::<bool>(),
        0..2_usize,
    );
    let config = ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |((all, size, is_complete, targets) in streams)| {
        let end = if is_complete { stop() } else { Bytes::new() };
        let body: Bytes = [all.concat(), end.to_vec()].concat().into();
        upstream.answers(&body, size);
        let answer = runtime.block_on(answer_of(&both[targets]));
        let told = answer.strip_prefix(&body[..]).expect("Bedrock's own bytes come first");
        let told = frames(Bytes::copy_from_slice(told));
        prop_assert_eq!(told.len(), usize::from(!is_complete));
        prop_assert!(told.iter().all(|frame| frame["exception"] == "modelStreamErrorException"));
    });
}

/// A-29
#[tokio::test]
async fn a_whole_answer_leaves_with_the_bytes_status_and_headers_of_bedrock() {
    let (backing, upstream) = tokio::join!(Backing::start(), Upstream::start());
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &upstream.url)]);
    let body = Bytes::from_static(
        "{ \"usage\": {\"input_tokens\": 1, \"output_tokens\":2},\n\t\"x\": 1.50, \"é\": \"\\u00e9\" }".as_bytes(),
    );
    for size in [1, 7, body.len()] {
        upstream.answers(&body, size);
        let answer = functions
            .call("invoke", &invoke(ALICE, &bedrock_body(&json!({}))).event())
            .await
            .http();
        assert_eq!(
            (answer.status, answer.header("x-amzn-requestid"), &answer.body),
            (200, "r", &body)
        );
    }
}

/// A-36, A-31
#[tokio::test]
async fn bedrock_gets_no_credential_of_the_caller_and_every_byte_of_its_prompt() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let system = r#"[{"type":"text","text":"first"},{"type":"text","text":"second","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"third \u00e9 1.0"}]"#;
    let message = r#"[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]"#;
    let rest = format!(
        r#""max_tokens":64,"system":{system},"thinking":{{"type":"disabled"}},"metadata":{{"x": 1.50}},"messages":{message}"#
    );
    let own = [
        ("Authorization", "Bearer tgk_canary"),
        ("x-api-key", "tgk_canary"),
        ("Cookie", "session=canary"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Host", "canary.example"),
        ("Forwarded", "for=203.0.113.7"),
        ("X-Amzn-Bedrock-Trace", "ENABLED"),
        ("X-Amz-Security-Token", "canary"),
        ("X-Claude-Code-Session-Id", "canary"),
        ("anthropic-beta", "flag-one, flag-two"),
        ("anthropic-beta", "flag-three"),
        ("Content-Type", "application/json"),
    ];
    let with_headers = |mut request: tests::event::Request| {
        for (name, value) in own {
            request = request.header(name, value);
        }
        request
    };
    let by_messages = with_headers(request("POST", "/anthropic/v1/messages").by(ALICE))
        .body(format!(r#"{{"model":"{MODEL}","stream":true,{rest}}}"#));
    let own_body = format!(r#"{{ "anthropic_version":"bedrock-2023-05-31", {rest} }}"#);
    let by_bedrock =
        with_headers(request("POST", &format!("/bedrock/model/{MODEL}/invoke")).by(ALICE)).body(own_body.clone());
    assert_eq!(functions.call("stream", &by_messages.event()).await.http().status, 200);
    assert_eq!(functions.call("invoke", &by_bedrock.event()).await.http().status, 200);

    let requests = backing.mock.requests();
    assert_eq!(requests.len(), 2);
    for recorded in &requests {
        assert_eq!(recorded.forbidden_headers, Vec::<String>::new());
        let headers = format!("{:?}", recorded.headers);
        assert!(
            !headers.contains("canary") && !headers.contains("203.0.113"),
            "{headers}"
        );
        assert!(
            !recorded.headers.keys().any(|name| name.starts_with("anthropic")),
            "{headers}"
        );
    }
    let flags = r#""anthropic_beta":["flag-one","flag-two","flag-three"]"#;
    let version = r#""anthropic_version":"bedrock-2023-05-31""#;
    assert_eq!(
        std::str::from_utf8(&requests[0].body).unwrap(),
        format!("{{{rest},{version},{flags}}}")
    );
    assert!(
        !requests[0].headers.contains_key("x-amzn-bedrock-trace"),
        "only the Bedrock routes forward it"
    );
    assert_eq!(std::str::from_utf8(&requests[1].body).unwrap(), own_body);
    assert_eq!(requests[1].headers["x-amzn-bedrock-trace"], "ENABLED");
}

/// A-36: two calls with an id of API Gateway's own; it comes back, and what a caller calls itself does not count.
#[tokio::test]
async fn the_request_id_is_api_gateways_and_identity_headers_mean_nothing() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let request = messages(ALICE, &messages_body(false, &json!({})))
        .header("request-id", "forged")
        .header("x-amzn-requestid", "forged")
        .header("x-tollgate-sub", "user:admin")
        .header("sub", "user:admin");
    let answer = functions.call("stream", &request.event()).await.http();
    assert_eq!(answer.header("request-id"), request.request_id);
    let rows = backing
        .store()
        .usage_of(&ALICE.parse().unwrap(), 10, None)
        .await
        .unwrap()
        .items;
    assert_eq!(rows[0].request_id, request.request_id);
}

/// Invariant 7, with canaries in the prompt, in the answer and in the credentials.
#[tokio::test]
async fn no_prompt_answer_or_credential_is_in_logs_or_rows() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let logs = logs::capture();
    for directive in [
        json!({"text": "canary"}),
        json!({"text": "canary", "cut_after": 5}),
        json!({"text": "canary", "exception_after": {"events": 3, "type": "throttlingException"}}),
        json!({"text": "canary", "corrupt_crc": 3}),
        json!({"error_type": "ValidationException", "message": "canary"}),
    ] {
        for request in [
            messages(ALICE, &messages_body(true, &directive)),
            messages(ALICE, &messages_body(false, &directive)),
            invoke_stream(ALICE, &bedrock_body(&directive)),
        ] {
            let request = request
                .header("Authorization", "Bearer tgk_canary")
                .header("x-api-key", "tgk_canary");
            functions.call("stream", &request.event()).await;
        }
    }
    let malformed = messages(ALICE, &json!({"model": "canary", "messages": "canary"}));
    functions.call("stream", &malformed.event()).await;
    let ours: String = logs
        .text()
        .lines()
        .filter(|line| !line.contains(r#""level":"TRACE""#) && !line.contains(r#""level":"DEBUG""#))
        .collect();
    assert!(ours.contains("request refused"), "the log is listened to: {ours}");
    assert!(!ours.contains("canary"), "{ours}");
    let rows = backing
        .store()
        .usage_of(&ALICE.parse().unwrap(), 100, None)
        .await
        .unwrap()
        .items;
    assert!(rows.len() > 10);
    assert!(!json!(rows).to_string().contains("canary"));
}
