//! Rollups are the sums of the rows, whatever happens to the sweeps that make them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures_util::{StreamExt as _, stream};
use gateway::rollup::{Dimension, Period, RollupId};
use gateway::store::Cursor;
use tests::backing::Setup;
use tests::books::open_calls;
use tests::unreliable::Faults;

use super::*;

/// A small generator of our own, so that a seed tells the whole run.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A call of somebody's, at some time of the five days around new year.
fn any_call(number: u64, seed: &mut Seeded) -> (OpenCall, UsageRow) {
    let mut it = call(&format!("call-{number}"));
    let start: Timestamp = "2025-12-29T12:00:00Z".parse().unwrap();
    it.started_at = start + SignedDuration::from_secs(i64::try_from(seed.below(5 * 86_400)).unwrap());
    it.deadline_at = it.started_at + SignedDuration::from_mins(15);
    it.principal = format!("user:u{}", seed.below(6)).parse().unwrap();
    it.team =
        [None, Some("one"), Some("two")][usize::try_from(seed.below(3)).unwrap()].map(|team| team.parse().unwrap());
    it.key_id = (seed.below(2) == 0).then(|| format!("key_{}", seed.below(8)));
    it.base_model = format!("anthropic.claude-{}", seed.below(2));
    it.price_model = format!("global.{}", it.base_model);
    it.holds.clear();
    let used = Usage {
        cache_read_input_tokens: Tokens::new(seed.below(1 << 20)),
        cache_write_5m_tokens: Tokens::new(seed.below(1 << 20)),
        cache_write_1h_tokens: Tokens::new(seed.below(1 << 20)),
        ..usage(seed.below(1 << 20), seed.below(1 << 20))
    };
    let mut row = row(&it, used);
    row.outcome = Outcome::ALL[usize::try_from(seed.below(9)).unwrap()];
    row.estimated = seed.below(5) == 0;
    (it, row)
}

/// Calls, errors, estimates, five counts of tokens and the cost.
type Sum = [u128; 9];

/// The sums of rows, added up in this test's own way.
fn sums(rows: &[UsageRow]) -> HashMap<RollupId, Sum> {
    let mut all: HashMap<RollupId, Sum> = HashMap::new();
    for row in rows {
        let model = row.price_model.strip_prefix("global.").unwrap();
        let mut places = vec![
            (Dimension::Organisation, "all".to_owned()),
            (Dimension::User, row.principal.to_string()),
            (Dimension::Model, model.to_owned()),
            (Dimension::UserModel, format!("{}|{model}", row.principal)),
            (
                Dimension::Outcome,
                format!("{}|{}", row.dialect.label(), row.outcome.label()),
            ),
        ];
        places.extend(row.team.iter().map(|team| (Dimension::Team, team.to_string())));
        places.extend(row.key_id.iter().map(|key| (Dimension::Key, key.clone())));
        let at = row.started_at.to_zoned(jiff::tz::TimeZone::UTC);
        let monday = at
            .date()
            .saturating_sub(jiff::Span::new().days(i64::from(at.weekday().to_monday_zero_offset())));
        let starts = [
            (Period::Hour, at.strftime("%Y-%m-%dT%H").to_string()),
            (Period::Day, at.strftime("%Y-%m-%d").to_string()),
            (Period::Week, monday.to_string()),
            (Period::Month, at.strftime("%Y-%m").to_string()),
        ];
        let usage = row.usage;
        let tokens = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_5m_tokens,
            usage.cache_write_1h_tokens,
        ]
        .map(|tokens| u128::from(tokens.as_u64()));
        let one = [
            1,
            u128::from(row.outcome != Outcome::Success),
            u128::from(row.estimated),
            tokens[0],
            tokens[1],
            tokens[2],
            tokens[3],
            tokens[4],
            row.cost_picodollars.as_u128(),
        ];
        for (dimension, id) in &places {
            for (period, start) in &starts {
                let of = RollupId {
                    dimension: *dimension,
                    id: id.clone(),
                    period: *period,
                    start: start.clone(),
                };
                let sum = all.entry(of).or_default();
                sum.iter_mut().zip(one).for_each(|(sum, one)| *sum += one);
            }
        }
    }
    all
}

