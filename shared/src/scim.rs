//! SCIM 2.0, by which a company's directory tells of its people and groups: what comes in and goes out, as RFC 7643 (the schema) and
//! RFC 7644 (the protocol) have it, and as Okta and Microsoft Entra send it. The grammar of filters and paths is `scim_v2`'s.
//!
//! What of RFC 7643's User is kept: `userName`, `externalId`, `active`, `displayName`, `name`, `emails`. The rest of it, and every
//! extension, is taken and left; a name that RFC 7643 does not know is refused.

mod discovery;
mod filter;
mod group;
mod patch;
mod user;

use serde_json::{Map, Value};

use crate::error::{Error, Kind};

pub use discovery::{resource_types, schemas, service_provider_config};
pub use filter::{indexed, matches, parse as parse_filter};
pub use group::{GroupChange, GroupFields, group_changes};
pub use scim_v2::filter::Filter;
pub use user::UserFields;

/// The media type (RFC 7644, section 3.1).
pub const MEDIA_TYPE: &str = "application/scim+json";
/// RFC 7643, section 4.1.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// RFC 7643, section 4.2.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// RFC 7644, section 3.4.2.
pub const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
/// RFC 7644, section 3.5.2.
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// RFC 7644, section 3.12.
pub const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// So many members may come or go by one request: each is a write of its own.
pub const MOST_MEMBERS: usize = 1000;

/// What is wrong, by the names of RFC 7644, section 3.12.
pub mod wrong {
    /// A filter that is none, or that is not served.
    pub const FILTER: &str = "invalidFilter";
    /// A name that is somebody else's.
    pub const UNIQUENESS: &str = "uniqueness";
    /// A change of what cannot be changed.
    pub const MUTABILITY: &str = "mutability";
    /// A body of another form.
    pub const SYNTAX: &str = "invalidSyntax";
    /// A path that is none, or leads nowhere.
    pub const PATH: &str = "invalidPath";
    /// A path whose filter finds nothing.
    pub const NO_TARGET: &str = "noTarget";
    /// A value that cannot be, or is missing.
    pub const VALUE: &str = "invalidValue";
    /// More than is done at once.
    pub const TOO_MANY: &str = "tooMany";
}

/// A 400 with its name.
pub fn invalid(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::InvalidRequest, message).named(code)
}

/// Passes if the body says that it is what is expected (RFC 7643, section 3.1).
fn require_schema(body: &Map<String, Value>, schema: &'static str) -> Result<(), Error> {
    let named = member(body, "schemas").and_then(Value::as_array);
    let is = |value: &Value| value.as_str().is_some_and(|it| it.eq_ignore_ascii_case(schema));
    match named.is_some_and(|all| all.iter().any(is)) {
        true => Ok(()),
        false => Err(invalid(wrong::SYNTAX, format!("`schemas` must name {schema}."))),
    }
}

/// A member, by its name in any case (RFC 7643, section 2.1).
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// A text without control characters, of so many bytes at the most. `null` is none (RFC 7643, section 2.5).
fn text(name: &'static str, value: Option<&Value>, most: usize) -> Result<Option<String>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= most && !text.chars().any(char::is_control) => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(invalid(
            wrong::VALUE,
            format!("`{name}` must be text of at most {most} bytes, without control characters."),
        )),
    }
}

/// A boolean, or its name in any case: Entra sends `"False"`.
fn boolean(name: &'static str, value: Option<&Value>) -> Result<Option<bool>, Error> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(it)) => Ok(Some(*it)),
        Some(Value::String(it)) if it.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(it)) if it.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(invalid(wrong::VALUE, format!("`{name}` must be true or false."))),
    }
}

#[cfg(test)]
mod tests;
