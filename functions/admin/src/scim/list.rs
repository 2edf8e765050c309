//! Lists (RFC 7644, section 3.4.2): which part of one is asked for, and how it is answered.

use gateway::error::Error;
use gateway::scim::Filter;
use gateway::scim::{LIST, invalid, parse_filter, wrong};
use http::Uri;
use serde_json::{Value, json};

/// So many resources are on a page, unless asked for fewer; and at the most.
const USUAL: usize = 100;
const MOST: usize = 200;

/// What a request for a list asks for. What it says besides (`sortBy`, Entra's flags) is left.
pub(super) struct Wish {
    pub(super) filter: Option<Filter>,
    /// Whether the members of groups are to be left out: then they are not read either.
    pub(super) without_members: bool,
    only: Option<Vec<String>>,
    without: Vec<String>,
    start: usize,
    count: usize,
}

impl Wish {
    pub(super) fn read(uri: &Uri) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(uri.query().unwrap_or_default())
            .map_err(|_| invalid(wrong::VALUE, "The query cannot be read."))?;
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let number = |name: &'static str, usual: i64| match value(name) {
            None => Ok(usual),
            Some(text) => text
                .parse::<i64>()
                .map_err(|_| invalid(wrong::VALUE, format!("`{name}` must be a number."))),
        };
        let names = |name: &str| value(name).map(|all| all.split(',').map(attribute).collect::<Vec<_>>());
        let (only, without) = (names("attributes"), names("excludedAttributes").unwrap_or_default());
        let is_members = |name: &String| name == "members";
        let at_least = |number: i64, least: i64| usize::try_from(number.max(least)).unwrap_or_default();
        Ok(Self {
            filter: value("filter").map(parse_filter).transpose()?,
            without_members: without.iter().any(is_members)
                || only.as_ref().is_some_and(|only| !only.iter().any(is_members)),
            only,
            without,
            start: at_least(number("startIndex", 1)?, 1),
            count: at_least(number("count", USUAL as i64)?, 0).min(MOST),
        })
    }

    /// What is asked for of a resource (RFC 7644, section 3.9), by the names of whole attributes; `id` and `schemas` in any case.
    pub(super) fn of(&self, resource: &mut Value) {
        let Some(members) = resource.as_object_mut() else {
            return;
        };
        let named = |names: &[String], name: &str| names.contains(&name.to_ascii_lowercase());
        members.retain(|name, _| {
            let wanted = self.only.as_ref().is_none_or(|only| named(only, name)) && !named(&self.without, name);
            wanted || name == "id" || name == "schemas"
        });
    }

    /// The part of all that is asked for.
    pub(super) fn part<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.start - 1).take(self.count).collect()
    }

    pub(super) fn answer(&self, total: usize, resources: &[Value]) -> Value {
        json!({
            "schemas": [LIST], "totalResults": total, "startIndex": self.start, "itemsPerPage": resources.len(),
            "Resources": resources,
        })
    }
}

/// The attribute of a path, without its schema and its part, in lower case.
fn attribute(path: &str) -> String {
    let path = path.trim().to_ascii_lowercase();
    let name = path.rsplit(':').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// A list of few, whole.
pub(super) fn all(resources: &[Value]) -> Value {
    let count = resources.len();
    json!({
        "schemas": [LIST], "totalResults": count, "startIndex": 1, "itemsPerPage": count, "Resources": resources,
    })
}
