//! How a function's process begins: it reads its configuration, from wherever that is, and looks at all of it before it serves anybody.

use std::path::Path;

use crate::aws::Aws;
use crate::config::values::Source;
use crate::config::{ConfigError, Faults, Function, Variables};
use crate::telemetry;

/// The most that a file of settings has. (A parameter has 8 KB at the most.)
const MOST_BYTES: usize = 256 * 1024;

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
        Source::Object { bucket, key } => object(&aws()?.s3(), bucket, key).await,
        Source::Parameter(name) => parameter(&aws()?.ssm(), name).await,
    }
}

fn bundled(path: &str, environment: &Variables) -> Result<String, String> {
    let beside = environment.task_root().unwrap_or_default();
    let text = std::fs::read_to_string(Path::new(&beside).join(path));
    text.map_err(|error| format!("cannot be read: {error}"))
}

async fn object(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<String, String> {
    let answer = s3.get_object().bucket(bucket).key(key).send().await;
    let mut answer = answer.map_err(|error| unreadable(error.as_service_error().and_then(|it| it.meta().code())))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.body.try_next().await.map_err(|_| unreadable(None))? {
        if bytes.len() + chunk.len() > MOST_BYTES {
            return Err(format!("is larger than {MOST_BYTES} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8".to_owned())
}

/// One that is encrypted is not decrypted, and so is no YAML map: no secret stands in a file of settings.
async fn parameter(ssm: &aws_sdk_ssm::Client, name: &str) -> Result<String, String> {
    let answer = ssm.get_parameter().name(name).with_decryption(false).send().await;
    let answer = answer.map_err(|error| unreadable(error.as_service_error().and_then(|it| it.meta().code())))?;
    let value = answer.parameter.and_then(|parameter| parameter.value);
    value.ok_or_else(|| "has no value".to_owned())
}

fn unreadable(code: Option<&str>) -> String {
    format!("cannot be read: {}", code.unwrap_or("there is no answer"))
}
