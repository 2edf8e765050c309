//! `AWS::Serverless::Function`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::intrinsics::{Scope, function_arn};
use super::node::Node;
use super::{Error, Role, policies, yaml};

/// A Lambda function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its logical id in the template, e.g. `StreamFunction`.
    pub logical_id: String,
    /// The name of its binary, e.g. `stream`; the local stack names the function so too.
    pub name: String,
    /// Its ARN as `Fn::GetAtt` gives it.
    pub arn: String,
    /// How long one invocation may take, in seconds.
    pub timeout_seconds: u64,
    /// Its memory in megabytes. Nothing enforces it here; the function can read it.
    pub memory_megabytes: u64,
    /// Environment variables, its own and the global ones.
    pub environment: BTreeMap<String, String>,
    /// What it may do, if it names a role.
    pub role: Option<Role>,
}

/// A function and its API events.
pub(super) struct Declared {
    pub(super) function: Function,
    pub(super) events: Vec<Node>,
}

/// What Lambda gives a function that says nothing, in seconds.
const DEFAULT_TIMEOUT_SECONDS: u64 = 3;
/// Lambda's longest timeout, in seconds.
const MAX_TIMEOUT_SECONDS: u64 = 900;
const DEFAULT_MEMORY_MEGABYTES: u64 = 128;

pub(super) fn read(scope: &Scope<'_>) -> Result<Vec<Declared>, Error> {
    let resources = scope.resources("AWS::Serverless::Function")?;
    let declared = |(id, resource)| {
        Ok(Declared {
            function: function(scope, id, resource)?,
            events: events(scope, id, resource)?,
        })
    };
    resources.into_iter().map(declared).collect()
}

fn function(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Function, Error> {
    let setting = |name: &str| match scope.property(id, resource, name)? {
        Some(own) => Ok(Some(own)),
        None => scope.global("Function", name),
    };
    Ok(Function {
        logical_id: id.to_owned(),
        name: binary(id, resource),
        arn: function_arn(&scope.name(id, resource)?),
        timeout_seconds: timeout_seconds(setting("Timeout")?)?,
        memory_megabytes: setting("MemorySize")?.map_or(Ok(DEFAULT_MEMORY_MEGABYTES), |node| node.integer())?,
        environment: environment(scope, id, resource)?,
        role: policies::of_function(scope, id, resource)?,
    })
}

/// `Metadata.BuildProperties.Binary`, else the logical id in lower case without `Function`.
pub(super) fn binary(id: &str, resource: &Value) -> String {
    match resource
        .pointer("/Metadata/BuildProperties/Binary")
        .and_then(Value::as_str)
    {
        Some(binary) => binary.to_owned(),
        None => id.strip_suffix("Function").unwrap_or(id).to_lowercase(),
    }
}

fn timeout_seconds(node: Option<Node>) -> Result<u64, Error> {
    let Some(node) = node else {
        return Ok(DEFAULT_TIMEOUT_SECONDS);
    };
    match node.integer()? {
        seconds @ 1..=MAX_TIMEOUT_SECONDS => Ok(seconds),
        _ => Err(node.error("must be from 1 to 900 seconds")),
    }
}

fn environment(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<BTreeMap<String, String>, Error> {
    let mut environment = BTreeMap::new();
    for section in [
        scope.global("Function", "Environment")?,
        scope.property(id, resource, "Environment")?,
    ] {
        let Some(variables) = section.and_then(|section| section.get("Variables")) else {
            continue;
        };
        for (name, value) in variables.entries()? {
            environment.insert(name, value.text()?);
        }
    }
    Ok(environment)
}

fn events(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Vec<Node>, Error> {
    let mut events = Vec::new();
    let declared = resource.pointer("/Properties/Events").and_then(Value::as_object);
    for (name, event) in declared.into_iter().flatten() {
        if event.get("Type").and_then(Value::as_str) == Some("Api") {
            let path = yaml::join("Events", name);
            let properties = scope.property_at(id, &format!("{path}.Properties"), event.get("Properties"))?;
            events.push(properties);
        }
    }
    Ok(events)
}
