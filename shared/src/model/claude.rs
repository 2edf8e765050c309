//! The names that Anthropic's own API, or Claude Code, has for a Bedrock model.

use std::cmp::Reverse;

use super::ANTHROPIC;

/// The names follow from the id: `anthropic.claude-sonnet-4-20250514-v1:0` is also `claude-sonnet-4-20250514-v1:0`,
/// `claude-sonnet-4-20250514`, `claude-sonnet-4`, `claude-sonnet-4-latest` and `claude-sonnet-4-0`.
pub(super) struct Names<'a> {
    pub(super) base: &'a str,
    pub(super) full: &'a str,
    dated: &'a str,
    pub(super) date: Option<&'a str>,
    plain: &'a str,
}

impl<'a> Names<'a> {
    pub(super) fn of_base(base: &'a str) -> Option<Self> {
        let full = base.strip_prefix(ANTHROPIC)?;
        let dated = without_version(full);
        let (plain, date) = match dated.rsplit_once('-') {
            Some((plain, date)) if is_digits(date) && date.len() == 8 => (plain, Some(date)),
            _ => (dated, None),
        };
        Some(Self {
            base,
            full,
            dated,
            date,
            plain,
        })
    }

    pub(super) fn answers_to(&self, name: &str) -> bool {
        // `claude-v2:1` and its like have no name of their own left once the version is off.
        let has_plain = self.plain.contains('-');
        let suffix = name.strip_prefix(self.plain).filter(|_| has_plain);
        name == self.full
            || name == self.dated
            || match suffix {
                Some("" | "-latest") => true,
                Some("-0") => self.is_major_version(),
                _ => false,
            }
    }

    /// Whether the plain name is a family and one number, as `claude-opus-4`, which Anthropic also calls `claude-opus-4-0`.
    fn is_major_version(&self) -> bool {
        let mut words = self.plain.rsplit('-');
        let is_number = |word: Option<&str>| word.is_some_and(is_digits);
        is_number(words.next()) && !is_number(words.next())
    }
}

/// A Claude as Anthropic's API lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaudeName {
    /// The model without profile, as everywhere here.
    pub base: String,
    /// Anthropic's id of it, without Bedrock's version.
    pub id: String,
    /// For people: `Claude Sonnet 4.5`.
    pub display: String,
    /// The day in its id, as `2025-09-29`.
    pub day: Option<String>,
    /// Which line of models it is of: `sonnet`.
    pub line: Option<String>,
}

impl ClaudeName {
    /// The names of a base id; nothing for other vendors' models.
    pub fn of(base: &str) -> Option<Self> {
        let names = Names::of_base(base)?;
        let has_plain = names.plain.contains('-');
        let (id, shown) = if has_plain {
            (names.dated, names.plain)
        } else {
            (names.full, names.full)
        };
        let words = names.plain.strip_prefix("claude-").unwrap_or_default();
        let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        Some(Self {
            base: base.to_owned(),
            id: id.to_owned(),
            display: display(shown),
            day: names.date.and_then(day),
            line: words.split('-').find(is_word).map(str::to_owned),
        })
    }

    /// What sorts the newest first. A model without a day in its id is newer than those that still have one, but for the first of all,
    /// which have a version instead.
    pub(super) fn newest_first(&self) -> impl Ord + use<> {
        let numbers: Vec<u32> = self.id.split('-').filter_map(|word| word.parse().ok()).collect();
        let age = match (&self.day, numbers.is_empty()) {
            (None, false) => 0,
            (Some(_), _) => 1,
            (None, true) => 2,
        };
        (age, Reverse((self.day.clone(), numbers)), self.id.clone())
    }
}

/// `claude-sonnet-4-5` as `Claude Sonnet 4.5`.
fn display(name: &str) -> String {
    let mut out = String::new();
    let mut after_number = false;
    for word in name.split('-') {
        let is_number = is_digits(word);
        match (out.is_empty(), is_number && after_number) {
            (true, _) => {}
            (false, true) => out.push('.'),
            (false, false) => out.push(' '),
        }
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
        after_number = is_number;
    }
    out
}

/// `20250929` as `2025-09-29`.
fn day(date: &str) -> Option<String> {
    let day = format!("{}-{}-{}", date.get(..4)?, date.get(4..6)?, date.get(6..)?);
    day.parse::<jiff::civil::Date>().ok().map(|_| day)
}

/// A Bedrock model name without its `-v1` or `-v1:0`.
fn without_version(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((rest, version)) if version.split(':').all(is_digits) => rest,
        _ => name,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
