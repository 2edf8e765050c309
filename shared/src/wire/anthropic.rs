//! The Messages API's request, and what of it Bedrock takes.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::apart;
use super::json::Object;
use crate::error::Error;

/// What Bedrock wants in place of the header `anthropic-version`.
pub const BEDROCK_ANTHROPIC_VERSION: &str = "bedrock-2023-05-31";

/// A request to `/v1/messages`, split into what the gateway decides by and what Bedrock gets.
#[derive(Debug)]
pub struct MessagesRequest {
    /// The model as the caller named it.
    pub model: String,
    /// Whether the caller wants events.
    pub stream: bool,
    /// The body for Bedrock: without `model` and `stream`, with version and betas, all else in the caller's own bytes.
    pub body: Bytes,
}

/// Reads a request to count a Messages request, which may lack `max_tokens`: Bedrock counts what it could be asked to answer, so the body
/// gets what it must have.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with words for the caller.
pub fn count_request(body: &[u8], betas: &[&str]) -> Result<MessagesRequest, Error> {
    let mut object = Object::parse(body)?;
    if object.text("max_tokens").is_none() {
        object.set("max_tokens", "1".to_owned());
    }
    messages_request(object.to_json().as_bytes(), betas)
}

/// Reads a Messages request. `betas` are the flags of the header `anthropic-beta`, which Bedrock wants in the body.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with words for the caller.
pub fn messages_request(body: &[u8], betas: &[&str]) -> Result<MessagesRequest, Error> {
    let mut object = Object::parse(body)?;
    let model = required::<String>(&object, "model", "a string")?;
    let stream = optional::<bool>(&object, "stream", "true or false")?.unwrap_or(false);
    check_messages(&object)?;
    check_thread(&object)?;
    apart::check(&object)?;
    for field in ["model", "stream", "thread"] {
        object.remove(field);
    }
    if object.text("anthropic_version").is_none() {
        object.set("anthropic_version", format!("\"{BEDROCK_ANTHROPIC_VERSION}\""));
    }
    add_betas(&mut object, betas)?;
    Ok(MessagesRequest {
        model,
        stream,
        body: Bytes::from(object.to_json()),
    })
}

/// Checks a body that goes to a Claude model on Bedrock as it is.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with words for the caller.
pub fn check_invoke_body(body: &[u8]) -> Result<(), Error> {
    let object = Object::parse(body)?;
    apart::check(&object)?;
    // Text completions, which the oldest models take, have a prompt instead of messages.
    if object.text("messages").is_none() && object.text("prompt").is_some() {
        return Ok(());
    }
    check_messages(&object)
}

/// The flags of one or more `anthropic-beta` headers: names parted by commas.
pub fn beta_flags<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    values
        .into_iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|flag| !flag.is_empty())
        .collect()
}

/// What flags of the Files API begin with. Files are resolved here, and Bedrock does not know them.
const FILES_API: &str = "files-api-";

fn add_betas(object: &mut Object<'_>, betas: &[&str]) -> Result<(), Error> {
    let given = optional::<Vec<String>>(object, "anthropic_beta", "a list of strings");
    if betas.is_empty() && !matches!(&given, Ok(Some(given)) if given.iter().any(|flag| flag.starts_with(FILES_API))) {
        return Ok(());
    }
    let mut all = given?.unwrap_or_default();
    for beta in betas {
        if !all.iter().any(|known| known == beta) {
            all.push((*beta).to_owned());
        }
    }
    all.retain(|flag| !flag.starts_with(FILES_API));
    if all.is_empty() {
        object.remove("anthropic_beta");
    } else {
        object.set("anthropic_beta", serde_json::Value::from(all).to_string());
    }
    Ok(())
}

/// A thread is a conversation that the server keeps, so that a request has its new messages alone. Bedrock keeps none. Refused by this
/// name, Anthropic's SDKs send the whole conversation, and no thread.
fn check_thread(object: &Object<'_>) -> Result<(), Error> {
    match object.text("thread") {
        None | Some("null") => Ok(()),
        Some(_) => {
            let message = "thread: no conversations are kept here; send all of its messages, and no thread";
            Err(Error::invalid(message).named("thread_unsupported_request"))
        }
    }
}

fn required<T: for<'de> Deserialize<'de>>(object: &Object<'_>, name: &str, form: &str) -> Result<T, Error> {
    object
        .read::<T>(name)
        .ok_or_else(|| Error::invalid(format!("{name}: Field required")))?
        .map_err(|_| Error::invalid(format!("{name}: Input should be {form}")))
}

fn optional<T: for<'de> Deserialize<'de>>(object: &Object<'_>, name: &str, form: &str) -> Result<Option<T>, Error> {
    object
        .read::<Option<T>>(name)
        .transpose()
        .map(Option::flatten)
        .map_err(|_| Error::invalid(format!("{name}: Input should be {form}")))
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    /// An object of an image or a document; a search result has text here.
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
}

