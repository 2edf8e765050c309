//! Cipher suites by name, and the versions of TLS, as rustls takes them.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use super::options::MinimumVersion;

/// AWS-LC with the suites of these names. A name that is not known is warned of, and then all count that rustls chooses: a list of
/// which a part is meant is none to trust.
pub(super) fn provider(names: &[String]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let unknown: Vec<_> = names
        .iter()
        .filter(|name| !provider.cipher_suites.iter().any(|suite| is_named(suite, name)))
        .collect();
    if !unknown.is_empty() {
        let known: Vec<_> = provider.cipher_suites.iter().map(name).collect();
        tracing::warn!(?unknown, ?known, "no such cipher suite; the default ones are used");
    } else if !names.is_empty() {
        provider
            .cipher_suites
            .retain(|suite| names.iter().any(|name| is_named(suite, name)));
    }
    provider
}

/// The versions that are spoken, the highest first.
pub(super) fn versions(minimum: MinimumVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_12: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match minimum {
        MinimumVersion::Tls12 => &FROM_12,
        MinimumVersion::Tls13 => &FROM_12[..1],
    }
}

fn is_named(suite: &SupportedCipherSuite, text: &str) -> bool {
    name(suite).eq_ignore_ascii_case(text)
}

/// Its name in IANA's registry. rustls says `TLS13_…` for the suites of TLS 1.3, IANA `TLS_…`.
fn name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}
