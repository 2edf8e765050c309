//! What a budget refuses, what it lets through after a second look, and what callers are told.

use gateway::budget::{ScopeKind, Unit, Window};
use gateway::limits::LAG_SECONDS;
use serde_json::json;
use tests::backing::{Backing, Setup};
use tests::books::{amount, balanced, budget, open_calls, plant, rows};
use tests::event::{MODEL, bedrock_body, converse, converse_body, invoke, messages, messages_body};
use tests::in_process::Functions;
use tests::unreliable::{Fate, Outage};

use super::{CARLA, KEY, MONTH, answer, by_carla, by_invoke, by_messages, now, scopes};

/// Picodollars of a token of answer, and of a token of prompt.
const OUTPUT: u128 = 16_500_000;
const INPUT: u128 = 3_300_000;

#[tokio::test]
async fn each_scope_and_each_window_refuses_on_its_own_with_the_exact_shortfall() {
    for (scope, id) in scopes() {
        for window in Window::ALL {
            let backing = Backing::start().await;
            let functions = Functions::new(&backing);
            plant(&backing, scope, id, &[(Unit::Picodollars, window, 1_000_000)]).await;
            let refused = answer(&functions, "stream", &by_messages(&json!({}), 100, true)).await;
            assert_eq!(refused.status, 402, "{scope:?} {window:?}");
            assert_eq!(refused.json()["error"]["type"], "billing_error");
            let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
            let dollars = |text: &str| -> u128 {
                let digits = text.trim_start_matches('$').replace('.', "");
                digits.parse().unwrap()
            };
            let amounts: Vec<u128> = message
                .split_whitespace()
                .filter(|word| word.starts_with('$'))
                .map(|word| dollars(word.trim_end_matches(',')))
                .collect();
            let [needed, available, limit, missing] = amounts[..] else {
                panic!("{message}")
            };
            assert_eq!((available, limit), (1_000_000, 1_000_000), "{message}");
            assert_eq!(missing, needed - available, "{message}");
            assert!(needed >= 100 * OUTPUT, "{message}");
            let bedrock = answer(&functions, "invoke", &by_invoke(&json!({}), 100)).await;
            assert_eq!(
                (bedrock.status, bedrock.header("x-amzn-errortype")),
                (400, "ServiceQuotaExceededException")
            );
            assert_eq!(backing.mock.ledger().calls.len(), 0, "nothing went out");
            assert_eq!(open_calls(&backing.store()).await, [], "and nothing is left behind");
            let state = balanced(
                &backing.store(),
                &budget(scope, id, Unit::Picodollars, window, now(&functions)),
            )
            .await;
            assert!(state.is_none_or(|state| state.holds.is_empty()));
        }
    }
}

/// Nothing goes out that has a price beside its tokens, and the caller hears what to leave out, in its own dialect.
#[tokio::test]
async fn what_has_a_price_that_is_not_metered_is_refused_before_it_goes_out() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    for (member, value) in [
        ("speed", json!("fast")),
        ("service_tier", json!("priority")),
        ("fallbacks", json!("default")),
        ("tools", json!([{"type": "web_search_20250305", "name": "web_search"}])),
    ] {
        let mut by_messages = messages_body(false, &json!({}));
        let mut by_invoke = bedrock_body(&json!({}));
        by_messages[member] = value.clone();
        by_invoke[member] = value.clone();
        let mut by_converse = converse_body(&json!({}));
        by_converse["additionalModelRequestFields"] = json!({member: value});
        let refused = answer(&functions, "stream", &messages(CARLA, &by_messages)).await;
        let error = &refused.json()["error"];
        assert_eq!(
            (refused.status, &error["type"]),
            (400, &json!("invalid_request_error")),
            "{member}"
        );
        assert!(error["message"].as_str().unwrap().contains(member), "{error}");
        for request in [invoke(CARLA, &by_invoke), converse(CARLA, &by_converse)] {
            let refused = answer(&functions, "invoke", &request).await;
            assert_eq!(
                (refused.status, refused.header("x-amzn-errortype")),
                (400, "ValidationException"),
                "{member}"
            );
            assert!(
                refused.json()["message"].as_str().unwrap().contains(member),
                "{refused:?}"
            );
        }
    }
    let mut usual = messages_body(false, &json!({}));
    usual["speed"] = "standard".into();
    usual["service_tier"] = "auto".into();
    assert_eq!(answer(&functions, "stream", &messages(CARLA, &usual)).await.status, 200);
    assert_eq!(backing.mock.ledger().calls.len(), 1);
}

