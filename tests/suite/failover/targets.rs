//! From one target to another: when, at what price, and when not.

use gateway::budget::{ScopeKind, Unit, Window};
use gateway::usage::Outcome;
use localstack::bedrock::{LogSettings, RegionScript};
use serde_json::{Value, json};
use tests::backing::{Backing, Setup, nowhere};
use tests::books::{assert_rows_equal_bills, balanced, open_calls, organisation, plant, rows};
use tests::event::{MODEL, Request, bedrock_body, chat, converse_stream, invoke, invoke_stream, messages};
use tests::in_process::Functions;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::{
    ALIAS, ALICE, TWO, ask, asking, assert_budget_spent_what_was_billed, failing, regions, row, two, with_targets,
};

const WITH_PROFILES: [(&str, &str); 2] = [("east.profile", "us"), ("west.profile", "global")];

#[tokio::test]
async fn what_one_target_refuses_another_answers_and_the_row_is_of_that_one() {
    for error in [
        "ThrottlingException",
        "ServiceUnavailableException",
        "InternalServerException",
    ] {
        let backing = Backing::start().await;
        let month = (Unit::Picodollars, Window::Month, 1_000_000_000_000);
        plant(&backing, ScopeKind::Organisation, "all", &[month]).await;
        let functions = two(&backing, &WITH_PROFILES);
        backing.mock.script_region("us-east-1", failing(error, None));
        let answer = ask(&functions, &asking(&json!({"output_tokens": 20}))).await;
        assert_eq!(answer.status, 200, "{error}: {answer:?}");
        let ledger = backing.mock.ledger();
        assert_eq!(regions(&ledger.calls), ["us-east-1", "us-west-2"]);
        let row = row(&backing).await;
        assert_eq!(
            (row.region.as_str(), row.target.as_deref()),
            ("us-west-2", Some("west"))
        );
        assert_eq!(
            (row.model.as_str(), row.profile.as_deref()),
            ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", Some("global"))
        );
        assert_rows_equal_bills(&[row], &ledger.calls);
        assert_budget_spent_what_was_billed(&backing, &functions).await;
    }
}

/// What is held is the most that it may cost wherever it goes; what is written down before each attempt is where it goes.
#[tokio::test]
async fn the_worst_of_the_dearest_target_is_held_and_the_outbox_names_the_one_that_is_asked() {
    let backing = Backing::start().await;
    let month = (Unit::Picodollars, Window::Month, 1_000_000_000_000);
    plant(&backing, ScopeKind::Organisation, "all", &[month]).await;
    // The cheaper one first.
    let functions = two(&backing, &[("east.profile", "global"), ("west.profile", "us")]);
    backing
        .mock
        .script_region("us-east-1", failing("ThrottlingException", None));
    let body = asking(&json!({"hold": "here"}));
    let asked = messages(ALICE, &body).event();
    let call = functions.call("stream", &asked);
    let look = async {
        let calls = tests::local::eventually("the second attempt", async || {
            (backing.mock.ledger().calls.len() == 2).then_some(())
        });
        calls.await;
        let open = open_calls(&backing.store()).await.pop().unwrap();
        assert_eq!(
            (open.target.as_deref(), open.profile.as_deref()),
            (Some("west"), Some("us"))
        );
        let held = balanced(&backing.store(), &organisation(functions.clock.now()))
            .await
            .unwrap();
        assert_eq!(held.held().as_u128(), open.worst.cost.as_u128());
        let dear = gateway::price::price(&open.rates, &open.worst_usage);
        assert!(open.worst.cost >= dear, "{open:?}");
        backing.mock.release("here");
    };
    let (answer, ()) = futures_util::join!(call, look);
    assert_eq!(answer.http().status, 200);
    assert_rows_equal_bills(&rows(&backing.store(), ALICE).await, &backing.mock.ledger().calls);
}

