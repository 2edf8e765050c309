//! Beta flags of a request to Claude, and the members of its body that belong to them.
//!
//! Bedrock takes flags as a list `anthropic_beta` in the body (of Converse: in `additionalModelRequestFields`). A flag that it does
//! not take fails the whole call, mostly with the words `invalid beta flag` alone; a member that it does not take, with its path. A
//! flag and its members go together: a member without its flag is refused too. Which members a flag opens is Anthropic's
//! documentation of the flag; a flag that is not listed here opens none.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Object;
use crate::error::Error;

/// Where flags and their members stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the body itself: `InvokeModel`.
    Body,
    /// In the body's `additionalModelRequestFields`: Converse.
    Additional,
}

/// The member with the flags.
const FLAGS: &str = "anthropic_beta";
/// Where Converse has what it does not know itself.
const ADDITIONAL: &str = "additionalModelRequestFields";
/// No flag of Anthropic's is longer, or of other letters; what is, is not remembered.
const LONGEST_FLAG: usize = 64;

/// What flags that begin so open. A `*` in a path stands for every element of a list.
struct Pair {
    flags: &'static [&'static str],
    members: &'static [&'static str],
}

const PAIRS: [Pair; 11] = [
    pair(&["context-management-", "compact-"], &["context_management"]),
    pair(&["effort-"], &["output_config.effort"]),
    pair(&["task-budgets-"], &["output_config.task_budget"]),
    pair(
        &["structured-outputs-"],
        &["output_format", "output_config.format", "tools.*.strict"],
    ),
    pair(&["mcp-client-", "mcp-servers-"], &["mcp_servers"]),
    pair(&["skills-", "code-execution-"], &["container"]),
    pair(&["fast-mode-"], &["speed"]),
    pair(
        &["prompt-caching-scope-"],
        &[
            "system.*.cache_control.scope",
            "tools.*.cache_control.scope",
            "messages.*.content.*.cache_control.scope",
        ],
    ),
    pair(&["tool-examples-", "advanced-tool-use-"], &["tools.*.input_examples"]),
    pair(&["tool-search-tool-", "advanced-tool-use-"], &["tools.*.defer_loading"]),
    pair(&["thinking-binding-controls-"], &["thinking.block_binding"]),
];

/// Flags that AWS documents for Claude on Bedrock (Amazon Bedrock user guide, "Anthropic Claude Messages API", beta headers), by
/// how they begin, and the one that every call of Claude Code has. Where Bedrock does not say which flag it refuses, it is more
/// likely another one.
const DOCUMENTED: [&str; 12] = [
    "claude-code-",
    "compact-",
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dev-full-thinking-",
    "effort-",
    "fine-grained-tool-streaming-",
    "interleaved-thinking-",
    "output-128k-",
    "token-efficient-tools-",
    "tool-",
];

const fn pair(flags: &'static [&'static str], members: &'static [&'static str]) -> Pair {
    Pair { flags, members }
}

impl Pair {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|start| flag.starts_with(start))
    }
}

/// Whether AWS documents that Bedrock takes such a flag, of some model at least.
pub fn is_documented(flag: &str) -> bool {
    DOCUMENTED.iter().any(|start| flag.starts_with(start))
}

/// Whether a flag looks like one: letters, digits, `-`, `_` and `.`, 64 at the most. Another one is sent, but not remembered.
pub fn is_flag(flag: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST_FLAG).contains(&flag.len()) && flag.bytes().all(known)
}

/// The flags of a body. What is no list of strings has none: Bedrock will say what it thinks of it.
pub fn flags(body: &[u8], place: Place) -> Vec<String> {
    #[derive(Deserialize, Default)]
    struct Head<'a> {
        #[serde(borrow, default)]
        anthropic_beta: Option<&'a RawValue>,
        #[serde(borrow, default, rename = "additionalModelRequestFields")]
        additional: Option<&'a RawValue>,
    }
    let head: Head<'_> = serde_json::from_slice(body).unwrap_or_default();
    let list = match (place, head.additional) {
        (Place::Body, _) => head.anthropic_beta,
        (Place::Additional, None) => None,
        (Place::Additional, Some(fields)) => {
            let inner: Head<'_> = serde_json::from_str(fields.get()).unwrap_or_default();
            inner.anthropic_beta
        }
    };
    list.and_then(|list| serde_json::from_str(list.get()).ok())
        .unwrap_or_default()
}

