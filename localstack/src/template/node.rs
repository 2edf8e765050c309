//! A resolved value that knows its place in the template, so that an error can name it.

use serde_json::{Map, Value};

use super::Error;
use super::yaml::join;

/// A value without functions in it, and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) value: Value,
}

impl Node {
    pub(super) fn new(path: impl Into<String>, value: Value) -> Self {
        Self {
            path: path.into(),
            value,
        }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> Error {
        Error::new(&self.path, problem)
    }

    /// The member `key`, or nothing where it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self::new(join(&self.path, key), value.clone()))
    }

    pub(super) fn require(&self, key: &str) -> Result<Self, Error> {
        self.get(key)
            .ok_or_else(|| Error::new(join(&self.path, key), "is missing"))
    }

    pub(super) fn entries(&self) -> Result<Vec<(String, Self)>, Error> {
        let map: &Map<String, Value> = self.value.as_object().ok_or_else(|| self.error("must be a mapping"))?;
        Ok(map
            .iter()
            .map(|(key, value)| (key.clone(), Self::new(join(&self.path, key), value.clone())))
            .collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Self>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.error("must be a list"))?;
        let node = |(index, value): (usize, &Value)| Self::new(join(&self.path, &index.to_string()), value.clone());
        Ok(items.iter().enumerate().map(node).collect())
    }

    /// Text; numbers and booleans count as the text they are written as, as they do for `CloudFormation`.
    pub(super) fn text(&self) -> Result<String, Error> {
        match &self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(self.error("must be text")),
        }
    }

    /// A number from zero up; digits in a string count too, since parameters are strings.
    pub(super) fn integer(&self) -> Result<u64, Error> {
        let number = match &self.value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.error("must be a whole number from zero up"))
    }

    pub(super) fn boolean(&self) -> Result<bool, Error> {
        match &self.value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            _ => Err(self.error("must be true or false")),
        }
    }
}
