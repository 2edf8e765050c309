//! What a caller says of the work that a call is for. It stands in usage rows to be looked for, and nothing is decided by it: anybody
//! may say anything.

use std::fmt;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};

/// The longest id, in bytes. Claude Code's are UUIDs.
const LONGEST: usize = 128;

/// Claude Code's session.
const SESSION: HeaderName = HeaderName::from_static("x-claude-code-session-id");
/// The agent within the session.
const AGENT: HeaderName = HeaderName::from_static("x-claude-code-agent-id");

/// An id that a caller has chosen: 1 to 128 letters, digits, `.`, `_`, `:` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkId(String);

/// What is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 128 letters, digits, `.`, `_`, `:` and `-`")]
pub struct BadWorkId;

impl WorkId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WorkId {
    type Err = BadWorkId;

    fn from_str(text: &str) -> Result<Self, BadWorkId> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(known);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadWorkId)
        }
    }
}

impl TryFrom<String> for WorkId {
    type Error = BadWorkId;

    fn try_from(text: String) -> Result<Self, BadWorkId> {
        text.parse()
    }
}

impl From<WorkId> for String {
    fn from(id: WorkId) -> Self {
        id.0
    }
}

impl fmt::Display for WorkId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The ids of a request. One that is none, or stands twice, is left out: a client is not to fail for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Claude Code's session.
    pub session_id: Option<WorkId>,
    /// The agent within it.
    pub agent_id: Option<WorkId>,
}

impl Attribution {
    /// Reads a request's headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let id = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().ok().and_then(|text| text.parse().ok()),
                _ => None,
            }
        };
        Self {
            session_id: id(&SESSION),
            agent_id: id(&AGENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_as_it_is_and_what_is_none_is_left_out() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(SESSION, value.parse().unwrap());
            }
            Attribution::of(&headers).session_id.map(String::from)
        };
        let uuid = "5f0c9a52-3c5e-4b0c-9a52-000000000000";
        assert_eq!(read(&[uuid]).as_deref(), Some(uuid));
        assert_eq!(read(&[uuid, uuid]), None);
        let long = "a".repeat(129);
        for bad in ["", "a b", "a,b", "<a>", "a/b", "é", &long] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        assert_eq!(read(&[]), None);
    }
}
