//! A call's metadata, which Bedrock writes into its invocation log: the caller's own, and our request's id, so that the log tells
//! what a call used whose function died. `InvokeModel` takes them in a header, `Converse` in the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::upstream::Operation;
use crate::wire::bedrock::{REQUEST_ID_METADATA, REQUEST_METADATA};
use crate::wire::converse;

/// So many pairs Bedrock takes.
const MOST_PAIRS: usize = 16;

/// The metadata of one call.
#[derive(Debug)]
pub(super) struct Metadata(Map<String, Value>);

impl Metadata {
    /// The caller's metadata with the request's id, which is not the caller's to choose.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for what is no object of texts, or has no room left.
    pub(super) fn of(operation: Operation, headers: &HeaderMap, body: &[u8], request_id: &str) -> Result<Self, Error> {
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
        let metadata = Metadata::of(operation, &headers, &body, "ours").ok()?;
        let body = metadata.written(operation, &mut headers, &body).unwrap();
        let header = headers
            .get(REQUEST_METADATA)
            .map(|value| value.to_str().unwrap().to_owned());
        Some((header, body))
    }

    #[test]
    fn the_callers_pairs_stay_and_our_id_cannot_be_forged() {
        let given = r#"{"team":"a","tollgate_request_id":"forged"}"#;
        let told = r#"{"team":"a","tollgate_request_id":"ours"}"#;
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