const GUARDRAIL: &str = "x-amzn-bedrock-guardrailidentifier";

/// A guardrail is billed beside the model: without a price it is refused, and with one every token costs so much more.
#[tokio::test]
async fn a_guardrail_costs_what_the_settings_say_and_is_refused_where_they_say_nothing() {
    let backing = Backing::start().await;
    let allowing = Functions::with(&backing, &[("TOLLGATE_MODELS_GUARDRAILS", "gr1=600000")]);
    let calls = |name: &str| {
        let by_header = invoke(CARLA, &bedrock_body(&json!({"output_tokens": 20}))).header(GUARDRAIL, name);
        let mut body = converse_body(&json!({"output_tokens": 20}));
        body["guardrailConfig"] = json!({"guardrailIdentifier": name, "guardrailVersion": "1"});
        [by_header, converse(CARLA, &body)]
    };
    let silent = Functions::new(&backing);
    for (functions, name) in [(&silent, "gr1"), (&allowing, "gr2")] {
        for request in calls(name) {
            let refused = answer(functions, "invoke", &request).await;
            assert_eq!(
                (refused.status, refused.header("x-amzn-errortype")),
                (400, "ValidationException")
            );
            assert!(refused.json()["message"].as_str().unwrap().contains("guardrail"));
        }
    }
    assert_eq!(backing.mock.ledger().calls.len(), 0, "nothing went out");
    for request in calls("gr1") {
        assert_eq!(answer(&allowing, "invoke", &request).await.status, 200);
    }
    let (rows, ledger) = (rows(&backing.store(), CARLA).await, backing.mock.ledger());
    assert_eq!((rows.len(), ledger.calls.len()), (2, 2));
    for call in &ledger.calls {
        let row = rows
            .iter()
            .find(|row| row.upstream_request_id.as_ref() == Some(&call.request_id))
            .unwrap();
        let tokens = row.usage.prompt_tokens().as_u64() + row.usage.output_tokens.as_u64();
        let cost = call.cost_picodollars + 600_000 * u128::from(tokens);
        assert_eq!((row.cost_picodollars.as_u128(), row.estimated), (cost, true));
    }
    let headers = &backing.mock.requests()[0].headers;
    assert!(format!("{headers:?}").contains("gr1"), "it is passed on: {headers:?}");
}

#[tokio::test]
async fn what_narrower_budgets_held_is_given_back_when_a_wider_one_refuses() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, 10_u128.pow(15))]).await;
    plant(&backing, ScopeKind::Organisation, "all", &[(MONTH.0, MONTH.1, 1)]).await;
    assert_eq!(
        answer(&functions, "stream", &by_messages(&json!({}), 100, false))
            .await
            .status,
        402
    );
    let own = budget(ScopeKind::User, CARLA, MONTH.0, MONTH.1, now(&functions));
    let state = balanced(&backing.store(), &own).await.unwrap();
    assert_eq!((state.holds.len(), state.available), (0, 10_i128.pow(15)));
}

