//! Alerts: once each a window, whoever fails in between.

use std::collections::VecDeque;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use gateway::aws::Aws;
use http::{HeaderMap, StatusCode, header};
use tests::books::open_calls;

use super::*;

/// 32 bytes, as Standard Webhooks writes a secret.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A receiver on this machine: what it was told, and what it answers next (200 when nothing is left).
#[derive(Clone, Default)]
struct Receiver {
    told: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<VecDeque<Response>>>,
}

impl Receiver {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(take).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn answer(&self, answer: impl axum::response::IntoResponse) {
        self.answers.lock().unwrap().push_back(answer.into_response());
    }

    /// What came since the last time.
    fn told(&self) -> Vec<(String, HeaderMap, Bytes)> {
        std::mem::take(&mut self.told.lock().unwrap())
    }

    /// The percentages that came, and the ids they came with.
    fn percents(&self) -> Vec<(u64, String)> {
        let read = |(_, headers, body): (String, HeaderMap, Bytes)| {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            assert_eq!(body["id"], id);
            (body["data"]["percent"].as_u64().unwrap(), id)
        };
        let mut all: Vec<_> = self.told().into_iter().map(read).collect();
        all.sort();
        all
    }
}

async fn take(State(receiver): State<Receiver>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    receiver.told.lock().unwrap().push((path, parts.headers, body));
    let answer = receiver.answers.lock().unwrap().pop_front();
    answer.unwrap_or_else(|| StatusCode::OK.into_response())
}

/// The functions, with a webhook at `url`.
async fn with_webhook(backing: &Backing, url: &str) -> Functions {
    let aws = Aws::from_environment(backing.variables("sweep", &[])).unwrap();
    let secrets = aws.secretsmanager();
    let _ = secrets
        .create_secret()
        .name("webhook")
        .secret_string(SECRET)
        .send()
        .await;
    Functions::with(
        backing,
        &[
            ("TOLLGATE_ALERT_WEBHOOK_URL", url),
            ("TOLLGATE_ALERT_WEBHOOK_SECRET", "webhook"),
            ("TOLLGATE_ALERT_WEBHOOK_LOOPBACK", "true"),
        ],
    )
}

/// A limit for the user's month, with the usual alerts.
async fn limit(backing: &Backing, limit: u128) {
    plant(
        backing,
        ScopeKind::User,
        USER,
        &[(Unit::Picodollars, Window::Month, limit)],
    )
    .await;
    let percents = [50, 75, 90, 100].map(|it: u8| AttributeValue::N(it.to_string()));
    let update = backing.dynamodb().update_item();
    update
        .table_name(backing.template.table_name("Table").unwrap())
        .key("pk", AttributeValue::S("BUDGETS".into()))
        .key("sk", AttributeValue::S(format!("user#{USER}")))
        .update_expression("SET limits[0].alerts = :percents")
        .expression_attribute_values(":percents", AttributeValue::L(percents.into()))
        .send()
        .await
        .unwrap();
}

/// Spends so many tokens of a thousand picodollars, at a time.
async fn spend(store: &Store, id: &str, at: Timestamp, tokens: u64, limit: u128) {
    let mut call = call(id);
    call.holds.truncate(1);
    call.started_at = at;
    call.deadline_at = at + SignedDuration::from_mins(15);
    let row = row(&call, usage(tokens, 0));
    store.open_call(&call).await.unwrap();
    for budget in call.budgets().unwrap() {
        let amount = row.cost_picodollars.into();
        let limit = limit.to_string().parse().unwrap();
        store.hold(&budget, limit, id, amount, None).await.unwrap();
    }
    store.record_usage(&row, 400).await.unwrap();
}