/// What no model takes is refused here, before anything is reserved or sent.
fn check_messages(object: &Object<'_>) -> Result<(), Error> {
    let max_tokens = required::<u64>(object, "max_tokens", "a whole number of at least 1")?;
    if max_tokens == 0 {
        return Err(Error::invalid(
            "max_tokens: Input should be a whole number of at least 1",
        ));
    }
    let messages = object
        .read::<Vec<Message<'_>>>("messages")
        .ok_or_else(|| Error::invalid("messages: Field required"))?
        .map_err(|_| Error::invalid("messages: Input should be a list of objects with `role` and `content`"))?;
    if messages.is_empty() {
        return Err(Error::invalid("messages: at least one message is required"));
    }
    for (index, message) in messages.iter().enumerate() {
        check_message(index, message)?;
    }
    Ok(())
}

fn check_message(index: usize, message: &Message<'_>) -> Result<(), Error> {
    if !["user", "assistant", "system"].contains(&&*message.role) {
        return Err(Error::invalid(format!(
            "messages.{index}.role: Input should be 'user', 'assistant' or 'system'"
        )));
    }
    let text = message.content.get();
    if text.starts_with('"') {
        return Ok(());
    }
    let blocks: Vec<Block<'_>> = serde_json::from_str(text).map_err(|_| {
        Error::invalid(format!(
            "messages.{index}.content: Input should be a string or a list of content blocks"
        ))
    })?;
    blocks.iter().enumerate().try_for_each(|(place, block)| {
        check_block(block).map_err(|reason| Error::invalid(format!("messages.{index}.content.{place}: {reason}")))
    })
}

