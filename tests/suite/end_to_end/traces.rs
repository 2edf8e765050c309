//! Spans, as a collector gets them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::backing::Backing;
use tests::collector::{Collector, Spanned};
use tests::fixtures::CLIENT_SECRET;
use tests::local::{Answer, MODEL, Route, Stack, directed, make_secret, marker};
use tests::storage_service::{SECRET_NAME, Services};

use super::files::upload;

async fn traced() -> (Collector, Stack) {
    let collector = Collector::start().await;
    let parameter = format!("OtlpEndpoint={}", collector.url);
    let stack = Stack::start(&["--environments", "2", "--parameter", &parameter]).await;
    (collector, stack)
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn call(stack: &Stack, route: Route, text: &str) -> Answer {
    let user = stack.new_user().await;
    let caller = user.caller.with("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    route.call(&caller.with("tracestate", "canary=state"), text).await
}

fn named<'a>(spans: &'a [Spanned], name: &str) -> &'a Spanned {
    let found: Vec<_> = spans.iter().filter(|it| it.span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

/// B-24
#[tokio::test(flavor = "multi_thread")]
async fn a_calls_spans_reach_the_collector_under_their_parents_before_the_answer_ends() {
    let (collector, stack) = traced().await;
    let mark = marker();
    let answer = call(
        &stack,
        Route::MessagesStream,
        &directed(&mark, json!({"output_tokens": 5})),
    )
    .await;
    assert_eq!(answer.status, 200);
    // No waiting: what a caller has the end of has been told.
    let all = collector.spans();
    let spans: Vec<_> = all.into_iter().filter(|it| it.trace_id() == TRACE).collect();
    assert_eq!(spans.len(), 5, "{spans:#?}");
    let (authorize, request) = (named(&spans, "authorize"), named(&spans, "POST /anthropic/v1/messages"));
    assert_eq!((authorize.parent(), request.parent()), (CALLER.into(), CALLER.into()));
    assert_eq!(
        (&*authorize.service, &*request.service),
        ("tollgate-authorizer", "tollgate-stream")
    );
    for name in ["admit", "bedrock", "settle"] {
        let step = named(&spans, name);
        assert_eq!(step.parent(), request.id(), "{name}");
        assert!(
            step.span.start_time_unix_nano >= request.span.start_time_unix_nano,
            "{name}"
        );
        assert!(
            step.span.end_time_unix_nano <= request.span.end_time_unix_nano,
            "{name}"
        );
    }
    // One id from the edge to Bedrock and back.
    let request_id = answer.header("request-id");
    for span in [authorize, request] {
        assert_eq!(span.attribute("tollgate.request_id").as_deref(), Some(request_id));
    }
    let sent = &stack.mock().requests(&mark).await[0];
    let bedrock = named(&spans, "bedrock");
    assert_eq!(bedrock.attribute("aws.request_id").as_ref(), Some(&sent.request_id));
    assert_eq!(bedrock.attribute("gen_ai.request.model").as_deref(), Some(MODEL));
    // Bedrock knows nothing of traces of ours.
    assert!(
        !sent.headers.contains_key("traceparent") && !sent.headers.contains_key("tracestate"),
        "{sent:?}"
    );
}

/// B-24
#[tokio::test(flavor = "multi_thread")]
async fn without_a_callers_trace_the_functions_of_a_request_share_the_one_of_x_ray() {
    let (collector, stack) = traced().await;
    let answer = stack.new_user().await.caller.get("/api/usage/records").await;
    let request_id = answer.header("request-id");
    let spans: Vec<_> = collector
        .spans()
        .into_iter()
        .filter(|it| it.attribute("tollgate.request_id").as_deref() == Some(request_id))
        .collect();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!(spans[0].trace_id(), spans[1].trace_id());
    assert_eq!((spans[0].parent(), spans[1].parent()), (String::new(), String::new()));
    let lines = stack.logs();
    assert!(
        !lines.contains("OpenTelemetry"),
        "the exporter has nothing to complain of"
    );
}

/// B-24: what went wrong is a word of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_failed_says_how_in_a_word_and_names_nothing_of_the_callers() {
    let (collector, stack) = traced().await;
    let mark = marker();
    let told = json!({"status": 429, "message": format!("{mark} was said")});
    let answer = call(&stack, Route::Messages, &directed(&mark, told)).await;
    assert_eq!(answer.status, 429);
    let spans = collector.trace(TRACE, 5).await;
    assert_eq!(
        named(&spans, "bedrock").attribute("error.type").as_deref(),
        Some("throttled")
    );
    let request = named(&spans, "POST /anthropic/v1/messages");
    assert_eq!(request.attribute("error.type").as_deref(), Some("upstream_throttled"));
    assert_eq!(request.attribute("http.response.status_code").as_deref(), Some("429"));
    let all: BTreeSet<&str> = spans
        .iter()
        .flat_map(|it| &it.span.attributes)
        .map(|it| it.key.as_str())
        .collect();
    let known = [
        "aws.request_id",
        "error.type",
        "gen_ai.request.model",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "tollgate.request_id",
    ];
    assert_eq!(all, BTreeSet::from(known));
    let bytes = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(bytes.contains("POST /anthropic/v1/messages"));
    assert!(!bytes.contains(&mark) && !bytes.contains("canary"));
}

///
#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_requests_log_has_its_id_and_its_traces() {
    let (_collector, stack) = traced().await;
    let told = json!({"text": "so it goes", "cut_after": 3});
    let broken = call(&stack, Route::MessagesStream, &directed(&marker(), told)).await;
    let denied = stack.bearer("tgk_wrong").get("/api/keys").await;
    let (broken, denied) = (broken.header("request-id"), denied.header("x-amzn-requestid"));
    let lines: Vec<Value> = stack
        .logs()
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let logged = lines.iter().filter(|line| line["level"].is_string());
    let mut by_function: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in logged {
        by_function
            .entry(line["function"].as_str().unwrap())
            .or_default()
            .push(line);
    }
    let streamed = &by_function["stream"];
    assert!(
        streamed.iter().any(|line| line["message"] == "Bedrock's stream broke"),
        "{streamed:#?}"
    );
    for line in streamed {
        assert_eq!(
            (&line["request_id"], &line["trace_id"]),
            (&json!(broken), &json!(TRACE)),
            "{line}"
        );
    }
    let refused = by_function["authorizer"]
        .iter()
        .filter(|line| line["message"] == "credential refused");
    let refused: Vec<_> = refused.map(|line| &line["request_id"]).collect();
    assert_eq!(refused, [denied]);
}

