//! One request on its way through the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{Method, Version};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::Connection;
use super::refusal::{Kind, Refusal};
use crate::net;
use crate::template::{ACCOUNT_ID, API_ID, REGION, Route};

/// What is known of a request. The identity in it comes from the connection and the authorizer, never from a header.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request_id: String,
    pub(super) extended_request_id: String,
    pub(super) trace: String,
    pub(super) time: Timestamp,
    pub(super) method: Method,
    /// The path as it was sent.
    pub(super) path: String,
    /// Query parameters in their order, decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) version: Version,
    pub(super) source_ip: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    /// What the handshake has shown of the client.
    pub(super) certificate: Option<Arc<Value>>,
    pub(super) host: String,
    pub(super) stage: String,
    /// The path of the matched resource; empty before there is one.
    pub(super) resource: String,
    pub(super) parameters: BTreeMap<String, String>,
    /// What the authorizer said of the caller: `principalId` and its context.
    pub(super) principal: Option<Map<String, Value>>,
    head_bytes: usize,
}

impl Call {
    pub(super) fn new(head: &Parts, connection: Connection, stage: &str) -> Self {
        let host = head.uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| text(&head.headers, "host")).unwrap_or_default();
        Self {
            request_id: uuid::Uuid::new_v4().to_string(),
            extended_request_id: extended_request_id(),
            trace: net::trace_id(),
            time: Timestamp::now(),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: query(head.uri.query().unwrap_or_default()),
            headers: head.headers.clone(),
            version: head.version,
            source_ip: connection.peer.ip().to_string(),
            port: connection.port,
            tls: connection.tls,
            certificate: connection.certificate,
            host,
            stage: stage.to_owned(),
            resource: String::new(),
            parameters: BTreeMap::new(),
            principal: None,
            head_bytes: head_bytes(head),
        }
    }

    /// The size of the request line and the headers as HTTP/1.1 would write them.
    pub(super) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    pub(super) fn matched(&mut self, route: &Route, parameters: BTreeMap<String, String>) {
        self.resource.clone_from(&route.path);
        self.parameters = parameters;
    }

    /// No resource has this path and method. To API Gateway that is a call with IAM credentials missing, or, if there is an
    /// `Authorization` that is no signature, with a wrong one.
    pub(super) fn no_route(&self) -> Refusal {
        match text(&self.headers, AUTHORIZATION.as_str()) {
            Some(value) if !value.is_empty() => {
                let problem = "not a valid key=value pair (missing equal-sign) in Authorization header";
                Refusal::because(Kind::InvalidSignature, problem)
            }
            _ => Refusal::of(Kind::MissingAuthenticationToken),
        }
    }

    /// A header's value; the last one if there are several.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.headers.get_all(name).iter().next_back().map(lossy)
    }

    pub(super) fn query_parameter(&self, name: &str) -> Option<String> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    }

    pub(super) fn user_agent(&self) -> Option<String> {
        self.header(USER_AGENT.as_str())
    }

    /// The ARN of the method that is called, with the path as sent.
    pub(super) fn method_arn(&self) -> String {
        let path = self.path.trim_start_matches('/');
        format!(
            "arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{API_ID}/{}/{}/{path}",
            self.stage, self.method
        )
    }

    pub(super) fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }

    /// `15/May/2020:06:01:09 +0000`.
    pub(super) fn time_text(&self) -> String {
        self.time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
    }

    /// A variable of `$context`, named without that prefix.
    pub(super) fn context(&self, name: &str) -> Option<String> {
        Some(match name {
            "requestId" => self.request_id.clone(),
            "extendedRequestId" => self.extended_request_id.clone(),
            "accountId" => ACCOUNT_ID.to_owned(),
            "apiId" => API_ID.to_owned(),
            "stage" => self.stage.clone(),
            "httpMethod" => self.method.to_string(),
            "path" => self.path.clone(),
            "resourcePath" => self.resource.clone(),
            "protocol" => self.protocol().to_owned(),
            "domainName" => self.domain_name().to_owned(),
            "requestTime" => self.time_text(),
            "requestTimeEpoch" => self.time.as_millisecond().to_string(),
            "identity.sourceIp" => self.source_ip.clone(),
            "identity.userAgent" => self.user_agent()?,
            "xrayTraceId" => self.trace_root().to_owned(),
            name => match self.principal.as_ref()?.get(name.strip_prefix("authorizer.")?)? {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            },
        })
    }

    pub(super) fn domain_name(&self) -> &str {
        self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _)| name)
    }

    pub(super) fn trace_root(&self) -> &str {
        self.trace.split(';').next().unwrap_or_default()
    }

    /// The headers by which every answer can be found again.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let marks = [
            ("x-amzn-requestid", self.request_id.as_str()),
            ("x-amz-apigw-id", self.extended_request_id.as_str()),
            ("x-amzn-trace-id", self.trace_root()),
        ];
        for (name, value) in marks {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

fn head_bytes(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(1, |target| target.as_str().len());
    let line = head.method.as_str().len() + target + " ".len() * 2 + "HTTP/1.1\r\n".len();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + headers.sum::<usize>()
}

/// Sixteen characters that look like API Gateway's.
fn extended_request_id() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(15);
    id.push('=');
    id
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(lossy)
}

pub(super) fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn query(raw: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}
