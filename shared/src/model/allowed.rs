//! Which models a credential may call: a list of patterns, matched on the resolved base id.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Profile;

/// A list that somebody writes has so many patterns at the most,
const MOST_PATTERNS: usize = 50;
/// and so many bytes with a space between each two: three of them, which is the most that apply to one call, fit into what API Gateway
/// takes of an authorizer (8 KB, API Gateway quotas).
const MOST_BYTES: usize = 2_048;
/// The longest pattern, in bytes.
const LONGEST: usize = 128;
/// The text of a list that allows nothing. It is no pattern, and not empty: what API Gateway might leave out would allow everything.
const NOTHING: &str = "none";

/// A base model id (`anthropic.claude-opus-5`), or the beginning of one with a `*` at its end (`anthropic.claude-haiku-*`).
///
/// It begins with the vendor's name. A geographic profile is no part of it: what may be called may be called wherever it runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern(String);

/// The models that may be called. In JSON a list of patterns; in the authorizer's context their text, parted by spaces.
///
/// Where lists of several holders apply (a key's, its owner's, a team's) all of them must allow a model: see
/// [`Self::intersection`]. What they have in common may be nothing, and then no model may be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct AllowedModels(BTreeSet<Pattern>);

/// A list is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// It has no pattern or too many, or is too long.
    #[error("a list of models has 1 to 50 patterns of together at most 2,048 characters")]
    Size,
    /// One of them is no pattern.
    #[error(
        "a pattern of models is a Bedrock model id without geographic profile, such as `anthropic.claude-opus-5`, or its beginning with one `*` at the end"
    )]
    Pattern,
}

impl FromStr for Pattern {
    type Err = BadList;

    fn from_str(text: &str) -> Result<Self, BadList> {
        let literal = text.strip_suffix('*').unwrap_or(text);
        let known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-' | b'_');
        let vendor = literal.split_once('.').map(|(vendor, _)| vendor);
        let has_vendor = vendor.is_some_and(|vendor| !vendor.is_empty() && Profile::from_label(vendor).is_none());
        if has_vendor && text.len() <= LONGEST && literal.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadList::Pattern)
        }
    }
}

impl Pattern {
    fn matches(&self, base: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => base.starts_with(beginning),
            None => base == self.0,
        }
    }

    /// Whether this one matches whatever `other` matches. Of two patterns one covers the other, or no id matches both.
    fn covers(&self, other: &Self) -> bool {
        self == other || (self.0.ends_with('*') && self.matches(other.0.strip_suffix('*').unwrap_or(&other.0)))
    }
}

