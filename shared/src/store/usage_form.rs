//! The two forms of a usage row at rest.
//!
//! Version 2 is plain: `usage` and `rates` are maps, as in JSON. Their members' names are longer than what they hold, and a row is
//! kept twice (the index has it too) for over a year. Version 3 is compact: `tokens` is the five counts and `rate` the five rates, each
//! a text like `12/34/0/0/0`. All else is equal. Readers know both; which one is written is said by the ledger of migrations
//! (`super::versions`).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;
use crate::error::Error;
use crate::price::BandRates;

/// The plain form.
pub(super) const PLAIN: u32 = 2;
/// The compact form.
pub(super) const COMPACT: u32 = 3;

const USAGE: &str = "usage";
const TOKENS: &str = "tokens";
const RATES: &str = "rates";
const RATE: &str = "rate";
/// The map within `usage`.
const CREATION: &str = "cache_creation";
/// The counts, in the order of `tokens`; the last two are within [`CREATION`].
const COUNTS: [&str; 5] = [
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
];
/// So many of them are not in the map within.
const OUTER: usize = 3;

/// The attributes that differ between the forms.
pub const USAGE_FOOTPRINT: [&str; 4] = [USAGE, TOKENS, RATES, RATE];

/// From plain to compact. What is not exactly as it is written today (another member, a number in another form) stays as it is, and
/// readers find it where it was: so the way back gives every byte.
///
/// # Errors
/// [`crate::error::Kind::Internal`] for an item that has attributes of the compact form already.
pub fn compact_usage(mut item: Item) -> Result<Item, Error> {
    if item.contains_key(TOKENS) || item.contains_key(RATE) {
        return Err(Error::internal("a plain usage row with attributes of a compact one"));
    }
    if let Some(text) = item.get(USAGE).and_then(counts) {
        item.remove(USAGE);
        item.insert(TOKENS.to_owned(), AttributeValue::S(text));
    }
    if let Some(text) = item.get(RATES).and_then(rates) {
        item.remove(RATES);
        item.insert(RATE.to_owned(), AttributeValue::S(text));
    }
    Ok(item)
}

/// From compact to plain; an item that is plain already stays as it is.
///
/// # Errors
/// [`crate::error::Kind::Internal`] for texts that are no five numbers, and for an item with attributes of both forms.
pub fn plain_usage(mut item: Item) -> Result<Item, Error> {
    if let Some(text) = item.remove(TOKENS) {
        let [input, output, read, five, hour] = five(&text)?;
        let creation = map([(COUNTS[3], five), (COUNTS[4], hour)]);
        let mut usage = HashMap::from([(CREATION.to_owned(), AttributeValue::M(creation))]);
        usage.extend(map([(COUNTS[0], input), (COUNTS[1], output), (COUNTS[2], read)]));
        put_back(&mut item, USAGE, usage)?;
    }
    if let Some(text) = item.remove(RATE) {
        let [a, b, c, d, e] = BandRates::NAMES;
        let [input, output, read, five, hour] = five(&text)?;
        put_back(
            &mut item,
            RATES,
            map([(a, input), (b, output), (c, read), (d, five), (e, hour)]),
        )?;
    }
    Ok(item)
}

fn put_back(item: &mut Item, name: &str, value: HashMap<String, AttributeValue>) -> Result<(), Error> {
    match item.insert(name.to_owned(), AttributeValue::M(value)) {
        None => Ok(()),
        Some(_) => Err(Error::internal("a usage row of two forms")),
    }
}

/// `usage` as one text, if it has these members and no other.
fn counts(usage: &AttributeValue) -> Option<String> {
    let usage = usage.as_m().ok()?;
    let creation = usage.get(CREATION)?.as_m().ok()?;
    if usage.len() != OUTER + 1 || creation.len() != COUNTS.len() - OUTER {
        return None;
    }
    let (outer, inner) = COUNTS.split_at(OUTER);
    let outer = outer.iter().map(|name| number(usage.get(*name)?));
    let inner = inner.iter().map(|name| number(creation.get(*name)?));
    Some(outer.chain(inner).collect::<Option<Vec<_>>>()?.join("/"))
}

/// `rates` as one text, if it has these members and no other.
fn rates(rates: &AttributeValue) -> Option<String> {
    let rates = rates.as_m().ok()?;
    let all = BandRates::NAMES.iter().map(|name| number(rates.get(*name)?));
    let all = all.collect::<Option<Vec<_>>>()?;
    (rates.len() == all.len()).then(|| all.join("/"))
}

