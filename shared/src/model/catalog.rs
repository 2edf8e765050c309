//! The catalog: every model that has a price, and the names that a Claude answers to.

use std::collections::BTreeMap;

use super::arn::{ArnResource, parse_arn};
use super::{ANTHROPIC, ModelError, ModelId, Profile, ResolvedModel};
use crate::price::PriceList;

/// Profiles for a model that is asked for by an Anthropic name, which says nothing about where it may run: the cheapest
/// and widest first. What has neither is called by its bare id.
const PREFERRED: [Profile; 2] = [Profile::Global, Profile::Us];

/// The models that this gateway serves.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Bedrock ids, sorted.
    ids: Vec<String>,
    /// What application profiles run: ARN to Bedrock id.
    application_profiles: BTreeMap<String, String>,
}

impl Catalog {
    /// The catalog of all models of a price list: Claude, and other vendors' models, which `Converse` alone serves.
    pub fn new(prices: &PriceList) -> Self {
        let served = |id: &&str| split_profile(id).is_some();
        let mut ids: Vec<String> = prices.models().filter(served).map(str::to_owned).collect();
        ids.sort_unstable();
        Self {
            ids,
            application_profiles: BTreeMap::new(),
        }
    }

    /// The same catalog with more ids: of models that an administrator has priced.
    #[must_use]
    pub fn knowing<'a>(mut self, ids: impl Iterator<Item = &'a str>) -> Self {
        self.ids
            .extend(ids.filter(|id| split_profile(id).is_some()).map(str::to_owned));
        self.ids.sort_unstable();
        self.ids.dedup();
        self
    }

    /// Every id of the catalog, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Serves an application inference profile too, which runs, and is priced as, the model of that Bedrock id.
    pub fn with_application_profile(mut self, arn: &str, id: &str) -> Result<Self, ModelError> {
        let arn: ModelId = arn.parse()?;
        if parse_arn(arn.as_str())? != ArnResource::ApplicationProfile {
            return Err(ModelError::Malformed);
        }
        let id = self.by_id(id)?.to_owned();
        self.application_profiles.insert(arn.as_str().to_owned(), id);
        Ok(self)
    }

    /// What a caller's model id means: `requested` is the decoded id of a path, or the `model` of a body.
    pub fn resolve(&self, requested: &str) -> Result<ResolvedModel, ModelError> {
        let id: ModelId = requested.parse()?;
        let id = id.as_str();
        let (bedrock_id, key) = if id.starts_with("arn:") {
            (id, self.by_arn(id)?)
        } else if id.starts_with("claude-") {
            let key = self.by_name(id)?;
            (key, key)
        } else {
            (id, self.by_id(id)?)
        };
        let (profile, base) = split_profile(key).ok_or(ModelError::Unknown)?;
        Ok(ResolvedModel {
            requested: requested.to_owned(),
            bedrock_id: bedrock_id.to_owned(),
            price_key: key.to_owned(),
            profile,
            base: base.to_owned(),
        })
    }

    fn find(&self, id: &str) -> Option<&str> {
        let index = self.ids.binary_search_by(|known| known.as_str().cmp(id)).ok()?;
        self.ids.get(index).map(String::as_str)
    }

    fn by_id(&self, id: &str) -> Result<&str, ModelError> {
        self.find(id).ok_or_else(|| match split_profile(id) {
            Some((_, base)) if base.starts_with("anthropic.claude-") => ModelError::Unpriced,
            _ => ModelError::Unknown,
        })
    }

    fn by_arn(&self, arn: &str) -> Result<&str, ModelError> {
        let (id, wants_profile) = match parse_arn(arn)? {
            ArnResource::FoundationModel(id) => (id, false),
            ArnResource::InferenceProfile(id) => (id, true),
            ArnResource::ApplicationProfile => {
                let id = self.application_profiles.get(arn).map(String::as_str);
                return id.ok_or(ModelError::Unknown);
            }
            ArnResource::Other => return Err(ModelError::Unknown),
        };
        match split_profile(id) {
            Some((profile, _)) if profile.is_some() == wants_profile => self.by_id(id),
            _ => Err(ModelError::Unknown),
        }
    }

    /// The newest model that answers to an Anthropic name, under the preferred profile.
    fn by_name(&self, name: &str) -> Result<&str, ModelError> {
        let bases = self.ids().filter_map(|id| split_profile(id).map(|(_, base)| base));
        let newest = bases
            .filter_map(Names::of_base)
            .filter(|names| names.answers_to(name))
            .max_by_key(|names| (names.date, names.full));
        let base = newest.ok_or(ModelError::Unpriced)?.base;
        let preferred = PREFERRED
            .iter()
            .find_map(|profile| self.find(&format!("{}.{base}", profile.label())));
        preferred.or_else(|| self.find(base)).ok_or(ModelError::Unpriced)
    }
}

/// An id's profile, if its prefix names one, and the id without it; nothing for what has no vendor.
fn split_profile(id: &str) -> Option<(Option<Profile>, &str)> {
    let (prefix, rest) = id.split_once('.')?;
    match Profile::from_label(prefix) {
        None => Some((None, id)),
        // Behind a profile stands a vendor, and no other profile.
        Some(profile) => {
            let (vendor, _) = rest.split_once('.')?;
            Profile::from_label(vendor).is_none().then_some((Some(profile), rest))
        }
    }
}

/// The names that Anthropic's own API, or Claude Code, has for a Bedrock model. They all follow from its id:
/// `anthropic.claude-sonnet-4-20250514-v1:0` is also `claude-sonnet-4-20250514-v1:0`, `claude-sonnet-4-20250514`,
/// `claude-sonnet-4`, `claude-sonnet-4-latest` and `claude-sonnet-4-0`.
struct Names<'a> {
    base: &'a str,
    full: &'a str,
    dated: &'a str,
    date: Option<&'a str>,
    plain: &'a str,
}

impl<'a> Names<'a> {
    fn of_base(base: &'a str) -> Option<Self> {
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

    fn answers_to(&self, name: &str) -> bool {
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
