//! Beta flags that Bedrock refuses: left out together with their members, once, told, and remembered.

use gateway::budget::{ScopeKind, Unit, Window};
use localstack::bedrock::{BetaScript, Naming};
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::books::{assert_rows_equal_bills, plant, rows};
use tests::event::{bedrock_body, converse, converse_body, invoke, invoke_stream, messages, messages_body, request};
use tests::in_process::Functions;

use super::{ALICE, asking, assert_budget_spent_what_was_billed};

/// Three that Bedrock refuses, as it was seen to.
const REFUSED: [&str; 3] = [
    "oauth-2025-04-20",
    "mcp-client-2025-11-20",
    "prompt-caching-scope-2026-01-05",
];
/// All that a call brings, as Claude Code does.
const ALL: [&str; 5] = [
    "claude-code-20250219",
    "oauth-2025-04-20",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-11-20",
    "prompt-caching-scope-2026-01-05",
];

fn refusing(backing: &Backing, naming: Naming) {
    backing.mock.script_betas(BetaScript {
        refused: REFUSED.map(str::to_owned).to_vec(),
        members: vec!["mcp_servers".to_owned()],
        naming,
    });
}

/// The flags that Bedrock got with the last call.
fn last_flags(backing: &Backing) -> Value {
    let request = backing.mock.requests().pop().unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["anthropic_beta"].clone()
}

/// A call in Anthropic's dialect, whose flags are in a header, or in Bedrock's, whose flags are in the body.
async fn call(functions: &Functions, in_header: bool) -> tests::answer::HttpAnswer {
    if in_header {
        let mut body = asking(&json!({}));
        body["mcp_servers"] = json!([]);
        let request = messages(ALICE, &body).header("anthropic-beta", &ALL.join(","));
        return functions.ask("stream", &request).await;
    }
    let mut body = bedrock_body(&json!({}));
    body["anthropic_beta"] = json!(ALL);
    body["mcp_servers"] = json!([]);
    functions.ask("stream", &invoke_stream(ALICE, &body)).await
}

/// Issue 6, 3: no error that a client sees, one extra call, then none; flags that are accepted stay, and what is left out is told.
#[tokio::test]
async fn three_refused_betas_cost_one_extra_call_and_then_none() {
    for naming in [Naming::None, Naming::All] {
        for in_header in [true, false] {
            let backing = Backing::start().await;
            let month = (Unit::Picodollars, Window::Month, 1_000_000_000_000);
            plant(&backing, ScopeKind::Organisation, "all", &[month]).await;
            let functions = Functions::new(&backing);
            refusing(&backing, naming);
            for calls in [2, 3, 4] {
                let answer = call(&functions, in_header).await;
                assert_eq!(answer.status, 200, "{naming:?} {answer:?}");
                assert_eq!(backing.mock.ledger().calls.len(), calls, "{naming:?}");
                assert_eq!(
                    last_flags(&backing),
                    json!(["claude-code-20250219", "interleaved-thinking-2025-05-14"])
                );
                let told = answer.headers["x-tollgate-dropped"].to_str().unwrap();
                let mut told: Vec<_> = told.split(", ").collect();
                told.sort_unstable();
                let mut wanted: Vec<_> = REFUSED.into_iter().chain(["mcp_servers"]).collect();
                wanted.sort_unstable();
                assert_eq!(told, wanted, "{naming:?}");
            }
            let (rows, ledger) = (rows(&backing.store(), ALICE).await, backing.mock.ledger());
            assert_rows_equal_bills(&rows, &ledger.calls);
            assert_budget_spent_what_was_billed(&backing, &functions).await;
        }
    }
}

/// What was left out of a request is told with its answer, whatever that is and in whichever dialect.
#[tokio::test]
async fn what_was_left_out_is_told_with_an_error_too_in_every_dialect() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    refusing(&backing, Naming::All);
    assert_eq!(call(&functions, false).await.status, 200, "it is known now");
    let of_converse = |directive: &Value| {
        let mut body = converse_body(directive);
        body["additionalModelRequestFields"] = json!({"anthropic_beta": ALL});
        body
    };
    let failures = [
        json!({"error_type": "ThrottlingException"}),
        json!({"error_type": "ModelErrorException"}),
        json!({"cut_after": 1}),
    ];
    for directive in &failures {
        let requests = [
            (
                "anthropic",
                messages(ALICE, &messages_body(false, directive)).header("anthropic-beta", &ALL.join(",")),
            ),
            ("bedrock", invoke(ALICE, &with_flags(bedrock_body(directive)))),
            ("converse", converse(ALICE, &of_converse(directive))),
        ];
        for (dialect, request) in requests {
            let answer = functions.ask("stream", &request).await;
            assert!(answer.status >= 400, "{dialect} {directive}: {answer:?}");
            let told = answer
                .headers
                .get("x-tollgate-dropped")
                .map(|value| value.to_str().unwrap());
            assert!(
                told.is_some_and(|told| REFUSED.iter().all(|flag| told.contains(flag))),
                "{dialect} {directive}: {answer:?}"
            );
        }
    }
    for script in [json!({}), json!({"error_type": "ThrottlingException"})] {
        let body = messages_body(false, &json!({"count_tokens": script}));
        let counting = request("POST", "/anthropic/v1/messages/count_tokens")
            .by(ALICE)
            .json(&body);
        let answer = functions
            .ask("invoke", &counting.header("anthropic-beta", &ALL.join(",")))
            .await;
        assert!(
            answer.headers.contains_key("x-tollgate-dropped"),
            "{script}: {answer:?}"
        );
    }
}

