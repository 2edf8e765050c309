//! AWS Signature Version 4, verified: a request that the real service would refuse is refused here.
//!
//! The steps are those of "Create a signed AWS API request" in the IAM user guide. Services other than S3 encode the
//! path as it was sent once more, which is where clients that sign for themselves go wrong (`%3A` becomes `%253A`).

use aws_lc_rs::{constant_time, digest, hmac};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::Refusal;
use crate::aws::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::privileges::Caller;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "bedrock";
/// Everything but what RFC 3986 calls unreserved, and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Verifies the signature of a request, and says whose it is.
///
/// # Errors
/// A 403 with the type that AWS gives: no signature, an unknown key, another service, or one that does not match.
pub(super) fn verify<'a>(parts: &'a Parts, body: &[u8]) -> Result<Caller<'a>, Refusal> {
    let authorization = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(signed) = authorization.strip_prefix(ALGORITHM).and_then(Signed::parse) else {
        return Err(Refusal::new(
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    };
    let Some(caller) = Caller::of(signed.access_key_id) else {
        let message = "The security token included in the request is invalid.";
        return Err(Refusal::new(403, "UnrecognizedClientException", message));
    };
    if signed.service != SERVICE {
        let message = format!("Credential should be scoped to correct service: '{SERVICE}'. ");
        return Err(Refusal::new(403, "InvalidSignatureException", message));
    }
    let expected = signature(&signed, parts, body);
    if constant_time::verify_slices_are_equal(expected.as_bytes(), signed.signature.as_bytes()).is_err() {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation for details.";
        return Err(Refusal::new(403, "InvalidSignatureException", message));
    }
    Ok(caller)
}

/// The region that a request is signed for.
pub(super) fn region(parts: &Parts) -> Option<String> {
    let authorization = parts.headers.get("authorization")?.to_str().ok()?;
    let signed = Signed::parse(authorization.strip_prefix(ALGORITHM)?)?;
    Some(signed.region.to_owned())
}

/// The parts of an `Authorization` header.
struct Signed<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    fn parse(rest: &'a str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = rest.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let mut scope = field("Credential")?.split('/');
        let signed = Self {
            access_key_id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        };
        (scope.next() == Some("aws4_request")).then_some(signed)
    }
}

fn signature(signed: &Signed<'_>, parts: &Parts, body: &[u8]) -> String {
    let Signed {
        date, region, service, ..
    } = signed;
    let time = header(parts, "x-amz-date");
    let request = hex(digest::digest(&digest::SHA256, canonical(signed, parts, body).as_bytes()).as_ref());
    let to_sign = format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/aws4_request\n{request}");
    let secret = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    let scope = [*date, *region, *service, "aws4_request"];
    let key = scope.iter().fold(secret, |key, part| mac(&key, part.as_bytes()));
    hex(&mac(&key, to_sign.as_bytes()))
}

fn canonical(signed: &Signed<'_>, parts: &Parts, body: &[u8]) -> String {
    let path = utf8_percent_encode(parts.uri.path(), PATH);
    let mut query: Vec<_> = parts.uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    let headers: String = signed
        .headers
        .split(';')
        .map(|name| format!("{name}:{}\n", header(parts, name)))
        .collect();
    let payload = match header(parts, "x-amz-content-sha256") {
        unsigned if unsigned == "UNSIGNED-PAYLOAD" => unsigned,
        _ => hex(digest::digest(&digest::SHA256, body).as_ref()),
    };
    format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{payload}",
        parts.method,
        query.join("&"),
        signed.headers
    )
}

/// A header's values, joined, with runs of spaces made one. HTTP/2 has the host elsewhere.
fn header(parts: &Parts, name: &str) -> String {
    let values = parts
        .headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let values: Vec<_> = values
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    match (name, values.is_empty(), parts.uri.authority()) {
        ("host", true, Some(authority)) => authority.to_string(),
        _ => values.join(","),
    }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The headers that sign a POST of `body` to `url` with the local credentials, for those who speak HTTP themselves: tests,
/// and the benchmark, which wants no client's time in its figures.
#[must_use]
pub fn sign(url: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    const DATE: &str = "20261122";
    let time = format!("{DATE}T120000Z");
    let request = http::Request::post(url)
        .header("x-amz-date", &time)
        .body(())
        .unwrap_or_default();
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let (mut parts, ()) = request.into_parts();
    parts
        .headers
        .extend(host.parse().map(|host| (http::header::HOST, host)));
    let mut signed = Signed {
        access_key_id: ACCESS_KEY_ID,
        date: DATE,
        region: crate::aws::REGION,
        service: SERVICE,
        headers: "host;x-amz-date",
        signature: "",
    };
    let signature = signature(&signed, &parts, body);
    signed.signature = &signature;
    let Signed {
        access_key_id,
        region,
        headers,
        ..
    } = signed;
    let authorization = format!(
        "{ALGORITHM} Credential={access_key_id}/{DATE}/{region}/{SERVICE}/aws4_request, SignedHeaders={headers}, \
         Signature={signature}"
    );
    vec![("x-amz-date", time), ("authorization", authorization)]
}
