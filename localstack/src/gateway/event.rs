//! The events that functions get: the proxy event (version 1) and the authorizer's REQUEST event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Version;
use serde_json::{Map, Value, json};

use super::call::{Call, lossy};
use super::headers;
use crate::template::{ACCOUNT_ID, API_ID};

/// The event of a proxy integration.
pub(super) fn proxy(call: &Call, body: &Bytes, binary_media_types: &[String]) -> Bytes {
    let mut event = common(call);
    let (body, is_base64) = encode(call, body, binary_media_types);
    event.insert("body".to_owned(), body);
    event.insert("isBase64Encoded".to_owned(), json!(is_base64));
    for empty in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
    ] {
        if event.get(empty).and_then(Value::as_object).is_some_and(Map::is_empty) {
            event.insert(empty.to_owned(), Value::Null);
        }
    }
    if let (Some(principal), Some(context)) = (&call.principal, event.get_mut("requestContext")) {
        context["authorizer"] = Value::Object(principal.clone());
    }
    Bytes::from(Value::Object(event).to_string())
}

/// The event of a REQUEST authorizer. What a proxy event says with null, this says with an empty object.
pub(super) fn authorizer(call: &Call) -> Bytes {
    let mut event = common(call);
    event.insert("type".to_owned(), json!("REQUEST"));
    event.insert("methodArn".to_owned(), json!(call.method_arn()));
    Bytes::from(Value::Object(event).to_string())
}

fn common(call: &Call) -> Map<String, Value> {
    let (headers, multi_value_headers) = headers(call);
    let (query, multi_value_query) = singles_and_multiples(call.query.iter().cloned());
    let mut event = Map::new();
    for (key, value) in [
        ("resource", json!(call.resource)),
        ("path", json!(call.path)),
        ("httpMethod", json!(call.method.as_str())),
        ("headers", headers),
        ("multiValueHeaders", multi_value_headers),
        ("queryStringParameters", query),
        ("multiValueQueryStringParameters", multi_value_query),
        ("pathParameters", json!(call.parameters)),
        ("stageVariables", json!({})),
        ("requestContext", request_context(call)),
    ] {
        event.insert(key.to_owned(), value);
    }
    event
}

/// Non-empty bodies of a binary media type become base64; `*/*` means all.
fn encode(call: &Call, body: &Bytes, binary_media_types: &[String]) -> (Value, bool) {
    if body.is_empty() {
        return (Value::Null, false);
    }
    let content_type = call
        .header("content-type")
        .unwrap_or_else(|| "application/json".to_owned());
    if headers::is_binary(&content_type, binary_media_types) {
        (json!(STANDARD.encode(body)), true)
    } else {
        (json!(String::from_utf8_lossy(body)), false)
    }
}

fn headers(call: &Call) -> (Value, Value) {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in &call.headers {
        if !headers::is_dropped_from_request(name.as_str()) && !is_the_gateways(name.as_str()) {
            pairs.push((spelling(name.as_str(), call.version), lossy(value)));
        }
    }
    let forwarded_for = call
        .headers
        .get_all("x-forwarded-for")
        .iter()
        .map(lossy)
        .chain([call.source_ip.clone()]);
    let scheme = if call.tls { "https" } else { "http" };
    for (name, value) in [
        ("Host", call.host.clone()),
        ("X-Amzn-Trace-Id", call.trace_root().to_owned()),
        ("X-Forwarded-For", forwarded_for.collect::<Vec<_>>().join(", ")),
        ("X-Forwarded-Port", call.port.to_string()),
        ("X-Forwarded-Proto", scheme.to_owned()),
    ] {
        pairs.push((name.to_owned(), value));
    }
    singles_and_multiples(pairs)
}

/// Headers that the gateway sets whatever a client sent. It adds to `X-Forwarded-For`: only its last entry is the gateway's.
fn is_the_gateways(name: &str) -> bool {
    [
        "host",
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    ]
    .contains(&name)
}

/// API Gateway keeps the case in which names were sent: small in HTTP/2, mostly capitals in HTTP/1.1. The HTTP library here
/// does not tell, so HTTP/1.1 names get capitals; functions meet both forms and must not care.
fn spelling(name: &str, version: Version) -> String {
    if version == Version::HTTP_2 {
        return name.to_owned();
    }
    let mut start = true;
    let capital = |character: char| {
        let spelled = if start {
            character.to_ascii_uppercase()
        } else {
            character
        };
        start = character == '-';
        spelled
    };
    name.chars().map(capital).collect()
}

/// Each name with its last value, and each name with all its values.
fn singles_and_multiples(pairs: impl IntoIterator<Item = (String, String)>) -> (Value, Value) {
    let mut singles = Map::new();
    let mut multiples: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        singles.insert(name.clone(), json!(value));
        match multiples.get_mut(&name).and_then(Value::as_array_mut) {
            Some(values) => values.push(json!(value)),
            None => {
                multiples.insert(name, json!([value]));
            }
        }
    }
    (Value::Object(singles), Value::Object(multiples))
}

fn request_context(call: &Call) -> Value {
    let domain = call.domain_name();
    let mut context = json!({
        "accountId": ACCOUNT_ID,
        "apiId": API_ID,
        "deploymentId": "local0",
        "domainName": domain,
        "domainPrefix": domain.split('.').next().unwrap_or_default(),
        "extendedRequestId": call.extended_request_id,
        "httpMethod": call.method.as_str(),
        "identity": {
            "accessKey": null,
            "accountId": null,
            "caller": null,
            "cognitoAuthenticationProvider": null,
            "cognitoAuthenticationType": null,
            "cognitoIdentityId": null,
            "cognitoIdentityPoolId": null,
            "principalOrgId": null,
            "sourceIp": call.source_ip,
            "user": null,
            "userAgent": call.user_agent(),
            "userArn": null,
        },
        "path": call.path,
        "protocol": call.protocol(),
        "requestId": call.request_id,
        "requestTime": call.time_text(),
        "requestTimeEpoch": call.time.as_millisecond(),
        "resourceId": "local0",
        "resourcePath": call.resource,
        "stage": call.stage,
    });
    if let Some(certificate) = &call.certificate {
        context["identity"]["clientCert"] = Value::clone(certificate);
    }
    context
}
