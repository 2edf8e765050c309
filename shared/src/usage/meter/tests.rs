#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Tokens, UsageReport};
use super::{Reading, UsageMeter};

fn usage(value: Value) -> UsageReport {
    UsageReport::from_usage(&value)
}

fn metrics(input: u64, output: u64) -> UsageReport {
    UsageReport::from_invocation_metrics(&json!({"inputTokenCount": input, "outputTokenCount": output}))
}

fn started() -> UsageMeter {
    let mut meter = UsageMeter::new();
    meter.message_start(usage(json!({"input_tokens": 25, "output_tokens": 8})));
    meter
}

fn counts(reading: Reading) -> (u64, u64, bool) {
    (
        reading.usage.input_tokens.as_u64(),
        reading.usage.output_tokens.as_u64(),
        reading.exact,
    )
}

#[test]
fn a_whole_stream_is_read_exactly() {
    let mut meter = started();
    meter.content_delta(400);
    meter.message_delta(usage(json!({"output_tokens": 15})));
    assert_eq!(counts(meter.reading()), (25, 15, true));
}

#[test]
fn a_whole_message_is_read_exactly() {
    let mut meter = UsageMeter::new();
    meter.message(usage(json!({"input_tokens": 3, "output_tokens": 4})));
    assert_eq!(counts(meter.reading()), (3, 4, true));
}

#[test]
fn a_later_statement_replaces_an_earlier_one_count_by_count() {
    let mut meter = UsageMeter::new();
    meter.message_start(usage(json!({
        "input_tokens": 25, "output_tokens": 8, "cache_creation_input_tokens": 6,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4}
    })));
    meter.message_delta(usage(
        json!({"input_tokens": 30, "output_tokens": 5, "cache_creation_input_tokens": 6}),
    ));
    let reading = meter.reading();
    assert_eq!(counts(reading), (30, 5, true));
    assert_eq!(reading.usage.cache_write_5m_tokens, Tokens::new(2));
    assert_eq!(reading.usage.cache_write_1h_tokens, Tokens::new(4));
}

/// A predecessor served a stream for free that had no natural end.
#[test]
fn a_stream_cut_before_its_final_usage_is_estimated_from_its_bytes() {
    let mut meter = started();
    assert_eq!(counts(meter.reading()), (25, 8, false), "at least what was stated");
    meter.content_delta(32);
    assert_eq!(counts(meter.reading()), (25, 8, false));
    meter.content_delta(1);
    assert_eq!(counts(meter.reading()), (25, 9, false), "a begun token is a token");
}

#[test]
fn content_after_a_statement_makes_it_an_estimate_again() {
    let mut meter = started();
    meter.message_delta(usage(json!({"output_tokens": 15})));
    meter.content_delta(100);
    assert_eq!(counts(meter.reading()), (25, 25, false));
}

#[test]
fn a_stream_that_never_stated_its_input_is_no_exact_one() {
    let mut meter = UsageMeter::new();
    assert_eq!(counts(meter.reading()), (0, 0, false));
    meter.message_delta(usage(json!({"output_tokens": 15})));
    assert_eq!(counts(meter.reading()), (0, 15, false));
}

#[test]
fn metrics_stand_in_for_a_missing_final_usage() {
    let mut meter = started();
    meter.content_delta(4_000);
    meter.invocation_metrics(metrics(25, 700));
    assert_eq!(counts(meter.reading()), (25, 700, true));
}

#[test]
fn metrics_stand_in_for_a_malformed_usage_only_if_they_name_every_count() {
    let mut meter = UsageMeter::new();
    meter.message(usage(json!({"input_tokens": -3, "output_tokens": 4})));
    assert!(!meter.reading().exact);
    meter.invocation_metrics(metrics(3, 4));
    assert_eq!(counts(meter.reading()), (3, 4, false));
    meter.invocation_metrics(UsageReport::from_invocation_metrics(&json!({
        "inputTokenCount": 3, "outputTokenCount": 4, "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0
    })));
    assert_eq!(counts(meter.reading()), (3, 4, true));
}

#[test]
fn metrics_that_disagree_are_reported_and_do_not_count() {
    let mut meter = started();
    meter.message_delta(usage(json!({"output_tokens": 15})));
    meter.invocation_metrics(metrics(25, 16));
    assert_eq!(counts(meter.reading()), (25, 15, true));
    assert!(meter.reading().metrics_disagree);
    meter.invocation_metrics(metrics(25, 15));
    assert!(!meter.reading().metrics_disagree);
}

#[test]
fn incomplete_metrics_are_passed_over() {
    let mut meter = started();
    meter.invocation_metrics(UsageReport::from_invocation_metrics(&json!({"outputTokenCount": 5})));
    assert_eq!(counts(meter.reading()), (25, 8, false));
}

proptest! {
    #[test]
    fn an_estimate_is_never_below_what_was_stated_or_sent(stated in 0_u64..1 << 40, chunks in proptest::collection::vec(0_usize..5_000, 0..20)) {
        let mut meter = UsageMeter::new();
        meter.message_start(usage(json!({"input_tokens": 1, "output_tokens": stated})));
        for bytes in &chunks {
            meter.content_delta(*bytes);
        }
        let reading = meter.reading();
        let sent: u64 = chunks.iter().map(|bytes| *bytes as u64).sum();
        prop_assert!(!reading.exact);
        prop_assert_eq!(reading.usage.output_tokens.as_u64(), stated.max(sent.div_ceil(4)));
    }
}
