//! What an event tells of the certificate that a client has shown: `requestContext.identity.clientCert`, in the form of AWS's examples
//! ("Input format of a Lambda function for proxy integration").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

/// `None` for what is no certificate.
pub(super) fn told(der: &[u8]) -> Option<Value> {
    let read = Certificate::from_der(der).ok()?;
    let certificate = read.tbs_certificate();
    let validity = certificate.validity();
    Some(json!({
        "clientCertPem": pem(der),
        "subjectDN": certificate.subject().to_string(),
        "issuerDN": certificate.issuer().to_string(),
        "serialNumber": serial(certificate.serial_number().as_bytes()),
        "validity": { "notBefore": date(&validity.not_before)?, "notAfter": date(&validity.not_after)? },
    }))
}

/// Lines of 64 characters (RFC 7468, section 2).
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: Vec<_> = lines.collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        body.join("\n")
    )
}

/// `a1:a1:a1`
fn serial(bytes: &[u8]) -> String {
    let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}

/// `Aug  5 09:36:04 2021 GMT`
fn date(time: &Time) -> Option<String> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
    let time = Timestamp::from_second(seconds).ok()?;
    Some(time.strftime("%b %e %H:%M:%S %Y GMT").to_string())
}