/// The flags of these under which a member stands.
pub fn flags_of<'a>(member: &str, flags: &'a [String]) -> impl Iterator<Item = &'a String> {
    let pairs: Vec<_> = PAIRS.iter().filter(|pair| pair.members.contains(&member)).collect();
    flags
        .iter()
        .filter(move |flag| pairs.iter().any(|pair| pair.has(flag.as_str())))
}

/// The member with this path, if it is one that belongs to a flag.
pub fn known_member(path: &str) -> Option<&'static str> {
    let mut all = PAIRS.iter().flat_map(|pair| pair.members);
    all.find(|member| **member == path).copied()
}

/// What Bedrock refused of a body's flags and their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedBetas {
    /// Flags that it named.
    pub flags: Vec<String>,
    /// Members that it named, as paths.
    pub members: Vec<&'static str>,
    /// Whether it spoke of flags and named none.
    pub unnamed: bool,
}

/// Reads the words of a `ValidationException` to a body with these flags; nothing where they are about something else. There are
/// only words: the exception has no fields.
pub fn refused(message: &str, flags: &[String]) -> Option<RefusedBetas> {
    let lower = message.to_ascii_lowercase();
    let paths = paths(message);
    let of_flags = ["beta flag", "anthropic-beta", FLAGS, "beta header"]
        .iter()
        .any(|words| lower.contains(words));
    let mut found = RefusedBetas {
        members: members(&paths),
        ..RefusedBetas::default()
    };
    if of_flags && !flags.is_empty() {
        // The whole list is refused where the model knows none.
        let all = paths.iter().any(|path| path == FLAGS);
        let named = |flag: &&String| all || names(message, flag);
        found.flags = flags.iter().filter(named).cloned().collect();
        found.unnamed = found.flags.is_empty() && found.members.is_empty();
    }
    (found != RefusedBetas::default()).then_some(found)
}

/// Whether a text has this flag in it, and not as a part of a longer one.
fn names(text: &str, flag: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    text.match_indices(flag).any(|(at, _)| {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at + flag.len()..]);
        !is_part(before.last()) && !is_part(after.first())
    })
}

/// The paths of members that are not permitted: `a.0.b: Extra inputs are not permitted`, and the other form that Bedrock has,
/// `#/a/0: extraneous key [b] is not permitted`.
fn paths(message: &str) -> Vec<String> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let extra = message
        .match_indices(": Extra inputs are not permitted")
        .map(|(at, _)| {
            let before = &message[..at];
            let start = before.trim_end_matches(is_path).len();
            before[start..].to_owned()
        });
    let keys = message.match_indices(": extraneous key [").filter_map(|(at, words)| {
        let key = message[at + words.len()..].split(']').next()?;
        let pointer = &message[..at];
        let pointer = &pointer[pointer.rfind('#')? + 1..];
        let steps = pointer.split('/').filter(|step| !step.is_empty());
        Some(steps.chain([key]).collect::<Vec<_>>().join("."))
    });
    extra.chain(keys).collect()
}

fn members(paths: &[String]) -> Vec<&'static str> {
    let mut all: Vec<&'static str> = Vec::new();
    for pair in &PAIRS {
        for member in pair.members {
            if !all.contains(member) && paths.iter().any(|path| is_of(path, member)) {
                all.push(*member);
            }
        }
    }
    all
}

/// Whether a path that Bedrock told is of this member. It puts indexes and the names of variants in between
/// (`tools.3.custom.input_examples`), and may name a part of the member.
fn is_of(path: &str, member: &str) -> bool {
    let mut steps = path.split('.');
    let mut wanted = member.split('.').filter(|step| *step != "*");
    let first = wanted.next();
    steps.next() == first && wanted.all(|step| steps.any(|it| it == step))
}

/// A body with less in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lessened {
    /// The body.
    pub body: Bytes,
    /// What was taken out: flags, and paths of members.
    pub dropped: Vec<String>,
}

/// The body without these flags and these members, and without the members that none of its other flags opens. Every other member
/// keeps its bytes. Nothing where there is nothing of it in the body.
///
/// # Errors
/// [`crate::error::Kind::InvalidRequest`] for what is no JSON object.
pub fn without(body: &[u8], place: Place, flags: &[String], members: &[&str]) -> Result<Option<Lessened>, Error> {
    let mut outer = Object::parse(body)?;
    if place == Place::Body {
        let dropped = lessen(&mut outer, flags, members);
        return Ok(lessened(&outer, dropped));
    }
    let Some(fields) = outer.text(ADDITIONAL).map(str::to_owned) else {
        return Ok(None);
    };
    let mut inner = Object::parse(fields.as_bytes())?;
    let dropped = lessen(&mut inner, flags, members);
    outer.set(ADDITIONAL, inner.to_json());
    Ok(lessened(&outer, dropped))
}

