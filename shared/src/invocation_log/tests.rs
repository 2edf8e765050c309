use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

fn packed(lines: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(lines).unwrap();
    out.finish().unwrap()
}

fn record(written: u64, body: &Value) -> Value {
    json!({
        "schemaType": "ModelInvocationLog", "schemaVersion": "1.0", "requestId": "upstream-1",
        "input": {"inputTokenCount": 1, "cacheReadInputTokenCount": 2, "cacheWriteInputTokenCount": written},
        "output": {"outputTokenCount": 4, "outputBodyJson": body},
        "requestMetadata": {"tollgate_request_id": "ours-1"},
    })
}

fn call(record: &Value) -> LoggedCall {
    let mut found = HashMap::new();
    keep(record.to_string().as_bytes(), &HashSet::from(["ours-1"]), &mut found);
    found.remove("ours-1").unwrap()
}

fn split_usage(short: u64, long: u64) -> Value {
    json!({"cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}})
}

#[test]
fn a_record_tells_the_tokens_and_the_lifetimes_that_its_body_names() {
    for body in [
        json!({"usage": split_usage(3, 5)}),
        json!({"output": {}, "usage": {"cacheWriteInputTokens": 8, "cacheDetails": [{"ttl": "1h", "inputTokens": 5}, {"ttl": "5m", "inputTokens": 3}]}}),
        json!([{"messageStop": {}}, {"metadata": {"usage": {"cacheDetails": [{"ttl": "5m", "inputTokens": 3}, {"ttl": "1h", "inputTokens": 5}]}}}]),
        json!([{"type": "message_start", "message": {"usage": split_usage(3, 5)}}, {"type": "message_delta", "usage": {"output_tokens": 4}}]),
    ] {
        let call = call(&record(8, &body));
        let usage = call.usage;
        let all = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
        ];
        assert_eq!(all.map(Tokens::as_u64), [1, 4, 2, 3, 5]);
        assert!(call.exact);
        assert_eq!(call.upstream_request_id.as_deref(), Some("upstream-1"));
    }
}

#[test]
fn writes_of_unknown_lifetime_count_at_the_longer_one_and_as_an_estimate() {
    for body in [Value::Null, json!({"usage": split_usage(1, 1)}), json!([])] {
        let call = call(&record(8, &body));
        assert_eq!(call.usage.cache_write_1h_tokens, Tokens::new(8));
        assert_eq!(call.usage.cache_write_5m_tokens, Tokens::ZERO);
        assert!(!call.exact, "{body}");
    }
    assert!(call(&record(0, &Value::Null)).exact, "nothing was written");
}

#[test]
fn of_two_records_of_a_call_the_larger_counts_and_strangers_do_not() {
    let mut found = HashMap::new();
    let refused = json!({"errorCode": "x", "requestMetadata": {"tollgate_request_id": "ours-1"}});
    let stranger = json!({"requestMetadata": {"tollgate_request_id": "ours-2"}});
    for line in [
        &refused,
        &record(0, &Value::Null),
        &refused,
        &stranger,
        &json!({"note": "tollgate_request_id"}),
    ] {
        keep(line.to_string().as_bytes(), &HashSet::from(["ours-1"]), &mut found);
    }
    assert_eq!(found.len(), 1);
    assert_eq!(found["ours-1"].usage.output_tokens, Tokens::new(4));
}

#[test]
fn an_object_is_read_line_by_line_over_all_its_parts() {
    let mut two = packed(b"a\nb\n");
    two.extend(packed(b"c"));
    let mut lines = Vec::new();
    assert!(records(&two, |line| lines.push(line.to_vec())));
    assert_eq!(lines, [b"a\n".to_vec(), b"b\n".to_vec(), b"c".to_vec()]);
}

#[test]
fn what_is_cut_off_no_gzip_or_endless_does_not_count_as_read() {
    let whole = packed(&b"line\n".repeat(1000));
    assert!(!records(&whole[..whole.len() - 9], |_| ()));
    assert!(!records(b"plain text\n", |_| ()));
    let endless = vec![b'x'; usize::try_from(MAX_LINE_BYTES).unwrap() + 1];
    assert!(!records(&packed(&endless), |_| ()));
}
