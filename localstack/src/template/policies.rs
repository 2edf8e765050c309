//! What functions' roles allow: the policies in `AWS::IAM::Role`, and those that `AWS::IAM::Policy` adds to it.

use serde_json::Value;

use super::Error;
use super::intrinsics::Scope;
use super::node::Node;

/// The role of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What its policies say, in the template's order.
    pub statements: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// Actions, where `*` and `?` stand for others: `dynamodb:GetItem`.
    pub actions: Vec<String>,
    /// ARNs, where `*` and `?` stand for others.
    pub resources: Vec<String>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
}

/// A condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How the values of a request are held against those that are listed.
    pub operator: Operator,
    /// How many of a request's values must do.
    pub quantifier: Quantifier,
    /// What of the request is looked at: `dynamodb:LeadingKeys`.
    pub key: String,
    /// One of these must do.
    pub values: Vec<String>,
}

/// The operators that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `StringEquals`.
    Equals,
    /// `StringLike`.
    Like,
    /// `Null`: whether the request lacks the key.
    Null,
}

/// What stands before an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// Nothing: the request has one value.
    One,
    /// `ForAnyValue`.
    Any,
    /// `ForAllValues`, which a request without the key fulfils.
    All,
}

/// The role that a function names, if it names one; SAM makes one for any other function.
pub(super) fn of_function(scope: &Scope<'_>, id: &str, function: &Value) -> Result<Option<Role>, Error> {
    let Some(arn) = scope.property(id, function, "Role")? else {
        return Ok(None);
    };
    let arn = arn.text()?;
    for (role, resource) in scope.resources("AWS::IAM::Role")? {
        let name = scope.name(role, resource)?;
        if arn.rsplit('/').next() == Some(&name) {
            let statements = statements(scope, role, resource, &name)?;
            return Ok(Some(Role { name, statements }));
        }
    }
    Err(Error::new(
        format!("Resources.{id}.Properties.Role"),
        format!("there is no role {arn}"),
    ))
}

fn statements(scope: &Scope<'_>, id: &str, resource: &Value, role: &str) -> Result<Vec<Statement>, Error> {
    let mut statements = Vec::new();
    let own = scope.property(id, resource, "Policies")?;
    for policy in own.map_or(Ok(Vec::new()), |own| own.items())? {
        statements.extend(of_document(&policy.require("PolicyDocument")?)?);
    }
    for (policy, resource) in scope.resources("AWS::IAM::Policy")? {
        let roles = scope.property(policy, resource, "Roles")?;
        let roles = roles.map_or(Ok(Vec::new()), |roles| texts(&roles))?;
        if let Some(document) = scope.property(policy, resource, "PolicyDocument")?
            && roles.iter().any(|name| name == role)
        {
            statements.extend(of_document(&document)?);
        }
    }
    Ok(statements)
}

fn of_document(document: &Node) -> Result<Vec<Statement>, Error> {
    document.require("Statement")?.items()?.iter().map(statement).collect()
}

fn statement(node: &Node) -> Result<Statement, Error> {
    if let Some(unknown) = ["NotAction", "NotResource", "Principal"]
        .into_iter()
        .find(|key| node.get(key).is_some())
    {
        return Err(node.error(format!("{unknown} is not known to the local stack")));
    }
    let effect = node.require("Effect")?;
    Ok(Statement {
        allows: match effect.text()?.as_str() {
            "Allow" => true,
            "Deny" => false,
            _ => return Err(effect.error("must be Allow or Deny")),
        },
        actions: texts(&node.require("Action")?)?,
        resources: texts(&node.require("Resource")?)?,
        conditions: node.get("Condition").map_or(Ok(Vec::new()), |node| conditions(&node))?,
    })
}

fn conditions(node: &Node) -> Result<Vec<Condition>, Error> {
    let mut conditions = Vec::new();
    for (operator, keys) in node.entries()? {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            _ => (Quantifier::One, operator.as_str()),
        };
        let operator = match name {
            "StringEquals" => Operator::Equals,
            "StringLike" => Operator::Like,
            "Null" => Operator::Null,
            _ => return Err(keys.error("this operator is not known to the local stack")),
        };
        for (key, values) in keys.entries()? {
            conditions.push(Condition {
                operator,
                quantifier,
                key,
                values: texts(&values)?,
            });
        }
    }
    Ok(conditions)
}

/// One text or a list of them.
fn texts(node: &Node) -> Result<Vec<String>, Error> {
    if node.value.is_array() {
        node.items()?.iter().map(Node::text).collect()
    } else {
        Ok(vec![node.text()?])
    }
}