fn lessened(object: &Object<'_>, dropped: Vec<String>) -> Option<Lessened> {
    (!dropped.is_empty()).then(|| Lessened {
        body: Bytes::from(object.to_json()),
        dropped,
    })
}

fn lessen(object: &mut Object<'_>, flags: &[String], members: &[&str]) -> Vec<String> {
    let mut dropped = Vec::new();
    let given: Vec<String> = object.read(FLAGS).and_then(Result::ok).unwrap_or_default();
    let (gone, kept): (Vec<String>, Vec<String>) = given.into_iter().partition(|flag| flags.contains(flag));
    match (gone.is_empty(), kept.is_empty()) {
        (true, _) => {}
        (false, true) => object.remove(FLAGS),
        (false, false) => object.set(FLAGS, serde_json::Value::from(kept.clone()).to_string()),
    }
    let orphaned = PAIRS
        .iter()
        .filter(|pair| gone.iter().any(|flag| pair.has(flag)) && !kept.iter().any(|flag| pair.has(flag)))
        .flat_map(|pair| pair.members.iter().copied());
    dropped.extend(gone.iter().cloned());
    for member in members.iter().copied().chain(orphaned) {
        if take_out(object, member) && !dropped.iter().any(|it| it == member) {
            dropped.push(member.to_owned());
        }
    }
    dropped
}

/// Takes a member out, wherever its path leads. `false`: there is none.
fn take_out(object: &mut Object<'_>, path: &str) -> bool {
    let steps: Vec<_> = path.split('.').collect();
    match steps.as_slice() {
        [] => false,
        [name] => {
            let is_there = object.text(name).is_some();
            object.remove(name);
            is_there
        }
        [name, rest @ ..] => match object.text(name).and_then(|text| taken_out(text, rest)) {
            None => false,
            // What held nothing else is of no use, and may itself be refused.
            Some(empty) if empty == "{}" => {
                object.remove(name);
                true
            }
            Some(text) => {
                object.set(name, text);
                true
            }
        },
    }
}

