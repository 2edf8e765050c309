//! When certificates end.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

const DAY_SECONDS: i64 = 86_400;
/// A certificate that ends within so many days is told of, so that somebody has the time to replace it.
const SOON_DAYS: i64 = 14;

/// How it is with one of the certificates that are in use.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CertificateHealth {
    /// `client` for our own, `ca` for the authorities that we trust.
    pub certificate: &'static str,
    /// Whole days until the first of them ends: 0 on its last day, negative when it is over.
    pub days_to_expiry: i64,
    /// `healthy`, `expiring` or `expired`.
    pub status: &'static str,
}

impl CertificateHealth {
    pub(super) fn of(certificate: &'static str, ends_at: i64, now: Timestamp) -> Self {
        let days = days_between(now, ends_at);
        let status = match days {
            ..0 => "expired",
            0..=SOON_DAYS => "expiring",
            _ => "healthy",
        };
        Self {
            certificate,
            days_to_expiry: days,
            status,
        }
    }
}

/// Whole days until a certificate ends (RFC 5280, section 4.1.2.5): 0 on its last day, negative when it is over. `None`: it is no
/// certificate.
pub fn days_to_expiry(certificate: &CertificateDer<'_>, now: Timestamp) -> Option<i64> {
    ends_at(certificate).map(|ends_at| days_between(now, ends_at))
}

/// When the first of these ends, in seconds since the Unix epoch.
pub(super) fn first_end(certificates: &[CertificateDer<'_>]) -> Option<i64> {
    certificates.iter().filter_map(ends_at).min()
}

fn ends_at(certificate: &CertificateDer<'_>) -> Option<i64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let ends_at = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(ends_at.as_secs()).ok()
}

fn days_between(now: Timestamp, ends_at: i64) -> i64 {
    (ends_at - now.as_second()).div_euclid(DAY_SECONDS)
}