/// B-24: services of our own choosing are told by which span they are asked, and nothing else of the caller's.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_service_and_a_token_endpoint_are_told_of_the_trace() {
    let backing = Box::pin(Backing::start()).await;
    let (services, collector) = (Services::start(&backing).await, Collector::start().await);
    let mut arguments = services.parameters();
    arguments.extend(["--parameter".into(), format!("OtlpEndpoint={}", collector.url)]);
    arguments.extend(["--environments", "1"].map(str::to_owned));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let stack = Stack::start(&arguments).await;
    make_secret(&stack, SECRET_NAME, CLIENT_SECRET).await;
    let user = stack.new_user().await;
    let caller = user.caller.with("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let caller = caller.with("tracestate", "canary=state").with("baggage", "canary=more");
    let stored = upload(&caller, "a.txt", "text/plain", b"a").await;
    assert_eq!(stored.status, 201, "{stored:?}");
    let spans = collector.trace(TRACE, 2).await;
    let parent = format!("00-{TRACE}-{}-01", named(&spans, "POST /api/v1/files/upload").id());
    let told = services.store.traces();
    for service in ["tokens", "storage"] {
        let of_it: Vec<_> = told.iter().filter(|it| it.service == service).collect();
        assert!(!of_it.is_empty(), "{service} was asked: {told:?}");
        for traced in of_it {
            assert_eq!(
                (&traced.parent, &*traced.more),
                (&Some(parent.clone()), &[][..]),
                "{service}"
            );
        }
    }
}

/// B-24: a collector that is down loses spans, and no call.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_down_costs_no_call() {
    let parameter = format!("OtlpEndpoint={}", tests::backing::nowhere());
    let stack = Stack::start(&["--environments", "1", "--parameter", &parameter]).await;
    let user = stack.new_user().await;
    for route in Route::ALL {
        assert_eq!(route.call(&user.caller, &marker()).await.status, 200);
    }
    let lines = tests::samples::Samples::of_lines(&stack).await;
    assert!(lines.sum("trace_exports_total", &[("result", "failure")]) > 0);
}
