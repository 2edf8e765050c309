//! What every AWS client is built with: region, credentials, and one HTTPS client for all of them.

mod assumed;
pub(crate) mod signed;

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};

use crate::config::{ConfigError, Variables, tree};
use assumed::Assumed;
use signed::{Reads, Service};

/// The roots that AWS's endpoints chain to (Amazon Trust Services), so that a cold start parses five certificates and
/// not the machine's hundred and forty. `AWS_CA_BUNDLE` names other ones.
pub(crate) const AMAZON_ROOTS: &[u8] = include_bytes!("../data/amazon-roots.pem");

/// What the clients of one function share.
#[derive(Clone)]
pub struct Aws {
    config: SdkConfig,
    variables: Variables,
}

/// Where a Bedrock is, and as whom it is asked.
#[derive(Clone, Copy, Debug)]
pub struct BedrockPlace<'a> {
    /// The region.
    pub region: &'a str,
    /// The role to assume.
    pub role: Option<&'a str>,
    /// What the role wants to hear besides.
    pub external_id: Option<&'a str>,
    /// Another URL than the region's.
    pub endpoint: Option<&'a str>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
}

/// The AWS side of a function cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// A variable is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file that `AWS_CA_BUNDLE` names cannot be read.
    #[error("the file that AWS_CA_BUNDLE names cannot be read: {0}")]
    CaBundle(std::io::Error),
    /// The certificates make no trust store.
    #[error("the trusted certificates cannot be used: {0}")]
    Tls(String),
}

impl Aws {
    /// Reads region, endpoints and credentials from the environment. The credentials are the function's own, so no other
    /// source is asked, and nothing goes out before the first call.
    ///
    /// # Errors
    /// [`AwsError`]
    pub fn from_environment(variables: Variables) -> Result<Self, AwsError> {
        let region = tree::AWS_REGION.get(&variables)?;
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_string()))
            .credentials_provider(SharedCredentialsProvider::new(credentials(&variables)?))
            .http_client(https_client(&variables)?)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(short_timeouts())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::default())
            .build();
        Ok(Self { config, variables })
    }

    /// The DynamoDB client.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("DYNAMODB"));
        // The table answers in milliseconds, so what it refuses for a moment is asked again soon, and more often than elsewhere:
        // on what it is told hangs money.
        let config = config.retry_config(
            RetryConfig::standard()
                .with_max_attempts(6)
                .with_initial_backoff(Duration::from_millis(25))
                .with_max_backoff(Duration::from_secs(1)),
        );
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// The Secrets Manager client.
    pub fn secretsmanager(&self) -> aws_sdk_secretsmanager::Client {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("SECRETS_MANAGER"));
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// The EventBridge client.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let mut config = aws_sdk_eventbridge::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("EVENTBRIDGE"));
        aws_sdk_eventbridge::Client::from_conf(config.build())
    }

    /// Systems Manager, asked without its SDK crate.
    pub(crate) fn ssm(&self) -> Service {
        self.signed("ssm", "SSM")
    }

    fn signed(&self, name: &'static str, variable: &str) -> Service {
        let url = self
            .endpoint(variable)
            .unwrap_or_else(|| signed::url(&self.config, name));
        Service::new(&self.config, name, &url)
    }

    /// A bucket of S3 that is read from without the SDK crate.
    pub(crate) fn reads(&self, bucket: &str) -> Reads {
        Reads::new(&self.config, self.endpoint("S3"), bucket)
    }

    /// The SNS client.
    pub fn sns(&self) -> aws_sdk_sns::Client {
        let mut config = aws_sdk_sns::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("SNS"));
        aws_sdk_sns::Client::from_conf(config.build())
    }

    /// The S3 client. An endpoint of one's own is addressed by path, since its host has no name for each bucket.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.s3_with(&self.config)
    }

    fn s3_with(&self, config: &SdkConfig) -> aws_sdk_s3::Client {
        let endpoint = self.endpoint("S3");
        let mut config = aws_sdk_s3::config::Builder::from(config).force_path_style(endpoint.is_some());
        config.set_endpoint_url(endpoint);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// The Bedrock Runtime client of the function's own region and account.
    pub fn bedrockruntime(&self) -> aws_sdk_bedrockruntime::Client {
        self.bedrockruntime_with(&self.config, None, Duration::from_secs(5))
    }

    /// The Bedrock Runtime client of another region, with other credentials. A role is assumed when it is first used.
    pub fn bedrockruntime_at(&self, place: &BedrockPlace<'_>) -> aws_sdk_bedrockruntime::Client {
        let config = self.config_at(place.region, place.role, place.external_id);
        self.bedrockruntime_with(&config, place.endpoint, place.connect_timeout)
    }

    /// The S3 client of another region, with other credentials.
    pub fn s3_at(&self, region: &str, role: Option<&str>, external_id: Option<&str>) -> aws_sdk_s3::Client {
        self.s3_with(&self.config_at(region, role, external_id))
    }

    /// It tries once, waits as long as the model thinks, and lets a stream be silent: what a retry costs, and when a call has taken
    /// too long, is decided by the call's flow.
    fn bedrockruntime_with(
        &self,
        config: &SdkConfig,
        endpoint: Option<&str>,
        connect_timeout: Duration,
    ) -> aws_sdk_bedrockruntime::Client {
        let mut config = aws_sdk_bedrockruntime::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(connect_timeout).build())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let endpoint = endpoint.map(str::to_owned);
        config.set_endpoint_url(endpoint.or_else(|| self.endpoint("BEDROCK_RUNTIME")));
        aws_sdk_bedrockruntime::Client::from_conf(config.build())
    }

    /// What all clients share, for another region and by way of a role, if there is one.
    fn config_at(&self, region: &str, role: Option<&str>, external_id: Option<&str>) -> SdkConfig {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        let Some(role) = role else {
            return config;
        };
        let sts = config.to_builder();
        let sts = match self.endpoint("STS") {
            Some(url) => sts.endpoint_url(url).build(),
            None => sts.build(),
        };
        let credentials = SharedCredentialsProvider::new(Assumed::new(&sts, role, external_id));
        config.to_builder().credentials_provider(credentials).build()
    }

    /// As the AWS SDKs read it: the service's own variable, then the one for all.
    fn endpoint(&self, service: &str) -> Option<String> {
        self.variables
            .text(&format!("AWS_ENDPOINT_URL_{service}"))
            .or_else(|| self.variables.text("AWS_ENDPOINT_URL"))
    }
}

/// Lambda puts a role's credentials into the environment of a process, and gives a new process new ones.
fn credentials(variables: &Variables) -> Result<Credentials, ConfigError> {
    let key_id = tree::AWS_ACCESS_KEY_ID.get(variables)?;
    let key = tree::AWS_SECRET_ACCESS_KEY.get(variables)?;
    let token = tree::AWS_SESSION_TOKEN.find(variables)?;
    Ok(Credentials::new(key_id, key, token, None, "environment"))
}

/// For the small calls to tables and secrets, which answer in milliseconds or not at all.
fn short_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(12))
        .build()
}

fn https_client(variables: &Variables) -> Result<SharedHttpClient, AwsError> {
    let roots = match tree::AWS_CA_BUNDLE.find(variables)? {
        Some(path) => std::fs::read(path).map_err(AwsError::CaBundle)?,
        None => AMAZON_ROOTS.to_vec(),
    };
    let trust = TrustStore::empty().with_pem_certificate(roots);
    let context = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| AwsError::Tls(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}
