//! What a client reads in an answer of its usage, by its own means: none of the gateway's code reads it, but for the frames.

use gateway::usage::{Tokens, Usage};
use gateway::wire::frames::{Content, FrameReader};
use serde_json::Value;

use super::Form;

/// The usage that an answer of this form tells.
///
/// # Errors
/// What is wrong with it: it is no such answer, tells an error or ends before its end.
pub(super) fn usage(form: Form, body: &[u8]) -> Result<Usage, String> {
    match form {
        Form::Messages | Form::Invoke => anthropic(&json(body)?["usage"]),
        Form::Converse => converse(&json(body)?["usage"]),
        Form::Chat => chat(&json(body)?["usage"]),
        Form::MessagesStream => anthropic_events(&sent(body)?),
        Form::InvokeStream => anthropic_events(&framed(body)?),
        Form::ConverseStream => converse(&framed(body)?.last().ok_or("no event")?["usage"]),
        Form::ChatStream => chat_chunks(body),
    }
}

fn json(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

fn count(usage: &Value, name: &str) -> Result<Tokens, String> {
    let count = usage[name].as_u64();
    count.map(Tokens::new).ok_or_else(|| format!("no {name} in {usage}"))
}

fn or_none(usage: &Value, name: &str) -> Tokens {
    Tokens::new(usage[name].as_u64().unwrap_or_default())
}

fn anthropic(usage: &Value) -> Result<Usage, String> {
    let written = &usage["cache_creation"];
    Ok(Usage {
        input_tokens: count(usage, "input_tokens")?,
        output_tokens: count(usage, "output_tokens")?,
        cache_read_input_tokens: or_none(usage, "cache_read_input_tokens"),
        cache_write_5m_tokens: or_none(written, "ephemeral_5m_input_tokens"),
        cache_write_1h_tokens: or_none(written, "ephemeral_1h_input_tokens"),
    })
}

/// The beginning tells of the prompt, `message_delta` of the answer.
fn anthropic_events(events: &[Value]) -> Result<Usage, String> {
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind);
    let error = || format!("the stream ends with {:?}", events.last());
    of("message_stop").ok_or_else(error)?;
    let start = of("message_start").ok_or("no message_start")?;
    let delta = of("message_delta").ok_or("no message_delta")?;
    let mut usage = anthropic(&start["message"]["usage"])?;
    usage.output_tokens = count(&delta["usage"], "output_tokens")?;
    Ok(usage)
}

/// What is written to the cache is kept for five minutes unless asked otherwise, and is not here.
fn converse(usage: &Value) -> Result<Usage, String> {
    Ok(Usage {
        input_tokens: count(usage, "inputTokens")?,
        output_tokens: count(usage, "outputTokens")?,
        cache_read_input_tokens: or_none(usage, "cacheReadInputTokens"),
        cache_write_5m_tokens: or_none(usage, "cacheWriteInputTokens"),
        cache_write_1h_tokens: Tokens::ZERO,
    })
}

/// In OpenAI's words the tokens of the cache are part of the prompt's.
fn chat(usage: &Value) -> Result<Usage, String> {
    let details = &usage["prompt_tokens_details"];
    let (read, written) = (
        or_none(details, "cached_tokens"),
        or_none(details, "cache_write_tokens"),
    );
    let cached = read.saturating_add(written).as_u64();
    let prompt = count(usage, "prompt_tokens")?.as_u64();
    Ok(Usage {
        input_tokens: prompt
            .checked_sub(cached)
            .map(Tokens::new)
            .ok_or("more cached than asked")?,
        output_tokens: count(usage, "completion_tokens")?,
        cache_read_input_tokens: read,
        cache_write_5m_tokens: written,
        cache_write_1h_tokens: Tokens::ZERO,
    })
}

fn chat_chunks(body: &[u8]) -> Result<Usage, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    if !text.trim_end().ends_with("data: [DONE]") {
        return Err("the stream ends without [DONE]".to_owned());
    }
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks = lines.filter(|data| *data != "[DONE]").map(|data| json(data.as_bytes()));
    let chunks = chunks.collect::<Result<Vec<_>, _>>()?;
    let told = chunks.iter().rev().find(|chunk| chunk["usage"].is_object());
    chat(&told.ok_or("no chunk with usage")?["usage"])
}

/// The data of server-sent events.
fn sent(body: &[u8]) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| json(data.as_bytes())).collect()
}

/// The payloads of event-stream frames.
fn framed(body: &[u8]) -> Result<Vec<Value>, String> {
    let mut reader = FrameReader::default();
    reader.push(body);
    let mut payloads = Vec::new();
    while let Some(frame) = reader.next_frame().map_err(|error| error.to_string())? {
        match frame.content {
            Content::Chunk(bytes) | Content::Event { json: bytes, .. } => payloads.push(json(&bytes)?),
            Content::Exception { kind, message } => return Err(format!("{kind}: {message}")),
            Content::Other => {}
        }
    }
    if reader.is_empty() {
        Ok(payloads)
    } else {
        Err("the body ends inside a frame".to_owned())
    }
}
