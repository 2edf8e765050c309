//! The price list that is built in.
//!
//! It is `data/prices.json`, written by `tools/prices.py`: one line an id and tier, sorted. It is taken apart line by
//! line, and a line is parsed only when it is asked for, so that a cold start does not pay for the others.

use serde::Deserialize;

use super::{PriceError, PriceVersion, Rates, ServiceTier};
use crate::usage::Tokens;

const EMBEDDED: &str = include_str!("../../data/prices.json");

/// The prices that are built in. They hold from the beginning of time, until the price book says otherwise.
#[derive(Clone, Debug)]
pub struct PriceList {
    version: PriceVersion,
    source_date: String,
    lines: Vec<Line>,
}

/// How much a model takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// The longest prompt.
    pub context_tokens: Tokens,
    /// The longest answer.
    pub max_output_tokens: Tokens,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    model: &'static str,
    tier: ServiceTier,
    json: &'static str,
}

#[derive(Deserialize)]
struct HeadJson {
    source_version: String,
    source_date: String,
    unit: String,
}

impl PriceList {
    /// The list that was built in. Takes microseconds; fails only if the file is not what `tools/prices.py` writes.
    pub fn embedded() -> Result<Self, PriceError> {
        Self::parse(EMBEDDED)
    }

    pub(super) fn parse(text: &'static str) -> Result<Self, PriceError> {
        let malformed = |place: &str| PriceError::Malformed(place.to_owned());
        let (head, body) = text
            .split_once(",\"prices\":[\n")
            .ok_or_else(|| malformed("its head"))?;
        let body = body.strip_suffix("\n]}\n").ok_or_else(|| malformed("its end"))?;
        let head: HeadJson = serde_json::from_str(&format!("{head}}}")).map_err(|_| malformed("its head"))?;
        if head.unit != "picodollars per token" {
            return Err(malformed("its unit"));
        }
        let lines: Vec<Line> = body
            .split(",\n")
            .map(Line::parse)
            .collect::<Option<_>>()
            .ok_or_else(|| malformed("a line"))?;
        if !lines.is_sorted_by(|a, b| a.key() < b.key()) {
            return Err(malformed("its order"));
        }
        Ok(Self {
            version: PriceVersion(head.source_version),
            source_date: head.source_date,
            lines,
        })
    }

    /// The list's version, kept with every row that is priced by it.
    pub fn version(&self) -> &PriceVersion {
        &self.version
    }

    /// The day of the source, as `2026-11-22`.
    pub fn source_date(&self) -> &str {
        &self.source_date
    }

    /// Every model that has a price in the tier `default`, in order: Bedrock ids with their profile prefix.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        let default = |line: &&Line| line.tier == ServiceTier::Default;
        self.lines.iter().filter(default).map(|line| line.model)
    }

    /// Every model and tier that has a price, in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&'static str, ServiceTier)> {
        self.lines.iter().map(Line::key)
    }

    /// The rates of one model in the tier `default`, by its exact id with profile prefix.
    pub fn rates(&self, model: &str) -> Result<Rates, PriceError> {
        self.tier_rates(model, ServiceTier::Default)
    }

    /// The rates of one model in one tier.
    pub fn tier_rates(&self, model: &str, tier: ServiceTier) -> Result<Rates, PriceError> {
        let line = self
            .line(model, tier)
            .ok_or_else(|| PriceError::Missing(model.to_owned()))?;
        serde_json::from_str(line.json).map_err(|_| PriceError::Malformed(model.to_owned()))
    }

    /// How much one model takes and gives; nothing for a model that is not in the list.
    pub fn limits(&self, model: &str) -> Option<Limits> {
        let line = self.line(model, ServiceTier::Default)?;
        serde_json::from_str(line.json).ok()
    }

    fn line(&self, model: &str, tier: ServiceTier) -> Option<&Line> {
        let found = self.lines.binary_search_by(|line| line.key().cmp(&(model, tier)));
        found.ok().and_then(|index| self.lines.get(index))
    }
}

impl Line {
    fn parse(json: &'static str) -> Option<Self> {
        let (model, rest) = json.strip_prefix(r#"{"model":""#)?.split_once('"')?;
        let (tier, _) = rest.strip_prefix(r#","tier":""#)?.split_once('"')?;
        let tier = tier.parse().ok()?;
        Some(Self { model, tier, json })
    }

    fn key(&self) -> (&'static str, ServiceTier) {
        (self.model, self.tier)
    }
}
