#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};

use super::*;
use crate::template::{GatewayResponse, Route};

fn call(request: http::request::Builder) -> Call {
    let (head, ()) = request.body(()).unwrap().into_parts();
    let connection = Connection::new("127.0.0.1:4000".parse().unwrap(), 8787);
    Call::new(&head, connection, "live")
}

fn matched(request: http::request::Builder) -> Call {
    let route = Route {
        method: "POST".to_owned(),
        path: "/model/{id}".to_owned(),
        function: "f".to_owned(),
        streamed: false,
        authorizer: None,
    };
    let mut call = call(request);
    call.matched(&route, [("id".to_owned(), "a/b".to_owned())].into());
    call
}

fn request() -> http::request::Builder {
    Request::builder()
        .method("POST")
        .uri("/model/a%2Fb?x=1&y=a%20b+c&x=2&z")
        .header("host", "example.test:80")
}

fn proxy_event(call: &Call, body: &'static [u8], binary: &[&str]) -> Value {
    let binary: Vec<String> = binary.iter().map(|media_type| (*media_type).to_owned()).collect();
    serde_json::from_slice(&event::proxy(call, &Bytes::from_static(body), &binary)).unwrap()
}

#[test]
fn a_proxy_event_has_the_raw_path_and_decoded_parameters() {
    let event = proxy_event(&matched(request()), b"", &[]);
    assert_eq!(event["resource"], "/model/{id}");
    assert_eq!(event["path"], "/model/a%2Fb");
    assert_eq!(event["httpMethod"], "POST");
    assert_eq!(event["pathParameters"], json!({ "id": "a/b" }));
    assert_eq!(
        event["queryStringParameters"],
        json!({ "x": "2", "y": "a b c", "z": "" })
    );
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({ "x": ["1", "2"], "y": ["a b c"], "z": [""] })
    );
    assert_eq!(
        (&event["body"], &event["isBase64Encoded"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(event["stageVariables"], Value::Null);
    let context = &event["requestContext"];
    assert_eq!(context["resourcePath"], "/model/{id}");
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["domainName"], "example.test");
    assert_eq!(context["stage"], "live");
    assert_eq!(context.get("authorizer"), None);
}

#[test]
fn what_a_proxy_event_says_with_null_an_authorizers_says_with_nothing_in_it() {
    let plain = call(Request::builder().uri("/closed"));
    let event = proxy_event(&plain, b"", &[]);
    let asked: Value = serde_json::from_slice(&event::authorizer(&plain)).unwrap();
    for member in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
    ] {
        assert_eq!(event[member], Value::Null, "{member}");
        assert_eq!(asked[member], json!({}), "{member}");
    }
    assert_eq!(asked["type"], "REQUEST");
    assert_eq!(
        asked["methodArn"],
        "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/closed"
    );
    assert_eq!((asked.get("body"), asked.get("isBase64Encoded")), (None, None));
}

#[test]
fn bodies_of_binary_media_types_become_base64() {
    let text = matched(request().header("content-type", "text/plain; charset=utf-8"));
    assert_eq!(proxy_event(&text, b"\xffx", &["*/*"])["body"], "/3g=");
    assert_eq!(proxy_event(&text, b"x", &["text/*"])["isBase64Encoded"], true);
    assert_eq!(proxy_event(&text, b"x", &["TEXT/plain"])["isBase64Encoded"], true);
    assert_eq!(proxy_event(&text, b"x", &["image/png"])["body"], "x");
    assert_eq!(
        proxy_event(&matched(request()), b"x", &["application/json"])["isBase64Encoded"],
        true
    );
}

#[test]
fn forwarding_headers_are_the_gateways_and_connection_headers_end_here() {
    let spoofed = request()
        .header("x-forwarded-for", "10.9.9.9")
        .header("x-forwarded-proto", "https")
        .header("x-amzn-trace-id", "Root=mine")
        .header("transfer-encoding", "chunked")
        .header("x-api-key", "one")
        .header("x-api-key", "two");
    let call = matched(spoofed);
    let event = proxy_event(&call, b"", &[]);
    let headers = &event["headers"];
    assert_eq!(headers["X-Forwarded-For"], "10.9.9.9, 127.0.0.1");
    assert_eq!(headers["X-Forwarded-Proto"], "http");
    assert_eq!(headers["X-Forwarded-Port"], "8787");
    assert_eq!(headers["X-Amzn-Trace-Id"], call.trace_root());
    assert_eq!(headers["Host"], "example.test:80");
    assert_eq!(headers["X-Api-Key"], "two");
    assert_eq!(event["multiValueHeaders"]["X-Api-Key"], json!(["one", "two"]));
    assert_eq!(headers.get("Transfer-Encoding"), None);
}

#[test]
fn header_names_are_small_in_http_2() {
    let event = proxy_event(
        &matched(request().version(http::Version::HTTP_2).header("x-api-key", "k")),
        b"",
        &[],
    );
    assert_eq!(event["headers"]["x-api-key"], "k");
}

