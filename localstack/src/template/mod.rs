//! `template.yaml` (AWS SAM) as the local stack needs it: the one description of functions, schedules, roles, routes, authorizer,
//! gateway responses, tables, buckets and secrets. Nothing of these is written down a second time.

mod api;
mod functions;
mod gateway_responses;
mod intrinsics;
mod node;
mod policies;
mod resources;
mod schedules;
mod secret;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;

pub use api::{Api, Authorizer, IdentitySource, Route};
pub use functions::Function;
pub use gateway_responses::GatewayResponse;
pub use policies::{Condition, Operator, Quantifier, Role, Statement};
pub use resources::{Secret, Table};
pub use schedules::{Schedule, Scheduler};

use intrinsics::Scope;

/// The account that every local ARN names.
pub const ACCOUNT_ID: &str = "000000000000";
/// The region that every local ARN names, and the functions' `AWS_REGION`.
pub const REGION: &str = "us-east-1";
/// The name of the stack, with which the names of its resources begin.
pub const STACK_NAME: &str = "tollgate";
/// The id of the REST API.
pub const API_ID: &str = "tollgate00";

/// Why a template cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The place in the template, as dotted keys: `Resources.Table.Properties.KeySchema`.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl Error {
    fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => write!(f, "template: {}", self.problem),
            path => write!(f, "template, at {path}: {}", self.problem),
        }
    }
}

impl std::error::Error for Error {}

/// What a template does not say itself.
#[derive(Debug, Clone, Default)]
pub struct Values {
    /// Parameters, in place of their defaults. An `AllowedPattern` does not bind them, because a local value may be one that
    /// no deployment would use (an `http` URL).
    pub parameters: BTreeMap<String, String>,
    /// ARNs of secrets by the secrets' names, as far as they exist already.
    pub secret_arns: BTreeMap<String, String>,
}

/// A template with its parameters filled in and everything the local stack uses resolved.
#[derive(Debug, Clone)]
pub struct Template {
    /// Lambda functions, in the order of their logical ids.
    pub functions: Vec<Function>,
    /// When functions are invoked without anybody asking.
    pub schedules: Vec<Schedule>,
    /// The REST API.
    pub api: Api,
    /// DynamoDB tables.
    pub tables: Vec<Table>,
    /// Names of S3 buckets.
    pub buckets: Vec<String>,
    /// Secrets Manager secrets; a generated one gets a new value at each reading of the template.
    pub secrets: Vec<Secret>,
}

impl Template {
    /// Reads the template at `path`.
    ///
    /// # Errors
    /// If the file cannot be read or is not a template that can be served; the error names the place.
    pub fn read(path: &Path, values: &Values) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::new("", format!("{} cannot be read: {error}", path.display())))?;
        Self::parse(&text, values)
    }

    /// Reads a template from its text; otherwise like [`Template::read`].
    ///
    /// # Errors
    /// If the text is not a template that can be served; the error names the place.
    pub fn parse(text: &str, values: &Values) -> Result<Self, Error> {
        let document = yaml::load(text)?;
        let scope = Scope::new(&document, values)?;
        let functions = functions::read(&scope)?;
        let api = api::read(&scope, &functions)?;
        Ok(Self {
            schedules: schedules::read(&scope)?,
            api,
            tables: resources::tables(&scope)?,
            buckets: resources::buckets(&scope)?,
            secrets: resources::secrets(&scope)?,
            functions: functions.into_iter().map(|declared| declared.function).collect(),
        })
    }

    /// The physical name of the table with this logical id.
    #[must_use]
    pub fn table_name(&self, logical_id: &str) -> Option<&str> {
        let table = self.tables.iter().find(|table| table.logical_id == logical_id)?;
        table.definition.get("TableName").and_then(Value::as_str)
    }
}

/// `SigningSecret` as `tollgate-signing-secret`: the local name of a resource that names none itself.
fn physical_name(logical_id: &str) -> String {
    let mut name = String::from(STACK_NAME);
    for character in logical_id.chars() {
        if character.is_ascii_uppercase() || name.len() == STACK_NAME.len() {
            name.push('-');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests;
