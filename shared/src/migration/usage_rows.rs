//! Usage rows from plain to compact: a sixth of what a row takes is names of counts and rates, and a row is kept twice for over a year.

use std::collections::HashMap;

use super::Migration;
use crate::store::{
    AttributeValue, Conversion, Item, USAGE_FOOTPRINT, USAGE_ROWS_COMPACT, compact_usage, plain_usage, usage_partitions,
};

pub(super) fn compact() -> Migration {
    Migration {
        id: USAGE_ROWS_COMPACT,
        about: "usage rows keep their counts and rates as two texts",
        conversion: Conversion {
            prefix: usage_partitions(),
            from: 2,
            to: 3,
            footprint: &USAGE_FOOTPRINT,
            up: compact_usage,
            down: plain_usage,
        },
        sample,
    }
}

fn sample() -> Item {
    let number = |(name, number): (&str, u64)| (name.to_owned(), AttributeValue::N(number.to_string()));
    let creation = [("ephemeral_5m_input_tokens", 4), ("ephemeral_1h_input_tokens", 5)];
    let usage = [
        ("input_tokens", 1),
        ("output_tokens", 2),
        ("cache_read_input_tokens", 3),
    ];
    let mut usage: HashMap<_, _> = usage.map(number).into();
    usage.insert(
        "cache_creation".to_owned(),
        AttributeValue::M(creation.map(number).into()),
    );
    let rates = [
        ("input", 6),
        ("output", 7),
        ("cache_read", 8),
        ("cache_write_5m", 9),
        ("cache_write_1h", 10),
    ];
    Item::from([
        ("usage".to_owned(), AttributeValue::M(usage)),
        ("rates".to_owned(), AttributeValue::M(rates.map(number).into())),
    ])
}
