//! Messages of a request as the turns of `Converse`, where user and assistant alternate and the system speaks before them.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use super::content::{Audio, Content, FilePart, ImageUrl, Message, Part, Role, ToolCall};
use super::converse::{Block, Source, Speaker, Turn, Typed};
use super::request::wrong;
use crate::error::Error;
use crate::media::Media;
use crate::wire::anthropic::is_base64;

/// A file that the caller has stored here.
#[derive(Debug)]
pub struct Attached {
    /// Its bytes in base64.
    pub base64: String,
    /// What its bytes are.
    pub media: Option<Media>,
    /// Its name.
    pub name: String,
}

/// The files that a request names, by their ids.
pub type Files = HashMap<String, Attached>;

/// What is said before the turns, and the turns.
#[derive(Debug, Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) turns: Vec<Turn<'a>>,
    /// How many documents there are: no two may have one name.
    documents: usize,
    tools_as_text: bool,
}

/// Whether tools were called or have answered.
pub(super) fn has_tool_calls(messages: &[Message<'_>]) -> bool {
    messages
        .iter()
        .any(|message| message.role == Role::Tool || message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()))
}

/// Reads all messages. With `tools_as_text` calls of tools and their results are told in words: `Converse` takes them as such only
/// together with the tools' definitions.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] with the place that is wrong.
pub(super) fn turns<'a>(
    messages: &'a [Message<'a>],
    files: &'a Files,
    tools_as_text: bool,
) -> Result<Turns<'a>, Error> {
    let mut all = Turns {
        tools_as_text,
        ..Turns::default()
    };
    for (index, message) in messages.iter().enumerate() {
        all.message(message, files, &format!("messages[{index}]"))?;
    }
    if all.turns.is_empty() {
        // Somebody must speak: the system does, in the user's place.
        all.turns.push(Turn {
            role: Speaker::User,
            content: std::mem::take(&mut all.system),
        });
    }
    if all.turns.iter().all(|turn| turn.content.is_empty()) {
        return Err(wrong("messages", "nothing is said in them"));
    }
    Ok(all)
}

impl<'a> Turns<'a> {
    fn message(&mut self, message: &'a Message<'a>, files: &'a Files, place: &str) -> Result<(), Error> {
        if message.function_call.is_some() || message.role == Role::Function {
            return Err(wrong(
                place,
                "functions are not served any more; use `tool_calls` and the role `tool`",
            ));
        }
        if message.audio.is_some() {
            return Err(wrong(format!("{place}.audio"), "only text is answered"));
        }
        match message.role {
            Role::System | Role::Developer => {
                let said = self.content(message, files, place)?;
                self.system.extend(said);
            }
            Role::User => {
                let said = self.content(message, files, place)?;
                if said.is_empty() {
                    return Err(wrong(format!("{place}.content"), "is empty"));
                }
                self.say(Speaker::User, said);
            }
            Role::Assistant => self.assistant(message, files, place)?,
            Role::Tool => self.tool(message, files, place)?,
            Role::Function => {}
        }
        Ok(())
    }

