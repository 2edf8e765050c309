//! Input tokens, and the prompt cache that splits them.
//!
//! The prompt is a row of pieces in the order in which the API caches them: tools, system, messages. A token is four
//! bytes of their compact JSON, without `cache_control`, over the whole row and rounded up. Unlike the real service,
//! the mock also caches prompts that are very short, so that tests need not be long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::ledger::{CacheCreation, Usage};

/// As the API allows.
const MAX_BREAKPOINTS: usize = 4;
/// How many pieces before a breakpoint the API looks for something it has cached.
const LOOK_BACK: usize = 20;
/// Prefixes to remember before those that have expired are dropped, and then all.
const MAX_PREFIXES: usize = 10_000;

/// How long a prefix lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    FiveMinutes,
    Hour,
}

impl Lifetime {
    fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_secs(5 * 60),
            Self::Hour => Duration::from_secs(60 * 60),
        }
    }
}

/// A piece of the prompt.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    breakpoint: Option<Lifetime>,
}

/// A prompt, ready to be counted.
#[derive(Debug)]
pub(super) struct Prompt(Vec<Piece>);

impl Prompt {
    /// Takes a request's body apart.
    ///
    /// # Errors
    /// What the API says about breakpoints that it does not accept.
    pub(super) fn of(body: &Value) -> Result<Self, String> {
        let mut pieces = Vec::new();
        pieces.extend(blocks(&body["tools"]).map(|tool| piece(tool, None)));
        pieces.extend(blocks(&body["system"]).map(|block| piece(block, None)));
        for message in blocks(&body["messages"]) {
            let role = message["role"].as_str();
            pieces.extend(blocks(&message["content"]).map(|block| piece(block, role)));
        }
        let prompt = Self(pieces);
        prompt.check()?;
        Ok(prompt)
    }

    /// Takes a body of `Converse` apart, where a point stands behind what it caches.
    ///
    /// # Errors
    /// What the API says about points that it does not accept.
    pub(super) fn of_converse(body: &Value) -> Result<Self, String> {
        let mut pieces = Vec::new();
        for block in blocks(&body["toolConfig"]["tools"]).chain(blocks(&body["system"])) {
            add(&mut pieces, block, None)?;
        }
        for message in blocks(&body["messages"]) {
            for block in blocks(&message["content"]) {
                add(&mut pieces, block, message["role"].as_str())?;
            }
        }
        let prompt = Self(pieces);
        prompt.check()?;
        Ok(prompt)
    }

    /// All its tokens, cached or not: what [`PromptCache::count`] gives in total.
    pub(super) fn tokens(&self) -> u64 {
        tokens(self.0.iter().map(|piece| piece.bytes.len()).sum())
    }

    fn check(&self) -> Result<(), String> {
        let lifetimes: Vec<_> = self.0.iter().filter_map(|piece| piece.breakpoint).collect();
        if lifetimes.len() > MAX_BREAKPOINTS {
            let found = lifetimes.len();
            return Err(format!(
                "A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {found}."
            ));
        }
        if lifetimes
            .windows(2)
            .any(|pair| pair == [Lifetime::FiveMinutes, Lifetime::Hour])
        {
            return Err("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.".into());
        }
        Ok(())
    }
}

/// An array's elements; anything else but null is one element.
fn blocks(value: &Value) -> impl Iterator<Item = &Value> {
    let (many, one) = match value {
        Value::Array(many) => (many.as_slice(), None),
        Value::Null => (&[][..], None),
        one => (&[][..], Some(one)),
    };
    many.iter().chain(one)
}

/// Adds a block, or marks the one before a cache point.
fn add(pieces: &mut Vec<Piece>, block: &Value, role: Option<&str>) -> Result<(), String> {
    let Some(point) = block.get("cachePoint") else {
        pieces.push(piece(block, role));
        return Ok(());
    };
    let lifetime = match (&point["type"], point["ttl"].as_str()) {
        (kind, _) if kind != "default" => return Err("cachePoint.type must be default".to_owned()),
        (_, None | Some("5m")) => Lifetime::FiveMinutes,
        (_, Some("1h")) => Lifetime::Hour,
        _ => return Err("cachePoint.ttl must be 5m or 1h".to_owned()),
    };
    let last = pieces.last_mut().ok_or("a cachePoint needs something before it")?;
    last.breakpoint = Some(lifetime);
    Ok(())
}

