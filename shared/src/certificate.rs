//! Clients' certificates (RFC 5280), as mutual TLS has verified them: which one it is, and whom it names (RFC 8705).
//!
//! API Gateway verifies the chain, the dates and the proof of possession, and hands on the certificate. What stands here reads it and
//! verifies nothing of that again.

mod distinguished;
mod expected;
mod names;

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use x509_cert::der::Decode as _;

pub use expected::{BadCertificateLogin, CertificateLogin};

/// A client's certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    thumbprint: Thumbprint,
    read: x509_cert::Certificate,
}

/// What was handed on is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("not a certificate in PEM")]
pub struct BadCertificate;

impl Certificate {
    /// Reads a certificate from PEM; what stands before and behind it is left out.
    ///
    /// # Errors
    /// [`BadCertificate`]
    pub fn from_pem(pem: &str) -> Result<Self, BadCertificate> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| BadCertificate)?;
        Ok(Self {
            thumbprint: Thumbprint::of(&der),
            read: x509_cert::Certificate::from_der(&der).map_err(|_| BadCertificate)?,
        })
    }

    /// Its name for others to be bound to.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Whether its dates hold at `now`. A connection can live longer than the certificate that opened it.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        let validity = self.read.tbs_certificate().validity();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        (validity.not_before.to_unix_duration().as_secs()..=validity.not_after.to_unix_duration().as_secs())
            .contains(&seconds)
    }
}

/// The SHA-256 of a certificate's DER in base64url without padding: `x5t#S256` (RFC 8705, section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(String);

/// Not 32 bytes in base64url without padding.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint is the SHA-256 of a certificate in base64url, 43 characters")]
pub struct BadThumbprint;

impl Thumbprint {
    fn of(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        Self(BASE64_URL_SAFE_NO_PAD.encode(digest))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = BadThumbprint;

    fn from_str(text: &str) -> Result<Self, BadThumbprint> {
        match BASE64_URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(BadThumbprint),
        }
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = BadThumbprint;

    fn try_from(text: String) -> Result<Self, BadThumbprint> {
        text.parse()
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.0
    }
}

/// What a token is bound to (RFC 7800, section 3.1, by the method of RFC 8705, section 3.1). A token with another method is none that
/// anybody here could check, and is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The certificate.
    #[serde(rename = "x5t#S256")]
    pub thumbprint: Thumbprint,
}

impl Confirmation {
    /// Whether who holds this certificate holds the token too. Both sides are public, so the comparison need not hide its time.
    pub fn is_of(&self, certificate: Option<&Certificate>) -> bool {
        certificate.is_some_and(|certificate| certificate.thumbprint == self.thumbprint)
    }
}

#[cfg(test)]
mod tests;
