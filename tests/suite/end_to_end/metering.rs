//! What Bedrock billed is what the rows say, whatever becomes of a call.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use gateway::store::UsageRow;
use gateway::usage::{Outcome, Usage};
use serde_json::{Value, json};
use tests::local::{ALIAS, Caller, LedgerCall, MODEL, Mock, Route, Stack, directed, eventually, marker};

on_every_host!(
    the_rows_of_200_mixed_calls_sum_up_to_the_mocks_ledger,
    rows_are_paged_without_gap_or_repetition
);

///
async fn the_rows_of_200_mixed_calls_sum_up_to_the_mocks_ledger(stack: &Stack) {
    let (user, mark) = (stack.new_user().await, marker());
    let plans = plans();
    assert_eq!(plans.len(), 200);
    assert_eq!(count(&plans, |plan| matches!(plan.client, Client::Leaves)), 40);
    assert_eq!(count(&plans, |plan| plan.outcome != Outcome::Success), 20);
    let mock = stack.mock();
    join_all(plans.iter().map(|plan| plan.run(&user.caller, &mock, &mark))).await;
    let rows = user.rows_once(200).await;
    let bills = mock.bills(&mark).await;
    assert_eq!(bills.len(), 200, "one upstream call for each");
    assert_each_bill_has_its_row(&bills, &rows);
    assert_eq!(sum_of_rows(&rows), sum_of_bills(&bills));
    assert_eq!(
        outcomes(rows.iter().map(|row| row.outcome)),
        outcomes(plans.iter().map(|plan| plan.outcome))
    );
}

///
async fn rows_are_paged_without_gap_or_repetition(stack: &Stack) {
    let user = stack.new_user().await;
    for number in 0..7 {
        Route::Messages.call(&user.caller, &format!("{number}")).await;
    }
    let all = user.rows_once(7).await;
    assert!(
        all.is_sorted_by(|newer, older| newer.started_at >= older.started_at),
        "newest first"
    );
    for limit in [1, 3, 7] {
        assert_eq!(user.rows_by(limit).await, all, "in pages of {limit}");
    }
}

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// It reads the answer to its end.
    Stays,
    /// It leaves after the first bytes, or, where there is but one answer, before.
    Leaves,
}

/// One of the calls.
#[derive(Clone, Debug)]
struct Plan {
    route: Route,
    model: &'static str,
    client: Client,
    directive: Value,
    /// Changes the body.
    extra: Extra,
    /// What the row must say.
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
enum Extra {
    Nothing,
    /// Cache breakpoints of an hour and of five minutes, with text that several calls have in common.
    Cached,
    /// A prompt past the length from which on some models cost more.
    Long,
}

impl Plan {
    fn stays(route: Route, directive: Value) -> Self {
        Self {
            route,
            model: MODEL,
            client: Client::Stays,
            directive,
            extra: Extra::Nothing,
            outcome: Outcome::Success,
        }
    }

    fn fails(route: Route, outcome: Outcome, directive: Value) -> Self {
        Self {
            outcome,
            ..Self::stays(route, directive)
        }
    }

    async fn run(&self, caller: &Caller, mock: &Mock, mark: &str) {
        let hold = marker();
        let mut directive = self.directive.clone();
        if matches!(self.client, Client::Leaves) {
            directive["hold"] = json!(hold);
        }
        let text = format!("{hold} {}", directed(mark, directive));
        let body = self.body(&text).to_string();
        let path = self.route.path(self.model);
        let headers = [("content-type", "application/json")];
        let asked = caller.open("POST", &path, &headers, body);
        if matches!(self.client, Client::Stays) {
            // An answer that Bedrock broke off is still a whole one of ours.
            let answer = asked.await.whole().await.unwrap();
            let refused = !matches!(self.outcome, Outcome::Success | Outcome::StreamInterrupted);
            assert_eq!(answer.status != 200, refused, "{self:?}: {answer:?}");
        } else if self.route.is_streamed() {
            let mut reply = asked.await;
            assert!(reply.chunk().await.unwrap().is_some());
            drop(reply);
            mock.release(&hold).await;
        } else {
            tokio::select! {
                reply = asked => panic!("it is held, but {reply:?}"),
                () = held(mock, &hold) => {}
            }
            mock.release(&hold).await;
        }
    }