    /// Whoever speaks twice in a row speaks once.
    fn say(&mut self, role: Speaker, said: Vec<Block<'a>>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(said),
            _ => self.turns.push(Turn { role, content: said }),
        }
    }

    fn assistant(&mut self, message: &'a Message<'a>, files: &'a Files, place: &str) -> Result<(), Error> {
        let mut said = self.content(message, files, place)?;
        said.extend(message.refusal.as_deref().and_then(text));
        for (index, call) in message.tool_calls.iter().flatten().enumerate() {
            said.push(self.tool_call(call, &format!("{place}.tool_calls[{index}]"))?);
        }
        if !said.is_empty() {
            self.say(Speaker::Assistant, said);
        }
        Ok(())
    }

    fn tool_call(&self, call: &'a ToolCall<'a>, place: &str) -> Result<Block<'a>, Error> {
        let called = call
            .function
            .as_ref()
            .ok_or_else(|| wrong(place, "only tools of type `function` are served"))?;
        let arguments = match called.arguments.trim() {
            "" => "{}",
            given => given,
        };
        let input = RawValue::from_string(arguments.to_owned())
            .ok()
            .filter(|input| input.get().starts_with('{'))
            .ok_or_else(|| wrong(format!("{place}.function.arguments"), "is no JSON object"))?;
        if self.tools_as_text {
            return Ok(Block::Text(format!("[{} was called with {input}]", called.name).into()));
        }
        Ok(Block::ToolUse {
            tool_use_id: Cow::Borrowed(&call.id),
            name: Cow::Borrowed(&called.name),
            input,
        })
    }

    fn tool(&mut self, message: &'a Message<'a>, files: &'a Files, place: &str) -> Result<(), Error> {
        let id = message.tool_call_id.as_deref();
        let id = id.ok_or_else(|| wrong(format!("{place}.tool_call_id"), "is missing"))?;
        let content = self.content(message, files, place)?;
        if self.tools_as_text {
            let answered = Block::Text(format!("[{id} was answered:]").into());
            self.say(Speaker::User, std::iter::once(answered).chain(content).collect());
        } else {
            let result = Block::ToolResult {
                tool_use_id: Cow::Borrowed(id),
                content,
            };
            self.say(Speaker::User, vec![result]);
        }
        Ok(())
    }

    fn content(&mut self, message: &'a Message<'a>, files: &'a Files, place: &str) -> Result<Vec<Block<'a>>, Error> {
        let mut said = Vec::new();
        match &message.content {
            None => {}
            Some(Content::Text(given)) => said.extend(text(given)),
            Some(Content::Parts(parts)) => {
                for (index, part) in parts.iter().enumerate() {
                    let place = format!("{place}.content[{index}]");
                    said.extend(self.part(part, message.role, files, &place)?);
                    if part.prompt_cache_breakpoint.is_some() {
                        said.push(Block::CachePoint(Typed { kind: "default" }));
                    }
                }
            }
        }
        Ok(said)
    }

    fn part(
        &mut self,
        part: &'a Part<'a>,
        role: Role,
        files: &'a Files,
        place: &str,
    ) -> Result<Option<Block<'a>>, Error> {
        let missing = |name: &str| wrong(format!("{place}.{name}"), "is missing");
        let user = role == Role::User || role == Role::Tool;
        match &*part.kind {
            "text" => Ok(text(part.text.as_deref().ok_or_else(|| missing("text"))?)),
            "refusal" => Ok(text(part.refusal.as_deref().ok_or_else(|| missing("refusal"))?)),
            "image_url" if user => image(part.image_url.as_ref().ok_or_else(|| missing("image_url"))?, place).map(Some),
            "file" if user => {
                let file = part.file.as_ref().ok_or_else(|| missing("file"))?;
                self.file(file, files, place).map(Some)
            }
            "input_audio" if user => {
                audio(part.input_audio.as_ref().ok_or_else(|| missing("input_audio"))?, place).map(Some)
            }
            _ => Err(wrong(format!("{place}.type"), "parts of this type are not served here")),
        }
    }

    fn file(&mut self, file: &'a FilePart<'a>, files: &'a Files, place: &str) -> Result<Block<'a>, Error> {
        if let Some(id) = &file.file_id {
            let place = format!("{place}.file.file_id");
            let stored = files
                .get(&**id)
                .ok_or_else(|| wrong(&*place, "there is no such file"))?;
            let media = stored.media.map(Media::name);
            return self.bytes(media, Some(&stored.name), Cow::Borrowed(&stored.base64), &place);
        }
        let place = format!("{place}.file.file_data");
        let data = file.file_data.as_deref().ok_or_else(|| wrong(&*place, "is missing"))?;
        let (media, base64) = match data.strip_prefix("data:") {
            Some(_) => data_url(data, &place)?,
            None => ("", data),
        };
        if !is_base64(base64) {
            return Err(wrong(place, "is not valid base64"));
        }
        self.bytes(Some(media), file.filename.as_deref(), Cow::Borrowed(base64), &place)
    }

    /// A document, or an image that came as a file.
    fn bytes(
        &mut self,
        media: Option<&str>,
        name: Option<&str>,
        bytes: Cow<'a, str>,
        place: &str,
    ) -> Result<Block<'a>, Error> {
        let source = Source { bytes };
        if let Some(format) = media.and_then(image_format) {
            return Ok(Block::Image { format, source });
        }
        let extension = name
            .and_then(|name| name.rsplit_once('.'))
            .map(|(_, extension)| extension);
        let format = extension
            .and_then(document_format)
            .or_else(|| media.and_then(document_format));
        let format = format.ok_or_else(|| {
            wrong(
                place,
                "Bedrock takes documents of these kinds: pdf, csv, doc, docx, xls, xlsx, html, txt, md",
            )
        })?;
        self.documents += 1;
        Ok(Block::Document {
            format,
            name: document_name(name.unwrap_or_default(), self.documents),
            source,
        })
    }
}