/// A value without what this path leads to; nothing if it leads nowhere.
fn taken_out(text: &str, steps: &[&str]) -> Option<String> {
    if let [star, rest @ ..] = steps
        && *star == "*"
    {
        let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        let changed: Vec<_> = items.iter().map(|item| taken_out(item.get(), rest)).collect();
        if changed.iter().all(Option::is_none) {
            return None;
        }
        let items = items.iter().zip(changed);
        let items: Vec<_> = items
            .map(|(item, new)| new.unwrap_or_else(|| item.get().to_owned()))
            .collect();
        return Some(format!("[{}]", items.join(",")));
    }
    let mut object = Object::parse(text.as_bytes()).ok()?;
    take_out(&mut object, &steps.join(".")).then(|| object.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(flags: &[&str]) -> Vec<String> {
        flags.iter().map(|flag| (*flag).to_owned()).collect()
    }

    fn less(body: &str, flags: &[&str], members: &[&str]) -> Option<(String, Vec<String>)> {
        let less = without(body.as_bytes(), Place::Body, &owned(flags), members).unwrap()?;
        Some((String::from_utf8(less.body.to_vec()).unwrap(), less.dropped))
    }

    #[test]
    fn a_flag_goes_with_its_member_and_all_else_keeps_its_bytes() {
        let body = r#"{"a": 1.50,"anthropic_beta":["context-management-2025-06-27","x-1"],"context_management":{"edits":[]},"z":[1,  2]}"#;
        let (left, dropped) = less(body, &["context-management-2025-06-27"], &[]).unwrap();
        assert_eq!(left, r#"{"a":1.50,"anthropic_beta":["x-1"],"z":[1,  2]}"#);
        assert_eq!(dropped, ["context-management-2025-06-27", "context_management"]);
        let (left, _) = less(body, &["context-management-2025-06-27", "x-1"], &[]).unwrap();
        assert_eq!(left, r#"{"a":1.50,"z":[1,  2]}"#);
        assert_eq!(less(body, &["y-1"], &["speed"]), None);
    }

    #[test]
    fn a_member_stays_while_another_flag_opens_it() {
        let body = r#"{"anthropic_beta":["context-management-1","compact-1"],"context_management":{}}"#;
        let (left, dropped) = less(body, &["compact-1"], &[]).unwrap();
        assert_eq!(
            left,
            r#"{"anthropic_beta":["context-management-1"],"context_management":{}}"#
        );
        assert_eq!(dropped, ["compact-1"]);
    }

    #[test]
    fn a_member_deep_in_the_body_is_taken_out_of_every_element() {
        let body = r#"{"tools":[{"name":"a","input_examples":[1]},{"name": "b"}],"output_config":{"effort":"high"},"messages":[{"role":"user","content":"text"},{"role":"user","content":[{"type":"text","cache_control":{"type":"ephemeral","scope":"global"}}]}]}"#;
        let members = [
            "tools.*.input_examples",
            "output_config.effort",
            "messages.*.content.*.cache_control.scope",
        ];
        let (left, dropped) = less(body, &[], &members).unwrap();
        assert_eq!(
            left,
            r#"{"tools":[{"name":"a"},{"name": "b"}],"messages":[{"role":"user","content":"text"},{"role":"user","content":[{"type":"text","cache_control":{"type":"ephemeral"}}]}]}"#
        );
        assert_eq!(dropped, members);
    }

    #[test]
    fn converse_has_its_flags_among_the_additional_fields() {
        let body = br#"{"messages":[],"additionalModelRequestFields":{"anthropic_beta":["fast-mode-1","b-1"],"speed":"fast"}}"#;
        assert_eq!(flags(body, Place::Additional), ["fast-mode-1", "b-1"]);
        assert!(flags(body, Place::Body).is_empty());
        let less = without(body, Place::Additional, &owned(&["fast-mode-1"]), &[])
            .unwrap()
            .unwrap();
        assert_eq!(
            &less.body[..],
            br#"{"messages":[],"additionalModelRequestFields":{"anthropic_beta":["b-1"]}}"#
        );
        assert_eq!(less.dropped, ["fast-mode-1", "speed"]);
    }

    #[test]
    fn a_refusal_is_read_in_every_form_that_bedrock_has() {
        let given = owned(&["context-management-2025-06-27", "oauth-2025-04-20", "b-1"]);
        let read = |message: &str| refused(message, &given);
        let unnamed = Some(RefusedBetas {
            unnamed: true,
            ..RefusedBetas::default()
        });
        assert_eq!(read("invalid beta flag"), unnamed);
        assert_eq!(
            read("The model returned the following errors: invalid beta flag"),
            unnamed
        );
        let named = |flags: &[&str], members: &[&'static str]| {
            Some(RefusedBetas {
                flags: owned(flags),
                members: members.to_vec(),
                unnamed: false,
            })
        };
        assert_eq!(
            read("Unexpected value(s) `oauth-2025-04-20`, `b-1` for the `anthropic-beta` header."),
            named(&["oauth-2025-04-20", "b-1"], &[])
        );
        assert_eq!(read("invalid beta flag: b-10 and xb-1"), unnamed, "another flag's name");
        assert_eq!(
            read("anthropic_beta: Extra inputs are not permitted"),
            named(&["context-management-2025-06-27", "oauth-2025-04-20", "b-1"], &[])
        );
        assert_eq!(
            read("context_management: Extra inputs are not permitted"),
            named(&[], &["context_management"])
        );
        assert_eq!(
            read(
                "The model returned the following errors: tools.3.custom.input_examples: Extra inputs are not permitted"
            ),
            named(&[], &["tools.*.input_examples"])
        );
        assert_eq!(
            read("system.1.cache_control.ephemeral.scope: Extra inputs are not permitted"),
            named(&[], &["system.*.cache_control.scope"])
        );
        assert_eq!(
            read("Malformed input request: #: extraneous key [context_management] is not permitted, please reformat"),
            named(&[], &["context_management"])
        );
        assert_eq!(read("max_tokens: Field required"), None);
        assert_eq!(read("messages.0.foo: Extra inputs are not permitted"), None);
        assert_eq!(refused("invalid beta flag", &[]), None);
    }

    #[test]
    fn a_flag_is_remembered_only_if_it_looks_like_one() {
        assert!(is_flag("context-1m-2025-08-07"));
        for bad in ["", "a b", "a,b", "@a", "é", &"a".repeat(65)] {
            assert!(!is_flag(bad), "{bad:?}");
        }
        assert!(known_member("tools.*.strict").is_some() && known_member("messages").is_none());
    }
}
