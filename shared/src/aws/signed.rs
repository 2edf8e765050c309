//! Signed requests to services of AWS for which no SDK crate is linked: for one operation a crate costs a binary some hundred kilobytes,
//! for S3 more than one megabyte (`docs/adr/0031`). The SDK's own runtime signs, sends, times and repeats them; what is left out is the
//! model of the service around it.

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_sdk_dynamodb::config::Region;
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime::client::stalled_stream_protection::StalledStreamProtectionInterceptor;
use aws_smithy_runtime_api::client::auth::AuthSchemeOptionResolverParams;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::interceptors::context::{Error as Erased, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer, Layer};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// What stands in a path as it is (RFC 3986, section 2.3), and what parts it.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Why a request came to nothing.
pub(crate) type Failed = SdkError<Refusal, HttpResponse>;

/// A service of one region.
#[derive(Clone, Debug)]
pub(crate) struct Service(Operation<HttpRequest, Answer, Refusal>);

/// What a service answers, with its body still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    headers: Headers,
    pub(crate) body: ByteStream,
}

/// What a service says instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the service refuses: {}", .0.code().unwrap_or("without a code"))]
pub(crate) struct Refusal(ErrorMetadata);

/// A bucket that is read from.
#[derive(Clone, Debug)]
pub(crate) struct Reads {
    service: Service,
    /// What stands before every key.
    path: String,
}

impl Service {
    /// The service that signs as `name`, at this URL, with what all clients share.
    pub(super) fn new(config: &SdkConfig, name: &'static str, url: &str) -> Self {
        let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
        let timeouts = config.timeout_config().cloned();
        let shared = StaticRuntimePlugin::new()
            .with_config(signing(config, name))
            .with_runtime_components(components(config));
        let mut operation = Operation::builder();
        if let Some(patience) = config.stalled_stream_protection() {
            operation = operation.stalled_stream_protection(patience);
        }
        let operation = operation
            .service_name(name)
            .operation_name("signed")
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(url)
            .standard_retry(&retry)
            .timeout_config(timeouts.unwrap_or_else(super::short_timeouts))
            .with_connection_poisoning()
            // A body that stops coming is an error, where it would be silence until the function's end.
            .interceptor(StalledStreamProtectionInterceptor::default())
            .retry_classifier(TransientErrorClassifier::<Refusal>::new())
            .retry_classifier(AwsErrorCodeClassifier::<Refusal>::new())
            .retry_classifier(HttpStatusCodeClassifier::default())
            .runtime_plugin(shared)
            .serializer(|request: HttpRequest| Ok(request))
            .deserializer_impl(Reading)
            .build();
        Self(operation)
    }

    /// Sends a request, whose URI is a path.
    async fn send(&self, mut request: HttpRequest) -> Result<Answer, Failed> {
        request.headers_mut().insert("user-agent", "tollgate");
        self.0.invoke(request).await
    }

    /// Calls an operation by AWS's JSON protocol 1.1, with its full name, and reads what it answers.
    pub(crate) async fn call(&self, target: &'static str, input: &Value) -> Result<Value, Failed> {
        let mut request = HttpRequest::new(SdkBody::from(input.to_string()));
        request.set_method("POST").map_err(SdkError::construction_failure)?;
        request.set_uri("/").map_err(SdkError::construction_failure)?;
        request
            .headers_mut()
            .insert("content-type", "application/x-amz-json-1.1");
        request.headers_mut().insert("x-amz-target", target);
        let body = self.send(request).await?.body.collect().await;
        let body = body.map_err(|error| SdkError::dispatch_failure(ConnectorError::io(error.into())))?;
        serde_json::from_slice(&body.into_bytes())
            .map_err(|error| SdkError::dispatch_failure(ConnectorError::other(error.into(), None)))
    }
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

impl Refusal {
    /// The service's word for it: S3 says it in XML, others in JSON, perhaps with a name space before it and a URL behind it.
    fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let xml = text
            .split_once("<Code>")
            .and_then(|(_, behind)| behind.split_once("</Code>"));
        let code = match xml {
            Some((code, _)) => Some(code.to_owned()),
            None => serde_json::from_str(text).ok().and_then(|json: Value| {
                let full = json["__type"].as_str()?;
                let short = full.rsplit('#').next()?.split(':').next()?;
                Some(short.to_owned())
            }),
        };
        let metadata = ErrorMetadata::builder();
        Self(match code {
            Some(code) => metadata.code(code).build(),
            None => metadata.build(),
        })
    }
}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

