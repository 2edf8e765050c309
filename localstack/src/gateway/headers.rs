//! Which headers API Gateway passes, drops and renames, from the table in "Amazon API Gateway important notes", and what it
//! takes for binary.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers of a request that a Lambda proxy integration never sees.
const DROPPED_FROM_REQUEST: [&str; 13] = [
    "connection",
    "content-md5",
    "expect",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Headers of a function's answer that come out as `x-amzn-Remapped-…`.
const REMAPPED_IN_ANSWER: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "max-forwards",
    "server",
    "user-agent",
    "www-authenticate",
    "x-amzn-requestid",
];

/// Headers of a function's answer that no client sees.
const DROPPED_FROM_ANSWER: [&str; 10] = [
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

pub(super) fn is_dropped_from_request(name: &str) -> bool {
    DROPPED_FROM_REQUEST.contains(&name)
}

/// Adds a header of a function's answer to what the client gets. `None` if it is no header at all.
pub(super) fn add_to_answer(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let mut name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    if DROPPED_FROM_ANSWER.contains(&name.as_str()) {
        return Some(());
    }
    if REMAPPED_IN_ANSWER.contains(&name.as_str()) {
        name = HeaderName::from_bytes(format!("x-amzn-remapped-{name}").as_bytes()).ok()?;
    }
    headers.append(name, value);
    Some(())
}

/// Whether a media type (parameters and all) is one of the API's binary ones.
pub(super) fn is_binary(media_type: &str, binary_media_types: &[String]) -> bool {
    let media_type = media_type.split([';', ',']).next().unwrap_or_default().trim();
    binary_media_types.iter().any(|binary| {
        let whole_type = binary.strip_suffix("/*").is_some_and(|kind| {
            media_type
                .split('/')
                .next()
                .is_some_and(|own| own.eq_ignore_ascii_case(kind))
        });
        binary == "*/*" || binary.eq_ignore_ascii_case(media_type) || whole_type
    })
}
