//! The most that a call can use and cost, known before it goes out: what its budgets must hold.

use crate::budget::Charge;
use crate::money::Picodollars;
use crate::price::{BandRates, Limits, Rates, TokenRate};
use crate::usage::{Tokens, Usage};
use crate::wire::survey::{Caching, Survey};

/// What a model takes and gives of which nothing is known: more than any does.
pub const LARGEST: Limits = Limits {
    context_tokens: Tokens::new(2_000_000),
    max_output_tokens: Tokens::new(200_000),
};

/// The most tokens that an image takes (Anthropic, "Vision": 4,784 at the highest resolution), rounded up.
const TOKENS_AN_IMAGE: u64 = 5_000;
/// What is put around a prompt that no byte of it stands for.
const TOKENS_AROUND: u64 = 512;
/// What the model is told once about tools and their choice (Anthropic, "Tool use", pricing: 530 at the most), rounded up.
const TOKENS_FOR_TOOLS: u64 = 1_024;
/// What a tool of Anthropic's own brings along that its definition does not show (computer use: 735), rounded up.
const TOKENS_A_TOOL: u64 = 1_024;
/// The context that a beta flag opens.
const MILLION_TOKENS: Tokens = Tokens::new(1_000_000);

/// The most that a call can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Prompt tokens of all kinds together.
    pub prompt: Tokens,
    /// Tokens of the answer, thinking included.
    pub output: Tokens,
    caching: Caching,
    /// How often the model may run for one call.
    runs: u64,
}

impl Bound {
    /// The bound of a surveyed body. A prompt is never longer than the model's context: Bedrock refuses one that is.
    pub fn of(survey: &Survey, limits: Limits) -> Self {
        let context = if survey.million_tokens {
            limits.context_tokens.max(MILLION_TOKENS)
        } else {
            limits.context_tokens
        };
        let prompt = if survey.unbounded {
            context
        } else {
            prompt_of(survey).min(context)
        };
        Self {
            prompt,
            output: survey.max_tokens.map_or(limits.max_output_tokens, Tokens::new),
            caching: survey.caching,
            runs: if survey.compacts { 2 } else { 1 },
        }
    }

    /// The same with the prompt counted by Bedrock.
    #[must_use]
    pub fn counted(self, prompt: Tokens) -> Self {
        Self { prompt, ..self }
    }

    /// The same with a shorter answer.
    #[must_use]
    pub fn answering_at_most(self, output: Tokens) -> Self {
        Self { output, ..self }
    }

    /// As usage. All of the prompt stands under the kind of tokens that may be the dearest, as its price does.
    pub fn usage(&self, rates: &Rates) -> Usage {
        let (prompt, output) = (times(self.prompt, self.runs), times(self.output, self.runs));
        let mut usage = Usage {
            output_tokens: output,
            ..Usage::default()
        };
        let band = rates.band(prompt);
        let place = match self.dearest(band) {
            Dearest::Input => &mut usage.input_tokens,
            Dearest::Read => &mut usage.cache_read_input_tokens,
            Dearest::FiveMinutes => &mut usage.cache_write_5m_tokens,
            Dearest::Hour => &mut usage.cache_write_1h_tokens,
        };
        *place = prompt;
        usage
    }

    /// What is to be held: one call, all tokens, and their price in whichever band is dearer.
    pub fn charge(&self, rates: &Rates) -> Charge {
        let usage = self.usage(rates);
        let in_short_band = Rates {
            base: rates.base,
            long_context: None,
        };
        let cost =
            crate::price::price(rates, &usage).max(crate::price::price(&in_short_band, &self.usage(&in_short_band)));
        Charge::of(&usage, cost)
    }

    /// The longest answer that costs no more than `money` together with the prompt, if that is not more than is asked for.
    pub fn affordable_output(&self, rates: &Rates, money: Picodollars) -> Option<Tokens> {
        let prompt_alone = self.answering_at_most(Tokens::ZERO).charge(rates).cost;
        let rest = money.checked_sub(prompt_alone)?.as_u128();
        let band = rates.band(times(self.prompt, self.runs));
        let rate = band.output.as_u64().max(rates.base.output.as_u64());
        let tokens = rest / u128::from(rate) / u128::from(self.runs);
        Some(Tokens::new(u64::try_from(tokens).unwrap_or(u64::MAX)).min(self.output))
    }

    fn dearest(&self, band: &BandRates) -> Dearest {
        let mut all = vec![(band.input, Dearest::Input)];
        if self.caching >= Caching::FiveMinutes {
            all.push((band.cache_read, Dearest::Read));
            all.push((band.cache_write_5m, Dearest::FiveMinutes));
        }
        if self.caching >= Caching::Hour {
            all.push((band.cache_write_1h, Dearest::Hour));
        }
        let dearest = all.into_iter().max_by_key(|(rate, _): &(TokenRate, Dearest)| *rate);
        dearest.map_or(Dearest::Input, |(_, kind)| kind)
    }
}