impl Reads {
    /// With an endpoint of one's own a bucket is a part of the path, and so is one whose name has dots, for which no certificate stands;
    /// else it is a part of the host.
    pub(super) fn new(config: &SdkConfig, endpoint: Option<String>, bucket: &str) -> Self {
        let (url, path) = match endpoint {
            Some(url) => (url, format!("/{bucket}/")),
            None if bucket.contains('.') => (url(config, "s3"), format!("/{bucket}/")),
            None => (url(config, &format!("{bucket}.s3")), "/".to_owned()),
        };
        let service = Service::new(config, "s3", &url);
        Self { service, path }
    }

    /// `GetObject`, with these headers.
    pub(crate) async fn get(&self, key: &str, headers: Vec<(&'static str, String)>) -> Result<Answer, Failed> {
        let path = format!("{}{}", self.path, utf8_percent_encode(key, KEPT));
        let mut request = HttpRequest::get(path).map_err(SdkError::construction_failure)?;
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        self.service.send(request).await
    }
}

/// Where a service is that a host begins with.
pub(super) fn url(config: &SdkConfig, host: &str) -> String {
    let region = config.region().map_or("", Region::as_ref);
    format!("https://{host}.{region}.{}", domain(region))
}

/// The domain of AWS's services in a region: one for each partition, as the SDK's `partitions.json` has them.
fn domain(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    let of = partitions.iter().find(|(regions, _)| region.starts_with(regions));
    of.map_or("amazonaws.com", |(_, domain)| domain)
}

/// How requests are signed. S3 wants the path as it is sent, and the checksum of the body in a header.
fn signing(config: &SdkConfig, name: &'static str) -> FrozenLayer {
    let mut options = SigningOptions::default();
    if name == "s3" {
        options.double_uri_encode = false;
        options.normalize_uri_path = false;
        options.content_sha256_header = true;
    }
    let mut layer = Layer::new("signed");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    layer.store_put(SigV4OperationSigningConfig {
        region: config.region().cloned().map(SigningRegion::from),
        name: Some(SigningName::from_static(name)),
        signing_options: options,
        ..SigV4OperationSigningConfig::default()
    });
    layer.freeze()
}

fn components(config: &SdkConfig) -> RuntimeComponentsBuilder {
    let components = RuntimeComponentsBuilder::new("signed")
        .with_http_client(config.http_client())
        .with_sleep_impl(config.sleep_impl())
        .with_time_source(config.time_source())
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])));
    match config.credentials_provider() {
        Some(provider) => components.with_identity_resolver(SCHEME_ID, provider),
        None => components,
    }
}

/// Hands a body on as it comes; what is refused is read.
#[derive(Debug)]
struct Reading;

impl DeserializeResponse for Reading {
    fn deserialize_streaming_with_config(
        &self,
        response: &mut HttpResponse,
        _: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Erased>>> {
        if !response.status().is_success() {
            return None;
        }
        let body = ByteStream::new(response.take_body());
        let headers = response.headers().clone();
        Some(Ok(Output::erase(Answer { headers, body })))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Erased>> {
        let refusal = Refusal::read(response.body().bytes().unwrap_or_default());
        Err(OrchestratorError::operation(Erased::erase(refusal)))
    }
}

#[cfg(test)]
mod tests;
