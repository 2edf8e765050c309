//! Reads along with an answer, whole or in frames, and knows at any moment what it has used and whether it is complete.

use std::borrow::Cow;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::upstream::Operation;
use crate::usage::{Reading, StopReason, Tokens, UsageMeter, UsageReport};
use crate::wire::bedrock::is_refusal;
use crate::wire::frames::Content;

/// What an answer has told so far.
#[derive(Debug, Default)]
pub(super) struct AnswerMeter {
    usage: UsageMeter,
    stop_reason: Option<StopReason>,
    end: Option<End>,
    begun: bool,
    refused: bool,
}

/// The answer's own word on how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It said that it is complete.
    Complete,
    /// It said that it failed.
    Failed,
}

impl AnswerMeter {
    pub(super) fn reading(&self) -> Reading {
        let mut reading = self.usage.reading();
        // Nothing was said, and nothing is billed.
        reading.exact |= self.refused;
        reading
    }

    /// Whether a stream began with Bedrock's word that it does not serve the call now.
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    pub(super) fn end(&self) -> Option<End> {
        self.end
    }

    /// Reads an answer in one piece of an operation: the message's own usage, or the counts in Bedrock's headers.
    pub(super) fn whole(&mut self, operation: Operation, headers: &HeaderMap, body: &[u8]) {
        if operation.converses() {
            // No header tells what it used: where the body does not, its length is all that is known of the answer.
            self.usage.content_delta(body.len());
            self.usage_of_converse(body);
            self.stop_of_converse(body);
            self.end = Some(End::Complete);
            return;
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Message<'a> {
            usage: Option<UsageReport>,
            #[serde(borrow)]
            stop_reason: Option<Cow<'a, str>>,
        }
        let message: Message<'_> = serde_json::from_slice(body).unwrap_or_default();
        if let Some(usage) = message.usage {
            self.usage.message(usage);
        }
        self.usage.invocation_metrics(counted_in_headers(headers));
        self.stop_reason = message.stop_reason.as_deref().map(StopReason::from_label);
        self.end = Some(End::Complete);
    }

    /// Reads one frame of a stream.
    pub(super) fn frame(&mut self, content: &Content) {
        match content {
            Content::Chunk(json) => self.event(json),
            Content::Event { kind, json } => self.converse_event(kind, json),
            Content::Exception { kind, .. } => {
                self.refused = !self.begun && is_refusal(kind);
                self.end = Some(End::Failed);
            }
            Content::Other => {}
        }
        self.begun = true;
    }

    /// An event of `ConverseStream` (Bedrock Runtime API, `ConverseStreamOutput`): `metadata` is the last, and has the counts.
    fn converse_event(&mut self, kind: &str, json: &[u8]) {
        match kind {
            "contentBlockDelta" => {
                #[derive(Deserialize)]
                struct Delta<'a> {
                    #[serde(borrow)]
                    delta: &'a RawValue,
                }
                let delta = serde_json::from_slice::<Delta<'_>>(json);
                self.usage
                    .content_delta(delta.map_or(0, |it| converse_delta_bytes(it.delta)));
            }
            "messageStop" => self.stop_of_converse(json),
            "metadata" => {
                self.usage_of_converse(json);
                self.end = Some(End::Complete);
            }
            _ => {}
        }
    }

    fn usage_of_converse(&mut self, json: &[u8]) {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Answer {
            usage: Value,
        }
        let answer: Answer = serde_json::from_slice(json).unwrap_or_default();
        if !answer.usage.is_null() {
            self.usage.message(UsageReport::from_converse(&answer.usage));
        }
    }

    fn stop_of_converse(&mut self, json: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer<'a> {
            #[serde(borrow)]
            stop_reason: Cow<'a, str>,
        }
        if let Ok(answer) = serde_json::from_slice::<Answer<'_>>(json) {
            self.stop_reason = Some(StopReason::from_label(&answer.stop_reason));
        }
    }

    fn event(&mut self, json: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(json) else {
            return;
        };
        match &*event.kind {
            "message_start" => {
                if let Some(usage) = event.message.and_then(|message| message.usage) {
                    self.usage.message_start(usage);
                }
            }
            "content_block_delta" => {
                self.usage.content_delta(event.delta.map_or(0, delta_bytes));
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.usage.message_delta(usage);
                }
                self.stop_reason = event.delta.and_then(stop_reason).or(self.stop_reason);
            }
            "message_stop" => self.end = Some(End::Complete),
            "error" => self.end = Some(End::Failed),
            _ => {}
        }
        if let Some(metrics) = event.metrics {
            self.usage
                .invocation_metrics(UsageReport::from_invocation_metrics(&metrics));
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    message: Option<Start>,
    #[serde(default)]
    usage: Option<UsageReport>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(rename = "amazon-bedrock-invocationMetrics", default)]
    metrics: Option<Value>,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    usage: Option<UsageReport>,
}

