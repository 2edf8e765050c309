//! What a body of `Converse` may cost at the most, by the same reasoning as [`crate::wire::survey`]: the tokenizers of other vendors work
//! on bytes as well, so text never has more tokens than bytes. What an image takes is known of Claude alone.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::{self, Object};
use super::super::survey::{Caching, Survey, has_escaped_name, length, length_of, may_say};
use super::{InferenceConfig, Message};
use crate::error::Error;

/// Blocks whose text is all that they hold.
const TEXTUAL: [&str; 8] = [
    "text",
    "toolUse",
    "reasoningContent",
    "citationsContent",
    "searchResult",
    "cachePoint",
    "toolAddition",
    "toolRemoval",
];
/// Formats of documents that are text.
const TEXT_FORMATS: [&str; 4] = ["\"txt\"", "\"md\"", "\"csv\"", "\"html\""];

/// Surveys a body. `is_claude`: which is known better than other models.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for what is no JSON object.
pub fn survey(body: &[u8], is_claude: bool) -> Result<Survey, Error> {
    let object = Object::parse(body)?;
    let mut reading = Reading {
        survey: Survey {
            text_bytes: length(body),
            caching: caching(&String::from_utf8_lossy(body), is_claude),
            can_be_shortened: true,
            ..Survey::default()
        },
        is_claude,
    };
    let inference = object.read::<InferenceConfig>("inferenceConfig").and_then(Result::ok);
    reading.survey.max_tokens = inference.and_then(|inference| inference.max_tokens);
    if let Some(config) = object.text("toolConfig") {
        reading.tools(config);
    }
    for name in ["outputConfig", "promptVariables"] {
        // What they hold stands in the prompt in another form: at most as much again.
        reading.again(object.text(name).unwrap_or_default());
    }
    if let Some(fields) = object.text("additionalModelRequestFields") {
        reading.additional(fields);
    }
    match object.read::<Vec<Message<'_>>>("messages") {
        Some(Ok(messages)) => messages
            .iter()
            .flat_map(|message| &message.content)
            .for_each(|block| reading.block(block.get())),
        _ => reading.survey.unbounded = true,
    }
    match object.read::<Option<Vec<&RawValue>>>("system") {
        Some(Ok(blocks)) => blocks.iter().flatten().for_each(|block| reading.block(block.get())),
        Some(Err(_)) => reading.survey.unbounded = true,
        None => {}
    }
    Ok(reading.survey)
}

struct Reading {
    survey: Survey,
    is_claude: bool,
}

impl Reading {
    fn again(&mut self, text: &str) {
        self.survey.text_bytes = self.survey.text_bytes.saturating_add(length(text.as_bytes()));
    }

