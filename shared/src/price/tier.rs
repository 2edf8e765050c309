//! Service tiers: how urgently Bedrock serves a call, and so what it costs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A service tier. They are in the order of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// Batch inference: jobs of Bedrock's own, which no call asks for. It has prices, since a bill can hold it.
    Batch,
    /// What a call gets that asks for nothing.
    #[default]
    Default,
    /// Cheaper, and slower when Bedrock is busy.
    Flex,
    /// Dearer, and served first.
    Priority,
}

/// A text names no service tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a service tier is `batch`, `default`, `flex` or `priority`")]
pub struct BadTier;

impl ServiceTier {
    /// Every tier.
    pub const ALL: [Self; 4] = [Self::Batch, Self::Default, Self::Flex, Self::Priority];

    /// The name in prices and rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Default => "default",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }

    /// The tier that a call asks for by the header `X-Amzn-Bedrock-Service-Tier` (Bedrock Runtime API, `InvokeModel`).
    ///
    /// # Errors
    /// [`BadTier`] for anything but `default`, `flex` and `priority`. `reserved` is paid by the hour and has no price a
    /// token; `batch` is nothing that a call can have.
    pub fn from_header(value: &str) -> Result<Self, BadTier> {
        match value.parse()? {
            Self::Batch => Err(BadTier),
            tier => Ok(tier),
        }
    }
}

impl FromStr for ServiceTier {
    type Err = BadTier;

    fn from_str(name: &str) -> Result<Self, BadTier> {
        Self::ALL.into_iter().find(|tier| tier.name() == name).ok_or(BadTier)
    }
}

impl fmt::Display for ServiceTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_for_three_tiers_and_no_other() {
        for tier in [ServiceTier::Default, ServiceTier::Flex, ServiceTier::Priority] {
            assert_eq!(ServiceTier::from_header(tier.name()), Ok(tier));
        }
        for bad in [
            "",
            "reserved",
            "batch",
            "ultrafast",
            "Default",
            "default ",
            "default,flex",
        ] {
            assert_eq!(ServiceTier::from_header(bad), Err(BadTier), "{bad:?}");
        }
    }

    #[test]
    fn tiers_are_ordered_and_stored_by_their_names() {
        assert!(ServiceTier::ALL.is_sorted_by(|a, b| a < b && a.name() < b.name()));
        for tier in ServiceTier::ALL {
            assert_eq!(serde_json::to_value(tier).unwrap(), tier.name());
        }
    }
}
