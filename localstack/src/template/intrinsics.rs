//! `CloudFormation`'s functions and references. Only what the local stack reads is resolved, and only when it is read: a
//! function used in an alarm or a policy need not be known here.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::node::Node;
use super::yaml::join;
use super::{ACCOUNT_ID, API_ID, Error, REGION, STACK_NAME, Values, physical_name};

/// A template and the values of its parameters.
pub(super) struct Scope<'t> {
    document: &'t Value,
    parameters: BTreeMap<String, String>,
    secret_arns: &'t BTreeMap<String, String>,
}

/// What `AWS::NoValue` stands for until the member that holds it is removed.
const NO_VALUE: &str = "\u{0}AWS::NoValue";

impl<'t> Scope<'t> {
    pub(super) fn new(document: &'t Value, values: &'t Values) -> Result<Self, Error> {
        let mut parameters = BTreeMap::new();
        let declared = document.get("Parameters").and_then(Value::as_object);
        for (name, parameter) in declared.into_iter().flatten() {
            let default = parameter
                .get("Default")
                .map(|value| Node::new(format!("Parameters.{name}"), value.clone()));
            let value = match (values.parameters.get(name), default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default.text()?,
                (None, None) => continue,
            };
            parameters.insert(name.clone(), value);
        }
        Ok(Self {
            document,
            parameters,
            secret_arns: &values.secret_arns,
        })
    }

    /// The resources of a type whose condition holds: logical id and whole definition, unresolved.
    pub(super) fn resources(&self, kind: &str) -> Result<Vec<(&'t str, &'t Value)>, Error> {
        let resources = self.document.get("Resources").and_then(Value::as_object);
        let mut found = Vec::new();
        for (id, resource) in resources.into_iter().flatten() {
            if resource.get("Type").and_then(Value::as_str) == Some(kind) && self.exists(id, resource)? {
                found.push((id.as_str(), resource));
            }
        }
        Ok(found)
    }

    fn exists(&self, id: &str, resource: &Value) -> Result<bool, Error> {
        match resource.get("Condition").and_then(Value::as_str) {
            Some(condition) => self.condition(&format!("Resources.{id}.Condition"), condition),
            None => Ok(true),
        }
    }

    /// A property of a resource, resolved.
    pub(super) fn property(&self, id: &str, resource: &Value, name: &str) -> Result<Option<Node>, Error> {
        let path = format!("Resources.{id}.Properties.{name}");
        self.optional(
            path,
            resource.get("Properties").and_then(|properties| properties.get(name)),
        )
    }

    /// A part of a resource's properties at a known place, resolved.
    pub(super) fn property_at(&self, id: &str, place: &str, value: Option<&Value>) -> Result<Node, Error> {
        let path = format!("Resources.{id}.Properties.{place}");
        self.optional(path.clone(), value)?
            .ok_or_else(|| Error::new(path, "is missing"))
    }

    /// `Globals.<section>.<name>`, resolved.
    pub(super) fn global(&self, section: &str, name: &str) -> Result<Option<Node>, Error> {
        let value = self.document.get("Globals").and_then(|globals| globals.get(section));
        self.optional(
            format!("Globals.{section}.{name}"),
            value.and_then(|section| section.get(name)),
        )
    }

    fn optional(&self, path: String, value: Option<&Value>) -> Result<Option<Node>, Error> {
        let Some(value) = value else { return Ok(None) };
        let value = self.resolve(&path, value)?;
        Ok((value != NO_VALUE && !value.is_null()).then(|| Node::new(path, value)))
    }

