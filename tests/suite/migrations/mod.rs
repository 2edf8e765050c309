//! Migrations of stored items, over the embedded table: up, down, verified, whatever happens on the way.

mod faults;
mod field;
mod ledger;
mod schema;

use std::collections::BTreeMap;

use gateway::migration::{Outcome, Worked};
use gateway::store::{CallKey, Phase, Segment, Way};
use serde_json::json;

use field::{Field, row, version};

const ROWS: u64 = 300;

///
#[tokio::test(flavor = "multi_thread")]
async fn up_converts_every_row_and_readers_see_no_difference_before_while_and_after() {
    let field = Field::with_rows(ROWS).await;
    let (rows, migrator) = (field.read_all().await, field.migrator());
    let raised = field.raise(&migrator).await;
    assert_eq!(raised.phase, Phase::Raised);
    let (counts, verified) = (raised.counts.unwrap(), raised.verified.unwrap());
    assert_eq!((counts.converted, counts.native, counts.wrong), (ROWS, 0, 0));
    assert_eq!((verified.converted, verified.missed, verified.wrong), (ROWS, 0, 0));
    assert_eq!((verified.checksum, raised.gone), (counts.checksum, 0));
    assert_eq!(field.read_all().await, rows, "readers see what they saw");
    let dump = field.dump().await;
    for item in dump.values() {
        assert_eq!(version(item), 3, "{item:?}");
        assert!(!item.contains_key("usage") && item.contains_key("tokens"), "{item:?}");
    }
    // Who writes now writes the new form, and a repetition meets its own work.
    let (store, new) = (field.store(), row(ROWS));
    store.record_usage(&new, 400).await.unwrap();
    store.record_usage(&new, 400).await.unwrap();
    let written = field.dump().await.into_iter().find(|(key, _)| !dump.contains_key(key));
    let written = written.unwrap().1;
    assert_eq!((version(&written), written.contains_key("was")), (3, false));
    assert_eq!(field.read_all().await.len() as u64, ROWS + 1);
    assert!(
        field
            .migrator()
            .verify(raised.id, 1_000_000, None)
            .await
            .unwrap()
            .is_clean()
    );
}