/// A number as the table writes a whole one: nothing else comes back as the same bytes.
fn number(value: &AttributeValue) -> Option<&str> {
    let text = value.as_n().ok()?;
    is_whole(text).then_some(text)
}

fn is_whole(text: &str) -> bool {
    text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
}

fn five(text: &AttributeValue) -> Result<[&str; 5], Error> {
    let malformed = || Error::internal("a compact usage row without its five numbers");
    let text = text.as_s().map_err(|_| malformed())?;
    let parts: Vec<&str> = text.split('/').collect();
    let parts: [&str; 5] = parts.try_into().map_err(|_| malformed())?;
    if parts.iter().all(|part| is_whole(part)) {
        Ok(parts)
    } else {
        Err(malformed())
    }
}

fn map<const N: usize>(members: [(&str, &str); N]) -> HashMap<String, AttributeValue> {
    let member = |(name, number): (&str, &str)| (name.to_owned(), AttributeValue::N(number.to_owned()));
    members.into_iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn item(value: Value) -> Item {
        serde_dynamo::to_item(value).unwrap()
    }

    fn usage(counts: [u64; 5]) -> Value {
        let [a, b, c, d, e] = counts;
        json!({
            "input_tokens": a, "output_tokens": b, "cache_read_input_tokens": c,
            "cache_creation": {"ephemeral_5m_input_tokens": d, "ephemeral_1h_input_tokens": e},
        })
    }

    fn rates(all: [u64; 5]) -> Value {
        let members = BandRates::NAMES.into_iter().zip(all);
        Value::Object(members.map(|(name, rate)| (name.to_owned(), json!(rate))).collect())
    }

    #[test]
    fn a_compact_row_has_both_maps_as_texts_and_nothing_else_differs() {
        let plain = item(json!({"usage": usage([1, 22, 333, 0, 5]), "rates": rates([3, 15, 0, 4, 6]), "model": "m"}));
        let compact = compact_usage(plain.clone()).unwrap();
        assert_eq!(
            compact,
            item(json!({"tokens": "1/22/333/0/5", "rate": "3/15/0/4/6", "model": "m"}))
        );
        assert_eq!(plain_usage(compact).unwrap(), plain);
        assert_eq!(plain_usage(plain.clone()).unwrap(), plain, "a plain one stays");
    }

    proptest! {
        ///
        #[test]
        fn the_way_back_gives_every_byte(counts: [u64; 5], all: [u64; 5], has_rates: bool) {
            let mut row = json!({"usage": usage(counts), "estimated": false});
            if has_rates {
                row["rates"] = rates(all);
            }
            let plain = item(row);
            let compact = compact_usage(plain.clone()).unwrap();
            prop_assert_eq!(compact.contains_key(RATE), has_rates);
            prop_assert_eq!(plain_usage(compact).unwrap(), plain);
        }
    }

    #[test]
    fn what_is_not_as_it_is_written_today_stays_in_the_place_where_readers_find_it() {
        let mut more = usage([1, 2, 3, 4, 5]);
        more["reasoning_tokens"] = json!(6);
        for odd in [more, json!({"input_tokens": 1}), json!("1/2/3/4/5"), json!(null)] {
            let plain = item(json!({"usage": odd}));
            assert_eq!(compact_usage(plain.clone()).unwrap(), plain);
        }
        let precise = Item::from([("rates".to_owned(), {
            let mut all = HashMap::new();
            for name in BandRates::NAMES {
                all.insert(name.to_owned(), AttributeValue::N("1E+3".to_owned()));
            }
            AttributeValue::M(all)
        })]);
        assert_eq!(compact_usage(precise.clone()).unwrap(), precise);
    }

    #[test]
    fn a_row_of_two_forms_or_of_none_is_refused() {
        assert!(compact_usage(item(json!({"usage": usage([0; 5]), "tokens": "x"}))).is_err());
        for bad in ["", "1/2/3/4", "1/2/3/4/5/6", "1/2/3/4/x", "1/2/3/4/05", "1/2/3/4/-5"] {
            assert!(plain_usage(item(json!({"tokens": bad}))).is_err(), "{bad}");
            assert!(plain_usage(item(json!({"rate": bad}))).is_err(), "{bad}");
        }
        assert!(plain_usage(item(json!({"tokens": "1/2/3/4/5", "usage": usage([0; 5])}))).is_err());
    }
}
