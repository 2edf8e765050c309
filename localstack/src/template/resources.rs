//! Tables, buckets and secrets.

use serde_json::{Map, Value, json};

use super::intrinsics::Scope;
use super::{Error, secret};

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Its logical id in the template.
    pub logical_id: String,
    /// The input of `CreateTable` in the JSON form of DynamoDB's API, and, where the table has one, its
    /// `TimeToLiveSpecification`, which AWS takes by another call.
    pub definition: Value,
}

/// A Secrets Manager secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The properties that a table's definition and the input of `CreateTable` share, and the time to live.
const TABLE_PROPERTIES: [&str; 7] = [
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "TimeToLiveSpecification",
];

pub(super) fn tables(scope: &Scope<'_>) -> Result<Vec<Table>, Error> {
    let resources = scope.resources("AWS::DynamoDB::Table")?;
    resources
        .into_iter()
        .map(|(id, resource)| table(scope, id, resource))
        .collect()
}

fn table(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Table, Error> {
    let mut definition = Map::new();
    definition.insert("TableName".to_owned(), json!(scope.name(id, resource)?));
    for property in TABLE_PROPERTIES {
        if let Some(node) = scope.property(id, resource, property)? {
            definition.insert(property.to_owned(), node.value);
        }
    }
    for needed in ["AttributeDefinitions", "KeySchema"] {
        if !definition.contains_key(needed) {
            return Err(Error::new(format!("Resources.{id}.Properties.{needed}"), "is missing"));
        }
    }
    Ok(Table {
        logical_id: id.to_owned(),
        definition: Value::Object(definition),
    })
}

pub(super) fn buckets(scope: &Scope<'_>) -> Result<Vec<String>, Error> {
    scope
        .resources("AWS::S3::Bucket")?
        .into_iter()
        .map(|(id, resource)| scope.name(id, resource))
        .collect()
}

pub(super) fn secrets(scope: &Scope<'_>) -> Result<Vec<Secret>, Error> {
    let resources = scope.resources("AWS::SecretsManager::Secret")?;
    resources
        .into_iter()
        .map(|(id, resource)| secret(scope, id, resource))
        .collect()
}

fn secret(scope: &Scope<'_>, id: &str, resource: &Value) -> Result<Secret, Error> {
    let given = scope.property(id, resource, "SecretString")?;
    let generated = scope.property(id, resource, "GenerateSecretString")?;
    let value = match (given, generated) {
        (Some(text), None) => text.text()?,
        (None, Some(rule)) => secret::generate(&rule)?,
        _ => {
            let path = format!("Resources.{id}.Properties");
            return Err(Error::new(path, "needs either SecretString or GenerateSecretString"));
        }
    };
    Ok(Secret {
        name: scope.name(id, resource)?,
        value,
    })
}