fn piece(block: &Value, role: Option<&str>) -> Piece {
    let mut block = block.clone();
    let control = block.as_object_mut().and_then(|object| object.remove("cache_control"));
    let lifetime = |control: Value| match control["ttl"].as_str() {
        Some("1h") => Lifetime::Hour,
        _ => Lifetime::FiveMinutes,
    };
    let breakpoint = control.filter(|control| !control.is_null()).map(lifetime);
    let bytes = match role {
        Some(role) => json!({ "role": role, "content": block }).to_string(),
        None => block.to_string(),
    };
    Piece {
        bytes: bytes.into_bytes(),
        breakpoint,
    }
}

/// The prefixes that were seen, by the digest of model and bytes.
#[derive(Debug, Default)]
pub(super) struct PromptCache(HashMap<Vec<u8>, (Lifetime, Instant)>);

/// A place between two pieces.
struct Boundary {
    /// Tokens up to here.
    tokens: u64,
    key: Vec<u8>,
    breakpoint: Option<Lifetime>,
}

impl PromptCache {
    /// Counts the prompt of a call to `model` at `now`: reads what is cached and caches what is asked to be.
    pub(super) fn count(&mut self, model: &str, prompt: &Prompt, now: Instant) -> Usage {
        let boundaries = boundaries(model, prompt);
        let total = boundaries.last().map_or(0, |boundary| boundary.tokens);
        if boundaries.iter().all(|boundary| boundary.breakpoint.is_none()) {
            return Usage {
                input_tokens: total,
                ..Usage::default()
            };
        }
        let read = self.longest_hit(&boundaries, now);
        let mut done = read.map_or(0, |index| boundaries[index].tokens);
        let mut usage = Usage {
            cache_read_input_tokens: done,
            ..Usage::default()
        };
        for (index, boundary) in boundaries.iter().enumerate() {
            let Some(lifetime) = boundary.breakpoint else {
                continue;
            };
            if read.is_none_or(|read| index > read) {
                write(&mut usage.cache_creation, lifetime, boundary.tokens - done);
                done = boundary.tokens;
            }
            // A hit lives on as long as it did, a write as long as was asked for.
            self.0.entry(boundary.key.clone()).or_insert((lifetime, now)).1 = now;
        }
        usage.input_tokens = total - done;
        self.bound(now);
        usage
    }

    fn longest_hit(&mut self, boundaries: &[Boundary], now: Instant) -> Option<usize> {
        self.0
            .retain(|_, (lifetime, seen)| now.duration_since(*seen) < lifetime.duration());
        let is_near = |index: usize| {
            let near = &boundaries[index..boundaries.len().min(index + LOOK_BACK + 1)];
            near.iter().any(|boundary| boundary.breakpoint.is_some())
        };
        let hit = (0..boundaries.len())
            .rev()
            .find(|&index| self.0.contains_key(&boundaries[index].key) && is_near(index))?;
        if let Some(entry) = self.0.get_mut(&boundaries[hit].key) {
            entry.1 = now;
        }
        Some(hit)
    }

    fn bound(&mut self, now: Instant) {
        if self.0.len() > MAX_PREFIXES {
            self.0.retain(|_, (_, seen)| *seen == now);
        }
    }
}

fn write(creation: &mut CacheCreation, lifetime: Lifetime, tokens: u64) {
    match lifetime {
        Lifetime::FiveMinutes => creation.ephemeral_5m_input_tokens += tokens,
        Lifetime::Hour => creation.ephemeral_1h_input_tokens += tokens,
    }
}

fn boundaries(model: &str, prompt: &Prompt) -> Vec<Boundary> {
    let cached = prompt.0.iter().any(|piece| piece.breakpoint.is_some());
    let mut digest = digest::Context::new(&digest::SHA256);
    digest.update(model.as_bytes());
    let mut bytes = 0;
    let boundary = |piece: &Piece| {
        bytes += piece.bytes.len();
        let key = if cached {
            // The length keeps two rows of pieces apart whose bytes together are the same.
            digest.update(&piece.bytes.len().to_be_bytes());
            digest.update(&piece.bytes);
            digest.clone().finish().as_ref().to_vec()
        } else {
            Vec::new()
        };
        Boundary {
            tokens: tokens(bytes),
            key,
            breakpoint: piece.breakpoint,
        }
    };
    prompt.0.iter().map(boundary).collect()
}

