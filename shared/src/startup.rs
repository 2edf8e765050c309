//! How a function's process begins: it reads its configuration, from wherever that is, and looks at all of it before it serves anybody.

use std::path::Path;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::json;

use crate::aws::Aws;
use crate::aws::signed::{Failed, Reads, Service};
use crate::config::values::Source;
use crate::config::{ConfigError, Faults, Function, Variables};
use crate::telemetry;

/// The most that a file of settings has. (A parameter has 8 KB at the most.)
const MOST_BYTES: usize = 256 * 1024;
const NO_ANSWER: &str = "cannot be read: there is no answer";

/// Starts logging, and gives the configuration of a function, in which nothing is wrong.
///
/// # Errors
/// All that is wrong, each of which is logged too.
pub async fn begin(function: Function) -> Result<Variables, Faults> {
    let outcome = configured(function, Variables::Process).await;
    let nothing = Variables::Given(Vec::new());
    let started = telemetry::start(function.name(), outcome.as_ref().unwrap_or(&nothing));
    let outcome = outcome.and_then(|variables| match started {
        Ok(()) => Ok(variables),
        Err(fault) => Err(Faults(vec![fault])),
    });
    for fault in outcome.as_ref().err().into_iter().flat_map(|faults| &faults.0) {
        tracing::error!(%fault, "the configuration is wrong");
    }
    outcome
}

/// The configuration of a function in this environment, in which nothing is wrong.
///
/// # Errors
/// All that is wrong.
pub async fn configured(function: Function, environment: Variables) -> Result<Variables, Faults> {
    let variables = with_file(environment).await.map_err(|fault| Faults(vec![fault]))?;
    variables.check(Some(function))?;
    Ok(variables)
}

/// The environment over the file that it names, if it names one.
async fn with_file(environment: Variables) -> Result<Variables, ConfigError> {
    let Some(source) = environment.source()? else {
        return Ok(environment);
    };
    let name = name(&source);
    let text = text(&source, &environment).await.map_err(|fault| ConfigError::File {
        file: name.clone(),
        fault,
    })?;
    environment.over_file(&name, &text)
}

fn name(source: &Source) -> String {
    match source {
        Source::File(path) => path.clone(),
        Source::Object { bucket, key } => format!("s3://{bucket}/{key}"),
        Source::Parameter(name) => format!("ssm:{name}"),
    }
}

/// The file's text, or why it cannot be read.
async fn text(source: &Source, environment: &Variables) -> Result<String, String> {
    let aws = || Aws::from_environment(environment.clone()).map_err(|error| format!("cannot be read: {error}"));
    match source {
        Source::File(path) => bundled(path, environment),
        Source::Object { bucket, key } => object(&aws()?.reads(bucket), key).await,
        Source::Parameter(name) => parameter(&aws()?.ssm(), name).await,
    }
}

fn bundled(path: &str, environment: &Variables) -> Result<String, String> {
    let beside = environment.task_root().unwrap_or_default();
    let text = std::fs::read_to_string(Path::new(&beside).join(path));
    text.map_err(|error| format!("cannot be read: {error}"))
}

async fn object(bucket: &Reads, key: &str) -> Result<String, String> {
    let answer = bucket.get(key, Vec::new()).await;
    let mut answer = answer.map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.body.try_next().await.map_err(|_| NO_ANSWER)? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(format!("is larger than {MOST_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())
}

/// One that is encrypted is not decrypted, and so is no YAML map: no secret stands in a file of settings.
async fn parameter(ssm: &Service, name: &str) -> Result<String, String> {
    let input = json!({"Name": name, "WithDecryption": false});
    let answer = ssm.call("AmazonSSM.GetParameter", &input).await;
    let answer = answer.map_err(|error| unreadable(&error))?;
    let value = answer["Parameter"]["Value"].as_str();
    value.map(str::to_owned).ok_or_else(|| "has no value".to_owned())
}

fn unreadable(error: &Failed) -> String {
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(code) => format!("cannot be read: {code}"),
        None => NO_ANSWER.to_owned(),
    }
}