#[derive(Clone, Copy)]
enum Dearest {
    Input,
    Read,
    FiveMinutes,
    Hour,
}

fn prompt_of(survey: &Survey) -> Tokens {
    let tools = if survey.tools > 0 { TOKENS_FOR_TOOLS } else { 0 };
    let parts = [
        survey.text_bytes,
        survey.images.saturating_mul(TOKENS_AN_IMAGE),
        survey.tools.saturating_mul(TOKENS_A_TOOL),
        tools,
        TOKENS_AROUND,
    ];
    parts
        .into_iter()
        .fold(Tokens::ZERO, |sum, part| sum.saturating_add(Tokens::new(part)))
}

fn times(tokens: Tokens, count: u64) -> Tokens {
    Tokens::new(tokens.as_u64().saturating_mul(count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::price::{PriceList, price};

    fn rates(model: &str) -> Rates {
        PriceList::embedded().unwrap().rates(model).unwrap()
    }

    fn survey() -> Survey {
        Survey {
            text_bytes: 100,
            max_tokens: Some(1000),
            ..Survey::default()
        }
    }

    #[test]
    fn a_prompt_is_bounded_by_its_bytes_and_never_longer_than_the_context() {
        let limits = Limits {
            context_tokens: Tokens::new(200_000),
            max_output_tokens: Tokens::new(64_000),
        };
        let prompt = |survey: Survey| Bound::of(&survey, limits).prompt.as_u64();
        assert_eq!(prompt(survey()), 612);
        assert_eq!(prompt(Survey { images: 2, ..survey() }), 10_612);
        assert_eq!(prompt(Survey { tools: 1, ..survey() }), 2_660);
        assert_eq!(
            prompt(Survey {
                unbounded: true,
                ..survey()
            }),
            200_000
        );
        assert_eq!(
            prompt(Survey {
                text_bytes: 5_000_000,
                ..survey()
            }),
            200_000
        );
        let long = Survey {
            unbounded: true,
            million_tokens: true,
            ..survey()
        };
        assert_eq!(prompt(long), 1_000_000);
        let silent = Survey {
            max_tokens: None,
            ..survey()
        };
        assert_eq!(Bound::of(&silent, limits).output.as_u64(), 64_000);
    }

    proptest! {
        /// Whatever a call uses within its bound, it costs no more than is held.
        #[test]
        fn no_use_within_the_bound_costs_more_than_is_held(
            long in any::<bool>(), caching in 0..3_u8, compacts in any::<bool>(),
            bytes in 0..400_000_u64, output in 1..100_000_u64,
            shares in prop::array::uniform4(0..1000_u64), said in 0..1000_u64,
        ) {
            let model = if long { "anthropic.claude-haiku-5-5" } else { "us.anthropic.claude-opus-4-5-20251101-v1:0" };
            let rates = rates(model);
            let caching = [Caching::None, Caching::FiveMinutes, Caching::Hour][usize::from(caching)];
            let survey = Survey { text_bytes: bytes, max_tokens: Some(output), caching, compacts, ..Survey::default() };
            let bound = Bound::of(&survey, LARGEST);
            let runs = if compacts { 2 } else { 1 };
            let part = |index: usize| bound.prompt.as_u64() * runs * shares[index] / 4000;
            let cached = |least| if caching >= least { 1 } else { 0 };
            let usage = Usage {
                input_tokens: Tokens::new(part(0)),
                output_tokens: Tokens::new(output * runs * said / 1000),
                cache_read_input_tokens: Tokens::new(part(1) * cached(Caching::FiveMinutes)),
                cache_write_5m_tokens: Tokens::new(part(2) * cached(Caching::FiveMinutes)),
                cache_write_1h_tokens: Tokens::new(part(3) * cached(Caching::Hour)),
            };
            let held = bound.charge(&rates);
            let real = Charge::of(&usage, price(&rates, &usage));
            prop_assert!(real.cost <= held.cost && real.tokens <= held.tokens, "{real:?} {held:?}");
        }

        /// What is affordable fits, and one token more does not.
        #[test]
        fn the_affordable_answer_is_the_longest_that_fits(bytes in 0..200_000_u64, money in 0..3_000_000_000_000_u64) {
            let rates = rates("us.anthropic.claude-opus-4-5-20251101-v1:0");
            let survey = Survey { text_bytes: bytes, max_tokens: Some(64_000), ..Survey::default() };
            let bound = Bound::of(&survey, LARGEST);
            let money = Picodollars::new(money);
            let cost = |output| bound.answering_at_most(output).charge(&rates).cost;
            match bound.affordable_output(&rates, money) {
                None => prop_assert!(cost(Tokens::ZERO) > money),
                Some(output) => {
                    prop_assert!(cost(output) <= money);
                    let more = output.saturating_add(Tokens::new(1));
                    prop_assert!(output == bound.output || cost(more) > money);
                }
            }
        }
    }
}