    fn body(&self, text: &str) -> Value {
        let mut body = self.route.body(self.model, text);
        match self.extra {
            Extra::Nothing => {}
            Extra::Cached => {
                let of_an_hour = json!({ "type": "ephemeral", "ttl": "1h" });
                body["system"] = json!([
                    { "type": "text", "text": "What all of them are told. ".repeat(20), "cache_control": of_an_hour },
                ]);
                body["messages"][0]["content"] = json!([
                    { "type": "text", "text": text, "cache_control": { "type": "ephemeral" } },
                ]);
            }
            Extra::Long => body["system"] = json!("many words ".repeat(80_000)),
        }
        body
    }
}

async fn held(mock: &Mock, hold: &str) {
    eventually("the call is held", async || {
        (mock.waiting(hold).await == 1).then_some(())
    })
    .await;
}

/// 200 of them: 40 whose client leaves, 20 on which Bedrock fails, 140 others.
fn plans() -> Vec<Plan> {
    let mut plans = failures();
    plans.extend((0..40).map(|number| {
        // Most who leave leave a stream.
        let route = match number % 8 {
            6 => Route::Invoke,
            7 => Route::Messages,
            even if even % 2 == 0 => Route::InvokeStream,
            _ => Route::MessagesStream,
        };
        Plan {
            client: Client::Leaves,
            // A function does not learn that its caller has left: API Gateway reads on, and so does Lambda.
            ..Plan::stays(route, json!({ "output_tokens": 30 + number }))
        }
    }));
    plans.extend([Route::Invoke, Route::MessagesStream].map(|route| Plan {
        model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        extra: Extra::Long,
        ..Plan::stays(route, json!({ "output_tokens": 10 }))
    }));
    plans.extend((0..138).map(ordinary));
    plans
}

fn ordinary(number: usize) -> Plan {
    let directives = [
        json!({ "output_tokens": 12 }),
        json!({ "text": "Grüße, 日本 👍", "delta_tokens": 1 }),
        json!({ "thinking": "let me see", "text": "so it is", "split": 7 }),
        json!({ "tool_use": { "name": "f", "input": { "a": [1, 2] } } }),
        json!({ "unknown_event": true, "text": "and more" }),
        json!({ "output_tokens": 40, "stop_reason": "max_tokens" }),
        json!({ "refusal": true }),
    ];
    let route = Route::ALL[number % 4];
    let ids = [
        MODEL,
        "global.anthropic.claude-sonnet-5-5",
        "anthropic.claude-opus-5-5",
        "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "arn:aws:bedrock:us-east-1:000000000000:inference-profile%2Fus.anthropic.claude-opus-5-5",
    ];
    let model = match (route.is_bedrock(), number % 5) {
        (false, 4) => ALIAS,
        (_, id) => ids[id],
    };
    Plan {
        model,
        extra: if number.is_multiple_of(3) {
            Extra::Cached
        } else {
            Extra::Nothing
        },
        ..Plan::stays(route, directives[number % 7].clone())
    }
}

/// Errors before the head and inside the stream, and answers that just break.
fn failures() -> Vec<Plan> {
    use Outcome::{ClientError, Denied, StreamInterrupted, Throttled, Timeout, UpstreamError};
    let before_the_head = [
        (Throttled, json!({ "status": 429, "retry_after": 3 })),
        (UpstreamError, json!({ "status": 503 })),
        (UpstreamError, json!({ "status": 500 })),
        (UpstreamError, json!({ "status": 424 })),
        (Timeout, json!({ "status": 408 })),
        (ClientError, json!({ "status": 400 })),
        (Denied, json!({ "status": 403 })),
        (Throttled, json!({ "error_type": "ModelNotReadyException" })),
    ];
    // An answer in one piece that breaks off: all of it is billed.
    let in_the_answer = [Route::Invoke, Route::Messages]
        .map(|route| Plan::fails(route, UpstreamError, json!({ "output_tokens": 40, "cut_after": 1 })));
    let in_the_stream = [
        json!({ "output_tokens": 40, "exception_after": { "events": 5, "type": "throttlingException" } }),
        json!({ "output_tokens": 40, "exception_after": { "events": 1, "type": "modelStreamErrorException" } }),
        json!({ "output_tokens": 40, "exception_after": { "events": 7, "type": "serviceUnavailableException" } }),
        json!({ "output_tokens": 40, "truncate_frame": 5 }),
        json!({ "output_tokens": 40, "end_after": 6 }),
    ];
    let before = before_the_head.into_iter().zip(Route::ALL.into_iter().cycle());
    let before = before.map(|((outcome, directive), route)| Plan::fails(route, outcome, directive));
    let both = |directive: Value| Route::STREAMED.map(|route| Plan::fails(route, StreamInterrupted, directive.clone()));
    before
        .chain(in_the_answer)
        .chain(in_the_stream.into_iter().flat_map(both))
        .collect()
}

fn assert_each_bill_has_its_row(bills: &[LedgerCall], rows: &[UsageRow]) {
    let mut by_upstream_id: BTreeMap<&str, &UsageRow> = BTreeMap::new();
    for row in rows {
        let id = row
            .upstream_request_id
            .as_deref()
            .expect("Bedrock answered all of them");
        assert!(
            by_upstream_id.insert(id, row).is_none(),
            "two rows of one call: {row:#?}"
        );
    }
    for bill in bills {
        let row = by_upstream_id
            .remove(bill.request_id.as_str())
            .unwrap_or_else(|| panic!("no row: {bill:#?}"));
        let said = (row.usage, row.cost_picodollars.as_u128(), row.estimated);
        let billed = (bill.usage, u128::from(bill.cost_picodollars), !bill.exact);
        assert_eq!(said, billed, "{row:#?}\n{bill:#?}");
        assert_eq!((&row.model, row.upstream_status), (&bill.model, Some(bill.status)));
        assert_eq!(row.streamed, bill.operation == "InvokeModelWithResponseStream");
    }
}

fn sum_of_rows(rows: &[UsageRow]) -> ([u64; 5], u128) {
    sum(rows.iter().map(|row| (row.usage, row.cost_picodollars.as_u128())))
}

fn sum_of_bills(bills: &[LedgerCall]) -> ([u64; 5], u128) {
    sum(bills.iter().map(|bill| (bill.usage, u128::from(bill.cost_picodollars))))
}

/// Tokens of each kind, and money. No kind may be missing, or the comparison would show less than it says.
fn sum(calls: impl Iterator<Item = (Usage, u128)>) -> ([u64; 5], u128) {
    let (mut tokens, mut picodollars) = ([0; 5], 0);
    for (usage, cost) in calls {
        let kinds = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
        ];
        for (sum, kind) in tokens.iter_mut().zip(kinds) {
            *sum += kind.as_u64();
        }
        picodollars += cost;
    }
    assert!(
        tokens.iter().all(|tokens| *tokens > 0) && picodollars > 0,
        "{tokens:?} {picodollars}"
    );
    (tokens, picodollars)
}

fn outcomes(outcomes: impl Iterator<Item = Outcome>) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.label()).or_default() += 1;
    }
    counts
}

fn count(plans: &[Plan], holds: impl Fn(&Plan) -> bool) -> usize {
    plans.iter().filter(|plan| holds(plan)).count()
}
