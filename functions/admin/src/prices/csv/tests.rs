use std::sync::Arc;

use gateway::price::PriceList;

use super::*;

const MODEL: &str = "us.anthropic.claude-opus-5";
const GOOD: &str = "us.anthropic.claude-opus-5,default,2026-12-01T00:00:00Z,book,yes,1,2,3,4,5,,,,,,";

fn book(entries: Vec<Entry>) -> PriceBook {
    PriceBook::new(Arc::new(PriceList::embedded().unwrap()), 3, entries).unwrap()
}

fn rates(rate: u64, long_context: Option<u64>) -> Rates {
    let band = |rate| {
        BandRates::from([rate, rate + 1, rate + 2, rate + 3, rate + 4].map(|it| TokenRate::try_from(it).unwrap()))
    };
    Rates {
        base: band(rate),
        long_context: long_context.map(|rate| LongContext {
            above_tokens: Tokens::new(128_000),
            rates: band(rate),
        }),
    }
}

fn entry(model: &str, tier: ServiceTier, from: &str, rates: Option<Rates>) -> Entry {
    Entry {
        model: model.parse().unwrap(),
        tier,
        effective_from: from.parse().unwrap(),
        rates,
        revision: 2,
    }
}

fn file(lines: &[&str]) -> String {
    let mut text = COLUMNS.join(",");
    for line in lines {
        text.push('\n');
        text.push_str(line);
    }
    text
}

/// The faults of a file over an empty book: line and reason.
fn faults(text: &[u8]) -> Vec<(u64, String)> {
    let error = read(&book(vec![]), text).unwrap_err();
    assert_eq!(error.kind, Kind::InvalidRequest, "{error}");
    error
        .lines
        .into_iter()
        .map(|bad| (bad.line, bad.reason.into_owned()))
        .collect()
}

///
#[test]
fn what_is_written_can_be_read_and_changes_nothing() {
    let default = ServiceTier::Default;
    let book = book(vec![
        entry(MODEL, default, "1970-01-01T00:00:00Z", Some(rates(1, None))),
        entry(
            MODEL,
            ServiceTier::Priority,
            "2026-12-01T00:00:00.123456789Z",
            Some(rates(7, Some(70))),
        ),
        entry(MODEL, default, "2027-01-01T00:00:00Z", None),
        entry(
            "new.model-v1:0",
            ServiceTier::Flex,
            "2026-01-01T00:00:00Z",
            Some(rates(999_999_999_990, None)),
        ),
    ]);
    let text = write(&book).unwrap();
    let read = read(&book, &text).unwrap();
    assert_eq!(read.entries.len(), 4);
    assert_eq!(read.seed_lines, book.seed().keys().len() - 1, "an entry covers one");
    let (entries, difference) = book.replaced_by(read.entries);
    assert!(difference.is_none());
    assert_eq!(entries, book.entries());
}

#[test]
fn other_line_ends_quotes_and_empty_lines_are_csv_too() {
    let quoted = format!("\"{MODEL}\",\"flex\",2026-12-01T01:00:00+01:00,book,no,,,,,,,,,,,\"\"");
    let text = file(&[GOOD, "", &quoted]).replace('\n', "\r\n");
    let read = read(&book(vec![]), text.as_bytes()).unwrap();
    let told: Vec<_> = read
        .entries
        .iter()
        .map(|it| (it.tier, it.effective_from.to_string(), it.rates.is_some()))
        .collect();
    let time = "2026-12-01T00:00:00Z".to_owned();
    assert_eq!(
        told,
        [
            (ServiceTier::Default, time.clone(), true),
            (ServiceTier::Flex, time, false)
        ]
    );
}

