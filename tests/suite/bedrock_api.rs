//! The Bedrock API beside invoke, and Anthropic's count of tokens: what is asked of Bedrock, and what it costs.

use std::collections::HashSet;

use gateway::invocation_log::InvocationLog;
use gateway::usage::Outcome;
use jiff::SignedDuration;
use localstack::invocation_log::{BUCKET, PREFIX};
use serde_json::{Value, json};
use tests::backing::{Backing, Setup};
use tests::event::{MODEL, Request, converse, converse_body, converse_stream, request};
use tests::in_process::Functions;

const ALICE: &str = "user:alice";
const BASE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const PROFILE: &str = "arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/tollgate";
const STRANGE: &str = "arn:aws:bedrock:us-east-1:999999999999:application-inference-profile/theirs";

fn with_profile(backing: &Backing) -> Functions {
    let setting = format!("{PROFILE}={MODEL}");
    Functions::with(backing, &[("TOLLGATE_MODELS_APPLICATION_PROFILES", &setting)])
}

fn bedrock(model: &str, operation: &str, body: &Value) -> Request {
    let model = model.replace(':', "%3A").replace('/', "%2F");
    request("POST", &format!("/bedrock/model/{model}/{operation}"))
        .by(ALICE)
        .json(body)
}

async fn rows(backing: &Backing) -> Vec<gateway::store::UsageRow> {
    let page = backing.store().usage_of(&ALICE.parse().unwrap(), 100, None).await;
    page.unwrap().items
}

#[tokio::test]
async fn a_configured_application_profile_is_called_as_such_and_priced_as_what_it_runs_and_no_other_is() {
    let backing = Backing::start().await;
    let functions = with_profile(&backing);
    let call = bedrock(PROFILE, "converse", &converse_body(&json!({"output_tokens": 7})));
    assert_eq!(functions.ask("invoke", &call).await.status, 200);
    let (rows, ledger) = (rows(&backing).await, backing.mock.ledger());
    assert_eq!((rows[0].model.as_str(), rows[0].price_model.as_str()), (PROFILE, MODEL));
    assert_eq!(
        (ledger.calls[0].model.as_str(), ledger.calls[0].priced_as.as_str()),
        (PROFILE, MODEL)
    );
    assert_eq!(rows[0].cost_picodollars.as_u128(), ledger.totals.cost_picodollars);
    for operation in ["converse", "count-tokens"] {
        let body = json!({"input": {"converse": converse_body(&json!({}))}, "messages": converse_body(&json!({}))["messages"]});
        let refused = functions.ask("invoke", &bedrock(STRANGE, operation, &body)).await;
        assert_eq!(
            (refused.status, refused.header("x-amzn-errortype")),
            (404, "ResourceNotFoundException")
        );
        let principal = json!({"sub": ALICE, "scopes": "models:invoke", "models": "anthropic.claude-opus-*"});
        let denied = functions
            .ask("invoke", &bedrock(PROFILE, operation, &body).principal(principal))
            .await;
        assert_eq!(
            (denied.status, denied.header("x-amzn-errortype")),
            (403, "AccessDeniedException")
        );
    }
    assert_eq!(backing.mock.requests().len(), 1);
    let listed = request("GET", "/bedrock/inference-profiles?type=APPLICATION").by(ALICE);
    let listed = functions.ask("invoke", &listed).await.json();
    let profiles = listed["inferenceProfileSummaries"].as_array().unwrap();
    assert_eq!(
        (profiles.len(), &profiles[0]["inferenceProfileArn"]),
        (1, &json!(PROFILE))
    );
}

