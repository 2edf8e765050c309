//! Every metric that there is: the one list, from which CloudWatch learns the units, `GET /metrics` its buckets and descriptions, and
//! `docs/metrics.md` its tables.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// Values, counted by size; these are the upper ends of the buckets.
    Histogram(&'static [f64]),
}

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// The name in CloudWatch.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Bytes => "Bytes",
            Self::Seconds => "Seconds",
        }
    }

    pub(super) const fn of_metrics(self) -> metrics::Unit {
        match self {
            Self::Count => metrics::Unit::Count,
            Self::Bytes => metrics::Unit::Bytes,
            Self::Seconds => metrics::Unit::Seconds,
        }
    }
}

/// Where `GET /metrics` has it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// From the counters that environments add up in the table.
    Counters,
    /// From the sums of usage rows, exact to the picodollar, as far as the sweep has come.
    Rollups,
    /// The same, and not told to CloudWatch, which would bill each model.
    RollupsAlone,
}

/// A label and the values that it may have.
pub type Label = (&'static str, &'static str);

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, in CloudWatch and in Prometheus.
    pub name: &'static str,
    /// What it is.
    pub shape: Shape,
    /// In what.
    pub unit: Unit,
    /// Its labels, beside `function`, each with its values in words.
    pub labels: &'static [Label],
    /// Where it is kept.
    pub kept: Kept,
    /// What it tells.
    pub help: &'static str,
}

/// B-16
pub const JWT_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// B-18
pub const TOKEN_SECONDS: [f64; 9] = crate::token_client::DURATION_BUCKETS;
const HANDSHAKE_SECONDS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// From an answer of a mock to Lambda's 900 s.
const CALL_SECONDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0];

const PEER: Label = ("peer", "storage, token");
const RESULT_OF_A_WRITE: Label = ("result", "success, failure");
const WAY: Label = ("way", "form, session");

const fn counted(name: &'static str, labels: &'static [Label], help: &'static str) -> Metric {
    Metric {
        name,
        shape: Shape::Counter,
        unit: Unit::Count,
        labels,
        kept: Kept::Counters,
        help,
    }
}

const fn timed(name: &'static str, buckets: &'static [f64], labels: &'static [Label], help: &'static str) -> Metric {
    Metric {
        shape: Shape::Histogram(buckets),
        unit: Unit::Seconds,
        ..counted(name, labels, help)
    }
}

const fn summed(name: &'static str, kept: Kept, labels: &'static [Label], help: &'static str) -> Metric {
    Metric {
        kept,
        ..counted(name, labels, help)
    }
}

