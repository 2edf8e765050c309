#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::price::{BandRates, TokenRate};

const MODEL: &str = "us.anthropic.claude-opus-5";
const TIER: ServiceTier = ServiceTier::Default;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn rates(rate: u64) -> Rates {
    let base = BandRates::from([TokenRate::try_from(rate).unwrap(); 5]);
    Rates {
        base,
        long_context: None,
    }
}

fn entry(model: &str, tier: ServiceTier, from: i64, rate: Option<u64>) -> Entry {
    Entry {
        model: model.parse().unwrap(),
        tier,
        effective_from: at(from),
        rates: rate.map(rates),
        revision: 7,
    }
}

fn book(entries: Vec<Entry>) -> PriceBook {
    PriceBook::new(Arc::new(PriceList::embedded().unwrap()), 7, entries).unwrap()
}

fn seed_rate() -> u64 {
    book(vec![])
        .quote(MODEL, TIER, at(0))
        .unwrap()
        .rates
        .base
        .input
        .as_u64()
}

/// The price of input; nothing where there is none.
fn input_at(book: &PriceBook, seconds: i64) -> Option<u64> {
    let quote = book.quote(MODEL, TIER, at(seconds)).ok()?;
    Some(quote.rates.base.input.as_u64())
}

///
#[test]
fn an_entry_counts_from_its_moment_on_and_not_before() {
    let book = book(vec![
        entry(MODEL, TIER, 200, None),
        entry(MODEL, TIER, 100, Some(1)),
        entry(MODEL, TIER, 300, Some(3)),
    ]);
    let seed = Some(seed_rate());
    let told: Vec<_> = [0, 99, 100, 199, 200, 299, 300]
        .map(|time| input_at(&book, time))
        .into();
    assert_eq!(told, [seed, seed, Some(1), Some(1), None, None, Some(3)]);
    let quote = book.quote(MODEL, TIER, at(150)).unwrap();
    assert_eq!((quote.version.as_str(), quote.effective_from), ("book 7", at(100)));
    let quote = book.quote(MODEL, TIER, at(99)).unwrap();
    assert_eq!(
        (quote.version.as_str(), quote.effective_from),
        ("litellm 1.109.1", at(0))
    );
}

#[test]
fn an_entry_of_the_beginning_of_time_covers_the_built_in_price() {
    let covered = book(vec![entry(MODEL, TIER, 0, Some(1))]);
    assert_eq!(input_at(&covered, 0), Some(1));
    assert_eq!(
        input_at(&book(covered.without(&MODEL.parse().unwrap(), TIER, at(0))), 0),
        Some(seed_rate())
    );
}

#[test]
fn another_tier_profile_or_model_never_lends_its_price() {
    let book = book(vec![
        entry("eu.some.model", ServiceTier::Flex, 0, Some(1)),
        entry("eu.some.model-2", ServiceTier::Default, 0, Some(2)),
        entry("eu.some.model", ServiceTier::Batch, 0, Some(3)),
    ]);
    assert!(book.quote("eu.some.model", ServiceTier::Flex, at(0)).is_ok());
    for (model, tier) in [
        ("eu.some.model", ServiceTier::Default),
        ("eu.some.model", ServiceTier::Priority),
        ("eu.some.model-2", ServiceTier::Flex),
        ("us.some.model", ServiceTier::Flex),
        ("some.model", ServiceTier::Flex),
        (MODEL, ServiceTier::Priority),
    ] {
        assert_eq!(
            book.quote(model, tier, at(9)),
            Err(PriceError::Missing(model.to_owned())),
            "{model} {tier}"
        );
    }
}

#[test]
fn two_entries_of_one_model_tier_and_time_are_refused() {
    let twice = vec![entry(MODEL, TIER, 5, Some(1)), entry(MODEL, TIER, 5, Some(2))];
    let seed = Arc::new(PriceList::embedded().unwrap());
    assert!(matches!(PriceBook::new(seed, 1, twice), Err(PriceError::Malformed(_))));
}

#[test]
fn all_lines_are_listed_in_order_and_those_that_count_at_a_time() {
    let empty = book(vec![]);
    let built_in = empty.listed(None).len();
    assert_eq!(built_in, empty.seed().keys().len());
    let book = book(vec![
        entry(MODEL, TIER, 0, Some(1)),
        entry(MODEL, TIER, 100, None),
        entry("zz.new", TIER, 50, Some(2)),
    ]);
    let all = book.listed(None);
    assert_eq!(all.len(), built_in + 2, "one covers a built-in line");
    assert!(all.is_sorted_by(|a, b| a.key() < b.key()));
    let counting = |time| {
        let lines = book.listed(Some(at(time)));
        let of = |model: &str| {
            lines
                .iter()
                .find(|line| line.model == model)
                .map(|line| line.effective_from.as_second())
        };
        (lines.len(), of(MODEL), of("zz.new"))
    };
    assert_eq!(counting(49), (built_in, Some(0), None));
    assert_eq!(counting(100), (built_in + 1, Some(100), Some(50)));
}

#[test]
fn what_stays_keeps_its_revision_and_what_changes_has_the_next() {
    let book = book(vec![
        entry("a.b", TIER, 1, Some(1)),
        entry("a.c", TIER, 1, Some(1)),
        entry("a.d", TIER, 1, None),
    ]);
    let wanted = vec![
        entry("a.e", TIER, 1, None),
        entry("a.c", TIER, 1, Some(2)),
        entry("a.b", TIER, 1, Some(1)),
    ];
    let (entries, difference) = book.replaced_by(wanted);
    let revisions: Vec<_> = entries
        .iter()
        .map(|entry| (entry.model.as_str(), entry.revision))
        .collect();
    assert_eq!(revisions, [("a.b", 7), ("a.c", 8), ("a.e", 8)]);
    let told = (
        difference.added,
        difference.changed,
        difference.removed,
        difference.unchanged,
    );
    assert_eq!(told, (1, 1, 1, 1));
    assert!(book.replaced_by(book.entries().to_vec()).1.is_none());
}

fn any_entries() -> impl Strategy<Value = BTreeMap<(usize, usize, i64), Option<u64>>> {
    prop::collection::btree_map((0..3_usize, 0..4_usize, 0..20_i64), prop::option::of(1..9_u64), 0..40)
}

const MODELS: [&str; 3] = ["a.b", "a.b-c", MODEL];

proptest! {
    /// The quote is what a plain search through all entries finds.
    #[test]
    fn a_quote_is_the_latest_entry_that_has_begun(entries in any_entries(), model in 0..3_usize, tier in 0..4_usize, time in 0..25_i64) {
        let list = entries.iter().map(|((model, tier, from), rate)| entry(MODELS[*model], ServiceTier::ALL[*tier], *from, *rate));
        let book = book(list.collect());
        let latest = entries.iter().rfind(|((m, t, from), _)| *m == model && *t == tier && *from <= time);
        let quote = book.quote(MODELS[model], ServiceTier::ALL[tier], at(time));
        match latest {
            Some((_, None)) => prop_assert!(quote.is_err()),
            Some((_, Some(rate))) => prop_assert_eq!(quote.unwrap().rates, rates(*rate)),
            None => prop_assert_eq!(quote.map(|it| it.rates), book.seed().tier_rates(MODELS[model], ServiceTier::ALL[tier])),
        }
        for line in book.listed(Some(at(time))) {
            let told = book.quote(line.model, line.tier, at(time)).ok();
            prop_assert_eq!(told.as_ref().map(|quote| quote.rates), book.rates_of(&line).unwrap());
        }
    }
}
