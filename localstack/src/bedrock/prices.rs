//! The mock's own arithmetic of what a call costs, so that a fault in the gateway's is found and not copied.

use std::collections::HashMap;

use http::HeaderMap;
use serde::Deserialize;

use super::error::Refusal;
use super::ledger::Usage;

const TIER_HEADER: &str = "x-amzn-bedrock-service-tier";

/// Prices by model id and tier.
#[derive(Debug)]
pub(super) struct Prices(HashMap<(String, String), Price>);

fn default_tier() -> String {
    "default".to_owned()
}

/// Rates of one model in one tier.
#[derive(Debug, Deserialize)]
struct Price {
    model: String,
    #[serde(default = "default_tier")]
    tier: String,
    #[serde(flatten)]
    rates: Rates,
    long_context: Option<LongContext>,
}

/// Picodollars per token.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Rates {
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
}

impl Rates {
    /// A rate of the cache, which is that of input where a model has none.
    fn cached(&self, rate: Option<u64>) -> u64 {
        rate.unwrap_or(self.input)
    }
}

/// The rates of a whole call whose prompt is longer.
#[derive(Debug, Deserialize)]
struct LongContext {
    above_tokens: u64,
    #[serde(flatten)]
    rates: Rates,
}

#[derive(Deserialize)]
struct File {
    prices: Vec<Price>,
}

impl Prices {
    /// Reads a price list. Fields that are not known are left alone.
    pub(super) fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let file: File = serde_json::from_str(json)?;
        Ok(Self(
            file.prices
                .into_iter()
                .map(|price| ((price.model.clone(), price.tier.clone()), price))
                .collect(),
        ))
    }

    pub(super) fn knows(&self, model: &str) -> bool {
        self.find(model, &default_tier()).is_some()
    }

    /// The tier that a call of `model` asks for.
    ///
    /// # Errors
    /// Bedrock's refusal of a tier that there is not, or not for this model.
    pub(super) fn tier(&self, model: &str, headers: &HeaderMap) -> Result<String, Refusal> {
        match headers.get(TIER_HEADER) {
            None => Ok(default_tier()),
            Some(value) => self.offered(model, value.to_str().unwrap_or_default()),
        }
    }

    /// The tier of this name.
    ///
    /// # Errors
    /// As [`Self::tier`].
    pub(super) fn offered(&self, model: &str, asked: &str) -> Result<String, Refusal> {
        let unknown = || Refusal::validation("The provided service tier is not supported for this model.");
        let offered = ["default", "flex", "priority"].contains(&asked) && self.find(model, asked).is_some();
        if offered { Ok(asked.to_owned()) } else { Err(unknown()) }
    }

    /// What `usage` of `model` costs in `tier`, in picodollars; nothing for what has no price, which is never called.
    pub(super) fn cost(&self, model: &str, tier: &str, usage: &Usage) -> u128 {
        self.find(model, tier)
            .map_or(0, |price| total(price.rates_for(usage), usage))
    }

    fn find(&self, model: &str, tier: &str) -> Option<&Price> {
        self.0.get(&(model.to_owned(), tier.to_owned()))
    }
}

impl Price {
    fn rates_for(&self, usage: &Usage) -> &Rates {
        let prompt = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation.total();
        match &self.long_context {
            Some(long) if prompt > long.above_tokens => &long.rates,
            _ => &self.rates,
        }
    }
}

fn total(rates: &Rates, usage: &Usage) -> u128 {
    let lines = [
        (usage.input_tokens, rates.input),
        (usage.output_tokens, rates.output),
        (usage.cache_read_input_tokens, rates.cached(rates.cache_read)),
        (
            usage.cache_creation.ephemeral_5m_input_tokens,
            rates.cached(rates.cache_write_5m),
        ),
        (
            usage.cache_creation.ephemeral_1h_input_tokens,
            rates.cached(rates.cache_write_1h),
        ),
    ];
    lines
        .into_iter()
        .map(|(tokens, rate)| u128::from(tokens) * u128::from(rate))
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::super::ledger::CacheCreation;
    use super::*;

    const LIST: &str = r#"{"source":"test","unknown":1,"prices":[{"model":"m","input":2,"output":3,"cache_read":5,
        "cache_write_5m":7,"cache_write_1h":11,"long_context":{"above_tokens":100,"input":20,"output":30,
        "cache_read":50,"cache_write_5m":70,"cache_write_1h":110}}]}"#;

    fn usage(input: u64) -> Usage {
        Usage {
            input_tokens: input,
            output_tokens: 1000,
            cache_read_input_tokens: 10,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: 20,
                ephemeral_1h_input_tokens: 30,
            },
        }
    }

    #[test]
    fn every_kind_of_token_has_its_rate() {
        let prices = Prices::parse(LIST).unwrap();
        assert_eq!(
            prices.cost("m", "default", &usage(40)),
            40 * 2 + 1000 * 3 + 10 * 5 + 20 * 7 + 30 * 11
        );
        assert_eq!(prices.cost("other", "default", &usage(40)), 0);
    }

    #[test]
    fn a_prompt_of_one_token_more_than_the_limit_has_the_long_rates_throughout() {
        let prices = Prices::parse(LIST).unwrap();
        assert_eq!(
            prices.cost("m", "default", &usage(41)),
            41 * 20 + 1000 * 30 + 10 * 50 + 20 * 70 + 30 * 110
        );
    }

    #[test]
    fn sums_past_64_bits_are_exact() {
        let prices = Prices::parse(r#"{"prices":[{"model":"m","input":1000000000000}]}"#).unwrap();
        let usage = Usage {
            input_tokens: 1 << 40,
            ..Usage::default()
        };
        assert_eq!(prices.cost("m", "default", &usage), 1_000_000_000_000_u128 << 40);
    }
    #[test]
    fn a_call_is_billed_in_the_tier_that_its_header_names() {
        let list = r#"{"prices":[{"model":"m","input":2},{"model":"m","tier":"flex","input":1},
            {"model":"m","tier":"batch","input":1}]}"#;
        let prices = Prices::parse(list).unwrap();
        let asked = |tier: &'static str| {
            let headers = HeaderMap::from_iter([(TIER_HEADER.parse().unwrap(), tier.parse().unwrap())]);
            prices.tier("m", &headers)
        };
        assert_eq!(prices.tier("m", &HeaderMap::new()).ok().as_deref(), Some("default"));
        assert_eq!(asked("flex").ok().as_deref(), Some("flex"));
        assert_eq!(
            (
                prices.cost("m", "default", &usage(7)),
                prices.cost("m", "flex", &usage(7))
            ),
            // The 60 tokens from and into the cache cost what input costs, where a list has no rate for them.
            (67 * 2, 67)
        );
        for bad in ["priority", "batch", "reserved", "", "Flex"] {
            assert!(asked(bad).is_err(), "{bad:?}");
        }
    }
}
