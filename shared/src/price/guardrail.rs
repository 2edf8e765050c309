//! What guardrails cost beside the model, as the settings tell it.

use std::str::FromStr;

use super::{BandRates, LongContext, Rates, TokenRate};
use crate::error::Error;

/// Guardrails that calls may name, each with what it costs for every token of prompt and answer: `GUARDRAIL=PICODOLLARS`, parted by commas.
///
/// Bedrock bills a guardrail's policies by units of a thousand characters and tells callers nothing of it that every answer has, so what an
/// operator takes a token for is what it is taken for here, and rows of such calls are estimates. One that is not told here is not called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guardrails(Vec<(String, TokenRate)>);

/// An entry is no `GUARDRAIL=PICODOLLARS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("guardrails are GUARDRAIL=PICODOLLARS with an id or ARN and a rate of at least 1")]
pub struct BadGuardrails;

impl Guardrails {
    /// What a call with this guardrail costs more a token.
    ///
    /// # Errors
    /// [`crate::error::Kind::InvalidRequest`] for one that has no price.
    pub fn rate(&self, guardrail: &str) -> Result<TokenRate, Error> {
        let found = self.0.iter().find(|(known, _)| known == guardrail);
        found.map(|(_, rate)| *rate).ok_or_else(|| {
            Error::invalid("The guardrail has a price of its own, and none here; an administrator can set one.")
                .about("guardrailIdentifier")
        })
    }
}

impl FromStr for Guardrails {
    type Err = BadGuardrails;

    fn from_str(text: &str) -> Result<Self, BadGuardrails> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }
}

fn entry(text: &str) -> Result<(String, TokenRate), BadGuardrails> {
    let (guardrail, rate) = text.split_once('=').ok_or(BadGuardrails)?;
    let (guardrail, rate) = (guardrail.trim(), rate.trim());
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b":-/".contains(&byte);
    if guardrail.is_empty() || !guardrail.bytes().all(known) {
        return Err(BadGuardrails);
    }
    let rate = rate.parse::<u64>().ok().and_then(|rate| TokenRate::try_from(rate).ok());
    Ok((guardrail.to_owned(), rate.ok_or(BadGuardrails)?))
}

impl Rates {
    /// The same rates, each dearer by so much.
    #[must_use]
    pub fn dearer_by(&self, more: TokenRate) -> Self {
        let dearer = |rates: &BandRates| BandRates::from(rates.to_array().map(|rate| rate.plus(more)));
        Self {
            base: dearer(&self.base),
            long_context: self.long_context.map(|long| LongContext {
                rates: dearer(&long.rates),
                ..long
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::{PriceList, price};
    use crate::usage::{Tokens, Usage};

    #[test]
    fn guardrails_are_ids_or_arns_with_a_rate_and_nothing_else() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc123";
        let read = format!(" abc123 = 600000 ,{arn}=1200000")
            .parse::<Guardrails>()
            .unwrap();
        assert_eq!(read.rate("abc123").unwrap().as_u64(), 600_000);
        assert_eq!(read.rate(arn).unwrap().as_u64(), 1_200_000);
        assert!(read.rate("abc").is_err() && read.rate("").is_err());
        for bad in [
            "abc",
            "abc=",
            "abc=0",
            "abc=-1",
            "abc=1.5",
            "=5",
            "a b=5",
            "abc=9999999999999",
        ] {
            assert_eq!(bad.parse::<Guardrails>(), Err(BadGuardrails), "{bad}");
        }
    }

    #[test]
    fn every_token_of_every_kind_and_band_is_dearer_by_the_same() {
        let rates = PriceList::embedded().unwrap();
        let rates = rates.rates("us.anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
        let dearer = rates.dearer_by(TokenRate::try_from(7).unwrap());
        for prompt in [1, 300_000] {
            let prompt = Tokens::new(prompt);
            let usage = Usage {
                input_tokens: prompt,
                output_tokens: Tokens::new(2),
                cache_read_input_tokens: Tokens::new(3),
                cache_write_5m_tokens: Tokens::new(4),
                cache_write_1h_tokens: Tokens::new(5),
            };
            let more = price(&dearer, &usage).as_u128() - price(&rates, &usage).as_u128();
            assert_eq!(more, 7 * u128::from(prompt.as_u64() + 14));
        }
    }
}