/// Tokens in so many bytes of text.
pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn body(first: &Value, question: &str) -> Value {
        json!({
            "system": [{ "type": "text", "text": "x".repeat(400), "cache_control": first }],
            "messages": [{ "role": "user", "content": question }],
        })
    }

    fn five() -> Value {
        json!({ "type": "ephemeral" })
    }

    fn hour() -> Value {
        json!({ "type": "ephemeral", "ttl": "1h" })
    }

    fn count(cache: &mut PromptCache, body: &Value, now: Instant) -> Usage {
        cache.count("m", &Prompt::of(body).unwrap(), now)
    }

    #[test]
    fn a_prompt_without_breakpoints_is_all_input_of_four_bytes_a_token_rounded_up() {
        let body = json!({ "system": "abc", "messages": [{ "role": "user", "content": "é" }] });
        let bytes = r#""abc""#.len() + r#"{"content":"é","role":"user"}"#.len();
        let usage = count(&mut PromptCache::default(), &body, Instant::now());
        let expected = Usage {
            input_tokens: bytes.div_ceil(4) as u64,
            ..Usage::default()
        };
        assert_eq!(usage, expected);
    }

    #[test]
    fn the_first_sight_writes_and_the_second_reads_the_same_tokens() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        let first = count(&mut cache, &body(&five(), "a question"), now);
        let second = count(&mut cache, &body(&five(), "a question"), now);
        let written = first.cache_creation.ephemeral_5m_input_tokens;
        assert!(written > 100);
        assert_eq!(first.cache_read_input_tokens, 0);
        assert_eq!(second.cache_read_input_tokens, written);
        assert_eq!(second.cache_creation.total(), 0);
        assert_eq!(second.input_tokens, first.input_tokens);
    }

    #[test]
    fn an_hour_is_told_from_five_minutes_and_both_expire() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        let hourly = count(&mut cache, &body(&hour(), "q"), now);
        assert_eq!(hourly.cache_creation.ephemeral_5m_input_tokens, 0);
        assert!(hourly.cache_creation.ephemeral_1h_input_tokens > 100);
        let later = now + Duration::from_secs(3599);
        assert!(count(&mut cache, &body(&hour(), "q"), later).cache_read_input_tokens > 100);
        let mut brief = PromptCache::default();
        count(&mut brief, &body(&five(), "q"), now);
        assert_eq!(
            count(&mut brief, &body(&five(), "q"), now + Duration::from_secs(300)).cache_read_input_tokens,
            0
        );
    }

    #[test]
    fn a_growing_conversation_reads_the_old_part_and_writes_the_new() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        let turn = |messages: &[&str], cached: usize| {
            let blocks = messages.iter().enumerate().map(|(index, text)| {
                let mut block = json!({ "type": "text", "text": text });
                if index == cached {
                    block["cache_control"] = five();
                }
                json!({ "role": "user", "content": [block] })
            });
            json!({ "messages": blocks.collect::<Vec<_>>() })
        };
        let first = count(&mut cache, &turn(&["one"], 0), now);
        let second = count(&mut cache, &turn(&["one", "two", "three"], 2), now);
        assert_eq!(
            second.cache_read_input_tokens,
            first.cache_creation.ephemeral_5m_input_tokens
        );
        assert!(second.cache_creation.ephemeral_5m_input_tokens > 0);
        assert_eq!(second.input_tokens, 0);
    }

    #[test]
    fn another_model_or_another_byte_misses() {
        let (mut cache, now) = (PromptCache::default(), Instant::now());
        count(&mut cache, &body(&five(), "q"), now);
        let prompt = Prompt::of(&body(&five(), "q")).unwrap();
        assert_eq!(cache.count("other", &prompt, now).cache_read_input_tokens, 0);
        let mut changed = body(&five(), "q");
        changed["system"][0]["text"] = "y".repeat(400).into();
        assert_eq!(count(&mut cache, &changed, now).cache_read_input_tokens, 0);
    }

    #[test]
    fn breakpoints_the_api_refuses_are_refused() {
        let block = |control: Value| json!({ "type": "text", "text": "t", "cache_control": control });
        let five_blocks = json!({ "system": vec![block(five()); 5] });
        assert!(Prompt::of(&five_blocks).unwrap_err().contains("Found 5"));
        let mixed = json!({ "system": [block(five()), block(hour())] });
        assert!(Prompt::of(&mixed).unwrap_err().contains("must not come after"));
    }
}