/// All of them, in the order of the document.
pub const ALL: &[Metric] = &[
    counted(
        "requests_total",
        &[("class", "2xx, 3xx, 4xx, 5xx")],
        "Answers of the functions behind API Gateway, by the class of their status.",
    ),
    timed(
        "request_duration_seconds",
        &CALL_SECONDS,
        &[],
        "From the event's arrival to the last byte of the answer.",
    ),
    counted(
        "authorizations_total",
        &[("result", "allowed, refused, failed")],
        "Answers of the authorizer: the credential counts, does not, or could not be checked.",
    ),
    counted(
        "errors_total",
        &[("kind", "those of docs/errors.md")],
        "Errors that callers were told, by kind.",
    ),
    counted(
        "jwt_validation_total",
        &[("result", "success, failure, expired")],
        "Access tokens that were checked, by what came of it.",
    ),
    timed(
        "jwt_validation_duration_seconds",
        &JWT_SECONDS,
        &[],
        "What the check of an access token took. Past 0.1 s there is a warning in the log.",
    ),
    counted(
        "oauth_token_requests_total",
        &[("result", "success, cache_hit, failure")],
        "Of the function token: answers of the token endpoint. Of the others: tokens that they wanted from the token service before a \
         storage service.",
    ),
    timed(
        "oauth_token_duration_seconds",
        &TOKEN_SECONDS,
        &[],
        "What the token service took; a token that is kept is not timed. Past 1 s there is a warning in the log.",
    ),
    counted(
        "tls_handshakes_total",
        &[PEER, ("result", "success, or the failure in docs/tls.md")],
        "Handshakes with services of our own choosing.",
    ),
    timed(
        "tls_handshake_duration_seconds",
        &HANDSHAKE_SECONDS,
        &[PEER],
        "From the first packet until both sides may speak.",
    ),
    Metric {
        name: "tls_certificate_days_to_expiry",
        shape: Shape::Gauge,
        unit: Unit::Count,
        labels: &[PEER, ("certificate", "client, ca")],
        kept: Kept::Counters,
        help: "Whole days until a certificate ends; negative when it has.",
    },
    summed(
        "model_calls_total",
        Kept::Rollups,
        &[
            ("dialect", "anthropic, bedrock, …"),
            ("outcome", "those of docs/api.md"),
        ],
        "Calls that went out to Bedrock, by the caller's dialect and how they ended.",
    ),
    summed(
        "input_tokens_total",
        Kept::Rollups,
        &[],
        "Tokens of prompts, those from and into caches among them.",
    ),
    summed("output_tokens_total", Kept::Rollups, &[], "Tokens of answers."),
    summed(
        "model_cost_picodollars_total",
        Kept::Rollups,
        &[],
        "What calls cost, in millionths of a millionth of a dollar.",
    ),
    summed(
        "usage_calls_total",
        Kept::RollupsAlone,
        &[("model", "ids without profile")],
        "Calls by model.",
    ),
    summed(
        "usage_tokens_total",
        Kept::RollupsAlone,
        &[
            ("model", "ids without profile"),
            ("kind", "input, output, cache_read, cache_write_5m, cache_write_1h"),
        ],
        "Tokens by model and by what they cost.",
    ),
    summed(
        "usage_cost_picodollars_total",
        Kept::RollupsAlone,
        &[("model", "ids without profile")],
        "Cost by model.",
    ),
    Metric {
        name: "usage_complete_until_seconds",
        shape: Shape::Gauge,
        unit: Unit::Seconds,
        labels: &[],
        kept: Kept::RollupsAlone,
        help: "Every call that began before this (seconds since the Unix epoch) is in the sums of usage rows.",
    },
    timed(
        "model_call_duration_seconds",
        &CALL_SECONDS,
        &[],
        "From sending a call to Bedrock to the end of its answer.",
    ),
    timed(
        "model_first_byte_seconds",
        &CALL_SECONDS,
        &[],
        "From sending a call to Bedrock to the first byte of its answer's body.",
    ),
    counted(
        "cache_lookups_total",
        &[("kind", "what is looked up"), ("result", "hit, miss")],
        "Lookups of what the table knows.",
    ),
    counted(
        "cache_failures_total",
        &[("reason", "those of docs/cache.md")],
        "Times that Redis did not help.",
    ),
    counted(
        "cache_unreadable_total",
        &[],
        "Entries in Redis that are not sealed by us.",
    ),
    counted(
        "upstream_rests_total",
        &[],
        "Times that a target of model calls was throttled or failed, and was put to rest.",
    ),
    counted(
        "upstream_full_total",
        &[],
        "Times that a target of model calls had no room left in its minute.",
    ),
    counted(
        "beta_refusals_total",
        &[],
        "Sets of beta flags that Bedrock refused of a model, and that are left out for a day.",
    ),
    counted(
        "usage_rows_lost_total",
        &[],
        "Rows that the table did not take; they stand in the log, and the sweep makes them anew.",
    ),
    counted(
        "budget_holds_total",
        &[("result", "held, shortened, refused")],
        "Calls to which a budget applied: held as they were, with a shorter answer, or refused.",
    ),
    counted(
        "budget_refusals_total",
        &[("unit", "picodollars, tokens, requests")],
        "Calls that a budget did not cover, by what it counts.",
    ),
    counted(
        "budget_settlements_total",
        &[("result", "settled, left")],
        "Holds after their call: settled, or left to the sweep.",
    ),
    counted(
        "uploads_total",
        &[WAY, ("result", "stored, refused, failed")],
        "Files that came, by the way that they came.",
    ),
    Metric {
        unit: Unit::Bytes,
        ..counted("upload_bytes_total", &[WAY], "Bytes of files that were stored.")
    },
    counted(
        "sweep_calls_total",
        &[("result", "rolled_up, recovered, estimated, released")],
        "Calls that the sweep looked after.",
    ),
    Metric {
        name: "open_call_age_seconds",
        shape: Shape::Gauge,
        unit: Unit::Seconds,
        labels: &[],
        kept: Kept::Counters,
        help: "How old the oldest call is that a sweep has left open, and with it its hold; 0 when there is none.",
    },
    counted("alerts_total", &[("result", "delivered, failed")], "Alerts of budgets."),
    counted(
        "signing_keys_total",
        &[("result", "changed, failed")],
        "Changes of the signing keys, and looks at them that failed.",
    ),
    counted(
        "swept_files_total",
        &[("result", "removed, abandoned, failed")],
        "Files that have ended, uploads that nobody completed, and looks at them that failed.",
    ),
    counted(
        "migrated_items_total",
        &[],
        "Stored items that a migration has brought into another form.",
    ),
    counted(
        "migration_runs_total",
        &[("result", "failed")],
        "Times that a migration could not go on.",
    ),
    counted(
        "shutdowns_total",
        &[("result", "drained, cut")],
        "Ends of environments by SIGTERM: nothing was left in flight, or something was.",
    ),
    counted(
        "counter_writes_total",
        &[RESULT_OF_A_WRITE],
        "Writes of these counters to the table.",
    ),
    counted(
        "trace_exports_total",
        &[RESULT_OF_A_WRITE],
        "Batches of spans, by whether the collector took them.",
    ),
];

/// The metric of this name.
pub fn metric(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        for metric in ALL {
            let name = metric.name;
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
            assert_eq!(metric.shape == Shape::Counter, name.ends_with("_total"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}");
            if let Shape::Histogram(buckets) = metric.shape {
                assert!(name.ends_with("_seconds") && buckets.is_sorted(), "{name}");
            }
            let same = ALL.iter().filter(|other| other.name == name);
            assert_eq!(same.count(), 1, "{name}");
        }
    }

    /// B-15, B-16, B-17, B-18
    #[test]
    fn the_metrics_of_tokens_have_the_buckets_that_were_agreed_on() {
        let buckets = |name: &str| match metric(name).unwrap().shape {
            Shape::Histogram(buckets) => buckets,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            buckets("jwt_validation_duration_seconds"),
            [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0]
        );
        assert_eq!(
            buckets("oauth_token_duration_seconds"),
            [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
        );
        let results = |name: &str| metric(name).unwrap().labels[0].1;
        assert_eq!(results("jwt_validation_total"), "success, failure, expired");
        assert_eq!(results("oauth_token_requests_total"), "success, cache_hit, failure");
    }
}