#[tokio::test]
async fn a_count_is_exact_for_every_form_of_an_id_costs_nothing_and_is_no_row() {
    let backing = Backing::start().await;
    let functions = with_profile(&backing);
    let message = json!([{"role": "user", "content": "How long is this?"}]);
    let arn = |kind: &str, id: &str| format!("arn:aws:bedrock:us-east-1:{kind}/{id}");
    let ids = [
        BASE.to_owned(),
        MODEL.to_owned(),
        format!("global.{BASE}"),
        "claude-sonnet-4-5".to_owned(),
        arn("000000000000:inference-profile", MODEL),
        arn(":foundation-model", BASE),
        PROFILE.to_owned(),
    ];
    for id in &ids {
        let body = json!({"model": id, "messages": message, "system": "Be brief.", "tools": [{"name": "t", "input_schema": {}}]});
        let count = request("POST", "/anthropic/v1/messages/count_tokens")
            .by(ALICE)
            .json(&body);
        let counted = functions.ask("invoke", &count).await;
        assert_eq!(
            (counted.status, counted.header("x-tollgate-token-count")),
            (200, "exact"),
            "{id}"
        );
        let mut body = body.clone();
        body["max_tokens"] = json!(5);
        let call = request("POST", "/anthropic/v1/messages").by(ALICE).json(&body);
        let answer = functions.ask("stream", &call).await.json();
        assert_eq!(counted.json()["input_tokens"], answer["usage"]["input_tokens"], "{id}");
    }
    let totals = backing.mock.ledger().totals;
    assert_eq!(
        (totals.count_tokens, totals.calls, rows(&backing).await.len()),
        (ids.len(), ids.len(), ids.len())
    );
    let asked = backing.mock.requests();
    let counts: Vec<_> = asked.iter().filter(|it| it.path.ends_with("/count-tokens")).collect();
    assert!(
        counts.iter().all(|it| it.path.contains("/anthropic.claude-sonnet-4-5")),
        "{counts:?}"
    );
}

/// What a killed function would have said is in Bedrock's log: under our id, which the body of `Converse` carries beside the caller's own.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_converse_are_found_in_the_invocation_log_by_our_request_ids() {
    let backing = Backing::start_with(&Setup {
        invocation_log: true,
        ..Setup::default()
    })
    .await;
    let functions = Functions::new(&backing);
    backing.mock.change_log(|log| log.clock = functions.clock.clone());
    let mut body = converse_body(&json!({"output_tokens": 9}));
    body["requestMetadata"] = json!({"team": "a"});
    body["system"] = json!([{"text": "x".repeat(400)}, {"cachePoint": {"type": "default", "ttl": "1h"}}]);
    let whole = converse(ALICE, &body);
    body["system"] = json!([{"text": "y".repeat(400)}, {"cachePoint": {"type": "default"}}]);
    let streamed = converse_stream(ALICE, &body);
    assert_eq!(functions.ask("invoke", &whole).await.status, 200);
    assert_eq!(functions.ask("stream", &streamed).await.status, 200);
    backing.mock.flush_log().await.unwrap();
    let account = localstack::aws::ACCOUNT_ID.to_owned();
    let region = localstack::aws::REGION.to_owned();
    let log = InvocationLog::new(backing.s3(), BUCKET.to_owned(), PREFIX, account, region);
    let wanted = HashSet::from([whole.request_id.as_str(), streamed.request_id.as_str()]);
    let now = functions.clock.now();
    let found = log
        .find(&wanted, now, now + SignedDuration::from_secs(1), || true)
        .await
        .unwrap()
        .found;
    let rows = rows(&backing).await;
    assert_eq!((rows.len(), found.len()), (2, 2));
    for row in &rows {
        let call = &found[&row.request_id];
        assert_eq!((call.usage, call.exact), (row.usage, true));
        assert_eq!((row.outcome, row.estimated), (Outcome::Success, false));
    }
    for recorded in backing.mock.requests() {
        let body: Value = serde_json::from_slice(&recorded.body).unwrap();
        let metadata = &body["requestMetadata"];
        assert!(metadata["team"] == "a" && wanted.contains(metadata["tollgate_request_id"].as_str().unwrap()));
    }
}