/// A text, unless there is nothing in it: `Converse` refuses blank ones.
fn text(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text(Cow::Borrowed(text)))
}

fn image<'a>(image: &'a ImageUrl<'a>, place: &str) -> Result<Block<'a>, Error> {
    let place = format!("{place}.image_url.url");
    if !image.url.starts_with("data:") {
        return Err(wrong(
            place,
            "is not fetched here; send the image's bytes as a `data:` URL in base64",
        ));
    }
    let (media, base64) = data_url(&image.url, &place)?;
    let format = image_format(media)
        .ok_or_else(|| wrong(&*place, "Bedrock takes images of these kinds: png, jpeg, gif, webp"))?;
    if !is_base64(base64) {
        return Err(wrong(place, "is not valid base64"));
    }
    Ok(Block::Image {
        format,
        source: Source {
            bytes: Cow::Borrowed(base64),
        },
    })
}

fn audio<'a>(audio: &'a Audio<'a>, place: &str) -> Result<Block<'a>, Error> {
    let format = match &*audio.format {
        "wav" => "wav",
        "mp3" => "mp3",
        _ => return Err(wrong(format!("{place}.input_audio.format"), "must be wav or mp3")),
    };
    if !is_base64(&audio.data) {
        return Err(wrong(format!("{place}.input_audio.data"), "is not valid base64"));
    }
    Ok(Block::Audio {
        format,
        source: Source {
            bytes: Cow::Borrowed(&audio.data),
        },
    })
}

/// The media type and the base64 of a data URL (RFC 2397).
fn data_url<'a>(url: &'a str, place: &str) -> Result<(&'a str, &'a str), Error> {
    let split = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let (head, data) = split.ok_or_else(|| wrong(place, "is no `data:` URL"))?;
    let head = head
        .strip_suffix(";base64")
        .ok_or_else(|| wrong(place, "is a `data:` URL whose data is not base64"))?;
    Ok((head.split(';').next().unwrap_or_default(), data))
}

fn image_format(media: &str) -> Option<&'static str> {
    match media {
        "image/png" => Some("png"),
        "image/jpeg" | "image/jpg" => Some("jpeg"),
        "image/gif" => Some("gif"),
        "image/webp" => Some("webp"),
        _ => None,
    }
}

/// Of a media type or a name's extension.
fn document_format(kind: &str) -> Option<&'static str> {
    let format = match kind.to_ascii_lowercase().as_str() {
        "application/pdf" | "pdf" => "pdf",
        "text/csv" | "csv" => "csv",
        "application/msword" | "doc" => "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" | "docx" => "docx",
        "application/vnd.ms-excel" | "xls" => "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" | "xlsx" => "xlsx",
        "text/html" | "html" | "htm" => "html",
        "text/plain" | "txt" => "txt",
        "text/markdown" | "md" => "md",
        _ => return None,
    };
    Some(format)
}

/// `Converse` takes letters, digits, single spaces, hyphens, round and square brackets, and no name twice.
fn document_name(name: &str, number: usize) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let known = |it: char| it.is_ascii_alphanumeric() || "-()[]".contains(it);
    let clean: String = stem
        .chars()
        .map(|it| if known(it) { it } else { ' ' })
        .take(100)
        .collect();
    let words: Vec<_> = clean.split_whitespace().collect();
    match words.join(" ") {
        name if name.is_empty() => format!("document {number}"),
        name => format!("{name} {number}"),
    }
}