fn with_flags(mut body: Value) -> Value {
    body["anthropic_beta"] = json!(ALL);
    body
}

/// Whoever names one flag at a time is asked twice more, and not once for each flag.
#[tokio::test]
async fn an_upstream_that_names_one_flag_at_a_time_is_asked_twice_more_and_then_once() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    refusing(&backing, Naming::One);
    for calls in [3, 4] {
        assert_eq!(call(&functions, true).await.status, 200);
        assert_eq!(backing.mock.ledger().calls.len(), calls);
    }
}

#[tokio::test]
async fn what_one_environment_has_learned_the_others_know_for_a_day() {
    let backing = Backing::start().await;
    refusing(&backing, Naming::None);
    call(&Functions::new(&backing), true).await;
    assert_eq!(backing.mock.ledger().calls.len(), 2);
    let other = Functions::new(&backing);
    call(&other, false).await;
    assert_eq!(backing.mock.ledger().calls.len(), 3, "it has read it in the table");
    other.clock.advance_seconds(86_401);
    call(&other, false).await;
    assert_eq!(backing.mock.ledger().calls.len(), 5, "Bedrock may have learned");
}

/// Nobody's request loses a flag because of what somebody else has sent besides.
#[tokio::test]
async fn a_flag_that_was_refused_among_others_is_still_tried_without_them() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    backing.mock.script_betas(BetaScript {
        refused: vec!["junk-1".to_owned()],
        ..BetaScript::default()
    });
    let with = |flags: &str| messages(ALICE, &asking(&json!({}))).header("anthropic-beta", flags);
    functions.ask("stream", &with("new-2099-01-01,junk-1")).await;
    assert_eq!(last_flags(&backing), Value::Null);
    functions.ask("stream", &with("new-2099-01-01")).await;
    assert_eq!(last_flags(&backing), json!(["new-2099-01-01"]));
    functions.ask("stream", &with("new-2099-01-01,junk-1")).await;
    assert_eq!(
        last_flags(&backing),
        json!(["new-2099-01-01"]),
        "now it is known which one it was"
    );
    assert_eq!(backing.mock.ledger().calls.len(), 4);
}

#[tokio::test]
async fn a_member_that_is_refused_goes_with_its_flag_and_nothing_else_changes() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    backing.mock.script_betas(BetaScript {
        members: vec!["context_management".to_owned()],
        ..BetaScript::default()
    });
    let body = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"anthropic_beta":["context-management-2025-06-27","interleaved-thinking-2025-05-14"],"context_management":{"edits":[]},"metadata":{"user_id": "1"}}"#;
    let path = format!("/bedrock/model/{}/invoke", tests::event::MODEL);
    let asked = request("POST", &path)
        .by(ALICE)
        .header("content-type", "application/json")
        .body(body);
    for calls in [2, 3] {
        let answer = functions.ask("invoke", &asked).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            answer.headers["x-tollgate-dropped"],
            "context-management-2025-06-27, context_management"
        );
        let sent = backing.mock.requests().pop().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&sent.body),
            r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"anthropic_beta":["interleaved-thinking-2025-05-14"],"metadata":{"user_id": "1"}}"#
        );
        assert_eq!(backing.mock.ledger().calls.len(), calls);
    }
}

#[tokio::test]
async fn converse_loses_what_is_refused_among_its_additional_fields() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    refusing(&backing, Naming::None);
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "hi"}]}], "inferenceConfig": {"maxTokens": 9},
        "additionalModelRequestFields": {"anthropic_beta": ALL, "mcp_servers": []},
    });
    let path = format!("/bedrock/model/{}/converse", tests::event::MODEL);
    for calls in [2, 3] {
        let asked = request("POST", &path).by(ALICE).json(&body);
        let answer = functions.ask("invoke", &asked).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(backing.mock.ledger().calls.len(), calls);
        let sent: Value = serde_json::from_slice(&backing.mock.requests().pop().unwrap().body).unwrap();
        assert_eq!(
            sent["additionalModelRequestFields"],
            json!({"anthropic_beta": ["claude-code-20250219", "interleaved-thinking-2025-05-14"]})
        );
    }
}

#[tokio::test]
async fn a_refusal_of_anything_else_passes_at_once_and_as_it_is() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let mut body = bedrock_body(&json!({"error_type": "ValidationException", "message": "max_tokens: too many"}));
    body["anthropic_beta"] = json!(ALL);
    let answer = functions.ask("stream", &invoke_stream(ALICE, &body)).await;
    assert_eq!(
        (answer.status, answer.json()["message"].as_str()),
        (400, Some("max_tokens: too many"))
    );
    assert!(!answer.headers.contains_key("x-tollgate-dropped"));
    assert_eq!(backing.mock.ledger().calls.len(), 1);
}