impl AllowedModels {
    /// Whether a model may be called, by its base id: resolved, and without profile.
    pub fn allows(&self, base: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(base))
    }

    /// Whether this list allows whatever `other` allows.
    pub fn covers(&self, other: &Self) -> bool {
        let covered = |it: &Pattern| self.0.iter().any(|pattern| pattern.covers(it));
        other.0.iter().all(covered)
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let within = |these: &Self, those: &Self| -> BTreeSet<Pattern> {
            let covered = |it: &&Pattern| those.0.iter().any(|pattern| pattern.covers(it));
            these.0.iter().filter(covered).cloned().collect()
        };
        Self(&within(self, other) | &within(other, self))
    }

    /// What all of these holders' lists allow; nothing (that is, every model) if none of them has one.
    #[must_use]
    pub fn of_all<'a>(lists: impl IntoIterator<Item = Option<&'a Self>>) -> Option<Self> {
        let lists = lists.into_iter().flatten().cloned();
        lists.reduce(|all, list| all.intersection(&list))
    }

    /// Whether no model may be called.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads what [`fmt::Display`] wrote. It may allow nothing, and be longer than a list that somebody writes.
    ///
    /// # Errors
    /// [`BadList::Pattern`], also for an empty text.
    pub fn from_text(text: &str) -> Result<Self, BadList> {
        if text == NOTHING {
            return Ok(Self::default());
        }
        text.split(' ').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<Vec<String>> for AllowedModels {
    type Error = BadList;

    fn try_from(patterns: Vec<String>) -> Result<Self, BadList> {
        if patterns.is_empty() || patterns.len() > MOST_PATTERNS || patterns.join(" ").len() > MOST_BYTES {
            return Err(BadList::Size);
        }
        let patterns = patterns.iter().map(|pattern| pattern.parse());
        patterns.collect::<Result<_, _>>().map(Self)
    }
}

impl From<AllowedModels> for Vec<String> {
    fn from(models: AllowedModels) -> Self {
        models.0.into_iter().map(|pattern| pattern.0).collect()
    }
}

impl fmt::Display for AllowedModels {
    /// The patterns, sorted, with single spaces between them; `none` if there is none.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return out.write_str(NOTHING);
        }
        for (index, pattern) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(out, "{space}{}", pattern.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(patterns: &[&str]) -> AllowedModels {
        read(patterns).unwrap()
    }

    fn read(patterns: &[&str]) -> Result<AllowedModels, BadList> {
        AllowedModels::try_from(patterns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_pattern_allows_its_id_alone_and_with_a_star_what_begins_so() {
        let models = list(&["anthropic.claude-opus-5", "anthropic.claude-haiku-*"]);
        for allowed in [
            "anthropic.claude-opus-5",
            "anthropic.claude-haiku-4-5-20251001-v1:0",
            "anthropic.claude-haiku-",
        ] {
            assert!(models.allows(allowed), "{allowed}");
        }
        for other in [
            "",
            "anthropic.claude-opus-5-1",
            "anthropic.claude-opus-",
            "anthropic.claude-haiku",
            "us.anthropic.claude-opus-5",
            "anthropic.claude-haiku*",
        ] {
            assert!(!models.allows(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_base_id_is_no_pattern() {
        for bad in [
            "",
            "*",
            "anthropic",
            "anthropic*",
            ".claude",
            "claude-opus-5",
            "us.anthropic.claude-opus-5",
            "us-gov.anthropic.*",
            "anthropic.claude-*-5",
            "anthropic.claude-**",
            "anthropic.claude opus",
            "Anthropic.claude-opus-5",
            "anthropic.claude-é",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-5",
            "anthropic.\n",
        ] {
            assert_eq!(read(&[bad]), Err(BadList::Pattern), "{bad:?}");
            assert_eq!(read(&["anthropic.*", bad]), Err(BadList::Pattern), "{bad:?}");
        }
    }

    #[test]
    fn a_list_is_bounded_and_not_empty() {
        assert_eq!(read(&[]), Err(BadList::Size));
        assert!(read(&["anthropic.a"; 50]).is_ok());
        assert_eq!(read(&["anthropic.a"; 51]), Err(BadList::Size));
        let long = format!("anthropic.{}", "a".repeat(118));
        assert!(read(&[long.as_str(); 15]).is_ok());
        assert_eq!(read(&[long.as_str(); 16]), Err(BadList::Size));
        assert_eq!(read(&[&format!("{long}a")]), Err(BadList::Pattern));
    }

    #[test]
    fn no_list_allows_everything_and_one_without_common_models_nothing() {
        assert_eq!(AllowedModels::of_all([None, None]), None);
        let (opus, haiku) = (list(&["anthropic.claude-opus-*"]), list(&["anthropic.claude-haiku-*"]));
        assert_eq!(AllowedModels::of_all([None, Some(&opus), None]), Some(opus.clone()));
        let none = AllowedModels::of_all([Some(&opus), Some(&haiku)]).unwrap();
        assert!(none.is_empty() && !none.allows("anthropic.claude-opus-5"));
        assert_eq!(none.to_string(), "none");
        assert_eq!(AllowedModels::from_text("none"), Ok(none));
        assert_eq!(AllowedModels::from_text(""), Err(BadList::Pattern));
    }

    #[test]
    fn json_is_a_list_and_text_has_spaces() {
        let models = list(&["b.y*", "a.x", "a.x"]);
        assert_eq!(models.to_string(), "a.x b.y*");
        assert_eq!(serde_json::to_string(&models).unwrap(), r#"["a.x","b.y*"]"#);
        assert_eq!(
            serde_json::from_str::<AllowedModels>(r#"["b.y*","a.x"]"#).unwrap(),
            models
        );
        for bad in [r#""a.x""#, "[]", "[1]", "null", r#"["us.x"]"#] {
            assert!(serde_json::from_str::<AllowedModels>(bad).is_err(), "{bad}");
        }
    }

    /// Patterns of few letters, so that they often meet.
    fn lists() -> impl Strategy<Value = AllowedModels> {
        proptest::collection::vec("v\\.[ab]{0,3}\\*?", 1..6).prop_map(|it| AllowedModels::try_from(it).unwrap())
    }

    proptest! {
        #[test]
        fn an_intersection_allows_exactly_what_both_allow(one in lists(), other in lists(), id in "v\\.[ab]{0,4}") {
            let both = one.intersection(&other);
            prop_assert_eq!(both.allows(&id), one.allows(&id) && other.allows(&id));
            prop_assert!(one.covers(&both) && other.covers(&both));
            prop_assert_eq!(&both, &other.intersection(&one));
            prop_assert_eq!(AllowedModels::from_text(&both.to_string()).unwrap(), both);
        }

        #[test]
        fn what_covers_a_list_allows_what_it_allows(one in lists(), other in lists(), id in "v\\.[ab]{0,4}") {
            prop_assert!(!one.covers(&other) || !other.allows(&id) || one.allows(&id));
        }
    }
}