/// By its bytes the prompt would cost too much; counted by Bedrock it fits.
#[tokio::test]
async fn a_bound_that_does_not_fit_is_tried_again_with_bedrocks_own_count() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let mut body =
        json!({"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "x".repeat(40_000)}]});
    body["system"] = "mock:{}".into();
    // 40,000 bytes are 10,000 tokens to the mock.
    plant(
        &backing,
        ScopeKind::User,
        CARLA,
        &[(MONTH.0, MONTH.1, 11_000 * INPUT + 50 * OUTPUT)],
    )
    .await;
    let request = by_carla(messages(CARLA, &body));
    let let_through = answer(&functions, "stream", &request).await;
    assert_eq!(let_through.status, 200, "{:?}", let_through.body);
    assert_eq!(backing.mock.ledger().totals.count_tokens, 1);
    let row = &rows(&backing.store(), CARLA).await[0];
    assert!(!row.estimated && row.usage.input_tokens.as_u64() > 9_000, "{row:?}");
    let refused = answer(&functions, "stream", &request).await;
    assert_eq!(refused.status, 402);
}

/// The last of a budget gives a shorter answer, and its head says so; nobody is cut off below what is of use.
#[tokio::test]
async fn an_answer_is_shortened_to_what_is_left_and_its_head_says_so() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, 400 * OUTPUT)]).await;
    let request = by_messages(&json!({"output_tokens": 5_000}), 8_000, false);
    let first = answer(&functions, "stream", &request).await;
    let lowered: u128 = first.header("x-tollgate-max-tokens").parse().unwrap();
    assert!((256..400).contains(&lowered), "{lowered}");
    assert_eq!(first.json()["usage"]["output_tokens"], u64::try_from(lowered).unwrap());
    assert_eq!(first.json()["stop_reason"], "max_tokens");
    let second = answer(&functions, "stream", &request).await;
    assert_eq!(second.status, 402, "too little is left to be of use");
    // What thinking sets aside is not taken from it.
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, 1_400 * OUTPUT)]).await;
    let mut body = json!({"model": MODEL, "max_tokens": 8_000, "messages": [{"role": "user", "content": "mock:{}"}]});
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1_300});
    let refused = answer(&functions, "stream", &by_carla(messages(CARLA, &body))).await;
    assert_eq!(refused.status, 402);
}

#[tokio::test]
async fn an_answer_of_converse_is_shortened_too_also_where_none_asked_for_a_length() {
    for asked in [json!({"inferenceConfig": {"maxTokens": 8_000}}), json!({})] {
        let backing = Backing::start().await;
        let functions = Functions::new(&backing);
        plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, 400 * OUTPUT)]).await;
        let mut body = converse_body(&json!({"output_tokens": 5_000}));
        body["inferenceConfig"] = asked["inferenceConfig"].clone();
        let first = answer(&functions, "invoke", &by_carla(converse(CARLA, &body))).await;
        let lowered: u64 = first.header("x-tollgate-max-tokens").parse().unwrap();
        assert!((256..400).contains(&lowered), "{lowered}");
        assert_eq!(first.json()["usage"]["outputTokens"], lowered);
        let second = answer(&functions, "invoke", &by_carla(converse(CARLA, &body))).await;
        assert_eq!(
            (second.status, second.header("x-amzn-errortype")),
            (400, "ServiceQuotaExceededException")
        );
    }
}

#[tokio::test]
async fn limits_on_requests_and_tokens_a_minute_refuse_with_the_time_to_come_back() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let minute = [
        (Unit::Requests, Window::Minute, 2),
        (Unit::Tokens, Window::Minute, 100_000),
    ];
    plant(&backing, ScopeKind::Key, KEY, &minute).await;
    functions.clock.advance_seconds(20);
    let request = by_messages(&json!({"output_tokens": 30}), 100, true);
    for _ in 0..2 {
        assert_eq!(answer(&functions, "stream", &request_again(&request)).await.status, 200);
    }
    let refused = answer(&functions, "stream", &request_again(&request)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "40"));
    assert_eq!(refused.json()["error"]["type"], "rate_limit_error");
    let held = budget(ScopeKind::Key, KEY, Unit::Tokens, Window::Minute, now(&functions));
    let state = balanced(&backing.store(), &held).await.unwrap();
    let used: u64 = rows(&backing.store(), CARLA)
        .await
        .iter()
        .map(|row| row.usage.prompt_tokens().as_u64() + row.usage.output_tokens.as_u64())
        .sum();
    assert_eq!(state.spent, amount(used.into()), "settled by what was used");
    functions.clock.advance_seconds(40);
    assert_eq!(
        answer(&functions, "stream", &request_again(&request)).await.status,
        200,
        "a new minute"
    );
    // What a whole minute could not give is no matter of waiting.
    let never = answer(&functions, "stream", &by_messages(&json!({}), 200_000, true)).await;
    assert_eq!(never.status, 400, "{:?}", never.body);
}

/// The same call under another id.
fn request_again(request: &tests::event::Request) -> tests::event::Request {
    let mut again = request.clone();
    again.request_id = tests::event::request("GET", "/").request_id;
    again
}

