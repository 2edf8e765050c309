#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{BandRates, LongContext, PriceError, PriceList, Rates, ServiceTier, TokenRate, price};
use crate::money::Picodollars;
use crate::usage::{Tokens, Usage};

fn list() -> PriceList {
    PriceList::embedded().unwrap()
}

fn usage(input: u64, output: u64, cache_read: u64, write_5m: u64, write_1h: u64) -> Usage {
    Usage {
        input_tokens: Tokens::new(input),
        output_tokens: Tokens::new(output),
        cache_read_input_tokens: Tokens::new(cache_read),
        cache_write_5m_tokens: Tokens::new(write_5m),
        cache_write_1h_tokens: Tokens::new(write_1h),
    }
}

fn cost(model: &str, usage: Usage) -> u128 {
    price(&list().rates(model).unwrap(), &usage).as_u128()
}

/// A-13. Worked out by hand from AWS's prices in dollars a million tokens, which are picodollars a token times a million.
#[test]
fn golden_prices() {
    let each = usage(1, 1, 1, 1, 1);
    // 3 + 15 + 0.30 + 3.75 + 6 = 28.05 dollars a million.
    assert_eq!(
        cost("global.anthropic.claude-sonnet-4-5-20250929-v1:0", each),
        28_050_000
    );
    // The same, a tenth dearer: 30.855.
    assert_eq!(cost("us.anthropic.claude-sonnet-4-5-20250929-v1:0", each), 30_855_000);
    assert_eq!(cost("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", each), 30_855_000);
    // A bare id runs in one region and costs what a regional profile costs.
    assert_eq!(cost("anthropic.claude-sonnet-4-5-20250929-v1:0", each), 30_855_000);
    // 3.60 + 18 + 0.36 + 4.50 + 7.20 = 33.66: GovCloud.
    assert_eq!(
        cost("us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", each),
        33_660_000
    );
    // 1 000 x 5 + 500 x 25 + 10 000 x 0.50 + 2 000 x 6.25 + 3 000 x 10 = 65 000 dollars a million calls.
    let mixed = usage(1_000, 500, 10_000, 2_000, 3_000);
    assert_eq!(
        cost("global.anthropic.claude-opus-4-5-20251101-v1:0", mixed),
        65_000_000_000
    );
    // Before there were two rates: 0.80 + 4 + 0.08 + 1 + 1.60 = 7.48.
    assert_eq!(cost("us.anthropic.claude-3-5-haiku-20241022-v1:0", each), 7_480_000);
    // Half a microdollar a token and less: 0.11 + 0.55 + 0.011 + 0.1375 + 0.22 = 1.0285.
    assert_eq!(cost("us.anthropic.claude-haiku-5-5", each), 1_028_500);
    // No one-hour price in the source: twice the input, 2.20.
    assert_eq!(
        cost("apac.anthropic.claude-haiku-4-5-20251001-v1:0", usage(0, 0, 0, 0, 1)),
        2_200_000
    );
    // No caching at all: what is cached all the same costs as input, 8 dollars, and not nothing.
    assert_eq!(cost("anthropic.claude-v2:1", usage(0, 0, 1, 1, 1)), 24_000_000);
    assert_eq!(cost("us.anthropic.claude-opus-5", Usage::default()), 0);
}

#[test]
fn a_prompt_is_long_from_one_token_past_the_limit() {
    let model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(
        cost(model, usage(200_000, 1, 0, 0, 0)),
        200_000 * 3_000_000 + 15_000_000
    );
    assert_eq!(
        cost(model, usage(200_001, 1, 0, 0, 0)),
        200_001 * 6_000_000 + 22_500_000
    );
    let haiku = "global.anthropic.claude-haiku-5-5";
    assert_eq!(cost(haiku, usage(100_000, 0, 0, 0, 0)), 100_000 * 100_000);
    assert_eq!(cost(haiku, usage(100_001, 0, 0, 0, 0)), 100_001 * 500_000);
}