/// every kind of wrong line, each with its number and what is wrong, and without what it said.
#[test]
fn every_kind_of_bad_line_is_told_with_its_number() {
    let model = |id: &str| GOOD.replace(MODEL, id);
    let rate = |rate: &str| GOOD.replace(",1,2,", &format!(",{rate},2,"));
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let cases = [
        (model(""), "model: "),
        (model("us.a b"), "model: "),
        (model("\"us.a\nb\""), "model: "),
        (model("arn:aws:bedrock:us-east-1::foundation-model/a.b"), "model: "),
        (model("=cmd|' /C calc'!A0"), "model: "),
        (model("us.a';DROP TABLE prices;--"), "model: "),
        (model("us.{\"$ne\":1}"), "model: "),
        (model("us.\u{e9}"), "model: "),
        (with("default", "reserved"), "tier: "),
        (with("default", "Default"), "tier: "),
        (with("2026-12-01T00:00:00Z", "2026-12-01"), "effective_from: "),
        (with("2026-12-01T00:00:00Z", "1969-12-31T23:59:59Z"), "effective_from: "),
        (with("2026-12-01T00:00:00Z", "01/12/2026"), "effective_from: "),
        (with("book", "seed"), "it is not what is built in"),
        (with("book", "litellm"), "source: "),
        (with("yes", "true"), "priced: "),
        (with("yes", "no"), "priced: "),
        (rate("0"), "input: "),
        (rate(""), "input: "),
        (rate("-1"), "input: "),
        (rate("+1"), "input: "),
        (rate("1.5"), "input: "),
        (rate("1e6"), "input: "),
        (rate("01"), "input: "),
        (rate("1 "), "input: "),
        (rate("\"1,000\""), "input: "),
        (rate("1000000000001"), "input: "),
        (rate("99999999999999999999999999"), "input: "),
        (rate("NaN"), "input: "),
        (with(",5,,,,,,", ",,,,,,,"), "cache_write_1h: "),
        (with(",5,,,,,,", ",5,200000,,,,,"), "long_input: "),
        (with(",5,,,,,,", ",5,,1,1,1,1,1"), "long_above_tokens: "),
        (with(",5,,,,,,", ",5,0,1,1,1,1,1"), "long_above_tokens: "),
        (with(",5,,,,,,", ",5,200000,1,1,1,1,0"), "long_cache_write_1h: "),
        (format!("{GOOD},"), "it has 17 fields"),
        ("just one".to_owned(), "it has 1 fields"),
    ];
    for (line, expected) in cases {
        let told = faults(file(&[&GOOD.replace(MODEL, "us.other.model"), &line]).as_bytes());
        let [(number, reason)] = &told[..] else {
            panic!("{line}: {told:?}")
        };
        assert_eq!(*number, 3, "{line}");
        assert!(reason.starts_with(expected), "{line}: {reason}");
        assert!(!reason.contains("DROP") && !reason.contains("cmd"), "{reason}");
    }
    let mut latin = file(&[GOOD]).into_bytes();
    latin.extend(b"\n\xff,,,,,,,,,,,,,,,");
    assert_eq!(faults(&latin), [(3, "it is not UTF-8".to_owned())]);
}

#[test]
fn a_model_tier_and_time_said_twice_is_a_bad_line() {
    let again = GOOD.replace(",1,2,", ",9,9,").replace("T00:00:00Z", "T01:00:00+01:00");
    let told = faults(file(&[GOOD, "", &again]).as_bytes());
    assert_eq!(
        told,
        [(4, "model, tier and effective_from are those of line 2".to_owned())]
    );
}

#[test]
fn a_built_in_line_that_was_edited_is_a_bad_line() {
    let text = String::from_utf8(write(&book(vec![])).unwrap()).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let place = lines
        .iter()
        .position(|line| line.starts_with(&format!("{MODEL},default")))
        .unwrap();
    lines[place] = lines[place].replace("5500000", "5500001");
    let told = faults(lines.join("\n").as_bytes());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, u64::try_from(place).unwrap() + 1);
    lines[place] = lines[place].replace(",seed,", ",book,");
    let read = read(&book(vec![]), lines.join("\n").as_bytes()).unwrap();
    assert_eq!(read.entries.len(), 1, "said to be one's own, it is a price");
}

#[test]
fn a_file_of_other_columns_or_with_a_byte_order_mark_is_refused() {
    let marked = format!("\u{feff}{}", file(&[GOOD]));
    assert!(faults(marked.as_bytes())[0].1.contains("byte order mark"));
    for bad in [
        "".to_owned(),
        "\n\n".to_owned(),
        GOOD.to_owned(),
        file(&[GOOD]).replacen("priced", "currency", 1),
        file(&[GOOD]).replacen(",long_cache_write_1h", "", 1),
        file(&[GOOD]).replacen("long_cache_write_1h", "long_cache_write_1h,comment", 1),
        file(&[GOOD]).replacen("model,tier", "tier,model", 1),
        file(&[GOOD]).replacen("input", "output", 1),
        file(&[GOOD]).replace(',', ";"),
        "\0\0\0".to_owned(),
    ] {
        assert_eq!(faults(bad.as_bytes()).len(), 1, "{bad}");
    }
}

#[test]
fn no_more_than_50_bad_lines_are_told_and_all_are_counted() {
    let error = read(&book(vec![]), file(&["x"; 51]).as_bytes()).unwrap_err();
    assert_eq!(error.lines.len(), 50);
    assert!(error.message.starts_with("51 lines are wrong"), "{error}");
}

///
#[test]
fn more_lines_than_a_book_can_have_are_refused_whatever_they_say() {
    let own = |count: usize| {
        let lines: Vec<_> = (0..count)
            .map(|number| GOOD.replace(MODEL, &format!("us.model-{number}")))
            .collect();
        file(&lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let empty = book(vec![]);
    assert_eq!(
        read(&empty, own(MAX_PRICE_ENTRIES).as_bytes()).unwrap().entries.len(),
        MAX_PRICE_ENTRIES
    );
    assert_eq!(
        read(&empty, own(MAX_PRICE_ENTRIES + 1).as_bytes()).unwrap_err().kind,
        Kind::TooLarge
    );
    assert_eq!(
        read(&empty, file(&["x"; 100_000]).as_bytes()).unwrap_err().kind,
        Kind::TooLarge
    );
}
