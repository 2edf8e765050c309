//! Events of API Gateway's REST proxy integration, as tests make them that need no file.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// What the tests' calls cost is known for this one: it has a price with every kind of token.
pub const MODEL: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A request that is about to become an event.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    principal: Option<Value>,
    certificate: Option<String>,
    /// What API Gateway calls the request; a new one for each.
    pub request_id: String,
}

/// A request of nobody's.
pub fn request(method: &str, path: &str) -> Request {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        principal: None,
        certificate: None,
        request_id: format!("00000000-0000-4000-8000-{number:012}"),
    }
}

/// `POST /anthropic/v1/messages` by `subject`.
pub fn messages(subject: &str, body: &Value) -> Request {
    request("POST", "/anthropic/v1/messages").by(subject).json(body)
}

/// `POST /bedrock/model/{MODEL}/invoke` by `subject`.
pub fn invoke(subject: &str, body: &Value) -> Request {
    request("POST", &format!("/bedrock/model/{MODEL}/invoke"))
        .by(subject)
        .json(body)
}

/// `POST /bedrock/model/{MODEL}/invoke-with-response-stream` by `subject`.
pub fn invoke_stream(subject: &str, body: &Value) -> Request {
    request("POST", &format!("/bedrock/model/{MODEL}/invoke-with-response-stream"))
        .by(subject)
        .json(body)
}

/// `POST /bedrock/model/{MODEL}/converse` by `subject`.
pub fn converse(subject: &str, body: &Value) -> Request {
    request("POST", &format!("/bedrock/model/{MODEL}/converse"))
        .by(subject)
        .json(body)
}

/// `POST /bedrock/model/{MODEL}/converse-stream` by `subject`.
pub fn converse_stream(subject: &str, body: &Value) -> Request {
    request("POST", &format!("/bedrock/model/{MODEL}/converse-stream"))
        .by(subject)
        .json(body)
}

/// `POST /openai/v1/chat/completions` by `subject`.
pub fn chat(subject: &str, body: &Value) -> Request {
    request("POST", "/openai/v1/chat/completions").by(subject).json(body)
}

/// A body for OpenAI's API whose only message tells the mock what to do.
pub fn chat_body(stream: bool, directive: &Value) -> Value {
    json!({
        "model": MODEL, "max_completion_tokens": 4096, "stream": stream,
        "messages": [{"role": "user", "content": format!("mock:{directive}")}],
    })
}

/// A body for the Messages API whose only message tells the mock what to do.
pub fn messages_body(stream: bool, directive: &Value) -> Value {
    json!({
        "model": MODEL, "max_tokens": 4096, "stream": stream,
        "messages": [{"role": "user", "content": format!("mock:{directive}")}],
    })
}

/// The same for the Bedrock routes.
pub fn bedrock_body(directive: &Value) -> Value {
    json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 4096,
        "messages": [{"role": "user", "content": format!("mock:{directive}")}],
    })
}

/// The same for `Converse`.
pub fn converse_body(directive: &Value) -> Value {
    json!({
        "inferenceConfig": {"maxTokens": 4096},
        "messages": [{"role": "user", "content": [{"text": format!("mock:{directive}")}]}],
    })
}

impl Request {
    /// With what the authorizer says of a user who may do all that users may.
    pub fn by(self, subject: &str) -> Self {
        self.principal(json!({"principalId": subject, "sub": subject, "scopes": "models:invoke usage:read files keys"}))
    }

    /// With what the authorizer says.
    pub fn principal(mut self, principal: Value) -> Self {
        self.principal = Some(principal);
        self
    }

    /// On a connection on which the client has shown this certificate (PEM), as far as functions read of it.
    pub fn certificate(mut self, pem: &str) -> Self {
        self.certificate = Some(pem.to_owned());
        self
    }

    /// With one header more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body of JSON, and its content type.
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// As API Gateway hands it to a function.
    pub fn event(&self) -> Value {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let decoded = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: Vec<_> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
        let query: Vec<_> = query.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut context = json!({
            "accountId": "000000000000", "apiId": "tollgate00", "stage": "live", "httpMethod": self.method,
            "path": format!("/live{path}"), "resourcePath": path, "resourceId": "fixture", "protocol": "HTTP/1.1",
            "requestId": self.request_id, "identity": {"sourceIp": "127.0.0.1", "userAgent": "tests"},
        });
        if let Some(principal) = &self.principal {
            context["authorizer"] = principal.clone();
        }
        if let Some(pem) = &self.certificate {
            context["identity"]["clientCert"] = json!({ "clientCertPem": pem });
        }
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        json!({
            "resource": path, "path": path, "httpMethod": self.method, "headers": singles(&headers),
            "multiValueHeaders": multiples(&headers), "queryStringParameters": singles(&query),
            "multiValueQueryStringParameters": multiples(&query), "pathParameters": null, "stageVariables": null,
            "requestContext": context,
            "body": if self.body.is_empty() { Value::Null } else { BASE64_STANDARD.encode(&self.body).into() },
            "isBase64Encoded": !self.body.is_empty(),
        })
    }
}

fn singles(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect::<Map<_, _>>()
        .into()
}

fn multiples(pairs: &[(&str, &str)]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let values = all.entry(*name).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push((*value).into());
    }
    all.into()
}