    fn resolve(&self, path: &str, value: &Value) -> Result<Value, Error> {
        match value {
            Value::Object(map) => match single(map) {
                Some((name, argument)) if is_function(name) => self.call(&join(path, name), name, argument),
                _ => self.members(path, map),
            },
            Value::Array(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.resolve(&join(path, &index.to_string()), item));
                let items: Vec<Value> = items.collect::<Result<_, _>>()?;
                Ok(Value::Array(
                    items.into_iter().filter(|item| *item != NO_VALUE).collect(),
                ))
            }
            plain => Ok(plain.clone()),
        }
    }

    fn members(&self, path: &str, map: &Map<String, Value>) -> Result<Value, Error> {
        let mut resolved = Map::new();
        for (key, value) in map {
            let value = self.resolve(&join(path, key), value)?;
            if value != NO_VALUE {
                resolved.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(resolved))
    }

    fn call(&self, path: &str, name: &str, argument: &Value) -> Result<Value, Error> {
        match name {
            "Ref" => self.reference(path, text(path, argument)?),
            "Fn::GetAtt" => self.attribute(path, argument),
            "Fn::Sub" => self.substitute(path, argument),
            "Fn::If" => self.choose(path, argument),
            "Fn::Join" => self.join(path, argument),
            "Fn::Select" => self.select(path, argument),
            "Fn::Split" => self.split(path, argument),
            "Fn::FindInMap" => self.find_in_map(path, argument),
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" | "Condition" => {
                self.test(path, name, argument).map(Value::Bool)
            }
            _ => Err(Error::new(path, "this function is not known to the local stack")),
        }
    }

    fn reference(&self, path: &str, name: &str) -> Result<Value, Error> {
        if let Some(value) = pseudo_parameter(name) {
            return Ok(json!(value));
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(json!(value));
        }
        if self
            .document
            .get("Parameters")
            .and_then(|parameters| parameters.get(name))
            .is_some()
        {
            return Err(Error::new(path, format!("the parameter {name} has no value")));
        }
        if let Some(function) = name.strip_suffix(".Alias") {
            // SAM's own: the alias that it publishes. There is one version here, so it is the function.
            return self.attribute(path, &json!([function, "Arn"]));
        }
        let resource = self.resource(path, name)?;
        Ok(json!(match kind(resource) {
            "AWS::Serverless::Api" | "AWS::ApiGateway::RestApi" => API_ID.to_owned(),
            "AWS::SecretsManager::Secret" => self.secret_arn(&self.name(name, resource)?),
            _ => self.name(name, resource)?,
        }))
    }

    fn resource(&self, path: &str, id: &str) -> Result<&'t Value, Error> {
        let resource = self.document.get("Resources").and_then(|resources| resources.get(id));
        resource.ok_or_else(|| Error::new(path, format!("there is no parameter or resource {id}")))
    }

    /// The physical name of a resource: its own, or one made of its logical id.
    pub(super) fn name(&self, id: &str, resource: &Value) -> Result<String, Error> {
        let property = match kind(resource) {
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::SecretsManager::Secret" => "Name",
            "AWS::IAM::Role" => "RoleName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            _ => return Ok(physical_name(id)),
        };
        match self.property(id, resource, property)? {
            Some(name) => name.text(),
            None => Ok(physical_name(id)),
        }
    }

    /// A secret's ARN: Secrets Manager adds a hyphen and six characters to the name, which are made up until it has done so.
    fn secret_arn(&self, name: &str) -> String {
        let made_up = || format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-local0");
        self.secret_arns.get(name).cloned().unwrap_or_else(made_up)
    }

    fn attribute(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let parts = argument.as_array().map(Vec::as_slice);
        let Some([Value::String(id), Value::String(attribute)]) = parts else {
            return Err(Error::new(path, "needs a resource and an attribute"));
        };
        let resource = self.resource(path, id)?;
        let name = self.name(id, resource)?;
        let value = match (kind(resource), attribute.as_str()) {
            ("AWS::Serverless::Function", "Arn") => function_arn(&name),
            ("AWS::DynamoDB::Table", "Arn") => format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}"),
            ("AWS::S3::Bucket", "Arn") => format!("arn:aws:s3:::{name}"),
            ("AWS::SecretsManager::Secret", "Id") => self.secret_arn(&name),
            ("AWS::SQS::Queue", "Arn") => format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"),
            ("AWS::IAM::Role", "Arn") => format!("arn:aws:iam::{ACCOUNT_ID}:role/{name}"),
            ("AWS::Logs::LogGroup", "Arn") => format!("arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{name}:*"),
            (kind, attribute) => {
                return Err(Error::new(
                    path,
                    format!("{attribute} of {kind} is not known to the local stack"),
                ));
            }
        };
        Ok(json!(value))
    }

    fn substitute(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let (pattern, variables) = match argument {
            Value::String(pattern) => (pattern.as_str(), None),
            Value::Array(parts) => match parts.as_slice() {
                [Value::String(pattern), Value::Object(variables)] => (pattern.as_str(), Some(variables)),
                _ => return Err(Error::new(path, "needs text, or text and a mapping")),
            },
            _ => return Err(Error::new(path, "needs text, or text and a mapping")),
        };
        let mut output = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| Error::new(path, "a `${` is not closed"))?;
            output.push_str(before);
            output.push_str(&self.variable(path, name.trim(), variables)?);
            rest = after;
        }
        output.push_str(rest);
        Ok(Value::String(output))
    }

    fn variable(&self, path: &str, name: &str, variables: Option<&Map<String, Value>>) -> Result<String, Error> {
        if let Some(literal) = name.strip_prefix('!') {
            return Ok(format!("${{{literal}}}"));
        }
        let value = match (
            variables.and_then(|variables| variables.get(name)),
            name.split_once('.'),
        ) {
            (Some(value), _) => self.resolve(&join(path, name), value)?,
            (None, Some((id, attribute))) => self.attribute(path, &json!([id, attribute]))?,
            (None, None) => self.reference(path, name)?,
        };
        Node::new(path, value).text()
    }

    fn choose(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        match argument.as_array().map(Vec::as_slice) {
            Some([Value::String(condition), then, otherwise]) => {
                let chosen = if self.condition(path, condition)? {
                    then
                } else {
                    otherwise
                };
                self.resolve(path, chosen)
            }
            _ => Err(Error::new(path, "needs a condition and two values")),
        }
    }

    fn condition(&self, path: &str, name: &str) -> Result<bool, Error> {
        let condition = self
            .document
            .get("Conditions")
            .and_then(|conditions| conditions.get(name));
        let condition = condition.ok_or_else(|| Error::new(path, format!("there is no condition {name}")))?;
        let path = format!("Conditions.{name}");
        Node::new(&path, self.resolve(&path, condition)?).boolean()
    }

    fn test(&self, path: &str, name: &str, argument: &Value) -> Result<bool, Error> {
        if name == "Condition" {
            return self.condition(path, text(path, argument)?);
        }
        let values = Node::new(path, self.resolve(path, argument)?).items()?;
        match (name, values.as_slice()) {
            ("Fn::Equals", [left, right]) => Ok(left.text()? == right.text()?),
            ("Fn::Not", [value]) => value.boolean().map(|value| !value),
            ("Fn::And", values) => values.iter().try_fold(true, |all, value| Ok(all & value.boolean()?)),
            ("Fn::Or", values) => values.iter().try_fold(false, |any, value| Ok(any | value.boolean()?)),
            _ => Err(Error::new(path, "has the wrong number of values")),
        }
    }

    fn join(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let argument = Node::new(path, self.resolve(path, argument)?).items()?;
        let [separator, parts] = argument.as_slice() else {
            return Err(Error::new(path, "needs a separator and a list"));
        };
        let parts: Vec<String> = parts.items()?.iter().map(Node::text).collect::<Result<_, _>>()?;
        Ok(json!(parts.join(&separator.text()?)))
    }

    fn select(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let argument = Node::new(path, self.resolve(path, argument)?).items()?;
        let [index, list] = argument.as_slice() else {
            return Err(Error::new(path, "needs an index and a list"));
        };
        let index = usize::try_from(index.integer()?).unwrap_or(usize::MAX);
        let item = list.items()?.into_iter().nth(index);
        item.map(|item| item.value)
            .ok_or_else(|| Error::new(path, "the list is shorter than the index"))
    }

    fn split(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let argument = Node::new(path, self.resolve(path, argument)?).items()?;
        let [separator, whole] = argument.as_slice() else {
            return Err(Error::new(path, "needs a separator and text"));
        };
        let (separator, whole) = (separator.text()?, whole.text()?);
        Ok(json!(whole.split(separator.as_str()).collect::<Vec<_>>()))
    }

    fn find_in_map(&self, path: &str, argument: &Value) -> Result<Value, Error> {
        let keys = Node::new(path, self.resolve(path, argument)?).items()?;
        let keys: Vec<String> = keys.iter().map(Node::text).collect::<Result<_, _>>()?;
        let mappings = self.document.get("Mappings");
        let value = mappings.and_then(|mappings| keys.iter().try_fold(mappings, |value, key| value.get(key)));
        value
            .cloned()
            .ok_or_else(|| Error::new(path, format!("there is no mapping {}", keys.join("."))))
    }
}

fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((name, argument)), None) => Some((name, argument)),
        _ => None,
    }
}

fn is_function(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

fn kind(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

fn text<'v>(path: &str, value: &'v Value) -> Result<&'v str, Error> {
    value.as_str().ok_or_else(|| Error::new(path, "must be a name"))
}

fn pseudo_parameter(name: &str) -> Option<String> {
    Some(match name {
        "AWS::Region" => REGION.to_owned(),
        "AWS::AccountId" => ACCOUNT_ID.to_owned(),
        "AWS::Partition" => "aws".to_owned(),
        "AWS::URLSuffix" => "amazonaws.com".to_owned(),
        "AWS::StackName" => STACK_NAME.to_owned(),
        "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{STACK_NAME}/local"),
        "AWS::NoValue" => NO_VALUE.to_owned(),
        _ => return None,
    })
}

/// The ARN of a function.
pub(super) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
}