/// All rollups of the table, by way of its reading side.
async fn rollups(store: &Store, rows: &[UsageRow]) -> HashMap<RollupId, Sum> {
    let mut found = HashMap::new();
    for period in Period::ALL {
        let buckets: std::collections::BTreeSet<_> = rows.iter().map(|row| period.bucket(row.started_at)).collect();
        for (dimension, bucket) in Dimension::ALL
            .into_iter()
            .flat_map(|it| buckets.iter().map(move |bucket| (it, bucket)))
        {
            let mut after: Option<Cursor> = None;
            loop {
                let page = store
                    .rollups(dimension, period, bucket, None, 200, after.as_ref())
                    .await
                    .unwrap();
                for it in page.items {
                    let (usage, totals) = (it.totals.usage, it.totals);
                    let count = u128::from;
                    let sum = [
                        count(totals.calls),
                        count(totals.errors),
                        count(totals.estimated),
                        count(usage.input_tokens.as_u64()),
                        count(usage.output_tokens.as_u64()),
                        count(usage.cache_read_input_tokens.as_u64()),
                        count(usage.cache_write_5m_tokens.as_u64()),
                        count(usage.cache_write_1h_tokens.as_u64()),
                        totals.cost.as_u128(),
                    ];
                    assert!(found.insert(it.of, sum).is_none());
                }
                after = page.next_cursor;
                if after.is_none() {
                    break;
                }
            }
        }
    }
    found
}

/// Writes calls with their rows, in random order and some of them twice; of a row written twice, with another cost, the first counts.
async fn write(store: &Store, count: u64, seed: &mut Seeded) -> Vec<UsageRow> {
    let calls: Vec<_> = (0..count).map(|number| any_call(number, seed)).collect();
    let mut writes: Vec<(u64, &(OpenCall, UsageRow))> = calls.iter().map(|it| (seed.below(u64::MAX), it)).collect();
    writes.sort_by_key(|(order, _)| *order);
    let twice: Vec<_> = writes.iter().filter(|_| seed.below(10) == 0).copied().collect();
    let write = |(_, (call, row)): (u64, &(OpenCall, UsageRow))| {
        let (store, call, row) = (store.clone(), call.clone(), row.clone());
        async move {
            store.open_call(&call).await.unwrap();
            store.record_usage(&row, 400).await.unwrap();
        }
    };
    stream::iter(writes).for_each_concurrent(32, write).await;
    let again = twice.into_iter().map(|(order, (call, row))| {
        let mut row = row.clone();
        row.usage = usage(1, 1);
        (order, (call.clone(), row))
    });
    let again: Vec<_> = again.collect();
    stream::iter(again.iter().map(|(order, it)| (*order, it)))
        .for_each_concurrent(32, write)
        .await;
    calls.into_iter().map(|(_, row)| row).collect()
}

/// Runs a future for so many polls, and drops it then, wherever it is.
async fn cut_off<F: Future>(future: F, polls: u64) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn assert_rollups_are_the_rows(store: &Store, rows: &[UsageRow]) {
    assert!(open_calls(store).await.is_empty());
    assert_eq!(store.sweep_head().await.unwrap().batch, None);
    let (found, wanted) = (rollups(store, rows).await, sums(rows));
    assert_eq!(found.len(), wanted.len());
    for (of, sum) in &wanted {
        assert_eq!(found.get(of), Some(sum), "{of:?}");
    }
}

