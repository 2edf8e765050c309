//! A call's metadata, which Bedrock writes into its invocation log: the caller's own, and our request's id, so that the log tells
//! what a call used whose function died. `InvokeModel` takes them in a header, `Converse` in the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::http::Caller;
use crate::upstream::Operation;
use crate::upstream::config::Told;
use crate::wire::bedrock::{REQUEST_ID_METADATA, REQUEST_METADATA};
use crate::wire::converse;

/// So many pairs Bedrock takes.
const MOST_PAIRS: usize = 16;

/// What names of ours begin with.
const OURS: &str = "tollgate_";
/// So many characters a value has at the most.
const LONGEST_VALUE: usize = 256;

/// What Bedrock is told of who calls, as far as the configuration allows it: for its own billing reports, in the invocation log.
pub(super) fn told(allowed: &[Told], caller: &Caller) -> Vec<(&'static str, String)> {
    let (principal, attribution) = (&caller.principal, &caller.attribution);
    let pair = |told: &Told| match told {
        Told::User => Some(("tollgate_user", principal.subject.to_string())),
        Told::Team => Some(("tollgate_team", principal.team.as_ref()?.to_string())),
        Told::Key => Some(("tollgate_key", principal.key_id.clone()?)),
        Told::Session => Some(("tollgate_session", attribution.session_id.as_ref()?.to_string())),
    };
    let pairs = allowed.iter().filter_map(pair);
    pairs.map(|(name, text)| (name, allowed_text(&text))).collect()
}

/// A text of what Bedrock takes in metadata, `[a-zA-Z0-9\s:_@$#=/+,-.]`; anything else becomes `_`.
fn allowed_text(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":_@$#=/+,-. ".contains(c);
    let texts = text.chars().map(|c| if fits(c) { c } else { '_' });
    texts.take(LONGEST_VALUE).collect()
}

/// The metadata of one call.
#[derive(Debug)]
pub(super) struct Metadata(Map<String, Value>);

impl Metadata {
    /// The caller's metadata with what is `told` of the caller and the request's id: names that begin as ours do are not the caller's to
    /// choose.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for what is no object of texts, or has no room left.
    pub(super) fn of(
        operation: Operation,
        headers: &HeaderMap,
        body: &[u8],
        request_id: &str,
        told: Vec<(&'static str, String)>,
    ) -> Result<Self, Error> {
        let given = if operation.converses() {
            converse::request_metadata(body)?.map(String::into_bytes)
        } else {
            headers.get(REQUEST_METADATA).map(|value| value.as_bytes().to_vec())
        };
        let mut pairs = match given.as_deref() {
            None | Some(b"null") => Map::new(),
            Some(given) => serde_json::from_slice(given).map_err(|_| bad())?,
        };
        if pairs.values().any(|value| !value.is_string()) {
            return Err(bad());
        }
        pairs.retain(|name, _| !name.starts_with(OURS));
        // What the caller has said leaves as much room as it leaves.
        let room = MOST_PAIRS.saturating_sub(pairs.len() + 1);
        pairs.extend(
            told.into_iter()
                .take(room)
                .map(|(name, text)| (name.to_owned(), text.into())),
        );
        pairs.insert(REQUEST_ID_METADATA.to_owned(), request_id.into());
        if pairs.len() > MOST_PAIRS {
            return Err(Error::invalid(
                "A request can have 15 pairs of metadata at the most; one is the gateway's.",
            ));
        }
        Ok(Self(pairs))
    }

    /// Puts it where the operation takes it, and gives the body to send.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for what no header holds.
    pub(super) fn written(self, operation: Operation, headers: &mut HeaderMap, body: &Bytes) -> Result<Bytes, Error> {
        let text = Value::Object(self.0).to_string();
        if operation.converses() {
            return converse::with_request_metadata(body, text);
        }
        headers.insert(REQUEST_METADATA, HeaderValue::from_str(&text).map_err(|_| bad())?);
        Ok(body.clone())
    }
}

fn bad() -> Error {
    Error::invalid("The request's metadata must be a JSON object of texts.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(operation: Operation, metadata: &str) -> Option<(Option<String>, Bytes)> {
        let (mut headers, mut body) = (HeaderMap::new(), Bytes::from_static(br#"{"messages":[ 1.0 ]}"#));
        if operation.converses() {
            body = format!(r#"{{"requestMetadata":{metadata},"messages":[ 1.0 ]}}"#).into();
        } else {
            headers.insert(REQUEST_METADATA, HeaderValue::from_str(metadata).unwrap());
        }
        let metadata = Metadata::of(
            operation,
            &headers,
            &body,
            "ours",
            vec![("tollgate_user", "user:a".into())],
        )
        .ok()?;
        let body = metadata.written(operation, &mut headers, &body).unwrap();
        let header = headers
            .get(REQUEST_METADATA)
            .map(|value| value.to_str().unwrap().to_owned());
        Some((header, body))
    }

    #[test]
    fn the_callers_pairs_stay_and_our_id_cannot_be_forged() {
        let given = r#"{"team":"a","tollgate_request_id":"forged","tollgate_key":"forged"}"#;
        let told = r#"{"team":"a","tollgate_request_id":"ours","tollgate_user":"user:a"}"#;
        let (header, body) = sent(Operation::Invoke, given).unwrap();
        assert_eq!(header.as_deref(), Some(told));
        assert_eq!(&body[..], br#"{"messages":[ 1.0 ]}"#);
        let (header, body) = sent(Operation::ConverseStream, given).unwrap();
        assert_eq!(header, None);
        assert_eq!(body, format!(r#"{{"requestMetadata":{told},"messages":[ 1.0 ]}}"#));
    }

    #[test]
    fn what_is_no_object_of_texts_and_too_much_is_refused() {
        let many: Map<String, Value> = (0..16).map(|n| (n.to_string(), "x".into())).collect();
        let many = Value::Object(many).to_string();
        for bad in ["[]", "1", r#"{"a":1}"#, r#"{"a":null}"#, &many] {
            for operation in [Operation::Invoke, Operation::Converse] {
                assert!(sent(operation, bad).is_none(), "{bad}");
            }
        }
        assert!(sent(Operation::Converse, "null").is_some());
    }
}
