//! Ids that can have a price.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MAX_LENGTH: usize = 128;

/// The id of a model that can have a price: a Bedrock id, with its profile prefix if it has one, as
/// `us.anthropic.claude-sonnet-4-5-20250929-v1:0`. Its words are of small letters, digits and `-`, begin with a letter or a
/// digit, and are joined by `.` and then `:`; so it is safe in a path, a key, a log and a spreadsheet's cell.
///
/// An ARN is none: what it runs is priced by the id behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PricedModel(String);

/// A text is no id that can have a price. It does not repeat the text, which may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a model is a Bedrock id such as `us.vendor.model-v1:0`, at most 128 characters, and no ARN")]
pub struct BadPricedModel;

impl PricedModel {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word(word: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    word.bytes().all(known) && !word.is_empty() && !word.starts_with('-')
}

impl FromStr for PricedModel {
    type Err = BadPricedModel;

    fn from_str(text: &str) -> Result<Self, BadPricedModel> {
        let mut parts = text.split(':');
        let dotted = parts.next().unwrap_or_default();
        let well_formed = dotted.contains('.') && dotted.split('.').all(is_word) && parts.all(is_word);
        if well_formed && text.len() <= MAX_LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadPricedModel)
        }
    }
}

impl TryFrom<String> for PricedModel {
    type Error = BadPricedModel;

    fn try_from(text: String) -> Result<Self, BadPricedModel> {
        text.parse()
    }
}

impl From<PricedModel> for String {
    fn from(model: PricedModel) -> Self {
        model.0
    }
}

impl fmt::Display for PricedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::PriceList;
    use super::*;

    ///
    #[test]
    fn an_id_takes_its_alphabet_only_and_no_arn() {
        for bad in [
            "",
            ".",
            "a",
            "a.",
            ".b",
            "a..b",
            "a.b:",
            "A.b",
            "a.b c",
            "a.b/c",
            "a.b\n",
            "a.é",
            "a.b'--",
            "a.b;x",
            "=a.b",
            "-a.b",
            "a.-b",
            "@a.b",
            "+a.b",
            "a.b,c",
            "a.b\"",
            "a.b#c",
            "a.{b}",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude",
            "arn:aws:bedrock",
            &format!("a.{}", "b".repeat(127)),
        ] {
            assert_eq!(bad.parse::<PricedModel>(), Err(BadPricedModel), "{bad:?}");
        }
        assert!(format!("a.{}", "b".repeat(126)).parse::<PricedModel>().is_ok());
    }

    #[test]
    fn every_id_of_the_built_in_list_can_have_a_price() {
        for model in PriceList::embedded().unwrap().models() {
            assert!(model.parse::<PricedModel>().is_ok(), "{model}");
        }
    }
}
