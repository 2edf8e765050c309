#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Tokens, Usage};
use super::UsageReport;

fn read(usage: Value) -> UsageReport {
    UsageReport::from_usage(&usage)
}

fn cache_writes(usage: Value) -> (u64, u64, bool) {
    let (usage, consistent) = read(usage).usage();
    let Usage {
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        ..
    } = usage;
    (
        cache_write_5m_tokens.as_u64(),
        cache_write_1h_tokens.as_u64(),
        consistent,
    )
}

/// A-13. A predecessor did not tell the two lifetimes of cache writes apart.
#[test]
fn a_message_usage_is_read_in_full_and_what_is_unknown_is_passed_over() {
    let report = read(json!({
        "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5, "ephemeral_1w_input_tokens": {}},
        "service_tier": "standard", "server_tool_use": null, "new": [1, -2.5]
    }));
    assert!(!report.malformed);
    let usage = report.usage().0;
    assert_eq!(
        serde_json::to_value(usage).unwrap(),
        json!({
            "input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}
        })
    );
    assert_eq!(usage.prompt_tokens(), Tokens::new(13));
    assert_eq!(
        serde_json::from_value::<Usage>(serde_json::to_value(usage).unwrap()).unwrap(),
        usage
    );
}

#[test]
fn cache_writes_without_a_split_are_of_five_minutes() {
    assert_eq!(cache_writes(json!({"cache_creation_input_tokens": 7})), (7, 0, true));
    assert_eq!(
        cache_writes(json!({"cache_creation_input_tokens": 7, "cache_creation": null})),
        (7, 0, true)
    );
}

#[test]
fn a_split_without_a_total_stands() {
    let split = json!({"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5});
    assert_eq!(cache_writes(json!({"cache_creation": split})), (4, 5, true));
}

#[test]
fn a_split_that_disagrees_with_its_total_never_loses_a_token() {
    let with = |total: u64, short: u64, long: u64| {
        let split = json!({"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long});
        cache_writes(json!({"cache_creation_input_tokens": total, "cache_creation": split}))
    };
    assert_eq!(
        with(10, 4, 5),
        (4, 6, false),
        "the rest goes to the dearer lifetime that is named"
    );
    assert_eq!(with(10, 4, 0), (10, 0, false), "nothing speaks of an hour");
    assert_eq!(with(1, 4, 5), (4, 5, false), "the split is the larger");
}

#[test]
fn a_count_that_is_none_is_left_out_and_marks_the_statement() {
    for bad in [
        "-1",
        "1.5",
        "12.0",
        "1e3",
        "18446744073709551616",
        "9007199254740992",
        "\"7\"",
        "true",
        "[]",
        "{}",
    ] {
        let usage: Value = serde_json::from_str(&format!(r#"{{"input_tokens":{bad},"output_tokens":3}}"#)).unwrap();
        let report = read(usage);
        assert!(report.malformed, "{bad}");
        assert_eq!(
            (report.input_tokens, report.output_tokens),
            (None, Some(Tokens::new(3))),
            "{bad}"
        );
    }
    assert_eq!(
        read(json!({"input_tokens": 9_007_199_254_740_991_u64})).input_tokens,
        Some(Tokens::new((1 << 53) - 1))
    );
    assert!(!read(json!({"input_tokens": null})).malformed);
}

#[test]
fn a_usage_that_is_no_object_says_nothing() {
    for bad in [json!("x"), json!(3), json!([]), json!(true)] {
        assert_eq!(
            read(bad),
            UsageReport {
                malformed: true,
                ..UsageReport::default()
            }
        );
    }
    assert_eq!(read(Value::Null), UsageReport::default());
    assert!(read(json!({"cache_creation": 3})).malformed);
}

#[test]
fn every_step_of_a_compacted_answer_is_billed() {
    let report = read(json!({
        "input_tokens": 23_000, "output_tokens": 1_000, "cache_read_input_tokens": 0,
        "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
            {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}
        ]
    }));
    assert!(!report.malformed);
    let usage = report.usage().0;
    assert_eq!(
        (usage.input_tokens.as_u64(), usage.output_tokens.as_u64()),
        (203_000, 4_500)
    );
    let smaller = read(json!({"input_tokens": 9, "output_tokens": 9, "iterations": [{"input_tokens": 1}]}));
    assert_eq!(smaller.input_tokens, Some(Tokens::new(9)));
    for empty in [json!([]), json!(null)] {
        assert!(!read(json!({"input_tokens": 9, "iterations": empty})).malformed);
    }
    for bad in [json!([1]), json!("x"), json!([{"input_tokens": -1}])] {
        assert!(read(json!({"input_tokens": 9, "iterations": bad})).malformed);
    }
}

#[test]
fn bedrock_metrics_are_read_by_their_own_names() {
    let report = UsageReport::from_invocation_metrics(&json!({
        "inputTokenCount": 7, "outputTokenCount": 126, "invocationLatency": 4069, "firstByteLatency": 1117,
        "cacheReadInputTokenCount": 14486, "cacheWriteInputTokenCount": 2238
    }));
    assert_eq!(report.input_tokens, Some(Tokens::new(7)));
    assert_eq!(report.output_tokens, Some(Tokens::new(126)));
    assert_eq!(report.cache_read_input_tokens, Some(Tokens::new(14486)));
    assert_eq!(report.cache_write_tokens, Some(Tokens::new(2238)));
    assert!(!report.malformed);
    assert!(UsageReport::from_invocation_metrics(&json!({"inputTokenCount": -1})).malformed);
    assert!(UsageReport::from_invocation_metrics(&json!([])).malformed);
}

fn any_count() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!({"a": []})),
    ]
}

fn any_usage() -> impl Strategy<Value = Value> {
    let step = (
        any_count(),
        any_count(),
        any_count(),
        any_count(),
        any_count(),
        any_count(),
    )
        .prop_map(|(input, output, read, total, short, long)| {
            json!({
                "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": read,
                "cache_creation_input_tokens": total,
                "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
            })
        });
    let step = step.boxed();
    (step.clone(), proptest::collection::vec(step, 0..4)).prop_map(|(mut usage, steps)| {
        usage["iterations"] = Value::from(steps);
        usage
    })
}

proptest! {
    #[test]
    fn no_usage_panics_or_bills_less_than_its_cache_total(usage in any_usage()) {
        let report = read(usage);
        let (billed, _) = report.usage();
        let writes = billed.cache_write_5m_tokens.saturating_add(billed.cache_write_1h_tokens);
        prop_assert!(writes >= report.cache_write_tokens.unwrap_or_default());
        prop_assert!(writes >= report.cache_write_5m_tokens.unwrap_or_default());
        prop_assert!(writes >= report.cache_write_1h_tokens.unwrap_or_default());
    }
}
