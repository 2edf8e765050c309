//! Filters (RFC 7644, section 3.4.2.2): read by `scim_v2`, and held against resources.

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::{Map, Value};

use super::{invalid, member, wrong};
use crate::error::Error;

/// The longest filter. Those of directories name one person, or one and a group.
const LONGEST: usize = 2048;

/// What is compared character by character (RFC 7643, sections 3.1 and 7); all other text in any case.
const EXACT: [&str; 3] = ["id", "externalId", "value"];

/// Reads a filter.
///
/// # Errors
/// A 400 of the name `invalidFilter`.
pub fn parse(text: &str) -> Result<Filter, Error> {
    let refused = || invalid(wrong::FILTER, "The filter is none of RFC 7644's, or too long.");
    match text.len() <= LONGEST {
        true => text.parse().map_err(|_| refused()),
        false => Err(refused()),
    }
}

/// The first of `names` that the filter wants to equal a text, whatever else it wants: what a table can be asked for.
pub fn indexed<'a>(filter: &'a Filter, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
    match filter {
        Filter::Attr(AttrExp::Comparison(path, CompareOp::Eq, CompValue::Str(value))) => {
            let dotted = match &path.sub_attr {
                Some(sub) => format!("{}.{sub}", path.name),
                None => path.name.clone(),
            };
            let found = names.iter().find(|name| name.eq_ignore_ascii_case(&dotted));
            found.map(|name| (*name, value.as_str()))
        }
        Filter::And(all) => all.iter().find_map(|one| indexed(one, names)),
        _ => None,
    }
}

/// Whether a resource, as it is shown, is wanted.
pub fn matches(filter: &Filter, resource: &Map<String, Value>) -> bool {
    match filter {
        Filter::Attr(expression) => holds(expression, resource),
        Filter::Not(inner) => !matches(inner, resource),
        Filter::And(all) => all.iter().all(|one| matches(one, resource)),
        Filter::Or(all) => all.iter().any(|one| matches(one, resource)),
        Filter::ValuePath(path) => {
            let values = found(resource, &path.attr);
            let objects = values.iter().filter_map(|value| value.as_object());
            objects.into_iter().any(|object| value_matches(&path.filter, object))
        }
    }
}

/// Whether one value of several is wanted (`emails[type eq "work"]`).
pub(super) fn value_matches(filter: &ValFilter, value: &Map<String, Value>) -> bool {
    match filter {
        ValFilter::Attr(expression) => holds(expression, value),
        ValFilter::Not(inner) => !value_matches(inner, value),
        ValFilter::And(all) => all.iter().all(|one| value_matches(one, value)),
        ValFilter::Or(all) => all.iter().any(|one| value_matches(one, value)),
    }
}

/// The values at a path, each of several. Of a value with parts `value` stands for it (`members eq "…"`).
fn found<'a>(resource: &'a Map<String, Value>, path: &AttrPath) -> Vec<&'a Value> {
    let each = |value: &'a Value| match value {
        Value::Array(all) => all.iter().collect(),
        Value::Null => Vec::new(),
        other => vec![other],
    };
    let values = member(resource, &path.name).map(each).unwrap_or_default();
    let Some(sub) = &path.sub_attr else {
        return values;
    };
    let parts = values.into_iter().filter_map(Value::as_object);
    parts.filter_map(|object| member(object, sub)).flat_map(each).collect()
}

fn holds(expression: &AttrExp, resource: &Map<String, Value>) -> bool {
    match expression {
        AttrExp::Present(path) => found(resource, path).iter().any(|value| value.as_str() != Some("")),
        AttrExp::Comparison(path, op, wanted) => {
            let name = path.sub_attr.as_deref().unwrap_or(&path.name);
            let exact = EXACT.iter().any(|exact| exact.eq_ignore_ascii_case(name));
            let values = found(resource, path);
            let is = |value: &&Value| compare(simple(value), op, wanted, exact);
            match op {
                CompareOp::Ne => !values
                    .iter()
                    .any(|value| compare(simple(value), &CompareOp::Eq, wanted, exact)),
                _ => values.iter().any(is),
            }
        }
    }
}

fn simple(value: &Value) -> &Value {
    value
        .as_object()
        .and_then(|parts| member(parts, "value"))
        .unwrap_or(value)
}

fn compare(value: &Value, op: &CompareOp, wanted: &CompValue, exact: bool) -> bool {
    match (value, wanted) {
        (Value::String(text), CompValue::Str(wanted)) if exact => ordered(text, op, wanted),
        (Value::String(text), CompValue::Str(wanted)) => ordered(&text.to_lowercase(), op, &wanted.to_lowercase()),
        (Value::Bool(it), CompValue::True) => *op == CompareOp::Eq && *it,
        (Value::Bool(it), CompValue::False) => *op == CompareOp::Eq && !*it,
        // Entra's way with booleans.
        (Value::Bool(it), CompValue::Str(text)) => *op == CompareOp::Eq && text.eq_ignore_ascii_case(&it.to_string()),
        _ => false,
    }
}

fn ordered(text: &str, op: &CompareOp, wanted: &str) -> bool {
    match op {
        CompareOp::Eq => text == wanted,
        CompareOp::Ne => text != wanted,
        CompareOp::Co => text.contains(wanted),
        CompareOp::Sw => text.starts_with(wanted),
        CompareOp::Ew => text.ends_with(wanted),
        CompareOp::Gt => text > wanted,
        CompareOp::Lt => text < wanted,
        CompareOp::Ge => text >= wanted,
        CompareOp::Le => text <= wanted,
    }
}
