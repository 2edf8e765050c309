//! YAML with `CloudFormation`'s tags, as JSON with its long-form functions: `!Ref X` becomes `{"Ref": "X"}`.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::Error;

/// Reads one YAML document.
pub(super) fn load(text: &str) -> Result<Value, Error> {
    let documents = Yaml::load_from_str(text).map_err(|error| Error::new("", error.to_string()))?;
    match documents.as_slice() {
        [document] => value(document, ""),
        documents => Err(Error::new(
            "",
            format!("one YAML document is needed, not {}", documents.len()),
        )),
    }
}

fn value(node: &Yaml<'_>, path: &str) -> Result<Value, Error> {
    Ok(match node {
        Yaml::Value(scalar) => self::scalar(scalar),
        Yaml::Sequence(items) => {
            let items = items
                .iter()
                .enumerate()
                .map(|(index, item)| value(item, &join(path, &index.to_string())));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, entry) in entries {
                let key = self::key(key, path)?;
                let entry = value(entry, &join(path, &key))?;
                map.insert(key, entry);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, node) => function(&tag.suffix, value(node, path)?),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(Error::new(path, "this YAML is not understood"));
        }
    })
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(value) => json!(value),
    }
}

fn key(node: &Yaml<'_>, path: &str) -> Result<String, Error> {
    match node {
        Yaml::Value(Scalar::String(key)) => Ok(key.to_string()),
        Yaml::Value(other) => match self::scalar(other) {
            Value::Null => Err(Error::new(path, "a key is missing")),
            other => Ok(other.to_string()),
        },
        _ => Err(Error::new(path, "a key is not text")),
    }
}

/// The long form of a tag. `!GetAtt A.B` alone also changes the form of its argument.
fn function(tag: &str, argument: Value) -> Value {
    match (tag, argument) {
        ("Ref" | "Condition", argument) => json!({ tag: argument }),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        (tag, argument) => json!({ format!("Fn::{tag}"): argument }),
    }
}

/// `path.key`, or `key` at the top.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
