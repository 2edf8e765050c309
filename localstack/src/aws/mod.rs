//! DynamoDB, S3 and Secrets Manager on the loopback interface, with their state in a directory.
//!
//! What stands behind each, and what was looked at:
//!
//! - **DynamoDB** is `dynoxide-rs` with a SQLite file (`dynamodb`). It answers the JSON protocol itself and was found
//!   atomic under threads, which `moto` is not.
//! - **S3** is `s3s` with `s3s-fs` (`s3`): objects are files. Signatures are verified, in headers and in presigned
//!   URLs, so a URL that the gateway signs wrongly fails here as it would on AWS.
//! - **Secrets Manager** is a small part of our own (`secrets`). `winterbaume-secretsmanager` 0.2.0 was read and not
//!   taken: it has no listener and keeps no file, so both would be ours anyway; `PutSecretValue` with a token that was
//!   already used overwrites that version instead of refusing it; and two puts in a row leave two versions labelled
//!   `AWSPREVIOUS`, of which `GetSecretValue` returns either, which is just what key rotation stands on.
//!
//! With [`Options::aws_endpoint`] nothing is embedded, and that URL (LocalStack, `ministack`) serves all three. Either
//! way the resources are then created through the AWS SDK, so there is one path and it is the one production uses.

mod create;
mod dynamodb;
mod s3;
mod secrets;
pub(crate) mod server;

pub use secrets::arn_of as secret_arn;

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};

use crate::privileges::Privileges;
use server::Server;

/// The access key id of whoever runs the laptop's AWS, which all others begin with. Nothing but the loopback interface ever sees it.
pub const ACCESS_KEY_ID: &str = "local";
/// The secret key that belongs to every access key id.
pub const SECRET_ACCESS_KEY: &str = "local";
/// The region that everything local is in.
pub const REGION: &str = "us-east-1";
/// The account that local ARNs name.
pub const ACCOUNT_ID: &str = "000000000000";
/// The file of the embedded DynamoDB, in the data folder.
const TABLES: &str = "dynamodb.sqlite";

/// Where the state lives, and whether somebody else serves it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the embedded services' state; made if it is not there.
    pub data: PathBuf,
    /// A URL that serves all three instead of embedding them.
    pub aws_endpoint: Option<String>,
    /// What functions are held to, where the services are embedded.
    pub privileges: Option<Privileges>,
}

/// What must exist when [`start`] returns. What exists already is kept, with its content.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// `CreateTable` requests in the form of DynamoDB's JSON API, each with an optional `TimeToLiveSpecification`.
    pub tables: Vec<serde_json::Value>,
    /// Bucket names.
    pub buckets: Vec<String>,
    /// Names and first values of secrets.
    pub secrets: Vec<(String, String)>,
}

/// Where the services answer. Dropping it stops those that are embedded.
#[derive(Debug)]
pub struct Endpoints {
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// URL of DynamoDB for functions, where they are held to [`Options::privileges`]; the same one where there are none. The other
    /// services know who calls at their one URL.
    pub functions_dynamodb: String,
    /// URL of S3; path-style addressing.
    pub s3: String,
    /// URL of Secrets Manager.
    pub secretsmanager: String,
    /// The ARN of each secret of [`Resources::secrets`], by name.
    pub secret_arns: BTreeMap<String, String>,
    servers: Vec<Server>,
}

impl Endpoints {
    /// Lets requests in flight finish and stops the embedded services.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

/// Why the services could not be started or the resources not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory, a file in it or a socket could not be used.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An embedded service refused its state.
    #[error("{service}: {reason}")]
    Embedded {
        /// Which service.
        service: &'static str,
        /// What it said.
        reason: String,
    },
    /// A resource could not be created.
    #[error("cannot create {resource}: {reason}")]
    Create {
        /// Kind and name of the resource.
        resource: String,
        /// What the service said.
        reason: String,
    },
    /// A table's description is not a `CreateTable` request.
    #[error("a table's description has no TableName: {0}")]
    Table(String),
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// Starts DynamoDB, S3 and Secrets Manager (or takes them from [`Options::aws_endpoint`]) and makes the resources.
///
/// # Errors
/// When the data directory cannot be used, a service does not start, or a resource can neither be found nor made.
pub async fn start(options: &Options, resources: &Resources) -> Result<Endpoints, Error> {
    let mut endpoints = match &options.aws_endpoint {
        Some(url) => elsewhere(url),
        None => embed(options).await?,
    };
    endpoints.secret_arns = Box::pin(create::all(&endpoints, resources)).await?;
    if options.aws_endpoint.is_none() {
        let tables = resources.tables.iter().filter_map(|table| table["TableName"].as_str());
        let tables: Vec<&str> = tables.collect();
        dynamodb::index_for_scans(&options.data.join(TABLES), &tables)?;
    }
    Ok(endpoints)
}

/// SDK configuration with the local region and credentials and a client for plain HTTP (HTTPS where `https` says so);
/// the endpoint of each service is still to be set.
#[must_use]
pub fn sdk_config(https: bool) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "localstack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client(https))
        .build()
}

fn http_client(https: bool) -> SharedHttpClient {
    use aws_smithy_http_client::{Builder, tls};
    if https {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        return Builder::new().tls_provider(provider).build_https();
    }
    // Without TLS no root certificates are loaded, which is most of what a client costs to build.
    Builder::new().build_http()
}

fn elsewhere(url: &str) -> Endpoints {
    let url = url.trim_end_matches('/').to_owned();
    Endpoints {
        dynamodb: url.clone(),
        functions_dynamodb: url.clone(),
        s3: url.clone(),
        secretsmanager: url,
        secret_arns: BTreeMap::new(),
        servers: Vec::new(),
    }
}

async fn embed(options: &Options) -> Result<Endpoints, Error> {
    let data = &options.data;
    std::fs::create_dir_all(data).map_err(Error::io(format!("cannot make {}", data.display())))?;
    let privileges = options.privileges.clone();
    let dynamodb = dynamodb::start(&data.join(TABLES), privileges.clone())?;
    let s3 = s3::start(&data.join("s3"), privileges.clone().unwrap_or_default()).await?;
    let secretsmanager = secrets::start(data.join("secrets.json"), privileges.unwrap_or_default()).await?;
    let functions_dynamodb = dynamodb.guarded.unwrap_or_else(|| dynamodb.server.url.clone());
    let dynamodb = dynamodb.server;
    Ok(Endpoints {
        dynamodb: dynamodb.url.clone(),
        functions_dynamodb,
        s3: s3.url.clone(),
        secretsmanager: secretsmanager.url.clone(),
        secret_arns: BTreeMap::new(),
        servers: vec![dynamodb, s3, secretsmanager],
    })
}

#[cfg(test)]
mod tests;
