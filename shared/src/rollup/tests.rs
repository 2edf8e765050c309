use proptest::prelude::*;

use super::*;
use crate::usage::Tokens;
use crate::wire::dialect::Dialect;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[derive(Debug)]
struct Row {
    started_at: Timestamp,
    principal: Subject,
    team: Option<Team>,
    key_id: Option<String>,
    outcome: Outcome,
    tokens: u64,
    cost: u64,
}

impl Row {
    fn counted(&self) -> Counted<'_> {
        Counted {
            started_at: self.started_at,
            principal: &self.principal,
            team: self.team.as_ref(),
            key_id: self.key_id.as_deref(),
            base_model: "anthropic.claude-x",
            dialect: Dialect::Anthropic,
            outcome: self.outcome,
            estimated: self.outcome == Outcome::Timeout,
            usage: Usage {
                input_tokens: Tokens::new(self.tokens),
                ..Usage::default()
            },
            cost: Picodollars::new(self.cost),
        }
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let outcome = prop::sample::select(vec![Outcome::Success, Outcome::Timeout, Outcome::Throttled]);
    let row = (0..5_000_000_i64, 0..3_u8, 0..3_u8, outcome, any::<u32>(), any::<u64>());
    let row = row.prop_map(|(second, user, team, outcome, tokens, cost)| Row {
        started_at: Timestamp::from_second(1_790_000_000 + second).unwrap(),
        principal: format!("user:u{user}").parse().unwrap(),
        team: (team > 0).then(|| format!("t{team}").parse().unwrap()),
        key_id: (user > 0).then(|| format!("key_{user}")),
        outcome,
        tokens: tokens.into(),
        cost,
    });
    prop::collection::vec(row, 0..40)
}

#[test]
fn periods_begin_where_calendars_say_and_stand_in_their_buckets() {
    let moment = at("2026-11-25T13:05:59Z");
    assert_eq!(
        Period::ALL.map(|it| (it.start(moment), it.bucket(moment))),
        [
            ("2026-11-25T13", "2026-11-25"),
            ("2026-11-25", "2026-11"),
            ("2026-11-23", "2026"),
            ("2026-11", "2026"),
        ]
        .map(|(start, bucket)| (start.to_owned(), bucket.to_owned()))
    );
}

#[test]
fn a_week_that_begins_in_the_old_year_stands_in_the_old_years_bucket() {
    let moment = at("2027-01-01T00:00:00Z");
    assert_eq!(
        (Period::Week.start(moment), Period::Week.bucket(moment)),
        ("2026-12-28".into(), "2026".into())
    );
}

#[test]
fn a_name_stands_for_one_dimension_and_one_period_and_json_has_the_same() {
    for dimension in Dimension::ALL {
        assert_eq!(dimension.label().parse(), Ok(dimension));
        assert_eq!(serde_json::to_value(dimension).unwrap(), dimension.label());
    }
    for period in Period::ALL {
        assert_eq!(period.label().parse(), Ok(period));
        assert_eq!(serde_json::to_value(period).unwrap(), period.label());
    }
    assert_eq!("Hour".parse::<Period>(), Err(UnknownName));
}

#[test]
fn a_row_without_team_and_key_counts_in_all_other_dimensions() {
    let row = Row {
        started_at: at("2026-11-25T13:05:59Z"),
        principal: "client:c".parse().unwrap(),
        team: None,
        key_id: None,
        outcome: Outcome::Success,
        tokens: 1,
        cost: 1,
    };
    let places: Vec<_> = row
        .counted()
        .places()
        .map(|(it, id)| format!("{} {id}", it.label()))
        .collect();
    assert_eq!(
        places,
        [
            "organisation all",
            "user client:c",
            "model anthropic.claude-x",
            "user_model client:c|anthropic.claude-x",
            "outcome anthropic|success"
        ]
    );
}

proptest! {
    #[test]
    fn a_period_holds_its_first_moment_and_not_its_end(second in 0..4_000_000_000_i64) {
        let moment = Timestamp::from_second(second).unwrap();
        for period in Period::ALL {
            let end = period.end(moment);
            let last = Timestamp::from_millisecond(end.as_millisecond() - 1).unwrap();
            prop_assert_eq!(period.start(moment), period.start(last));
            prop_assert!(period.start(moment) < period.start(end));
        }
    }

    #[test]
    fn in_every_period_the_sums_of_a_dimension_are_the_sum_of_its_rows(rows in rows()) {
        let mut sums = Sums::default();
        rows.iter().for_each(|row| sums.add(&row.counted(), &Period::ALL));
        for dimension in Dimension::ALL {
            let has_id = |row: &&Row| row.counted().places().any(|(it, _)| it == dimension);
            let wanted: u128 = rows.iter().filter(has_id).map(|row| u128::from(row.cost)).sum();
            let calls = rows.iter().filter(has_id).count() as u64;
            for period in Period::ALL {
                let of_it = sums.iter().filter(|(of, _)| (of.dimension, of.period) == (dimension, period));
                let total = of_it.fold(Totals::default(), |sum, (_, one)| sum.plus(*one));
                prop_assert_eq!((total.cost.as_u128(), total.calls), (wanted, calls));
            }
        }
    }

    #[test]
    fn sums_of_parts_are_the_sums_of_the_whole_in_any_order(rows in rows(), at in any::<prop::sample::Index>()) {
        let sums = |rows: &mut dyn Iterator<Item = &Row>| {
            let mut sums = Sums::default();
            rows.for_each(|row| sums.add(&row.counted(), &Period::ALL));
            sums
        };
        let (one, other) = rows.split_at(if rows.is_empty() { 0 } else { at.index(rows.len()) });
        let mut parts = sums(&mut other.iter().rev());
        parts.merge(sums(&mut one.iter()));
        prop_assert_eq!(parts, sums(&mut rows.iter()));
    }
}