    /// The members of what must be an object. What is none says nothing that could be measured.
    fn members<'t>(&mut self, object: &'t str) -> Vec<(String, &'t RawValue)> {
        json::members(object).unwrap_or_else(|_| {
            self.survey.unbounded |= object != "null";
            Vec::new()
        })
    }

    fn tools(&mut self, config: &str) {
        self.again(config);
        let members = self.members(config);
        for (_, tools) in members.iter().filter(|(name, _)| name == "tools") {
            let count = serde_json::from_str::<Vec<&RawValue>>(tools.get()).map_or(1, |tools| length_of(&tools));
            self.survey.tools = self.survey.tools.saturating_add(count);
        }
    }

    /// Fields of the model's own, which may say anew what the body says.
    fn additional(&mut self, fields: &str) {
        #[derive(Deserialize)]
        struct Thinking {
            #[serde(default)]
            budget_tokens: Option<u64>,
        }
        for (name, value) in self.members(fields) {
            match name.as_str() {
                "thinking" | "reasoning_config" => {
                    let survey = &mut self.survey;
                    match serde_json::from_str::<Option<Thinking>>(value.get()) {
                        Ok(thinking) => {
                            let budget = thinking.and_then(|it| it.budget_tokens).unwrap_or_default();
                            survey.thinking_tokens = survey.thinking_tokens.max(budget);
                        }
                        Err(_) => survey.unbounded = true,
                    }
                }
                "tools" => self.tools(&format!(r#"{{"tools":{}}}"#, value.get())),
                "context_management" => self.survey.compacts |= may_say(value.get(), "compact"),
                "anthropic_beta" => self.survey.million_tokens |= may_say(value.get(), "context-1m"),
                name if name.to_ascii_lowercase().contains("max") => {
                    self.survey.max_tokens = None;
                    self.survey.can_be_shortened = false;
                }
                // A prompt of a model's own form, however it is named.
                _ => self.again(value.get()),
            }
        }
    }

    fn block(&mut self, block: &str) {
        let Ok(members) = json::members(block) else {
            self.survey.unbounded = true;
            return;
        };
        for (kind, value) in members {
            match kind.as_str() {
                "image" => self.image(value.get()),
                "document" => self.document(value.get()),
                "toolResult" => self.result(value.get()),
                "guardContent" => self.survey.unbounded |= !is_guarded_text(value.get()),
                // A tool's result beside others says what it is.
                "json" | "type" => {}
                kind => self.survey.unbounded |= !TEXTUAL.contains(&kind),
            }
        }
    }

    /// The bytes of an image are no text.
    fn image(&mut self, image: &str) {
        self.survey.images = self.survey.images.saturating_add(1);
        self.survey.unbounded |= !self.is_claude;
        for bytes in bytes_of(image) {
            // Less the quotes, which stay.
            let data = length(bytes.as_bytes()).saturating_sub(2);
            self.survey.text_bytes = self.survey.text_bytes.saturating_sub(data);
        }
    }

    fn document(&mut self, document: &str) {
        let members = self.members(document);
        let mut formats = members.iter().filter(|(name, _)| name == "format").peekable();
        let is_text = formats.peek().is_some() && formats.all(|(_, format)| TEXT_FORMATS.contains(&format.get()));
        let mut bounded = false;
        for (_, source) in members.iter().filter(|(name, _)| name == "source") {
            for (kind, value) in self.members(source.get()) {
                match kind.as_str() {
                    "text" => bounded = true,
                    "bytes" if is_text => bounded = true,
                    "content" => {
                        bounded = true;
                        self.blocks(value.get());
                    }
                    _ => self.survey.unbounded = true,
                }
            }
        }
        self.survey.unbounded |= !bounded;
    }

    fn result(&mut self, result: &str) {
        let members = self.members(result);
        for (_, content) in members.iter().filter(|(name, _)| name == "content") {
            self.blocks(content.get());
        }
    }

    fn blocks(&mut self, blocks: &str) {
        match serde_json::from_str::<Vec<&RawValue>>(blocks) {
            Ok(blocks) => blocks.iter().for_each(|block| self.block(block.get())),
            Err(_) => self.survey.unbounded = true,
        }
    }
}

/// The strings of bytes in the source of an image: one, unless somebody writes members twice.
fn bytes_of(image: &str) -> Vec<&str> {
    let sources = json::members(image)
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| name == "source");
    let members = sources.flat_map(|(_, source)| json::members(source.get()).unwrap_or_default());
    let bytes = members.filter(|(name, value)| name == "bytes" && value.get().starts_with('"'));
    bytes.map(|(_, value)| value.get()).collect()
}

fn is_guarded_text(content: &str) -> bool {
    let members = json::members(content).unwrap_or_default();
    !members.is_empty() && members.iter().all(|(kind, _)| kind == "text")
}