#[test]
fn the_principal_is_the_authorizers_and_nothing_a_caller_sends() {
    let mut call = matched(request().header("requestcontext", "{\"authorizer\":{\"sub\":\"me\"}}"));
    assert_eq!(proxy_event(&call, b"", &[])["requestContext"].get("authorizer"), None);
    call.principal = json!({ "principalId": "p", "sub": "s" }).as_object().cloned();
    assert_eq!(
        proxy_event(&call, b"", &[])["requestContext"]["authorizer"],
        json!({ "principalId": "p", "sub": "s" })
    );
}

async fn rendered(
    refusal: &Refusal,
    call: &Call,
    responses: &[(&str, GatewayResponse)],
) -> (u16, http::HeaderMap, String) {
    let responses = responses
        .iter()
        .map(|(kind, response)| ((*kind).to_owned(), response.clone()))
        .collect();
    let (head, body) = refusal.render(call, &responses).into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status.as_u16(),
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn an_unshaped_refusal_is_awss_own() {
    let call = call(request());
    let (status, headers, body) = rendered(&Refusal::of(Kind::MissingAuthenticationToken), &call, &[]).await;
    assert_eq!(
        (status, body.as_str()),
        (403, r#"{"message":"Missing Authentication Token"}"#)
    );
    assert_eq!(headers["x-amzn-errortype"], "MissingAuthenticationTokenException");
    let (status, _, body) = rendered(&Refusal::of(Kind::AuthorizerFailure), &call, &[]).await;
    assert_eq!((status, body.as_str()), (500, r#"{"message":null}"#));
}

#[tokio::test]
async fn a_refusal_takes_status_headers_and_variables_from_the_template() {
    let call = call(request().header("x-id", "7"));
    let shape = GatewayResponse {
        status: Some(418),
        headers: vec![
            ("X-Amzn-ErrorType".to_owned(), "'Mine'".to_owned()),
            ("X-Path".to_owned(), "context.path".to_owned()),
            ("X-Echo".to_owned(), "method.request.header.x-id".to_owned()),
            ("X-Nothing".to_owned(), "context.nothing".to_owned()),
        ],
        bodies: [
            (
                "application/json".to_owned(),
                "$context.error.messageString|$context.error.message.|$context.x|$other".to_owned(),
            ),
            ("text/plain".to_owned(), "plain $context.error.responseType".to_owned()),
        ]
        .into(),
    };
    let refusal = Refusal::because(Kind::Unauthorized, "no \"key\"");
    let shapes = [("UNAUTHORIZED", shape)];
    let (status, headers, body) = rendered(&refusal, &call, &shapes).await;
    assert_eq!((status, body.as_str()), (418, r#""no \"key\""|no "key".||$other"#));
    assert_eq!(headers["x-amzn-errortype"], "Mine");
    assert_eq!(headers["x-path"], "/model/a%2Fb");
    assert_eq!(headers["x-echo"], "7");
    assert_eq!(headers.get("x-nothing"), None);
    let plain = self::call(request().header("accept", "text/html, text/plain;q=0.5"));
    let (_, headers, body) = rendered(&refusal, &plain, &shapes).await;
    assert_eq!(body, "plain UNAUTHORIZED");
    assert_eq!(headers["content-type"], "text/plain");
}

#[tokio::test]
async fn a_refusal_without_a_shape_of_its_own_takes_that_of_its_class() {
    let call = call(request());
    let shape = |body: &str| GatewayResponse {
        bodies: [("application/json".to_owned(), body.to_owned())].into(),
        ..GatewayResponse::default()
    };
    let shapes = [
        ("DEFAULT_4XX", shape("4: $context.error.responseType")),
        ("DEFAULT_5XX", shape("5")),
    ];
    let (status, _, body) = rendered(&Refusal::of(Kind::AccessDenied), &call, &shapes).await;
    assert_eq!((status, body.as_str()), (403, "4: ACCESS_DENIED"));
    let (status, _, body) = rendered(&Refusal::of(Kind::IntegrationTimeout), &call, &shapes).await;
    assert_eq!((status, body.as_str()), (504, "5"));
}

#[test]
fn an_unknown_path_with_a_bearer_token_looks_like_a_wrong_signature() {
    assert_eq!(call(request()).no_route().kind(), Kind::MissingAuthenticationToken);
    assert_eq!(
        call(request().header("authorization", "Bearer x")).no_route().kind(),
        Kind::InvalidSignature
    );
}

#[test]
fn a_proxy_answer_must_have_a_status_and_text_headers() {
    let head = |json: &str| proxy_answer::buffered(json.as_bytes(), true).map(|(head, _)| head.status.as_u16());
    assert_eq!(head(r#"{"statusCode":200}"#), Some(200));
    assert_eq!(head(r#"{"statusCode":"404","headers":{"a":1,"b":true}}"#), Some(404));
    for malformed in [
        "",
        "null",
        "\"text\"",
        "{}",
        r#"{"statusCode":42}"#,
        r#"{"statusCode":100}"#,
        r#"{"statusCode":200,"body":{}}"#,
        r#"{"statusCode":200,"headers":{"a":["b"]}}"#,
        r#"{"statusCode":200,"headers":{"a":"b\r\nc: d"}}"#,
        r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
        r#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#,
    ] {
        assert_eq!(head(malformed), None, "{malformed}");
    }
}
