//! Model ids: how callers write them, and what they mean.
//!
//! A caller names a model by a Bedrock id with or without profile prefix, by an ARN, or by an Anthropic name. Whatever it
//! is, it is matched in full against the catalog, which is the price list's ids: nothing is guessed from the beginning
//! of a name, and nothing that has no price gets through.

mod allowed;
mod application;
mod arn;
mod catalog;
mod claude;

pub use allowed::{AllowedModels, BadList};
pub use application::ApplicationProfiles;
pub use catalog::Catalog;
pub use claude::ClaudeName;

#[cfg(test)]
mod tests;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest id that is looked at, in bytes: what Bedrock allows.
const MAX_LENGTH: usize = 2_048;

/// A model id as a caller wrote it, already percent-decoded, once. Safe in an upstream path: only letters, digits and
/// `. _ : / -`, without `..` and `//`, of at most 2,048 bytes.
///
/// Claude Code marks its 1-million-token variants by `[1m]` at the end and sometimes sends the mark along
/// (anthropics/claude-code issue 49781). It is no part of any id, and is taken off here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelId(String);

impl ModelId {
    /// The id without any mark.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let id = text
            .strip_suffix("[1m]")
            .or_else(|| text.strip_suffix("[1M]"))
            .unwrap_or(text);
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
        let well_formed = !id.is_empty() && text.len() <= MAX_LENGTH && id.bytes().all(known);
        if !well_formed || id.contains("..") || id.contains("//") {
            return Err(ModelError::Malformed);
        }
        Ok(Self(id.to_owned()))
    }
}

/// Why a model id is refused. No variant repeats the id: it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It is no id at all: wrong characters, too long, empty, or an ARN of the wrong form.
    #[error("the model id is malformed")]
    Malformed,
    /// It is an id, but of no model that this gateway serves.
    #[error("the model is not known")]
    Unknown,
    /// It is a Claude on Bedrock that has no price, and what has no price is not served.
    #[error("the model has no price")]
    Unpriced,
}

/// The inference profile that an id's prefix names: where Bedrock may run the call, and so part of its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Any commercial region.
    Global,
    /// United States.
    Us,
    /// Europe.
    Eu,
    /// Japan.
    Jp,
    /// Australia.
    Au,
    /// Asia and the Pacific.
    Apac,
    /// India.
    In,
    /// AWS GovCloud (US).
    UsGov,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 8] = [
        Self::Global,
        Self::Us,
        Self::Eu,
        Self::Jp,
        Self::Au,
        Self::Apac,
        Self::In,
        Self::UsGov,
    ];

    /// The prefix without its point, as in ids and rows.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Jp => "jp",
            Self::Au => "au",
            Self::Apac => "apac",
            Self::In => "in",
            Self::UsGov => "us-gov",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.label() == label)
    }
}

/// A model that is known, has a price and may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedModel {
    /// What the caller wrote, as it was.
    pub requested: String,
    /// What goes into Bedrock's path, still to be percent-encoded: an id with its profile prefix, or a configured application profile's ARN.
    pub bedrock_id: String,
    /// The price list's id.
    pub price_key: String,
    /// The profile that runs the call; none for a model called in the gateway's own region.
    pub profile: Option<Profile>,
    /// The model itself, without profile: `anthropic.claude-…`.
    pub base: String,
}

impl ResolvedModel {
    /// Whether it is a Claude, which has an API of its own beside `Converse`.
    pub fn is_claude(&self) -> bool {
        self.base.starts_with(ANTHROPIC)
    }
}

/// What the id of each of Anthropic's models begins with.
const ANTHROPIC: &str = "anthropic.";