fn just(percents: &[(u64, String)]) -> Vec<u64> {
    percents.iter().map(|(percent, _)| *percent).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_percentage_is_told_once_a_window_also_by_way_of_a_receiver_that_fails() {
    const LIMIT: u128 = 100_000;
    let backing = Backing::start().await;
    let store = backing.store();
    let receiver = Receiver::default();
    let functions = with_webhook(&backing, &format!("{}/hook", receiver.start().await)).await;
    limit(&backing, LIMIT).await;
    spend(&store, "a", began(), 49, LIMIT).await;
    sweep(&functions, began()).await;
    assert_eq!(receiver.percents(), [], "49 of 100");
    spend(&store, "b", began(), 11, LIMIT).await;
    receiver.answer(StatusCode::INTERNAL_SERVER_ERROR);
    let report = sweep(&functions, began()).await;
    assert_eq!(
        (&report["alerts_failed"], &report["alerts_delivered"]),
        (&json!(1), &json!(0))
    );
    let first = receiver.percents();
    assert_eq!(just(&first), [50]);
    let report = sweep(&functions, began()).await;
    assert_eq!(report["alerts_delivered"], 1);
    assert_eq!(receiver.percents(), first, "the same again, with the same id");
    spend(&store, "c", began(), 1, LIMIT).await;
    sweep(&functions, began()).await;
    assert_eq!(receiver.percents(), [], "51 and more are no news");
    spend(&store, "d", began(), 39, LIMIT).await;
    sweep(&functions, began()).await;
    assert_eq!(just(&receiver.percents()), [75, 90, 100]);
    let december: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    spend(&store, "e", december, 60, LIMIT).await;
    sweep(&functions, december).await;
    let anew = receiver.percents();
    assert_eq!(just(&anew), [50], "a new window");
    assert_ne!(anew, first);
    assert!(open_calls(&store).await.is_empty());
    assert!(store.pending_alerts(10, None).await.unwrap().items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_that_meet_tell_each_percentage_once() {
    const LIMIT: u128 = 100_000;
    let backing = Backing::start().await;
    let store = backing.store();
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let (one, other) = (with_webhook(&backing, &url).await, with_webhook(&backing, &url).await);
    limit(&backing, LIMIT).await;
    for number in 0..20 {
        spend(&store, &format!("m{number}"), began(), 5, LIMIT).await;
    }
    tokio::join!(sweep(&one, began()), sweep(&other, began()));
    sweep(&one, began()).await;
    assert_eq!(just(&receiver.percents()), [50, 75, 90, 100]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_with_another_place_is_not_followed() {
    const LIMIT: u128 = 100_000;
    let backing = Backing::start().await;
    let store = backing.store();
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let functions = with_webhook(&backing, &format!("{url}/hook")).await;
    limit(&backing, LIMIT).await;
    spend(&store, "r", began(), 50, LIMIT).await;
    for status in [StatusCode::TEMPORARY_REDIRECT, StatusCode::SEE_OTHER] {
        receiver.answer((status, [(header::LOCATION, format!("{url}/elsewhere"))]));
        assert_eq!(sweep(&functions, began()).await["alerts_failed"], 1);
        let paths: Vec<_> = receiver.told().into_iter().map(|(path, _, _)| path).collect();
        assert_eq!(paths, ["/hook"], "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_on_this_machine_is_refused_where_no_local_stack_allows_it() {
    let backing = Backing::start().await;
    let build = |url: &str| {
        let replaced = [
            ("TOLLGATE_ALERT_WEBHOOK_URL", url),
            ("TOLLGATE_ALERT_WEBHOOK_SECRET", "webhook"),
        ];
        let aws = Aws::from_environment(backing.variables("sweep", &[])).unwrap();
        ::sweep::State::new(
            &aws,
            &backing.variables("sweep", &replaced),
            tests::fixtures::held_clock(),
        )
    };
    for bad in [
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
    ] {
        assert!(build(bad).is_err(), "{bad}");
    }
    // A name passes until it is looked up: then what it stands for is looked at.
    const LIMIT: u128 = 100_000;
    let receiver = Receiver::default();
    let port = receiver.start().await.rsplit(':').next().unwrap().to_owned();
    let state = build(&format!("https://localhost:{port}/")).unwrap();
    with_webhook(&backing, "http://localhost:1/").await;
    limit(&backing, LIMIT).await;
    spend(&backing.store(), "l", began(), 50, LIMIT).await;
    let report = state.handle(&json!({"time": began().to_string()}), None).await.unwrap();
    assert_eq!(report["alerts_failed"], 1);
    assert!(receiver.told().is_empty());
}

/// Python's own HMAC, which shares nothing with ours.
fn verified_by_python(headers: &HeaderMap, body: &[u8]) -> bool {
    let program = "import base64, hashlib, hmac, sys\n\
        secret, id, time, signature = sys.argv[1:]\n\
        key = base64.b64decode(secret.removeprefix('whsec_'))\n\
        signed = f'{id}.{time}.'.encode() + sys.stdin.buffer.read()\n\
        expected = 'v1,' + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()\n\
        sys.exit(not hmac.compare_digest(expected, signature))\n";
    let header = |name: &str| headers[name].to_str().unwrap();
    let mut python = Command::new("python3")
        .args(["-c", program, SECRET])
        .args(["webhook-id", "webhook-timestamp", "webhook-signature"].map(header))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body).unwrap();
    python.wait().unwrap().success()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_is_told_is_signed_as_standard_webhooks_says() {
    const LIMIT: u128 = 100_000;
    let backing = Backing::start().await;
    let receiver = Receiver::default();
    let functions = with_webhook(&backing, &receiver.start().await).await;
    limit(&backing, LIMIT).await;
    spend(&backing.store(), "s", began(), 50, LIMIT).await;
    sweep(&functions, began()).await;
    let (_, headers, body) = receiver.told().pop().unwrap();
    assert!(verified_by_python(&headers, &body));
    assert!(
        !verified_by_python(&headers, &[&body[..], b" "].concat()),
        "every byte is signed"
    );
    let time: i64 = headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
    assert_eq!(time, functions.clock.now_seconds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_and_a_topic_are_told_too_and_who_was_told_is_not_told_again() {
    const LIMIT: u128 = 100_000;
    let backing = Backing::start().await;
    let (bus, topic) = (Receiver::default(), Receiver::default());
    let (bus_url, topic_url) = (bus.start().await, topic.start().await);
    let functions = Functions::with(
        &backing,
        &[
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", &bus_url),
            ("AWS_ENDPOINT_URL_SNS", &topic_url),
            (
                "TOLLGATE_ALERT_BUS",
                "arn:aws:events:us-east-1:000000000000:event-bus/alerts",
            ),
            ("TOLLGATE_ALERT_TOPIC", "arn:aws:sns:us-east-1:000000000000:alerts"),
        ],
    );
    limit(&backing, LIMIT).await;
    spend(&backing.store(), "t", began(), 50, LIMIT).await;
    bus.answer(r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}"#);
    let published = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
        <MessageId>1</MessageId></PublishResult></PublishResponse>";
    topic.answer(published);
    assert_eq!(sweep(&functions, began()).await["alerts_failed"], 1);
    assert_eq!((bus.told().len(), topic.told().len()), (1, 1));
    bus.answer(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}"#);
    assert_eq!(sweep(&functions, began()).await["alerts_delivered"], 1);
    let (_, _, body) = bus.told().pop().unwrap();
    let entry = serde_json::from_slice::<Value>(&body).unwrap()["Entries"][0].clone();
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&entry["Source"], &entry["DetailType"]),
        (&json!("tollgate"), &json!("Budget Threshold Reached"))
    );
    assert_eq!(
        (&detail["type"], &detail["data"]["percent"]),
        (&json!("budget.threshold_reached"), &json!(50))
    );
    assert!(topic.told().is_empty(), "the topic has it");
}
