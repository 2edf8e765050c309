//! What functions find in their environment.

use std::collections::BTreeMap;
use std::path::Path;

use crate::template::{Function, REGION};

/// Variables that every function gets from the local stack: where AWS is, and the credentials of the stack's owner.
#[must_use]
pub fn shared_variables(endpoints: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut variables: BTreeMap<String, String> = [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let endpoint = |(service, url): &(&str, &str)| (format!("AWS_ENDPOINT_URL_{service}"), (*url).to_owned());
    variables.extend(endpoints.iter().map(endpoint));
    variables
}

/// A function's own variables: the template's and Lambda's.
#[must_use]
pub fn function_variables(function: &Function, task_root: &Path) -> BTreeMap<String, String> {
    let mut variables = function.environment.clone();
    variables.extend(
        [
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_megabytes.to_string()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
            ("LAMBDA_TASK_ROOT", task_root.display().to_string()),
            ("_HANDLER", "bootstrap".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "en_US.UTF-8".to_owned()),
            ("TZ", ":UTC".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    variables
}

/// Variables in the form that `cargo lambda watch --env-file` reads. It gives the same ones to every function, so this is
/// the union of theirs.
#[must_use]
pub fn dotenv(functions: &[Function], shared: &BTreeMap<String, String>) -> String {
    let mut variables = shared.clone();
    for function in functions {
        variables.extend(function.environment.clone());
    }
    variables
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect()
}

fn quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-:/@%+,".contains(character);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
