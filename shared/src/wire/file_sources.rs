//! Sources of type `file` in a request's messages, which name a file instead of holding its bytes: where they are in the body, and
//! the body with the bytes in their place.
//!
//! Source: "Files API" in Claude's documentation, "How to use files". Bedrock knows no files, so what it gets is the same as if the
//! caller had sent the bytes. All other bytes of the body stay as they are.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Object;
use super::survey::has_escaped_name;
use crate::error::Error;
use crate::media::Media;

/// Which block a source is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// `document`: a PDF or text.
    Document,
    /// `image`: a PNG, JPEG, GIF or WebP.
    Image,
}

/// A source of type `file`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSource {
    /// Where the JSON text of the source is in the body.
    pub place: Range<usize>,
    /// Which block it is of.
    pub holder: Holder,
    /// Which file it names.
    pub file_id: String,
}

/// What a source becomes.
#[derive(Clone, Debug)]
pub struct Content {
    /// What the bytes are.
    pub media: Media,
    /// The bytes.
    pub bytes: Bytes,
}

impl Content {
    /// What bytes are as the content of a block.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for bytes that such a block does not hold.
    pub fn of(bytes: Bytes, holder: Holder) -> Result<Self, Error> {
        let media = Media::of(&bytes).filter(|media| match holder {
            Holder::Document => matches!(media, Media::Pdf | Media::Text),
            Holder::Image => media.is_image(),
        });
        match (media, holder) {
            (Some(media), _) => Ok(Self { media, bytes }),
            (None, Holder::Document) => Err(Error::invalid(
                "A document's file is neither a PDF nor plain text in UTF-8, by its content.",
            )),
            (None, Holder::Image) => Err(Error::invalid(
                "An image's file is no PNG, JPEG, GIF or WebP, by its content.",
            )),
        }
    }