#[tokio::test]
async fn a_throttled_target_rests_as_long_as_it_said_and_is_then_tried_by_one_call() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[]);
    backing
        .mock
        .script_region("us-east-1", failing("ThrottlingException", Some(30)));
    for _ in 0..3 {
        assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 200);
    }
    assert_eq!(
        regions(&backing.mock.ledger().calls),
        ["us-east-1", "us-west-2", "us-west-2", "us-west-2"]
    );
    // Another environment has read it in the table.
    assert_eq!(ask(&two(&backing, &[]), &asking(&json!({}))).await.status, 200);
    assert_eq!(regions(&backing.mock.ledger().calls)[4..], ["us-west-2"]);
    functions.clock.advance_seconds(31);
    backing.mock.script_region("us-east-1", None);
    for _ in 0..2 {
        assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 200);
    }
    assert_eq!(regions(&backing.mock.ledger().calls)[5..], ["us-east-1", "us-east-1"]);
    assert_rows_equal_bills(&rows(&backing.store(), ALICE).await, &backing.mock.ledger().calls);
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_was_not_asked() {
    let backing = Backing::start().await;
    let down = nowhere();
    let functions = two(&backing, &[("east.endpoint", &down)]);
    assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 200);
    assert_eq!(row(&backing).await.region, "us-west-2");
    let alone = Functions::with(&backing, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &down)]);
    assert_eq!(ask(&alone, &asking(&json!({}))).await.status, 503);
    let rows = rows(&backing.store(), ALICE).await;
    let free = rows.iter().find(|row| row.outcome == Outcome::UpstreamError).unwrap();
    assert_eq!((free.cost_picodollars.as_u128(), free.estimated), (0, false));
}

/// Where all targets refuse, the caller hears the one that is back soonest, with its `retry-after`.
#[tokio::test]
async fn where_no_target_serves_the_soonest_to_be_back_is_told() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[]);
    backing
        .mock
        .script_region("us-east-1", failing("ThrottlingException", Some(7)));
    backing
        .mock
        .script_region("us-west-2", failing("ThrottlingException", Some(90)));
    let answer = ask(&functions, &asking(&json!({}))).await;
    assert_eq!(
        (answer.status, &answer.headers["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(backing.mock.ledger().calls.len(), 2);
    // All rest: the soonest to be back is asked, once.
    let answer = ask(&functions, &asking(&json!({}))).await;
    assert_eq!(answer.status, 429);
    assert_eq!(
        regions(&backing.mock.ledger().calls),
        ["us-east-1", "us-west-2", "us-east-1"]
    );
    let rows = rows(&backing.store(), ALICE).await;
    assert_eq!(rows.len(), 2, "a row for each call of a caller's");
    assert!(
        rows.iter()
            .all(|row| row.outcome == Outcome::Throttled && row.cost_picodollars.as_u128() == 0)
    );
}

#[tokio::test]
async fn no_more_targets_are_asked_than_there_are_attempts() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[("TOLLGATE_UPSTREAM_ATTEMPTS", "1")]);
    backing
        .mock
        .script_region("us-east-1", failing("ThrottlingException", None));
    assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 429);
    assert_eq!(backing.mock.ledger().calls.len(), 1);
    assert_eq!(
        ask(&functions, &asking(&json!({}))).await.status,
        200,
        "the other one is well"
    );
}

/// What is wrong with the request itself, or with the model's answer to it, no other target cures.
#[tokio::test]
async fn what_another_target_would_refuse_too_is_asked_once() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[]);
    let errors = [
        ("ValidationException", 400),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("ModelTimeoutException", 504),
        ("ModelErrorException", 500),
    ];
    for (index, (error, status)) in errors.into_iter().enumerate() {
        let answer = ask(&functions, &asking(&json!({"error_type": error}))).await;
        assert_eq!(answer.status, status, "{error}");
        assert_eq!(backing.mock.ledger().calls.len(), index + 1, "{error}");
    }
}

/// A Bedrock that takes requests and hangs up.
async fn hanging_up() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut some = [0; 1024];
            let _ = connection.read(&mut some).await;
        }
    });
    (url, task)
}

/// A lost answer may be billed: it is written down at its worst, and asked for nowhere else, unless somebody wants that.
#[tokio::test]
async fn a_lost_answer_is_not_asked_for_again() {
    let backing = Backing::start().await;
    let (url, task) = hanging_up().await;
    let lost = ("east.endpoint", url.as_str());
    let functions = two(&backing, &[lost]);
    assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 503);
    assert!(backing.mock.ledger().calls.is_empty());
    let row = row(&backing).await;
    assert!(row.estimated && row.cost_picodollars.as_u128() > 0, "{row:?}");
    assert_eq!(row.usage.output_tokens.as_u64(), 512);
    let repeating = two(&backing, &[lost, ("TOLLGATE_UPSTREAM_REPEAT_LOST", "true")]);
    repeating.clock.advance_seconds(600);
    assert_eq!(ask(&repeating, &asking(&json!({}))).await.status, 200);
    task.abort();
}

