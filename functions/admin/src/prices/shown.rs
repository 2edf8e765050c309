//! Prices as admins see and write them.

use gateway::error::Error;
use gateway::price::{
    BandRates, Entry, Listed, LongContext, PriceBook, PriceVersion, Rates, ServiceTier, Source, TokenRate,
};
use gateway::usage::Tokens;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest prompt that a band can begin past. No model takes that much.
const MAX_ABOVE: u64 = 1_000_000_000;

/// A price as admins see it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    model: &'a str,
    tier: ServiceTier,
    effective_from: Timestamp,
    source: &'static str,
    version: PriceVersion,
    /// Nothing where the book says that there is no price.
    rates: Option<BandRates>,
    long_context: Option<LongContext>,
}

impl<'a> Shown<'a> {
    pub(super) fn of_line(book: &PriceBook, line: &Listed<'a>) -> Result<Self, Error> {
        let rates = book.rates_of(line).map_err(Error::internal)?;
        Ok(Self {
            model: line.model,
            tier: line.tier,
            effective_from: line.effective_from,
            source: line.source().name(),
            version: book.version_of(line),
            rates: rates.map(|rates| rates.base),
            long_context: rates.and_then(|rates| rates.long_context),
        })
    }

    pub(super) fn of_entry(entry: &'a Entry) -> Self {
        Self {
            model: entry.model.as_str(),
            tier: entry.tier,
            effective_from: entry.effective_from,
            source: Source::Book.name(),
            version: PriceVersion::of_book(entry.revision),
            rates: entry.rates.map(|rates| rates.base),
            long_context: entry.rates.and_then(|rates| rates.long_context),
        }
    }
}

/// A price as admins write it: all five rates, so that none is forgotten.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPrice {
    #[serde(default)]
    pub(super) tier: ServiceTier,
    pub(super) effective_from: Timestamp,
    rates: BandBody,
    #[serde(default)]
    long_context: Option<LongBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandBody {
    input: TokenRate,
    output: TokenRate,
    cache_read: TokenRate,
    cache_write_5m: TokenRate,
    cache_write_1h: TokenRate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LongBody {
    above_tokens: Tokens,
    input: TokenRate,
    output: TokenRate,
    cache_read: TokenRate,
    cache_write_5m: TokenRate,
    cache_write_1h: TokenRate,
}

impl NewPrice {
    /// What tokens cost.
    pub(super) fn rates(&self) -> Result<Rates, Error> {
        let base = &self.rates;
        let long_context = self.long_context.as_ref().map(LongBody::checked).transpose()?;
        Ok(Rates {
            base: BandRates::from([
                base.input,
                base.output,
                base.cache_read,
                base.cache_write_5m,
                base.cache_write_1h,
            ]),
            long_context,
        })
    }
}

impl LongBody {
    fn checked(&self) -> Result<LongContext, Error> {
        let rates = [
            self.input,
            self.output,
            self.cache_read,
            self.cache_write_5m,
            self.cache_write_1h,
        ];
        let above_tokens = checked_above(self.above_tokens)
            .ok_or_else(|| Error::invalid(format!("`above_tokens` must be from 1 to {MAX_ABOVE}.")))?;
        Ok(LongContext {
            above_tokens,
            rates: BandRates::from(rates),
        })
    }
}

/// A prompt length that a band can begin past.
pub(super) fn checked_above(tokens: Tokens) -> Option<Tokens> {
    (1..=MAX_ABOVE).contains(&tokens.as_u64()).then_some(tokens)
}
