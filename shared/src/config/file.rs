//! A file of settings: one YAML map.

use std::collections::BTreeMap;
use std::sync::Arc;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::ConfigError;
use super::setting::{Declared, Kind};
use super::tree;

/// A file that was read.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) root: Arc<Value>,
}

impl File {
    /// # Errors
    /// [`ConfigError::File`] when it is not one YAML map.
    pub(super) fn of(name: &str, text: &str) -> Result<Self, ConfigError> {
        let root = root(text).map_err(|fault| ConfigError::File {
            file: name.to_owned(),
            fault,
        })?;
        Ok(Self {
            name: name.to_owned(),
            root: Arc::new(root),
        })
    }

    /// What stands at a path; null where nothing does.
    pub(super) fn node(&self, path: &str) -> &Value {
        let mut steps = path.split('.');
        steps
            .try_fold(&*self.root, |node, step| node.get(step))
            .unwrap_or(&Value::Null)
    }

    /// Every declared setting that stands in the file, by its variable, as it would be written there. One of a form that no variable can
    /// have is left out; [`Self::faults`] names it.
    pub(super) fn texts(&self) -> BTreeMap<String, String> {
        let declared = tree::ALL.iter().filter(|it| !it.path.is_empty());
        let found = declared.filter_map(|it| Some((it.variable(), text_of(it, self.node(it.path))?)));
        found.collect()
    }

    /// What is in the file and is no setting, or has a form that no setting has.
    pub(super) fn faults(&self) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        self.look("", &self.root, &mut faults);
        faults
    }

    fn look(&self, path: &str, node: &Value, faults: &mut Vec<ConfigError>) {
        if let Some(declared) = tree::ALL.iter().find(|it| !path.is_empty() && it.path == path) {
            if !node.is_null() && text_of(declared, node).is_none() {
                faults.push(ConfigError::Setting {
                    place: format!("{path} in {}", self.name),
                    fault: "holds a wrong value",
                    expected: declared.expected(),
                });
            }
            return;
        }
        match (node, names_at(path)) {
            (Value::Object(map), _) => {
                for (name, inner) in map {
                    let inner_path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    if is_known(&inner_path) {
                        self.look(&inner_path, inner, faults);
                    } else {
                        faults.push(ConfigError::Unknown {
                            place: format!("{inner_path} in {}", self.name),
                            known: names_at(path).join(", "),
                        });
                    }
                }
            }
            (Value::Null, _) => {}
            (_, names) => faults.push(ConfigError::Setting {
                place: format!("{path} in {}", self.name),
                fault: "holds a wrong value",
                expected: format!("a map of {}", names.join(", ")),
            }),
        }
    }
}

/// Whether a setting stands there, or beneath.
fn is_known(path: &str) -> bool {
    let beneath = |it: &&Declared| it.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    tree::ALL.iter().any(|it| it.path == path || beneath(it))
}

/// The names that may stand in the map at this path.
fn names_at(path: &str) -> Vec<&'static str> {
    let prefix = if path.is_empty() {
        String::new()
    } else {
        format!("{path}.")
    };
    let names = tree::ALL.iter().filter_map(|it| it.path.strip_prefix(&prefix));
    let mut names: Vec<_> = names.filter_map(|rest| rest.split('.').next()).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    names.dedup();
    names
}

fn text_of(declared: &Declared, node: &Value) -> Option<String> {
    match (declared.kind, node) {
        (_, Value::Null) => None,
        (Kind::Json(_), Value::Object(_) | Value::Array(_)) => serde_json::to_string(node).ok(),
        (Kind::List(_), Value::Array(items)) => {
            let items: Option<Vec<_>> = items.iter().map(scalar_text).collect();
            items.map(|items| items.join(","))
        }
        _ => scalar_text(node),
    }
}

/// A scalar as somebody would type it: `minimum_version: 1.3` is a number to YAML.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The one map that the file must be; an empty file is an empty one. What is wrong is told in words that do not repeat it.
fn root(text: &str) -> Result<Value, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        format!("is no YAML: line {}, column {}", marker.line(), marker.col() + 1)
    })?;
    match documents.as_slice() {
        [] => Ok(json!({})),
        [document] => match json_of(document)? {
            Value::Null => Ok(json!({})),
            map @ Value::Object(_) => Ok(map),
            _ => Err("must be a map".to_owned()),
        },
        _ => Err("must be one YAML document".to_owned()),
    }
}

fn json_of(node: &Yaml<'_>) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json_of).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let pairs = entries.iter().map(|(key, value)| match key {
                Yaml::Value(Scalar::String(key)) => Ok((key.to_string(), json_of(value)?)),
                _ => Err("has a name that is no text".to_owned()),
            });
            Value::Object(pairs.collect::<Result<Map<_, _>, _>>()?)
        }
        _ => return Err("has a tag or an alias, which settings do not use".to_owned()),
    })
}