///
#[tokio::test(flavor = "multi_thread")]
async fn down_brings_the_old_bytes_back_and_makes_old_ones_of_what_came_meanwhile() {
    let field = Field::with_rows(ROWS).await;
    let (before, migrator) = (field.dump().await, field.migrator());
    field.raise(&migrator).await;
    assert_ne!(field.dump().await, before);
    let new = row(ROWS);
    field.store().record_usage(&new, 400).await.unwrap();
    let lowered = field.lower(&migrator).await;
    assert_eq!((lowered.phase, lowered.faults.len()), (Phase::Lowered, 0));
    let mut after = field.dump().await;
    // As it would be, had nobody ever migrated.
    let untouched = Field::with_rows(0).await;
    untouched.store().record_usage(&new, 400).await.unwrap();
    for (key, item) in untouched.dump().await {
        assert_eq!(after.remove(&key), Some(item), "{key:?}");
    }
    assert_eq!(after, before, "every byte is as it was");
    // And up again.
    assert_eq!(field.raise(&migrator).await.verified.unwrap().converted, ROWS + 1);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_changed_and_writes_nothing() {
    let field = Field::with_rows(ROWS).await;
    let before = field.dump().await;
    let (migrator, table) = (field.migrator(), field.backing.unreliable().unwrap());
    let house = &field.migrations[0];
    table.reset_counts();
    let up = migrator.look(house, Way::Up, 1_000_000, None).await.unwrap();
    assert_eq!((up.counts.items, up.counts.missed, up.counts.wrong), (ROWS, ROWS, 0));
    let down = migrator.look(house, Way::Down, 1_000_000, None).await.unwrap();
    assert_eq!((down.counts.items, down.counts.missed), (ROWS, 0));
    let asked = table.counts().by_operation;
    assert_eq!(asked.keys().collect::<Vec<_>>(), ["Scan"], "{asked:?}");
    assert_eq!(field.dump().await, before);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn verification_names_what_was_tampered_with_what_was_missed_and_how_many_are_gone() {
    let field = Field::with_rows(ROWS).await;
    let migrator = field.migrator();
    let raised = field.raise(&migrator).await;
    let keys: Vec<_> = field.dump().await.into_keys().collect();
    let verify = async || migrator.verify(raised.id, 1_000_000, None).await.unwrap();

    field.set(&keys[3], "tokens", json!("9/9/9/9/9")).await;
    let looked = verify().await;
    assert_eq!((looked.counts.wrong, looked.is_clean()), (1, false));
    assert!(looked.faults[0].contains(&keys[3].1), "{:?}", looked.faults);
    let down = field.lower(&migrator).await;
    assert_eq!(
        down.faults.len(),
        1,
        "what it was is not known any more: it is told and left: {down:?}"
    );
    let left = field.dump().await;
    assert_eq!(version(&left[&keys[3]]), 3);
    field.delete(&keys[3]).await;

    field.raise(&migrator).await;
    field.put_old(&row(ROWS)).await;
    let looked = verify().await;
    assert_eq!((looked.counts.missed, looked.is_clean()), (1, false));
    field.delete(&keys[4]).await;
    let looked = verify().await;
    assert!(looked.faults[0].starts_with("1 converted items are gone"), "{looked:?}");
}

///
#[tokio::test(flavor = "multi_thread")]
async fn marks_that_the_sweep_sets_meanwhile_stay_and_so_does_what_late_writers_write() {
    let field = Field::with_rows(ROWS).await;
    let migrator = field.migrator();
    // This one has read the ledger, and goes by it for ten seconds more.
    let late = field.store();
    late.record_usage(&row(ROWS), 400).await.unwrap();
    field.start(&migrator, Way::Up).await;
    let calls: Vec<_> = (0..ROWS).map(|number| CallKey::of_row(&row(number))).collect();
    let marked = late.mark_rolled_up(7, &calls);
    let written = async {
        for number in 1..40 {
            late.record_usage(&row(ROWS + number), 400).await.unwrap();
        }
    };
    let (worked, marked, ()) = tokio::join!(field.advance(&migrator), marked, written);
    assert_eq!((worked.unwrap(), marked.is_ok()), (Worked::Came(Outcome::Done), true));
    // Those that were written behind the verification are the next one's.
    let all = ROWS + 40;
    let dump = field.dump().await;
    let marks = dump.values().filter(|item| item.contains_key("rolled_up")).count();
    assert_eq!((dump.len() as u64, marks as u64), (all, ROWS));
    let versions = dump.values().fold(BTreeMap::new(), |mut all, item| {
        *all.entry(version(item)).or_insert(0) += 1;
        all
    });
    let looked = migrator.verify(field.migrations[0].id, 1_000_000, None).await.unwrap();
    assert_eq!(looked.counts.missed, versions.get(&2).copied().unwrap_or_default());
    assert_eq!(looked.counts.wrong, 0);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn what_the_verification_finds_in_the_old_form_is_converted_before_it_counts_as_done() {
    let field = Field::with_rows(20).await;
    let migrator = field.migrator();
    field.start(&migrator, Way::Up).await;
    // The first pass has been everywhere, and has seen none of these rows.
    let store = field.store();
    let ledger = store.migrations().await.unwrap().remove(0);
    let seen = Segment {
        done: true,
        ..Segment::default()
    };
    for number in 0..ledger.segments {
        assert!(
            store
                .write_segment(&ledger, number, &seen, field.clock.now())
                .await
                .unwrap()
        );
    }
    assert_eq!(field.advance(&migrator).await.unwrap(), Worked::Came(Outcome::Done));
    let raised = field.status(&migrator).await;
    assert_eq!((raised.phase, raised.verified.unwrap().converted), (Phase::Raised, 20));
    assert!(field.dump().await.values().all(|item| version(item) == 3));
}