fn check_block(block: &Block<'_>) -> Result<(), &'static str> {
    if block.kind == "text"
        && block
            .text
            .is_none_or(|text| text.get() == "\"\"" || !text.get().starts_with('"'))
    {
        return Err("text content blocks must be non-empty");
    }
    let source = block.source.filter(|source| source.get().starts_with('{'));
    let source = source.map(|source| serde_json::from_str::<Source<'_>>(source.get()));
    match source
        .transpose()
        .map_err(|_| "source: Input should be an object with a `type`")?
    {
        Some(source) if source.kind == "url" => {
            Err("sources of type `url` are not fetched here; send the data as `base64`")
        }
        Some(source) if source.kind == "base64" => {
            let data = source.data.as_deref().ok_or("source.data: Field required")?;
            if is_base64(data) {
                Ok(())
            } else {
                Err("source.data is not valid base64")
            }
        }
        _ => Ok(()),
    }
}

pub(super) fn is_base64(data: &str) -> bool {
    let body = data.trim_end_matches('=');
    data.len().is_multiple_of(4)
        && !body.is_empty()
        && data.len() - body.len() <= 2
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::wire::dialect::{Dialect, answer};

    fn request(body: &str) -> Result<MessagesRequest, Error> {
        messages_request(body.as_bytes(), &[])
    }

    /// A-31: `system` keeps its order and its cache breakpoints, and unknown fields survive, byte for byte.
    #[test]
    fn the_body_for_bedrock_keeps_every_byte_it_can() {
        let body = r#"{"model":"m","max_tokens":5,"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}],"stream":true,"messages":[{"role":"user","content":"hi"}],"future_field":{"x": 1.0}}"#;
        let request = request(body).unwrap();
        assert_eq!((request.model.as_str(), request.stream), ("m", true));
        assert_eq!(
            std::str::from_utf8(&request.body).unwrap(),
            r#"{"max_tokens":5,"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}],"messages":[{"role":"user","content":"hi"}],"future_field":{"x": 1.0},"anthropic_version":"bedrock-2023-05-31"}"#
        );
    }

    /// All that clients of today send beside the prompt, in their own bytes.
    #[test]
    fn no_field_of_todays_clients_is_lost() {
        let fields = r#""max_tokens":32000,"thinking":{"type":"adaptive","display":"omitted"},"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"a":1.0}}},"tool_choice":{"type":"auto","disable_parallel_tool_use":true},"tools":[{"name":"t","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral","ttl":"1h"},"defer_loading":true,"eager_input_streaming":true},{"type":"bash_20250124","name":"bash"},{"type":"text_editor_20250728","name":"str_replace_based_edit_tool"},{"type":"memory_20250818","name":"memory"},{"type":"tool_search_tool_regex_20251119","name":"search"}],"system":[{"type":"text","text":"x-anthropic-billing-header: a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}],"stop_sequences":["\u00e9"],"temperature":1.0,"top_k":5,"metadata":{"user_id":"u"},"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"citations":{"enabled":true},"context":"c"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}},{"type":"tool_result","tool_use_id":"t","content":[{"type":"tool_reference","tool_name":"n"}],"is_error":false},{"type":"search_result","source":"s","title":"t","content":[{"type":"text","text":"a"}],"citations":{"enabled":true}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"c2ln"},{"type":"redacted_thinking","data":"eA=="},{"type":"server_tool_use","id":"s","name":"n","input":{}}]}],"diagnostics":{"x": [1.50]}"#;
        let body = format!(r#"{{"model":"m",{fields},"stream":true}}"#);
        let request = request(&body).unwrap();
        assert_eq!(
            std::str::from_utf8(&request.body).unwrap(),
            format!(r#"{{{fields},"anthropic_version":"bedrock-2023-05-31"}}"#)
        );
    }

    #[test]
    fn a_count_needs_no_length_of_the_answer() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        assert!(request(body).is_err());
        let counted = count_request(body.as_bytes(), &[]).unwrap();
        assert_eq!(
            std::str::from_utf8(&counted.body).unwrap(),
            r#"{"messages":[{"role":"user","content":"hi"}],"max_tokens":1,"anthropic_version":"bedrock-2023-05-31"}"#
        );
        assert!(count_request(br#"{"model":"m","messages":[]}"#, &[]).is_err());
    }

    #[test]
    fn betas_of_header_and_body_are_joined_once_each() {
        let body =
            r#"{"model":"m","max_tokens":5,"anthropic_beta":["b1"],"messages":[{"role":"user","content":"hi"}]}"#;
        let flags = beta_flags(["b1, b2", "b3,,"]);
        let request = messages_request(body.as_bytes(), &flags).unwrap();
        assert!(
            std::str::from_utf8(&request.body)
                .unwrap()
                .contains(r#""anthropic_beta":["b1","b2","b3"]"#)
        );
    }

    #[test]
    fn the_flag_of_the_files_api_stays_here() {
        let with = |member: &str, flags: &[&str]| {
            let body =
                format!(r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"hi"}}]{member}}}"#);
            let request = messages_request(body.as_bytes(), flags).unwrap();
            String::from_utf8(request.body.to_vec()).unwrap()
        };
        let in_body = r#","anthropic_beta":["files-api-2025-04-14","b1"]"#;
        assert!(!with("", &["files-api-2025-04-14"]).contains("anthropic_beta"));
        assert!(with(in_body, &[]).contains(r#""anthropic_beta":["b1"]"#));
        assert!(with(in_body, &["files-api-2099-01-01", "b2"]).contains(r#""anthropic_beta":["b1","b2"]"#));
    }

    #[test]
    fn a_thread_is_refused_by_the_name_at_which_sdks_do_without() {
        let with = |thread: &str| {
            let body = format!(
                r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"hi"}}],"thread":{thread}}}"#
            );
            messages_request(body.as_bytes(), &[])
        };
        for thread in [
            r#"{"type":"create"}"#,
            r#"{"type":"continue","previous_message_id":"m"}"#,
            "1",
        ] {
            let error = with(thread).unwrap_err();
            assert_eq!(
                (error.kind, error.code),
                (Kind::InvalidRequest, Some("thread_unsupported_request"))
            );
            let answer = answer(&error, Dialect::Anthropic, "r-1").body;
            assert!(
                answer.contains(r#""details":{"error_code":"thread_unsupported_request"}"#),
                "{answer}"
            );
        }
        let body = with("null").unwrap().body;
        assert!(!std::str::from_utf8(&body).unwrap().contains("thread"));
    }

    #[test]
    fn what_no_model_takes_is_refused_before_the_call() {
        let with = |member: &str| {
            format!(r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":"hi"}}],{member}}}"#)
        };
        let content = |content: &str| {
            format!(r#"{{"model":"m","max_tokens":5,"messages":[{{"role":"user","content":{content}}}]}}"#)
        };
        let bad = [
            r#"{"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":null,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":-1,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":1.5,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":"5","messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":18446744073709551616,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":5}"#.to_owned(),
            r#"{"model":"m","max_tokens":5,"messages":[]}"#.to_owned(),
            r#"{"model":"m","max_tokens":5,"messages":[{"role":"root","content":"hi"}]}"#.to_owned(),
            r#"{"model":"m","max_tokens":5,"messages":["hi"]}"#.to_owned(),
            with(r#""stream":"true""#),
            with(r#""stream":1"#),
            content("null"),
            content("{}"),
            content("[{}]"),
            content(r#"[{"type":"text"}]"#),
            content(r#"[{"type":"text","text":""}]"#),
            content(r#"[{"type":"image","source":{"type":"url","url":"http://169.254.169.254/"}}]"#),
            content(r#"[{"type":"image","source":{"type":"base64","data":"a"}}]"#),
            content(r#"[{"type":"image","source":{"type":"base64","data":"a$bc"}}]"#),
        ];
        for body in bad {
            assert_eq!(
                request(&body).map(|_| ()).unwrap_err().kind,
                Kind::InvalidRequest,
                "{body}"
            );
        }
        assert!(request(&with(r#""stream":null"#)).is_ok());
        assert!(request(&content(r#"[{"type":"text","text":"a"},{"type":"never_seen","x":1}]"#)).is_ok());
        assert!(
            request(&content(
                r#"[{"type":"image","source":{"type":"base64","data":"aGk="}}]"#
            ))
            .is_ok()
        );
    }
}
