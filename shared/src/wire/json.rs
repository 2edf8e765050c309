//! JSON from callers, read strictly and changed as little as possible.
//!
//! A body is checked once as a whole (UTF-8, one document, bounded depth, finite numbers, whole strings), then taken
//! apart at its top level only. What is not changed keeps its very bytes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why a body is not taken. The words go to the caller, and quote nothing of the body.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Bytes that are no UTF-8 (RFC 8259, section 8.1).
    #[error("The body is not UTF-8.")]
    NotUtf8,
    /// Broken, nested too deeply, followed by more, or with a number that no double holds.
    #[error("The body is not valid JSON (line {line}, column {column}).")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Another type than an object.
    #[error("The body is not a JSON object.")]
    NotAnObject,
    /// A member of the outer object stands twice.
    #[error("The body names a member twice.")]
    Duplicate,
}

impl From<serde_json::Error> for BadJson {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl From<BadJson> for crate::error::Error {
    fn from(error: BadJson) -> Self {
        Self::invalid(error.to_string())
    }
}

/// A JSON object whose members keep their order and, unless replaced, their bytes.
#[derive(Debug)]
pub struct Object<'a>(Vec<(String, Member<'a>)>);

#[derive(Debug)]
enum Member<'a> {
    Given(&'a RawValue),
    Made(String),
}

impl Member<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Given(raw) => raw.get(),
            Self::Made(text) => text,
        }
    }
}

impl<'a> Object<'a> {
    /// Checks the whole body and takes its outer object apart.
    ///
    /// # Errors
    /// [`BadJson`].
    pub fn parse(body: &'a [u8]) -> Result<Self, BadJson> {
        let text = std::str::from_utf8(body).map_err(|_| BadJson::NotUtf8)?;
        serde_json::from_str::<Checked>(text)?;
        if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
            return Err(BadJson::NotAnObject);
        }
        let Members(members) = serde_json::from_str(text)?;
        for (index, (name, _)) in members.iter().enumerate() {
            if members[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(BadJson::Duplicate);
            }
        }
        Ok(Self(members))
    }

    /// The names of all members, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The JSON text of a member.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, member)| member.text())
    }

    /// A member read as `T`; `None` when it is absent, the error when it is something else.
    pub fn read<'s, T: Deserialize<'s>>(&'s self, name: &str) -> Option<Result<T, serde_json::Error>> {
        self.text(name).map(serde_json::from_str)
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// Puts a member in its old place, or at the end. `json` must be JSON text.
    pub fn set(&mut self, name: &str, json: String) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, member)) => *member = Member::Made(json),
            None => self.0.push((name.to_owned(), Member::Made(json))),
        }
    }

    /// The object as JSON text, without white space between its members.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(
            self.0
                .iter()
                .map(|(name, member)| name.len() + member.text().len() + 4)
                .sum(),
        );
        out.push('{');
        for (index, (name, member)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&serde_json::Value::from(name.as_str()).to_string());
            out.push(':');
            out.push_str(member.text());
        }
        out.push('}');
        out
    }
}

/// The members of an object that was checked already, in order, those that stand twice included.
///
/// # Errors
/// When it is no object.
pub(super) fn members(object: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    let Members(members) = serde_json::from_str(object)?;
    let given = members.into_iter().filter_map(|(name, member)| match member {
        Member::Given(raw) => Some((name, raw)),
        Member::Made(_) => None,
    });
    Ok(given.collect())
}

/// Whether a member of that name stands anywhere in a value that was checked already.
pub(super) fn names(value: &str, name: &str) -> bool {
    use serde::de::DeserializeSeed as _;
    let mut found = false;
    let mut reader = serde_json::Deserializer::from_str(value);
    let read = Named {
        name,
        found: &mut found,
    }
    .deserialize(&mut reader);
    found || read.is_err()
}

/// Looks for a name.
struct Named<'n> {
    name: &'n str,
    found: &'n mut bool,
}

impl<'de> serde::de::DeserializeSeed<'de> for Named<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Named<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { name, found } = self;
        while seq.next_element_seed(Named { name, found })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { name, found } = self;
        while let Some(key) = map.next_key::<String>()? {
            *found |= key == name;
            map.next_value_seed(Named { name, found })?;
        }
        Ok(())
    }
}

struct Members<'a>(Vec<(String, Member<'a>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer;
        impl<'de> Visitor<'de> for Outer {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, Member::Given(value)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Outer)
    }
}

/// Walks over every value and keeps nothing. Unlike `IgnoredAny` it reads strings and numbers, so a lone surrogate and
/// `1e400` are found, and the parser's depth limit (128) counts.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Checked;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_unit<E>(self) -> Result<Checked, E> {
                Ok(Checked)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Checked, A::Error> {
                while seq.next_element::<Checked>()?.is_some() {}
                Ok(Checked)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Checked, A::Error> {
                while map.next_entry::<Checked, Checked>()?.is_some() {}
                Ok(Checked)
            }
        }
        deserializer.deserialize_any(Walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_keeps_its_bytes_and_its_place() {
        let body = br#"{"b": 1.50, "a" : [1,  2], "z":"\u00e9", "big": 123456789012345678901234567890}"#;
        let mut object = Object::parse(body).unwrap();
        object.set("a", "true".into());
        object.set("new", "null".into());
        object.remove("z");
        assert_eq!(
            object.to_json(),
            r#"{"b":1.50,"a":true,"big":123456789012345678901234567890,"new":null}"#
        );
    }

    #[test]
    fn hostile_json_is_refused() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let bad: &[&[u8]] = &[
            b"",
            b"null",
            b"[]",
            b"\"x\"",
            b"{",
            b"{}x",
            b"{}{}",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":1,\"\\u0061\":2}",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"\xff\xfe{\0}\0",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":1e400}",
            b"{\"a\":\"\0\"}",
            b"{'a':1}",
            b"{\"a\":01}",
            b"{\"a\":NaN}",
            deep.as_bytes(),
        ];
        for body in bad {
            assert!(
                Object::parse(body).is_err(),
                "{:?}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
        }
        assert!(Object::parse(br#" {"a":-0,"b":1e300,"c":"\ud83d\ude00"} "#).is_ok());
    }
}
