#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Outcome, StopReason};

#[test]
fn labels_are_what_is_serialised() {
    for outcome in Outcome::ALL {
        assert_eq!(
            serde_json::to_string(&outcome).unwrap(),
            format!("\"{}\"", outcome.label())
        );
    }
}

#[test]
fn a_status_tells_the_outcome() {
    let expected = [
        (200, "success"),
        (400, "client_error"),
        (401, "denied"),
        (403, "denied"),
        (404, "client_error"),
        (408, "timeout"),
        (424, "upstream_error"),
        (429, "throttled"),
        (500, "upstream_error"),
        (503, "upstream_error"),
        (504, "timeout"),
        (302, "upstream_error"),
        (0, "upstream_error"),
    ];
    for (status, label) in expected {
        assert_eq!(Outcome::from_status(status).label(), label, "{status}");
    }
}

#[test]
fn a_stop_reason_is_known_or_other() {
    let known = [
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
        "compaction",
    ];
    for label in known {
        let reason = StopReason::from_label(label);
        assert_eq!(reason.label(), label);
        assert_eq!(
            serde_json::from_str::<StopReason>(&format!("\"{label}\"")).unwrap(),
            reason
        );
    }
    assert_eq!(StopReason::from_label("<script>").label(), "other");
    assert_eq!(
        serde_json::from_str::<StopReason>("\"<script>\"").unwrap(),
        StopReason::Other
    );
}
