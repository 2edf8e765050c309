//! Stand-in for the embedded DynamoDB, S3 and Secrets Manager while they are built: it names endpoints and makes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Result;

/// Where the state lives, and whether somebody else serves it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the embedded services' state.
    pub data: PathBuf,
    /// A URL that serves all three instead of embedding them.
    pub aws_endpoint: Option<String>,
}

/// What must exist when [`start`] returns.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// `CreateTable` requests, each with an optional `TimeToLiveSpecification`.
    pub tables: Vec<serde_json::Value>,
    /// Bucket names.
    pub buckets: Vec<String>,
    /// Names and first values of secrets.
    pub secrets: Vec<(String, String)>,
}

/// Where the services answer.
#[derive(Debug)]
pub struct Endpoints {
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// URL of S3.
    pub s3: String,
    /// URL of Secrets Manager.
    pub secretsmanager: String,
    /// The ARN of each secret, by name.
    pub secret_arns: BTreeMap<String, String>,
}

impl Endpoints {
    /// Stops the embedded services.
    pub async fn stop(self) {}
}

/// Starts the services.
///
/// # Errors
/// When a service does not start.
pub async fn start(options: &Options, _resources: &Resources) -> Result<Endpoints> {
    let url = options
        .aws_endpoint
        .clone()
        .unwrap_or_else(|| "http://127.0.0.1:9".to_owned());
    Ok(Endpoints {
        dynamodb: url.clone(),
        s3: url.clone(),
        secretsmanager: url,
        secret_arns: BTreeMap::new(),
    })
}