#[test]
fn cached_tokens_make_a_prompt_long_and_output_does_not() {
    let model = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(
        cost(model, usage(50_000, 0, 50_000, 50_000, 50_000)),
        50_000 * (3_000_000 + 300_000 + 3_750_000 + 6_000_000)
    );
    let long = 50_001 * 6_000_000 + 50_000 * (600_000 + 7_500_000 + 12_000_000);
    assert_eq!(cost(model, usage(50_001, 0, 50_000, 50_000, 50_000)), long);
    assert_eq!(
        cost(model, usage(1, 300_000, 0, 0, 0)),
        3_000_000 + 300_000 * 15_000_000
    );
}

#[test]
fn every_line_of_the_built_in_list_is_a_price() {
    let list = list();
    for (model, tier) in list.keys() {
        assert!(list.tier_rates(model, tier).is_ok(), "{model} {tier}");
    }
    for model in list.models() {
        let limits = list.limits(model).unwrap();
        assert!(limits.max_output_tokens >= Tokens::new(2048), "{model}");
        assert!(limits.context_tokens >= Tokens::new(4096), "{model}");
    }
    let claude = |model: &&str| model.contains("anthropic.claude-");
    assert_eq!(list.models().filter(claude).count(), 133);
    assert!(list.models().count() >= 280 && list.keys().len() >= 460);
    assert_eq!(list.version().as_str(), "litellm 1.109.1");
    assert_eq!(list.source_date().len(), 10);
}