    /// The source that holds the bytes themselves.
    fn source(&self) -> String {
        let (kind, media, data) = match self.media {
            Media::Text => ("text", Media::Text.name(), String::from_utf8_lossy(&self.bytes)),
            media => ("base64", media.name(), Cow::Owned(BASE64_STANDARD.encode(&self.bytes))),
        };
        serde_json::json!({"type": kind, "media_type": media, "data": data}).to_string()
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    file_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// The sources of type `file` in the messages of a body that was checked already, in their order. What has another form than is known
/// here is left for Bedrock to judge.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for a source without an id, and for `container_upload`, which Bedrock has no container for.
pub fn file_sources(body: &[u8]) -> Result<Vec<FileSource>, Error> {
    let text = String::from_utf8_lossy(body);
    if !["\"file\"", "\"container_upload\""]
        .iter()
        .any(|word| text.contains(word))
        && !has_escaped_name(&text)
    {
        return Ok(Vec::new());
    }
    let object = Object::parse(body)?;
    let mut search = Search {
        start: body.as_ptr().addr(),
        found: Vec::new(),
    };
    let messages = object.text("messages").map(serde_json::from_str::<Vec<Message<'_>>>);
    if let Some(Ok(messages)) = messages {
        for message in messages {
            search.blocks(message.content)?;
        }
    }
    Ok(search.found)
}

struct Search {
    /// The address of the body, of which all that is looked at is a part.
    start: usize,
    found: Vec<FileSource>,
}

impl Search {
    fn blocks(&mut self, content: &RawValue) -> Result<(), Error> {
        let blocks = serde_json::from_str::<Vec<&RawValue>>(content.get()).unwrap_or_default();
        blocks.into_iter().try_for_each(|block| self.block(block))
    }

    fn block(&mut self, block: &RawValue) -> Result<(), Error> {
        let Ok(block) = serde_json::from_str::<Block<'_>>(block.get()) else {
            return Ok(());
        };
        match (&*block.kind, block.source, block.content) {
            ("container_upload", _, _) => Err(Error::invalid(
                "Blocks of type `container_upload` are not served: Bedrock has no code execution container.",
            )),
            ("document", Some(source), _) => self.source(source, Holder::Document),
            ("image", Some(source), _) => self.source(source, Holder::Image),
            ("tool_result", _, Some(content)) => self.blocks(content),
            _ => Ok(()),
        }
    }

    fn source(&mut self, raw: &RawValue, holder: Holder) -> Result<(), Error> {
        let Ok(source) = serde_json::from_str::<Source<'_>>(raw.get()) else {
            return Ok(());
        };
        match (&*source.kind, source.file_id, source.content) {
            ("file", Some(id), _) => {
                let start = raw.get().as_ptr().addr() - self.start;
                self.found.push(FileSource {
                    place: start..start + raw.get().len(),
                    holder,
                    file_id: id.into_owned(),
                });
                Ok(())
            }
            ("file", None, _) => Err(Error::invalid("A source of type `file` has no `file_id`.")),
            ("content", _, Some(content)) => self.blocks(content),
            _ => Ok(()),
        }
    }
}

/// How long the source of a file of so many bytes becomes, at the least: base64 for what is no text, and for text its bytes.
pub fn least_length(size_bytes: u64, holder: Holder) -> u64 {
    match holder {
        Holder::Document => size_bytes,
        Holder::Image => size_bytes.div_ceil(3).saturating_mul(4),
    }
}

/// The body with what its sources become in their places: each of `sources` as [`file_sources`] gave them, with its content.
pub fn with_contents<'a>(body: &[u8], sources: impl IntoIterator<Item = (&'a FileSource, &'a Content)>) -> Bytes {
    let mut out = Vec::with_capacity(body.len());
    let mut done = 0;
    for (source, content) in sources {
        out.extend_from_slice(body.get(done..source.place.start).unwrap_or_default());
        out.extend_from_slice(content.source().as_bytes());
        done = source.place.end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content: &str) -> String {
        format!(r#"{{ "max_tokens":5,  "messages":[{{"role":"user","content":{content}}}], "x":1.50}}"#)
    }

    fn found(content: &str) -> Vec<(Holder, String)> {
        let sources = file_sources(body(content).as_bytes()).unwrap();
        sources.into_iter().map(|it| (it.holder, it.file_id)).collect()
    }

    #[test]
    fn sources_are_found_wherever_blocks_are_however_they_are_written() {
        let image = r#"{"type":"image","source":{"type":"file","file_id":"file_i"}}"#;
        let document = r#"{"type":"document","title":"t","source":{"file_id":"file_d","type":"file"}}"#;
        let (of_image, of_document) = (
            (Holder::Image, "file_i".to_owned()),
            (Holder::Document, "file_d".to_owned()),
        );
        assert_eq!(
            found(&format!("[{document},{image}]")),
            [of_document.clone(), of_image.clone()]
        );
        assert_eq!(
            found(&format!(
                r#"[{{"type":"tool_result","tool_use_id":"t","content":[{image},{document}]}}]"#
            )),
            [of_image.clone(), of_document]
        );
        assert_eq!(
            found(&format!(
                r#"[{{"type":"document","source":{{"type":"content","content":[{image}]}}}}]"#
            )),
            [of_image]
        );
        let escaped = r#"[{"type":"image","source":{"type":"\u0066ile","\u0066ile_id":"file_e"}}]"#;
        assert_eq!(found(escaped), [(Holder::Image, "file_e".to_owned())]);
        for none in [
            r#""a text about a file""#,
            r#"[{"type":"text","text":"{\"type\":\"file\",\"file_id\":\"file_i\"}"}]"#,
            r#"[{"type":"tool_use","id":"t","name":"n","input":{"type":"image","source":{"type":"file","file_id":"x"}}}]"#,
            r#"[{"type":"image","source":{"type":"base64","data":"aGk="}}]"#,
        ] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    #[test]
    fn a_container_and_a_source_without_an_id_are_refused() {
        for content in [
            r#"[{"type":"container_upload","file_id":"file_c"}]"#,
            r#"[{"type":"image","source":{"type":"file"}}]"#,
        ] {
            assert!(file_sources(body(content).as_bytes()).is_err(), "{content}");
        }
    }

    #[test]
    fn every_byte_beside_the_sources_stays() {
        let content = r#"[{"type":"document" , "source":  {"type":"file","file_id":"a"} ,"title":"é"},{"type":"image","source":{"type":"file","file_id":"b"}}]"#;
        let body = body(content);
        let sources = file_sources(body.as_bytes()).unwrap();
        let contents = [
            Content::of(Bytes::from_static("say \"hé\"\n".as_bytes()), Holder::Document).unwrap(),
            Content::of(Bytes::from_static(b"GIF89a"), Holder::Image).unwrap(),
        ];
        let made = with_contents(body.as_bytes(), sources.iter().zip(&contents));
        let expected = body
            .replace(
                r#"{"type":"file","file_id":"a"}"#,
                r#"{"data":"say \"hé\"\n","media_type":"text/plain","type":"text"}"#,
            )
            .replace(
                r#"{"type":"file","file_id":"b"}"#,
                r#"{"data":"R0lGODlh","media_type":"image/gif","type":"base64"}"#,
            );
        assert_eq!(std::str::from_utf8(&made).unwrap(), expected);
    }

    #[test]
    fn a_block_holds_what_its_bytes_are_and_nothing_else() {
        let of = |bytes: &'static [u8], holder| Content::of(Bytes::from_static(bytes), holder).map(|it| it.media).ok();
        assert_eq!(of(b"%PDF-1.4", Holder::Document), Some(Media::Pdf));
        assert_eq!(of(b"text", Holder::Document), Some(Media::Text));
        assert_eq!(of(b"GIF89a", Holder::Document), None);
        assert_eq!(of(b"GIF89a", Holder::Image), Some(Media::Gif));
        assert_eq!(of(b"%PDF-1.4", Holder::Image), None);
        assert_eq!(of(b"text", Holder::Image), None);
        assert_eq!(of(b"MZ\0\0", Holder::Document), None);
    }
}
