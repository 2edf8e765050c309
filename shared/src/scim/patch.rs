//! The body of a PATCH (RFC 7644, section 3.5.2), as it is sent: Entra capitalises operations, and Okta leaves paths out.

use scim_v2::filter::PatchPath;
use serde_json::{Map, Value};

use super::{PATCH, invalid, member, require_schema, wrong};
use crate::error::Error;

/// So many operations come in one request.
const MOST_OPERATIONS: usize = 100;

/// What is to be done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Replace,
    Remove,
}

/// One step. A body without a path is taken apart into one for each of its members.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) path: PatchPath,
    pub(super) value: Option<Value>,
}

/// The steps, in their order.
pub(super) fn steps(body: &Map<String, Value>) -> Result<Vec<Step>, Error> {
    require_schema(body, PATCH)?;
    let operations = member(body, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| invalid(wrong::SYNTAX, "`Operations` must be a list."))?;
    if operations.is_empty() || operations.len() > MOST_OPERATIONS {
        return Err(invalid(
            wrong::SYNTAX,
            format!("There must be 1 to {MOST_OPERATIONS} operations."),
        ));
    }
    let mut all = Vec::new();
    for operation in operations {
        let operation = operation.as_object();
        all.extend(taken_apart(
            operation.ok_or_else(|| invalid(wrong::SYNTAX, "An operation must be an object."))?,
        )?);
    }
    Ok(all)
}

fn taken_apart(operation: &Map<String, Value>) -> Result<Vec<Step>, Error> {
    let name = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
    let op = match name.to_ascii_lowercase().as_str() {
        "add" => Op::Add,
        "replace" => Op::Replace,
        "remove" => Op::Remove,
        _ => return Err(invalid(wrong::SYNTAX, "`op` must be `add`, `replace` or `remove`.")),
    };
    let value = member(operation, "value").cloned();
    if value.is_none() && op != Op::Remove {
        return Err(invalid(
            wrong::VALUE,
            "An operation that adds or replaces needs a `value`.",
        ));
    }
    match member(operation, "path") {
        Some(Value::String(path)) => Ok(vec![Step {
            op,
            path: parsed(path)?,
            value,
        }]),
        None | Some(Value::Null) => match value {
            Some(Value::Object(members)) if op != Op::Remove => members
                .into_iter()
                .map(|(name, value)| {
                    Ok(Step {
                        op,
                        path: parsed(&name)?,
                        value: Some(value),
                    })
                })
                .collect(),
            _ if op == Op::Remove => Err(invalid(wrong::NO_TARGET, "What is to be removed must have a `path`.")),
            _ => Err(invalid(wrong::VALUE, "Without a `path` the `value` must be an object.")),
        },
        Some(_) => Err(invalid(wrong::PATH, "`path` must be text.")),
    }
}

fn parsed(path: &str) -> Result<PatchPath, Error> {
    let refused = || invalid(wrong::PATH, "A path is none of RFC 7644's, or too long.");
    match path.len() <= 512 {
        true => path.parse().map_err(|_| refused()),
        false => Err(refused()),
    }
}
