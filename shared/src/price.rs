//! What tokens cost: rates and their arithmetic, the price list that is built in, and the price book that counts.
//!
//! A price belongs to a model id with its profile prefix, a service tier, and a day from which it holds.

mod book;
mod guardrail;
mod id;
mod seed;
mod tier;

pub use book::{Difference, Entry, Listed, PriceBook, Quote, Source};
pub use guardrail::{BadGuardrails, Guardrails};
pub use id::{BadPricedModel, PricedModel};
pub use seed::{Limits, PriceList};
pub use tier::{BadTier, ServiceTier};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Picodollars;
use crate::usage::{Tokens, Usage};

/// A price in picodollars a token: at least one, at most a dollar.
///
/// The bound is what makes [`price`] unable to overflow: five products of a `u64` and 10¹² fit a 38-digit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct TokenRate(u64);

/// A rate of nothing, or of more than a dollar a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is from 1 to 1000000000000 picodollars a token")]
pub struct RateError;

impl TokenRate {
    /// The largest rate: a dollar a token.
    pub const MAX: Self = Self(1_000_000_000_000);

    /// The rate in picodollars a token.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Both together, or a dollar where that were more.
    fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0)).min(Self::MAX)
    }

    /// What so many tokens cost at this rate, exactly.
    fn cost(self, tokens: Tokens) -> Picodollars {
        Picodollars::new(self.0)
            .checked_mul(tokens.as_u64())
            .unwrap_or(Picodollars::MAX)
    }
}

impl TryFrom<u64> for TokenRate {
    type Error = RateError;

    fn try_from(rate: u64) -> Result<Self, RateError> {
        if (1..=Self::MAX.0).contains(&rate) {
            Ok(Self(rate))
        } else {
            Err(RateError)
        }
    }
}

impl From<TokenRate> for u64 {
    fn from(rate: TokenRate) -> Self {
        rate.0
    }
}

/// The five rates of one prompt-length band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BandJson")]
pub struct BandRates {
    /// Prompt tokens that are not cached.
    pub input: TokenRate,
    /// Tokens the model produces.
    pub output: TokenRate,
    /// Prompt tokens read from the cache.
    pub cache_read: TokenRate,
    /// Prompt tokens written to the cache for 5 minutes.
    pub cache_write_5m: TokenRate,
    /// Prompt tokens written to the cache for an hour.
    pub cache_write_1h: TokenRate,
}

impl BandRates {
    /// The names of the five, in the order of [`Self::to_array`].
    pub const NAMES: [&'static str; 5] = ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h"];

    /// The five rates in the order of [`Self::NAMES`].
    pub const fn to_array(&self) -> [TokenRate; 5] {
        [
            self.input,
            self.output,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
        ]
    }
}

impl BandRates {
    fn at_most(&self, other: &Self) -> Self {
        let (mine, theirs) = (self.to_array(), other.to_array());
        Self::from(std::array::from_fn(|index| mine[index].max(theirs[index])))
    }
}

impl From<[TokenRate; 5]> for BandRates {
    fn from([input, output, cache_read, cache_write_5m, cache_write_1h]: [TokenRate; 5]) -> Self {
        Self {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
        }
    }
}

/// A model without prompt caching has no cache rates. Its answers tell no cache tokens; should one ever do, they are
/// prompt tokens that the model had to read, and cost what those cost: never nothing.
#[derive(Deserialize)]
struct BandJson {
    input: TokenRate,
    output: TokenRate,
    cache_read: Option<TokenRate>,
    cache_write_5m: Option<TokenRate>,
    cache_write_1h: Option<TokenRate>,
}

impl From<BandJson> for BandRates {
    fn from(json: BandJson) -> Self {
        Self {
            input: json.input,
            output: json.output,
            cache_read: json.cache_read.unwrap_or(json.input),
            cache_write_5m: json.cache_write_5m.unwrap_or(json.input),
            cache_write_1h: json.cache_write_1h.unwrap_or(json.input),
        }
    }
}

/// The rates of one model under one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// The rates of a prompt of usual length.
    #[serde(flatten)]
    pub base: BandRates,
    /// The rates of the whole call, output too, once its prompt is longer than a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_context: Option<LongContext>,
}

/// The rates past a prompt length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongContext {
    /// A prompt of more tokens than this, cached ones included, is long.
    pub above_tokens: Tokens,
    /// What all tokens of such a call cost.
    #[serde(flatten)]
    pub rates: BandRates,
}

impl Rates {
    /// Rates of which none is below the same rate of either of these, whatever the prompt's length.
    #[must_use]
    pub fn at_most(&self, other: &Self) -> Self {
        let long_context = match (self.long_context, other.long_context) {
            (Some(a), Some(b)) => Some(LongContext {
                above_tokens: a.above_tokens.min(b.above_tokens),
                rates: a.rates.at_most(&b.rates),
            }),
            (Some(long), None) => Some(long.at_most(&other.base)),
            (None, Some(long)) => Some(long.at_most(&self.base)),
            (None, None) => None,
        };
        Self {
            base: self.base.at_most(&other.base),
            long_context,
        }
    }

    /// The band that a prompt of this length falls into.
    pub fn band(&self, prompt: Tokens) -> &BandRates {
        match &self.long_context {
            Some(long) if prompt > long.above_tokens => &long.rates,
            _ => &self.base,
        }
    }
}

impl LongContext {
    fn at_most(self, other: &BandRates) -> Self {
        Self {
            rates: self.rates.at_most(other),
            ..self
        }
    }
}

/// What a usage costs at these rates: exact, and never an overflow.
pub fn price(rates: &Rates, usage: &Usage) -> Picodollars {
    let band = rates.band(usage.prompt_tokens());
    [
        band.input.cost(usage.input_tokens),
        band.output.cost(usage.output_tokens),
        band.cache_read.cost(usage.cache_read_input_tokens),
        band.cache_write_5m.cost(usage.cache_write_5m_tokens),
        band.cache_write_1h.cost(usage.cache_write_1h_tokens),
    ]
    .into_iter()
    .fold(Picodollars::ZERO, Picodollars::saturating_add)
}

/// Which price list a row was priced by: its source and version, such as `litellm 1.109.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceVersion(String);

impl PriceVersion {
    /// The version of what revision `revision` of the price book brought: `book 7`.
    pub fn of_book(revision: u64) -> Self {
        Self(format!("book {revision}"))
    }

    /// The version as it stands in rows.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PriceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why there is no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// There is no price for this model in this tier. The call is refused; nothing is ever free for want of a price.
    #[error("no price for {0}")]
    Missing(String),
    /// The list itself cannot be read.
    #[error("the price list is malformed at {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests;