/// The bytes of answer that a delta adds. A signature of thinking is no output of the model's, and is not billed. A kind of delta
/// that nobody knows yet counts with all its JSON.
fn delta_bytes(delta: &RawValue) -> usize {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Known<'a> {
        Said {
            #[serde(borrow, alias = "thinking", alias = "partial_json")]
            text: Cow<'a, str>,
        },
        Signed {
            #[serde(rename = "signature")]
            _signature: serde::de::IgnoredAny,
        },
    }
    match serde_json::from_str::<Known<'_>>(delta.get()) {
        Ok(Known::Said { text }) => text.len(),
        Ok(Known::Signed { .. }) => 0,
        Err(_) => delta.get().len(),
    }
}

/// The same of a delta of `ConverseStream`.
fn converse_delta_bytes(delta: &RawValue) -> usize {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Known<'a> {
        #[serde(borrow)]
        Text(Cow<'a, str>),
        ToolUse {
            #[serde(borrow)]
            input: Cow<'a, str>,
        },
        ReasoningContent(Reasoning<'a>),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Reasoning<'a> {
        #[serde(borrow)]
        Text(Cow<'a, str>),
        Signature(serde::de::IgnoredAny),
    }
    match serde_json::from_str::<Known<'_>>(delta.get()) {
        Ok(Known::Text(said) | Known::ToolUse { input: said } | Known::ReasoningContent(Reasoning::Text(said))) => {
            said.len()
        }
        Ok(Known::ReasoningContent(Reasoning::Signature(_))) => 0,
        Err(_) => delta.get().len(),
    }
}

fn stop_reason(delta: &RawValue) -> Option<StopReason> {
    #[derive(Deserialize)]
    struct Stop<'a> {
        #[serde(borrow)]
        stop_reason: Option<Cow<'a, str>>,
    }
    let stop: Stop<'_> = serde_json::from_str(delta.get()).ok()?;
    stop.stop_reason.as_deref().map(StopReason::from_label)
}

/// Bedrock counts the tokens of an answer in one piece in its headers too.
fn counted_in_headers(headers: &HeaderMap) -> UsageReport {
    let count = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok())
            .map(Tokens::new)
    };
    UsageReport {
        input_tokens: count("x-amzn-bedrock-input-token-count"),
        output_tokens: count("x-amzn-bedrock-output-token-count"),
        cache_read_input_tokens: count("x-amzn-bedrock-cache-read-input-token-count"),
        cache_write_tokens: count("x-amzn-bedrock-cache-write-input-token-count"),
        ..UsageReport::default()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(events: &[&'static str]) -> AnswerMeter {
        let mut meter = AnswerMeter::default();
        for event in events {
            meter.frame(&Content::Chunk(Bytes::from_static(event.as_bytes())));
        }
        meter
    }

    const START: &str = r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1,"cache_read_input_tokens":3,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}}}"#;
    const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"eight by"}}"#;
    const DELTA: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;

    #[test]
    fn a_complete_stream_is_exact_to_the_token() {
        let meter = read(&[START, TEXT, DELTA, STOP]);
        let reading = meter.reading();
        assert!(reading.exact);
        assert_eq!(
            serde_json::to_value(reading.usage).unwrap(),
            serde_json::json!({"input_tokens":10,"output_tokens":7,"cache_read_input_tokens":3,
                "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}})
        );
        assert_eq!(
            (meter.stop_reason(), meter.end()),
            (Some(StopReason::EndTurn), Some(End::Complete))
        );
    }

    #[test]
    fn a_stream_that_breaks_off_is_estimated_by_its_bytes() {
        let meter = read(&[START, TEXT, TEXT]);
        assert!(!meter.reading().exact);
        assert_eq!(meter.reading().usage.output_tokens, Tokens::new(4));
        assert_eq!(meter.end(), None);
    }

    #[test]
    fn thinking_tool_input_and_unknown_deltas_count_too() {
        for (delta, tokens) in [
            (
                r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"12345678"}}"#,
                2,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
                2,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"c2lnbmVk"}}"#,
                1,
            ),
            (r#"{"type":"content_block_delta","delta":{"new":{"x":[1,2,3]}}}"#, 6),
        ] {
            assert_eq!(
                read(&[START, delta]).reading().usage.output_tokens,
                Tokens::new(tokens),
                "{delta}"
            );
        }
    }

    #[test]
    fn an_exception_ends_a_stream_as_failed() {
        let mut meter = read(&[START]);
        meter.frame(&Content::Exception {
            kind: "throttlingException".into(),
            message: String::new(),
        });
        assert_eq!(meter.end(), Some(End::Failed));
    }

    #[test]
    fn a_stream_that_begins_with_a_refusal_has_cost_nothing_and_any_other_exception_may_have() {
        let exception = |kind: &str| Content::Exception {
            kind: kind.into(),
            message: String::new(),
        };
        for (kind, is_free) in [
            ("throttlingException", true),
            ("serviceUnavailableException", true),
            ("internalServerException", false),
            ("modelStreamErrorException", false),
            ("neverSeenException", false),
        ] {
            let mut meter = AnswerMeter::default();
            meter.frame(&exception(kind));
            assert_eq!(
                (meter.reading().exact, meter.was_refused()),
                (is_free, is_free),
                "{kind}"
            );
            assert_eq!(meter.reading().usage.output_tokens, Tokens::ZERO);
            let mut meter = read(&[START]);
            meter.frame(&exception(kind));
            assert_eq!((meter.reading().exact, meter.was_refused()), (false, false), "{kind}");
        }
    }

    fn event(kind: &str, json: &'static str) -> Content {
        Content::Event {
            kind: kind.to_owned(),
            json: Bytes::from_static(json.as_bytes()),
        }
    }

    const CONVERSE_USAGE: &str = r#"{"usage":{"inputTokens":10,"outputTokens":7,"totalTokens":29,"cacheReadInputTokens":3,"cacheWriteInputTokens":9,
        "cacheDetails":[{"ttl":"5m","inputTokens":4},{"ttl":"1h","inputTokens":5}]},"stopReason":"end_turn"}"#;

    #[test]
    fn a_converse_answer_in_one_piece_that_tells_no_usage_is_estimated_by_its_bytes_and_never_nothing() {
        for (body, tokens) in [
            (r#"{"output":{}}"#, 4),
            (r#"{"output":{"message":{"content":["#, 9),
            ("12345", 2),
        ] {
            let mut meter = AnswerMeter::default();
            meter.whole(Operation::Converse, &HeaderMap::new(), body.as_bytes());
            let reading = meter.reading();
            assert!(!reading.exact, "{body}");
            assert_eq!(reading.usage.output_tokens, Tokens::new(tokens), "{body}");
        }
    }

    #[test]
    fn a_converse_answer_is_exact_to_the_token_whole_and_in_events() {
        let mut whole = AnswerMeter::default();
        whole.whole(Operation::Converse, &HeaderMap::new(), CONVERSE_USAGE.as_bytes());
        let mut streamed = AnswerMeter::default();
        for frame in [
            event("messageStart", r#"{"role":"assistant","p":"ab"}"#),
            event(
                "contentBlockDelta",
                r#"{"contentBlockIndex":0,"delta":{"text":"a text that is longer than its count"}}"#,
            ),
            event("messageStop", r#"{"stopReason":"end_turn"}"#),
        ] {
            streamed.frame(&frame);
            assert_eq!(streamed.end(), None);
        }
        assert!(!streamed.reading().exact);
        streamed.frame(&event("metadata", CONVERSE_USAGE));
        for meter in [whole, streamed] {
            assert!(meter.reading().exact);
            assert_eq!(
                serde_json::to_value(meter.reading().usage).unwrap(),
                serde_json::json!({"input_tokens":10,"output_tokens":7,"cache_read_input_tokens":3,
                    "cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}})
            );
            assert_eq!(
                (meter.stop_reason(), meter.end()),
                (Some(StopReason::EndTurn), Some(End::Complete))
            );
        }
    }

    #[test]
    fn a_converse_stream_that_breaks_off_is_estimated_by_its_bytes() {
        for (delta, tokens) in [
            (r#"{"delta":{"text":"12345678"}}"#, 2),
            (r#"{"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#, 2),
            (r#"{"delta":{"reasoningContent":{"text":"1234"}}}"#, 1),
            (r#"{"delta":{"reasoningContent":{"signature":"c2lnbmVk"}}}"#, 0),
            (r#"{"delta":{"new":{"x":[1,2,3]}}}"#, 6),
        ] {
            let mut meter = AnswerMeter::default();
            meter.frame(&event("contentBlockDelta", delta));
            assert_eq!(meter.reading().usage.output_tokens, Tokens::new(tokens), "{delta}");
            assert_eq!((meter.end(), meter.reading().exact), (None, false));
        }
    }

    #[test]
    fn an_answer_without_usage_is_counted_by_bedrocks_headers() {
        let headers = HeaderMap::from_iter([
            (
                "x-amzn-bedrock-input-token-count".parse().unwrap(),
                "12".parse().unwrap(),
            ),
            (
                "x-amzn-bedrock-output-token-count".parse().unwrap(),
                "5".parse().unwrap(),
            ),
        ]);
        let mut meter = AnswerMeter::default();
        meter.whole(Operation::Invoke, &headers, br#"{"completion":"hi"}"#);
        let usage = meter.reading().usage;
        assert_eq!(
            (usage.input_tokens, usage.output_tokens),
            (Tokens::new(12), Tokens::new(5))
        );
    }
}
