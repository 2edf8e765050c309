#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{AmountError, Picodollars};

fn amount(picodollars: u128) -> Picodollars {
    Picodollars::try_from(picodollars).unwrap()
}

/// As a row holds it: flattened, which takes serde's detour through untyped content.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    money: Money,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Money {
    cost_picodollars: Picodollars,
}

#[test]
fn an_amount_reads_as_exact_dollars() {
    assert_eq!(Picodollars::new(123_000_000).to_string(), "0.000123000000");
    assert_eq!(Picodollars::ZERO.to_string(), "0.000000000000");
    assert_eq!(Picodollars::DOLLAR.to_string(), "1.000000000000");
    assert_eq!(Picodollars::new(u64::MAX).to_string(), "18446744.073709551615");
    assert_eq!(
        Picodollars::MAX.to_string(),
        format!("{}.{}", "9".repeat(26), "9".repeat(12))
    );
}

#[test]
fn an_amount_is_a_json_integer() {
    assert_eq!(serde_json::to_string(&Picodollars::new(7)).unwrap(), "7");
    assert_eq!(serde_json::to_string(&Picodollars::MAX).unwrap(), "9".repeat(38));
    assert_eq!(serde_json::from_str::<Picodollars>("7").unwrap(), Picodollars::new(7));
    for bad in [
        "-1",
        "1.0",
        "1e3",
        "\"7\"",
        "null",
        "true",
        "[]",
        "18446744073709551616",
    ] {
        assert!(serde_json::from_str::<Picodollars>(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_amount_survives_a_flattened_row_in_json_and_in_dynamodb() {
    let row = Row {
        money: Money {
            cost_picodollars: Picodollars::new(u64::MAX),
        },
    };
    let json = serde_json::to_string(&row).unwrap();
    assert_eq!(json, r#"{"cost_picodollars":18446744073709551615}"#);
    assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
    let item: serde_dynamo::Item = serde_dynamo::to_item(&row).unwrap();
    assert_eq!(serde_dynamo::from_item::<_, Row>(item).unwrap(), row);
}

#[test]
fn text_is_digits_alone() {
    assert_eq!("123".parse(), Ok(Picodollars::new(123)));
    assert_eq!("9".repeat(38).parse(), Ok(Picodollars::MAX));
    let too_long = "1".to_owned() + &"0".repeat(38);
    for bad in [
        "",
        "+1",
        "-1",
        "1.5",
        "1e3",
        " 1",
        "1_000",
        "१",
        too_long.as_str(),
        &"9".repeat(400),
    ] {
        assert_eq!(bad.parse::<Picodollars>(), Err(AmountError), "{bad}");
    }
}

#[test]
fn arithmetic_stops_at_its_bounds() {
    let one = Picodollars::new(1);
    assert_eq!(Picodollars::MAX.checked_add(one), None);
    assert_eq!(Picodollars::MAX.saturating_add(one), Picodollars::MAX);
    assert_eq!(Picodollars::ZERO.checked_sub(one), None);
    assert_eq!(Picodollars::MAX.checked_mul(2), None);
    assert_eq!(Picodollars::MAX.checked_mul(1), Some(Picodollars::MAX));
    assert_eq!(Picodollars::try_from(u128::MAX), Err(AmountError));
}

proptest! {
    #[test]
    fn what_is_added_can_be_taken_off_again(a in 0..10_u128.pow(38) / 2, b in 0..10_u128.pow(38) / 2) {
        let sum = amount(a).checked_add(amount(b)).unwrap();
        prop_assert_eq!(sum.checked_sub(amount(b)), Some(amount(a)));
    }

    #[test]
    fn digits_and_amounts_are_the_same_thing(picodollars in 0..10_u128.pow(38)) {
        prop_assert_eq!(picodollars.to_string().parse(), Ok(amount(picodollars)));
        let dollars = amount(picodollars).to_string();
        prop_assert_eq!(dollars.replace('.', "").parse(), Ok(amount(picodollars)));
    }
}
