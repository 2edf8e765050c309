//! The catalog: every model that has a price, and the names that a Claude answers to.

use std::collections::BTreeMap;

use super::arn::{ArnResource, parse_arn};
use super::claude::{ClaudeName, Names};
use super::{ApplicationProfiles, ModelError, ModelId, Profile, ResolvedModel};
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

    /// Every Claude once, whatever profiles it has, the newest first.
    pub fn claudes(&self) -> Vec<ClaudeName> {
        let bases = self.ids().filter_map(|id| split_profile(id).map(|(_, base)| base));
        let mut claudes: Vec<_> = bases.filter_map(ClaudeName::of).collect();
        claudes.sort_by_key(ClaudeName::newest_first);
        claudes.dedup();
        claudes
    }

    /// The ARNs of the application profiles, in order.
    pub fn application_profiles(&self) -> impl Iterator<Item = &str> {
        self.application_profiles.keys().map(String::as_str)
    }

    /// Serves application inference profiles too, each of which runs, and is priced as, the model of its Bedrock id. Whether that has a
    /// price is seen when it is called.
    #[must_use]
    pub fn with_application_profiles(mut self, profiles: &ApplicationProfiles) -> Self {
        let told = profiles.iter().map(|(arn, id)| (arn.to_owned(), id.to_owned()));
        self.application_profiles.extend(told);
        self
    }

    /// What a caller's model id means: `requested` is the decoded id of a path, or the `model` of a body.
    pub fn resolve(&self, requested: &str) -> Result<ResolvedModel, ModelError> {
        let id: ModelId = requested.parse()?;
        let id = id.as_str();
        let (bedrock_id, key) = if id.starts_with("arn:") {
            let key = self.by_arn(id)?;
            // Only an application profile is called as such, since its costs are told apart by it. Where all else runs, and on whose
            // account, is not the caller's to say: it goes up as the id that the ARN names.
            let is_own = self.application_profiles.contains_key(id);
            (if is_own { id } else { key }, key)
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
                let id = self.application_profiles.get(arn).ok_or(ModelError::Unknown)?;
                return self.by_id(id);
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
