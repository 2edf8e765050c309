//! API Gateway's REQUEST authorizer event (version 1.0), as much of it as decides.

use std::collections::HashMap;

use gateway::certificate::{BadCertificate, Certificate};
use serde::Deserialize;

/// The event. Header values are read as text of any kind: what is no proper header value is refused, not a failure. It holds
/// credentials, so it does not print itself.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizerRequest {
    method_arn: Option<String>,
    headers: Option<HashMap<String, Option<String>>>,
    multi_value_headers: Option<HashMap<String, Option<Vec<String>>>>,
    request_context: Option<RequestContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestContext {
    #[serde(rename = "requestId")]
    request_id: Option<String>,
    identity: Option<Identity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    client_cert: Option<ClientCertificate>,
}

/// There on a domain with mutual TLS alone. API Gateway has verified it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientCertificate {
    client_cert_pem: Option<String>,
}

impl AuthorizerRequest {
    /// The request's id, which the function behind gets too.
    pub fn request_id(&self) -> Option<&str> {
        self.request_context.as_ref()?.request_id.as_deref()
    }

    /// The ARN of the method that is asked for.
    pub fn method_arn(&self) -> Option<&str> {
        self.method_arn.as_deref()
    }

    /// The client's certificate, if the connection has one.
    ///
    /// # Errors
    /// [`BadCertificate`]: it has one that cannot be read.
    pub fn certificate(&self) -> Result<Option<Certificate>, BadCertificate> {
        let identity = self
            .request_context
            .as_ref()
            .and_then(|context| context.identity.as_ref());
        let Some(shown) = identity.and_then(|identity| identity.client_cert.as_ref()) else {
            return Ok(None);
        };
        let pem = shown.client_cert_pem.as_ref().ok_or(BadCertificate)?;
        Certificate::from_pem(pem).map(Some)
    }

    /// Every value of a header, by its name in any case.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        let is_named = |key: &str| key.eq_ignore_ascii_case(name);
        match &self.multi_value_headers {
            Some(headers) if !headers.is_empty() => headers
                .iter()
                .filter(|(key, _)| is_named(key))
                .flat_map(|(_, values)| values.iter().flatten())
                .map(String::as_str)
                .collect(),
            _ => self
                .headers
                .iter()
                .flatten()
                .filter(|(key, _)| is_named(key))
                .filter_map(|(_, value)| value.as_deref())
                .collect(),
        }
    }
}