///
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rows_in_any_order_with_duplicates_are_summed_up_once_by_sweeps_that_die_and_meet() {
    let backing = Backing::start().await;
    let store = backing.store();
    let (one, other) = (Functions::new(&backing), Functions::new(&backing));
    let mut seed = Seeded(15);
    let rows = write(&store, 10_000, &mut seed).await;
    let now: Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
    let event = json!({"time": now.to_string()});
    let (mut deaths, mut runs) = (0, 0);
    // A batch takes a hundred polls or so.
    while !open_calls(&store).await.is_empty() && runs < 400 {
        let polls = [(); 3].map(|()| 1 + seed.below(300));
        let alone = cut_off(one.sweep(&event), polls[0]).await;
        let met = tokio::join!(
            cut_off(one.sweep(&event), polls[1]),
            cut_off(other.sweep(&event), polls[2])
        );
        let died = [alone.is_none(), met.0.is_none(), met.1.is_none()];
        deaths += died.iter().filter(|died| **died).count();
        runs += 3;
    }
    assert!(deaths >= 20, "only {deaths} of {runs} sweeps died");
    let both = tokio::join!(one.sweep(&event), other.sweep(&event));
    both.0.unwrap();
    both.1.unwrap();
    sweep(&one, now).await;
    assert_rollups_are_the_rows(&store, &rows).await;
    let head = store.sweep_head().await.unwrap();
    assert_eq!(head.covered_until, Some(now - SignedDuration::from_secs(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_refuses_writes_and_loses_answers_changes_no_sum() {
    let backing = Backing::start_with(&Setup {
        unreliable_table: true,
        ..Setup::default()
    })
    .await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let mut seed = Seeded(7);
    let rows = write(&store, 1_000, &mut seed).await;
    let table = backing.unreliable().unwrap();
    table.set_faults(Some(Faults {
        seed: 7,
        throttled_percent: 20,
        lost_percent: 10,
    }));
    let event = json!({"time": "2026-02-01T00:00:00Z"});
    let mut failures = 0;
    while !matches!(functions.sweep(&event).await, Ok(report) if report["complete"] == true) {
        failures += 1;
        assert!(failures < 500, "it does not come to an end");
        if failures == 40 {
            table.set_faults(None);
        }
    }
    // Whether a whole sweep fails of it, and not only its writes, is chance.
    let counts = table.counts();
    assert!(counts.throttled > 100 && counts.lost > 50, "{counts:?}");
    assert_rollups_are_the_rows(&store, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ids_rollups_come_in_the_order_of_time_and_in_pages() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let mut seed = Seeded(3);
    let rows = write(&store, 200, &mut seed).await;
    sweep(&functions, "2026-02-01T00:00:00Z".parse().unwrap()).await;
    let (hour, day, user) = (Period::Hour, "2025-12-31", Some("user:u1"));
    let whole = store
        .rollups(Dimension::User, hour, day, user, 100, None)
        .await
        .unwrap();
    assert!(whole.next_cursor.is_none() && whole.items.len() >= 4, "{whole:?}");
    assert!(whole.items.iter().all(|it| it.of.id == "user:u1"));
    assert!(whole.items.is_sorted_by(|a, b| a.of.start < b.of.start));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = store
            .rollups(Dimension::User, hour, day, user, 2, after.as_ref())
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        paged.extend(page.items);
        after = match page.next_cursor {
            Some(cursor) => Some(Cursor::decode(&cursor.encode()).unwrap()),
            None => break,
        };
    }
    assert_eq!(paged, whole.items);
    let wanted = sums(&rows);
    assert!(paged.iter().all(|it| wanted[&it.of][8] == it.totals.cost.as_u128()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_of_38_digits_is_written_and_read_to_the_last() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let mut total = 0_u128;
    for number in 0..3_u64 {
        let call = call(&format!("dear-{number}"));
        let mut row = row(&call, usage(number, 1));
        row.cost_picodollars = gateway::money::Picodollars::new(u64::MAX - number);
        total += row.cost_picodollars.as_u128();
        store.open_call(&OpenCall { holds: vec![], ..call }).await.unwrap();
        store.record_usage(&row, 400).await.unwrap();
    }
    sweep(&functions, began()).await;
    let page = store
        .rollups(Dimension::Organisation, Period::Month, "2026", Some("all"), 1, None)
        .await
        .unwrap();
    assert!(total > u128::from(u64::MAX));
    assert_eq!(page.items[0].totals.cost.as_u128(), total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_opens_only_while_none_is_open_and_none_was_opened_since_its_rows_were_read() {
    let backing = Backing::start().await;
    let store = backing.store();
    let keys = |id: &str| [gateway::store::CallKey::of(&call(id))];
    assert!(store.open_batch(0, &keys("a")).await.unwrap());
    assert!(
        store.open_batch(0, &keys("a")).await.unwrap(),
        "a repetition after a lost answer"
    );
    assert!(
        !store.open_batch(0, &keys("b")).await.unwrap(),
        "another's of the same number"
    );
    assert!(!store.open_batch(1, &keys("b")).await.unwrap(), "while one is open");
    store.close_batch(1).await.unwrap();
    assert!(
        !store.open_batch(0, &keys("b")).await.unwrap(),
        "rows were read too early"
    );
    assert!(store.open_batch(1, &keys("b")).await.unwrap());
    store.close_batch(1).await.unwrap();
    let head = store.sweep_head().await.unwrap();
    assert_eq!(
        (head.seq, head.batch.as_deref()),
        (2, Some(&keys("b")[..])),
        "a late closing"
    );
}