/// Whoever is seen for the first time has the default budget, made and held in one write.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_user_begins_with_the_default_budget_and_never_with_more() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    plant(&backing, ScopeKind::User, "*", &[(MONTH.0, MONTH.1, 2_000 * OUTPUT)]).await;
    let calls = (0..20).map(|_| by_messages(&json!({"output_tokens": 600}), 600, false));
    let events: Vec<_> = calls.map(|request| request.event()).collect();
    let answers = events
        .iter()
        .map(|event| async { functions.begin("stream", event).await.rest().await.status });
    let statuses = futures_util::future::join_all(answers).await;
    let through = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=3).contains(&through), "{statuses:?}");
    let state = balanced(
        &backing.store(),
        &budget(ScopeKind::User, CARLA, MONTH.0, MONTH.1, now(&functions)),
    )
    .await;
    assert_eq!(state.unwrap().limit, amount(2_000 * OUTPUT));
    // An own limit takes the default's place, within the stated time.
    plant(
        &backing,
        ScopeKind::User,
        CARLA,
        &[(Unit::Picodollars, Window::Total, 10_u128.pow(15))],
    )
    .await;
    plant(&backing, ScopeKind::User, "*", &[]).await;
    functions.clock.advance_seconds(LAG_SECONDS);
    assert_eq!(
        answer(&functions, "stream", &by_messages(&json!({}), 600, false))
            .await
            .status,
        200
    );
}

/// security.md: fail closed. Without its limits no call goes out, and what is half held is given back.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_table_no_call_goes_out() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::new(&backing);
    for outage in [Outage::Failing, Outage::Broken] {
        backing.unreliable().unwrap().table_is(Some(outage));
        let refused = answer(&functions, "stream", &by_messages(&json!({}), 100, true)).await;
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (503, "5"),
            "{outage:?}"
        );
    }
    assert_eq!(backing.mock.ledger().calls.len(), 0);
    assert_eq!(open_calls(&backing.store()).await, []);
}

#[tokio::test]
async fn an_answer_says_what_it_cost_and_what_is_left() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let limit = 10_u128.pow(12);
    plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, limit)]).await;
    plant(
        &backing,
        ScopeKind::Organisation,
        "all",
        &[(MONTH.0, MONTH.1, 2 * limit)],
    )
    .await;
    let picodollars = |text: &str| text.replace('.', "").parse::<u128>().unwrap();
    let whole = answer(&functions, "invoke", &by_invoke(&json!({"output_tokens": 9}), 100)).await;
    let cost = rows(&backing.store(), CARLA).await[0].cost_picodollars.as_u128();
    assert_eq!(picodollars(whole.header("x-tollgate-cost")), cost);
    assert_eq!(picodollars(whole.header("x-tollgate-budget-remaining")), limit - cost);
    let streamed = answer(
        &functions,
        "stream",
        &by_messages(&json!({"output_tokens": 9}), 100, true),
    )
    .await;
    let at_most = picodollars(streamed.header("x-tollgate-cost-at-most"));
    assert!(at_most >= 100 * OUTPUT);
    assert_eq!(
        picodollars(streamed.header("x-tollgate-budget-remaining")),
        limit - cost - at_most
    );
}

/// DynamoDB refuses a write that meets a transaction on its item, as when an administrator changes the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_whose_limit_is_just_changed_takes_the_call_all_the_same() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let functions = Functions::new(&backing);
    plant(&backing, ScopeKind::User, CARLA, &[(MONTH.0, MONTH.1, 10_u128.pow(12))]).await;
    let (done, conflict) = (Fate::Done, Fate::Conflicting);
    // The open call, the hold at its third try, the row, and the settlement at its second.
    backing
        .unreliable()
        .unwrap()
        .script(&[done, conflict, conflict, done, done, conflict, done]);
    let let_through = answer(&functions, "stream", &by_messages(&json!({}), 100, false)).await;
    assert_eq!(let_through.status, 200, "{:?}", let_through.body);
    let state = balanced(
        &backing.store(),
        &budget(ScopeKind::User, CARLA, MONTH.0, MONTH.1, now(&functions)),
    )
    .await;
    let state = state.unwrap();
    assert!(state.holds.is_empty() && state.spent > amount(0), "{state:?}");
}