/// The 10 % between a regional and the global profile are in the data, for every Claude that came with both rates.
#[test]
fn a_regional_profile_is_a_tenth_dearer_than_the_global_one() {
    let list = list();
    let mut compared = 0;
    for model in list
        .models()
        .filter(|model| model.contains("anthropic.claude-") && !model.contains("sonnet-4-20250514"))
    {
        let Some(base) = model.strip_prefix("global.") else {
            continue;
        };
        let global = list.rates(model).unwrap().base;
        for profile in ["us.", "eu.", "jp.", "au.", "apac.", ""] {
            let Ok(regional) = list.rates(&format!("{profile}{base}")) else {
                continue;
            };
            for (global, regional) in rates(&global).into_iter().zip(rates(&regional.base)) {
                assert_eq!(global * 11, regional * 10, "{profile}{base}");
            }
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}

fn rates(band: &BandRates) -> [u64; 5] {
    band.to_array().map(TokenRate::as_u64)
}

/// A-13. By hand, as above: 0.8, 3.2 and 0.2 dollars a million; half of it in `flex` and 1.75 times as much in `priority`.
#[test]
fn golden_prices_of_service_tiers() {
    let list = list();
    let each = usage(1, 1, 1, 0, 0);
    let cost = |tier| price(&list.tier_rates("us.amazon.nova-pro-v1:0", tier).unwrap(), &each).as_u128();
    assert_eq!(cost(ServiceTier::Default), 4_200_000);
    assert_eq!(cost(ServiceTier::Flex), 2_100_000);
    assert_eq!(cost(ServiceTier::Priority), 7_350_000);
    // Of the batch price of cache reads nothing is known, so they are not halved: 0.4 + 1.6 + 0.2.
    assert_eq!(cost(ServiceTier::Batch), 2_200_000);
    let opus = list.tier_rates("us.anthropic.claude-opus-5", ServiceTier::Priority);
    assert_eq!(opus, Err(PriceError::Missing("us.anthropic.claude-opus-5".to_owned())));
    let limits = list.limits("global.anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap();
    assert_eq!(
        (limits.context_tokens, limits.max_output_tokens),
        (Tokens::new(200_000), Tokens::new(64_000))
    );
    assert_eq!(list.limits("nobody.knows-it"), None);
}

/// A predecessor billed nothing where it had no price.
#[test]
fn an_unlisted_model_has_no_price() {
    for model in [
        "",
        "anthropic.claude-99",
        "us.anthropic.claude-opus-5 ",
        "US.anthropic.claude-opus-5",
        "claude-opus-5",
        "us.anthropic.claude-opus-",
    ] {
        assert_eq!(
            list().rates(model),
            Err(PriceError::Missing(model.to_owned())),
            "{model}"
        );
    }
}

#[test]
fn a_list_of_another_form_is_refused() {
    let head = r#"{"source_version":"x 1","source_date":"2026-01-01","unit":"picodollars per token","prices":["#;
    let line = |model: &str| format!(r#"{{"model":"{model}","tier":"default","input":1,"output":2}}"#);
    let parse = |text: String| PriceList::parse(Box::leak(text.into_boxed_str()));
    let good = parse(format!("{head}\n{},\n{}\n]}}\n", line("a"), line("b"))).unwrap();
    assert_eq!(good.models().collect::<Vec<_>>(), ["a", "b"]);
    for bad in [
        String::new(),
        format!("{head}\n{}\n]}}", line("a")),
        format!("{head}\n{},\n{}\n]}}\n", line("b"), line("a")),
        format!("{head}\n{},\n{}\n]}}\n", line("a"), line("a")),
        format!("{head}\n{{}}\n]}}\n"),
        format!("{head}\n{}\n]}}\n", line("a").replace("default", "reserved")),
        format!(
            "{head}\n{},\n{}\n]}}\n",
            line("a"),
            line("a").replace("default", "batch")
        ),
        format!("{}\n{}\n]}}\n", head.replace("pico", "nano"), line("a")),
    ] {
        assert!(matches!(parse(bad.clone()), Err(PriceError::Malformed(_))), "{bad}");
    }
    for rates in [
        r#""input":0,"output":2"#,
        r#""input":1.5,"output":2"#,
        r#""input":1000000000001,"output":2"#,
        r#""output":2"#,
    ] {
        let list = parse(format!(
            "{head}\n{{\"model\":\"a\",\"tier\":\"default\",{rates}}}\n]}}\n"
        ))
        .unwrap();
        assert_eq!(list.rates("a"), Err(PriceError::Malformed("a".to_owned())), "{rates}");
    }
}

#[test]
fn rates_survive_being_stored() {
    let rates = list().rates("us.anthropic.claude-haiku-5-5").unwrap();
    let json = serde_json::to_string(&rates).unwrap();
    assert_eq!(serde_json::from_str::<Rates>(&json).unwrap(), rates);
}

fn any_rate() -> impl Strategy<Value = TokenRate> {
    (1..=TokenRate::MAX.as_u64()).prop_map(|rate| TokenRate::try_from(rate).unwrap())
}

fn any_band() -> impl Strategy<Value = BandRates> {
    (any_rate(), any_rate(), any_rate(), any_rate(), any_rate()).prop_map(
        |(input, output, cache_read, cache_write_5m, cache_write_1h)| BandRates {
            input,
            output,
            cache_read,
            cache_write_5m,
            cache_write_1h,
        },
    )
}

fn any_usage(most: u64) -> impl Strategy<Value = Usage> {
    (0..=most, 0..=most, 0..=most, 0..=most, 0..=most).prop_map(|(a, b, c, d, e)| usage(a, b, c, d, e))
}

proptest! {
    #[test]
    fn the_price_of_two_usages_is_the_sum_of_their_prices(base in any_band(), a in any_usage(1 << 40), b in any_usage(1 << 40)) {
        let rates = Rates { base, long_context: None };
        let sum = usage(
            a.input_tokens.saturating_add(b.input_tokens).as_u64(),
            a.output_tokens.saturating_add(b.output_tokens).as_u64(),
            a.cache_read_input_tokens.saturating_add(b.cache_read_input_tokens).as_u64(),
            a.cache_write_5m_tokens.saturating_add(b.cache_write_5m_tokens).as_u64(),
            a.cache_write_1h_tokens.saturating_add(b.cache_write_1h_tokens).as_u64(),
        );
        prop_assert_eq!(price(&rates, &sum), price(&rates, &a).checked_add(price(&rates, &b)).unwrap());
    }

    #[test]
    fn no_usage_overflows_and_none_is_cut_short(base in any_band(), long in any_band(), limit in any::<u64>(), usage in any_usage(u64::MAX)) {
        let rates = Rates { base, long_context: Some(LongContext { above_tokens: Tokens::new(limit), rates: long }) };
        let band = if usage.prompt_tokens().as_u64() > limit { long } else { base };
        let counts = [usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens];
        let exact: u128 = counts.into_iter().zip(self::rates(&band)).map(|(count, rate)| u128::from(count.as_u64()) * u128::from(rate)).sum();
        let priced = price(&rates, &usage);
        prop_assert_eq!(priced.as_u128(), exact);
        prop_assert!(priced < Picodollars::MAX);
    }
}
