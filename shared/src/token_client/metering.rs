//! What the client counts. `success` and `failure` are requests that went out, `cache_hit` calls that needed none; who waits for
//! another's request is not counted again.

/// Where the histogram `oauth_token_duration_seconds` is cut, in seconds.
pub const DURATION_BUCKETS: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// A request that takes longer is told of.
const SLOW_SECONDS: f64 = 1.0;

pub(super) fn cache_hit() {
    count("cache_hit");
}

pub(super) fn requested(success: bool, seconds: f64) {
    count(if success { "success" } else { "failure" });
    metrics::histogram!("oauth_token_duration_seconds").record(seconds);
    if seconds > SLOW_SECONDS {
        tracing::warn!(seconds, "the token endpoint is slow");
    }
}

fn count(result: &'static str) {
    metrics::counter!("oauth_token_requests_total", "result" => result).increment(1);
}