/// As Claude's own form has it, but with points instead of marks. Other models cache without being asked to.
fn caching(text: &str, is_claude: bool) -> Caching {
    let asked = ["\"cachePoint\"", "\"cache_control\""]
        .iter()
        .any(|mark| text.contains(mark));
    if has_escaped_name(text) || (asked && text.contains("\"1h\"")) {
        Caching::Hour
    } else if asked || !is_claude {
        Caching::FiveMinutes
    } else {
        Caching::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> Survey {
        survey(body.as_bytes(), true).unwrap()
    }

    fn with(block: &str) -> String {
        format!(r#"{{"inferenceConfig":{{"maxTokens":9}},"messages":[{{"role":"user","content":[{block}]}}]}}"#)
    }

    #[test]
    fn text_is_bounded_by_its_bytes_and_tools_by_twice_theirs() {
        let plain = with(r#"{"text":"hi"}"#);
        let survey = of(&plain);
        assert_eq!((survey.text_bytes, survey.max_tokens), (plain.len() as u64, Some(9)));
        assert!(!survey.unbounded && survey.caching == Caching::None && survey.can_be_shortened);
        let config = r#"{"tools":[{"toolSpec":{"name":"a"}},{"toolSpec":{"name":"b"}}]}"#;
        let tools = plain.replacen('{', &format!(r#"{{"toolConfig":{config},"#), 1);
        let survey = of(&tools);
        assert_eq!(
            (survey.text_bytes, survey.tools),
            ((tools.len() + config.len()) as u64, 2)
        );
    }

    #[test]
    fn an_images_bytes_are_no_text_for_claude_and_unbounded_for_others() {
        let image = format!(
            r#"{{"image":{{"format":"png","source":{{"bytes":"{}"}}}}}}"#,
            "A".repeat(10_000)
        );
        for block in [
            image.clone(),
            format!(r#"{{"toolResult":{{"toolUseId":"t","content":[{image}]}}}}"#),
            format!(r#"{{"document":{{"format":"pdf","source":{{"content":[{image}]}}}}}}"#),
        ] {
            let survey = of(&with(&block));
            assert_eq!((survey.images, survey.unbounded), (1, false), "{block}");
            assert!(survey.text_bytes < 500, "{}", survey.text_bytes);
        }
        assert!(super::survey(with(&image).as_bytes(), false).unwrap().unbounded);
        let input = with(&format!(
            r#"{{"toolUse":{{"toolUseId":"t","name":"n","input":{image}}}}}"#
        ));
        assert!(of(&input).text_bytes > 10_000 && of(&input).images == 0);
    }

    #[test]
    fn what_cannot_be_measured_is_unbounded() {
        for block in [
            r#"{"document":{"format":"pdf","source":{"bytes":"JVBE"}}}"#,
            r#"{"document":{"format":"txt","format":"pdf","source":{"bytes":"JVBE"}}}"#,
            r#"{"document":{"format":"txt"}}"#,
            r#"{"video":{"format":"mp4","source":{"bytes":"AA=="}}}"#,
            r#"{"audio":{}}"#,
            r#"{"neverSeen":1}"#,
            r#"{"text":"a","neverSeen":1}"#,
            r#"{"guardContent":{"image":{}}}"#,
            r#"{"toolResult":{"content":[{"video":{}}]}}"#,
            r#"{"toolResult":{"content":1}}"#,
            r#"{"toolResult":1}"#,
            r#"{"document":{"format":"txt","source":{"text":"a"},"source":1}}"#,
            "1",
        ] {
            assert!(of(&with(block)).unbounded, "{block}");
        }
        for block in [
            r#"{"document":{"format":"txt","source":{"bytes":"aGk="}}}"#,
            r#"{"document":{"format":"pdf","source":{"text":"a"}}}"#,
            r#"{"guardContent":{"text":{"text":"a"}}}"#,
            r#"{"toolResult":{"toolUseId":"t","status":"success","content":[{"json":{"a":1}},{"text":"b"}]}}"#,
            r#"{"reasoningContent":{"redactedContent":"AA=="}}"#,
            r#"{"cachePoint":{"type":"default"}}"#,
        ] {
            assert!(!of(&with(block)).unbounded, "{block}");
        }
    }

    #[test]
    fn the_dearest_caching_that_may_be_asked_for_is_found() {
        let cached = |block: &str| of(&with(block)).caching;
        assert_eq!(cached(r#"{"cachePoint":{"type":"default"}}"#), Caching::FiveMinutes);
        assert_eq!(cached(r#"{"cachePoint":{"type":"default","ttl":"1h"}}"#), Caching::Hour);
        assert_eq!(cached(r#"{"cache\u0050oint":{"type":"default"}}"#), Caching::Hour);
        let other = survey(with(r#"{"text":"a"}"#).as_bytes(), false).unwrap();
        assert_eq!(other.caching, Caching::FiveMinutes);
    }

    #[test]
    fn fields_of_the_models_own_count() {
        let fields = |fields: &str| {
            of(&with(r#"{"text":"hi"}"#).replacen('{', &format!(r#"{{"additionalModelRequestFields":{fields},"#), 1))
        };
        assert_eq!(
            fields(r#"{"thinking":{"type":"enabled","budget_tokens":8000}}"#).thinking_tokens,
            8000
        );
        for unreadable in [
            r#"[{"max_tokens":64000}]"#,
            r#"{"thinking":{"budget_tokens":8e3}}"#,
            r#"{"thinking":1}"#,
        ] {
            assert!(fields(unreadable).unbounded, "{unreadable}");
        }
        assert!(!fields("null").unbounded && !fields(r#"{"thinking":null}"#).unbounded);
        let longer = fields(r#"{"max_\u0074okens":64000}"#);
        assert_eq!((longer.max_tokens, longer.can_be_shortened), (None, false));
        assert_eq!(fields(r#"{"tools":[{"type":"computer_20250124"}]}"#).tools, 1);
        let long = fields(
            r#"{"anthropic_beta":["context-1m-2025-08-07"],"context_management":{"edits":[{"type":"compact_1"}]}}"#,
        );
        assert!(long.million_tokens && long.compacts);
        assert_eq!(fields(r#"{"output_config":{"effort":"max"}}"#).max_tokens, Some(9));
    }
}