#[tokio::test]
async fn nothing_is_asked_again_once_a_stream_may_be_billed() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[]);
    for fault in [
        json!({"exception_after": {"events": 0, "type": "internalServerException"}}),
        json!({"exception_after": {"events": 0, "type": "modelStreamErrorException"}}),
        json!({"exception_after": {"events": 1, "type": "throttlingException"}}),
        json!({"cut_after": 0}),
        json!({"cut_after": 3}),
    ] {
        backing.mock.reset();
        let mut body = asking(&fault);
        body["stream"] = true.into();
        let answer = ask(&functions, &body).await;
        assert!(
            String::from_utf8_lossy(&answer.body).contains("event: error"),
            "{answer:?}"
        );
        assert_eq!(backing.mock.ledger().calls.len(), 1, "{fault}");
    }
}

/// A stream in each dialect. What the mock does with it stands in its queue.
fn streams() -> [(&'static str, Request); 4] {
    let mut body =
        json!({"max_tokens": 512, "messages": [{"role": "user", "content": "hi"}], "stream": true, "model": MODEL});
    let (by_messages, by_chat) = (messages(ALICE, &body), chat(ALICE, &body));
    for name in ["stream", "model"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body["anthropic_version"] = "bedrock-2023-05-31".into();
    let of_converse = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    [
        ("anthropic", by_messages),
        ("openai", by_chat),
        ("bedrock", invoke_stream(ALICE, &body)),
        ("converse", converse_stream(ALICE, &of_converse)),
    ]
}

/// The next calls of the mock, one after the other.
fn script(backing: &Backing, directives: &[Value]) {
    backing.mock.reset();
    for directive in directives {
        backing.mock.queue(serde_json::from_value(directive.clone()).unwrap());
    }
}

fn beginning_with(exception: &str) -> Value {
    json!({"exception_after": {"events": 0, "type": exception}})
}

/// Nothing was passed on and nothing is billed when a stream begins with Bedrock's word that it does not serve the call now.
#[tokio::test]
async fn a_stream_that_begins_with_a_refusal_is_answered_by_another_target() {
    for exception in ["throttlingException", "serviceUnavailableException"] {
        for (dialect, request) in streams() {
            let backing = Backing::start().await;
            let month = (Unit::Picodollars, Window::Month, 1_000_000_000_000);
            plant(&backing, ScopeKind::Organisation, "all", &[month]).await;
            let functions = two(&backing, &[]);
            script(&backing, &[beginning_with(exception), json!({"text": "Hello."})]);
            let answer = functions.ask("stream", &request).await;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            assert_eq!(answer.status, 200, "{dialect} {exception}: {said}");
            assert!(
                !said.contains(exception) && !said.contains("error"),
                "{dialect}: {said}"
            );
            let ledger = backing.mock.ledger();
            assert_eq!(
                regions(&ledger.calls),
                ["us-east-1", "us-west-2"],
                "{dialect} {exception}"
            );
            assert_eq!(ledger.totals.billed, 1);
            let row = row(&backing).await;
            assert_eq!(
                (row.target.as_deref(), row.outcome, row.estimated),
                (Some("west"), Outcome::Success, false)
            );
            assert_rows_equal_bills(&[row], &ledger.calls);
            assert_budget_spent_what_was_billed(&backing, &functions).await;
            // The target rests, as after a 429.
            script(&backing, &[json!({"text": "Hello."})]);
            assert_eq!(functions.ask("stream", &request).await.status, 200);
            assert_eq!(regions(&backing.mock.ledger().calls), ["us-west-2"], "{dialect}");
        }
    }
}

/// The refusal itself reaches the caller where nobody else serves the call, or there is nobody else. It costs nothing, and its row says so.
#[tokio::test]
async fn a_stream_that_begins_with_a_refusal_everywhere_tells_it_and_costs_nothing() {
    for targets in [&TWO[..], &TWO[..1]] {
        for (dialect, request) in streams() {
            let backing = Backing::start().await;
            let functions = with_targets(&backing, targets, &[]);
            script(&backing, &vec![beginning_with("throttlingException"); targets.len()]);
            let answer = functions.ask("stream", &request).await;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            let told = match dialect {
                "anthropic" => "rate_limit_error",
                "openai" => "rate_limit_exceeded",
                _ => "throttlingException",
            };
            assert!(said.contains(told), "{dialect}: {said}");
            let ledger = backing.mock.ledger();
            assert_eq!(
                (ledger.calls.len(), ledger.totals.billed),
                (targets.len(), 0),
                "{dialect}"
            );
            let row = row(&backing).await;
            assert_eq!((row.cost_picodollars.as_u128(), row.estimated), (0, false), "{dialect}");
            assert_eq!(row.outcome, Outcome::StreamInterrupted);
        }
    }
}

/// Whoever lets a lost answer be repeated lets this be too: the prompt may have been read, so it may have been billed.
#[tokio::test]
async fn a_stream_that_begins_with_a_failure_goes_on_elsewhere_only_where_that_is_allowed() {
    for (allowed, calls) in [("false", 1), ("true", 2)] {
        for exception in ["internalServerException", "modelStreamErrorException"] {
            let backing = Backing::start().await;
            let functions = two(&backing, &[("TOLLGATE_UPSTREAM_REPEAT_LOST", allowed)]);
            script(&backing, &[beginning_with(exception), json!({"text": "Hello."})]);
            let [(_, request), ..] = streams();
            functions.ask("stream", &request).await;
            assert_eq!(backing.mock.ledger().calls.len(), calls, "{exception} {allowed}");
        }
    }
}

/// An id with a profile says where the prompt may go, and stays there.
#[tokio::test]
async fn an_id_with_a_geographic_profile_is_called_by_that_profile_alone() {
    let backing = Backing::start().await;
    let functions = with_targets(
        &backing,
        &[
            ("frankfurt", "eu-central-1"),
            ("east", "us-east-1"),
            ("anywhere", "us-west-2"),
        ],
        &[("anywhere.profile", "global")],
    );
    backing
        .mock
        .script_region("us-east-1", failing("ThrottlingException", None));
    let answer = functions.ask("invoke", &invoke(ALICE, &bedrock_body(&json!({})))).await;
    assert_eq!(answer.status, 429);
    let calls = backing.mock.ledger().calls;
    assert!(MODEL.starts_with("us."));
    assert_eq!((regions(&calls), calls[0].model.as_str()), (vec!["us-east-1"], MODEL));
    assert_eq!(
        ask(&functions, &asking(&json!({}))).await.status,
        200,
        "a name may go anywhere"
    );
}

#[tokio::test]
async fn a_route_sends_its_models_to_its_targets_alone() {
    let backing = Backing::start().await;
    let routes = json!([{"models": [ALIAS], "targets": ["west"]}]).to_string();
    let functions = two(&backing, &[("TOLLGATE_UPSTREAM_ROUTES", &routes)]);
    ask(&functions, &asking(&json!({}))).await;
    let mut other = asking(&json!({}));
    other["model"] = "claude-haiku-4-5".into();
    ask(&functions, &other).await;
    assert_eq!(regions(&backing.mock.ledger().calls), ["us-west-2", "us-east-1"]);
}

/// By weight, conversations spread over the targets, and each stays where its cache is, while others are throttled too.
#[tokio::test]
async fn a_conversation_stays_where_its_cache_is() {
    let backing = Backing::start().await;
    let functions = two(&backing, &[("TOLLGATE_UPSTREAM_ORDER", "weight")]);
    let turn = |conversation: usize, turns: usize| {
        let mut messages: Vec<Value> = Vec::new();
        for index in 0..=turns {
            let mut block = json!({"type": "text", "text": format!("conversation {conversation}, turn {index}")});
            if index == turns {
                block["cache_control"] = json!({"type": "ephemeral"});
            }
            messages.push(json!({"role": "user", "content": [block]}));
            if index < turns {
                messages.push(json!({"role": "assistant", "content": "go on"}));
            }
        }
        json!({"model": ALIAS, "max_tokens": 64, "messages": messages})
    };
    for turns in 0..3 {
        for conversation in 0..8 {
            assert_eq!(ask(&functions, &turn(conversation, turns)).await.status, 200);
        }
    }
    let calls = backing.mock.ledger().calls;
    for conversation in 0..8 {
        let of_it: Vec<_> = calls.iter().skip(conversation).step_by(8).collect();
        assert!(of_it.iter().all(|call| call.region == of_it[0].region), "{of_it:?}");
        assert!(
            of_it[1..].iter().all(|call| call.usage.cache_read_input_tokens > 0),
            "{of_it:?}"
        );
    }
    let first = regions(&calls[..8]);
    assert!(
        first.contains(&"us-east-1") && first.contains(&"us-west-2"),
        "{first:?}"
    );
}

/// The sweep finds a call in the log of the region that it went to, and prices it by what that target costs.
#[tokio::test]
async fn a_call_whose_function_died_at_another_target_is_found_in_that_ones_log() {
    let backing = Backing::start_with(&Setup {
        invocation_log: true,
        ..Setup::default()
    })
    .await;
    let log = [
        ("west.log_bucket", localstack::invocation_log::BUCKET),
        ("west.log_prefix", localstack::invocation_log::PREFIX),
    ];
    let functions = two(&backing, &[&WITH_PROFILES[..], &log[..]].concat());
    let clock = functions.clock.clone();
    backing.mock.change_log(|log: &mut LogSettings| log.clock = clock);
    backing.mock.script_region(
        "us-east-1",
        Some(RegionScript {
            status: Some(503),
            ..RegionScript::default()
        }),
    );
    assert_eq!(
        ask(&functions, &asking(&json!({"output_tokens": 33}))).await.status,
        200
    );
    backing.mock.flush_log().await.unwrap();
    // As if the function had died before it wrote the row.
    let written = row(&backing).await;
    super::forget_row(&backing, &written).await;
    functions.clock.advance_seconds(3_600);
    let report = functions.sweep(&json!({})).await.unwrap();
    assert_eq!(report["recovered"], 1, "{report}");
    let found = row(&backing).await;
    assert_eq!(
        (
            found.usage,
            found.cost_picodollars,
            found.target.as_deref(),
            found.estimated
        ),
        (written.usage, written.cost_picodollars, Some("west"), false)
    );
}

/// An STS that gives credentials of any role, and tells what it was asked.
async fn sts() -> (String, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = asked.clone();
    let router = axum::Router::new().fallback(move |body: String| {
        noted.lock().unwrap().push(body);
        async {
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>local</AccessKeyId><SecretAccessKey>local</SecretAccessKey><SessionToken>assumed</SessionToken>\
             <Expiration>2100-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>a:tollgate</AssumedRoleId>\
             <Arn>arn:aws:sts::111122223333:assumed-role/b/tollgate</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn another_account_is_called_by_its_role_and_one_that_cannot_be_assumed_was_not_asked() {
    let backing = Backing::start().await;
    let (url, asked) = sts().await;
    let role = [
        ("east.role", "arn:aws:iam::111122223333:role/b"),
        ("east.external_id", "tollgate"),
    ];
    let functions = two(&backing, &[&role[..], &[("AWS_ENDPOINT_URL_STS", &url)]].concat());
    for _ in 0..2 {
        assert_eq!(ask(&functions, &asking(&json!({}))).await.status, 200);
        let request = backing.mock.requests().pop().unwrap();
        assert_eq!(request.headers["x-amz-security-token"], "assumed");
    }
    let bodies = asked.lock().unwrap().clone();
    assert_eq!(bodies.len(), 1, "credentials are kept until they end");
    for part in [
        "Action=AssumeRole",
        "role%2Fb",
        "ExternalId=tollgate",
        "RoleSessionName=tollgate",
    ] {
        assert!(bodies[0].contains(part), "{bodies:?}");
    }
    let nobody = two(&backing, &[&role[..], &[("AWS_ENDPOINT_URL_STS", &nowhere())]].concat());
    assert_eq!(ask(&nobody, &asking(&json!({}))).await.status, 200);
    assert_eq!(backing.mock.ledger().calls.pop().unwrap().region, "us-west-2");
}
