//! What fails on the way: the table, the answers, and whoever works.

use std::time::Duration;

use gateway::migration::{Limit, Migrator, Outcome, Worked};
use gateway::store::{LeaseClaim, Phase, Segment, Way};
use jiff::{SignedDuration, Timestamp};
use tests::unreliable::{Faults, Outage};

use super::ROWS;
use super::field::{Field, version};

/// Goes on, whatever fails, until it is done.
async fn done(field: &Field, migrator: &Migrator<'_>) {
    for _ in 0..200 {
        match field.advance(migrator).await {
            Ok(Worked::Came(Outcome::Done)) | Ok(Worked::Idle) => return,
            Ok(Worked::Came(Outcome::Busy { .. })) => {
                // One that could not even give its lease back.
                field.backing.unreliable().unwrap().set_faults(None);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            _ => {}
        }
    }
    panic!("it never comes to an end: {:?}", field.status(migrator).await);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn throttled_writes_and_lost_answers_change_nothing_of_what_comes_out() {
    let field = Field::with_rows(ROWS).await;
    let (before, migrator) = (field.dump().await, field.migrator());
    let table = field.backing.unreliable().unwrap();
    for (way, seed) in [(Way::Up, 3), (Way::Down, 4)] {
        field.start(&migrator, way).await;
        table.reset_counts();
        table.set_faults(Some(Faults {
            seed,
            throttled_percent: 15,
            lost_percent: 15,
        }));
        done(&field, &migrator).await;
        table.set_faults(None);
        let counts = table.counts();
        assert!(counts.throttled > 20 && counts.lost > 20, "{counts:?}");
        let status = field.status(&migrator).await;
        let verified = status.verified.unwrap();
        assert_eq!(
            (verified.items, verified.missed, verified.wrong, status.gone),
            (ROWS, 0, 0, 0)
        );
        if way == Way::Up {
            assert_eq!(
                (status.phase, verified.converted),
                (Phase::Raised, ROWS),
                "each bears its mark"
            );
        }
    }
    assert_eq!(field.dump().await, before);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn cut_off_at_any_point_it_goes_on_where_it_was_both_ways() {
    let field = Field::with_rows(ROWS).await;
    let (before, rows, migrator) = (field.dump().await, field.read_all().await, field.migrator());
    let (mut cuts, mut seed) = (0, 17_u64);
    for way in [Way::Up, Way::Down] {
        field.start(&migrator, way).await;
        loop {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // A run is given up wherever it stands; so its writes are done or not.
            let stop = tokio::time::sleep(Duration::from_millis(5 + (seed >> 33) % 60));
            match field.advance_until(&migrator, stop).await.unwrap() {
                Worked::Came(Outcome::Continues) => cuts += 1,
                _ => break,
            }
            assert_eq!(field.read_all().await, rows, "readers see what they saw");
        }
    }
    assert!(cuts > 2, "it was never cut");
    assert_eq!(field.dump().await, before);
    println!("cut off {cuts} times");
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_on_its_way_up_is_rolled_back_from_where_it_stands() {
    let field = Field::with_rows(ROWS).await;
    let (before, migrator) = (field.dump().await, field.migrator());
    field.start_as(&migrator, Way::Up, &Field::slow()).await;
    let some = async { while !field.dump().await.values().any(|item| version(item) == 3) {} };
    let worked = field.advance_until(&migrator, some).await.unwrap();
    assert_eq!(worked, Worked::Came(Outcome::Continues), "it was to be cut on its way");
    field.lower(&migrator).await;
    assert_eq!(field.dump().await, before);
    let status = field.status(&migrator).await;
    let phases: Vec<_> = status.changes.iter().map(|change| change.phase).collect();
    assert_eq!(
        (status.phase, phases),
        (Phase::Lowered, vec![Phase::Rising, Phase::Falling])
    );
    assert!(status.changes.iter().all(|change| change.by == "a test"));
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_down_stops_it_and_it_goes_on_when_the_table_is_up() {
    let field = Field::with_rows(20).await;
    let migrator = field.migrator();
    field.start(&migrator, Way::Up).await;
    let table = field.backing.unreliable().unwrap();
    table.table_is(Some(Outage::Failing));
    assert!(field.advance(&migrator).await.is_err());
    table.table_is(None);
    done(&field, &migrator).await;
    assert_eq!(field.status(&migrator).await.phase, Phase::Raised);
}

///
#[tokio::test(flavor = "multi_thread")]
async fn two_cannot_work_at_once_and_one_that_was_taken_for_dead_cannot_write_over_its_successor() {
    let field = Field::with_rows(20).await;
    let (migrator, store) = (field.migrator(), field.store());
    field.start(&migrator, Way::Up).await;
    let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
    let LeaseClaim::Taken(first) = store.take_lease("first", at(0), at(10)).await.unwrap() else {
        panic!("it is free");
    };
    let busy = LeaseClaim::Busy {
        holder: "first".into(),
        until: at(10),
    };
    assert_eq!(store.take_lease("second", at(9), at(19)).await.unwrap(), busy);
    assert!(store.keep_lease(&first, at(12)).await.unwrap());
    let LeaseClaim::Taken(second) = store.take_lease("second", at(12), at(22)).await.unwrap() else {
        panic!("it has ended");
    };
    assert!(second.fence > first.fence);
    assert!(!store.keep_lease(&first, at(30)).await.unwrap(), "it is another's");
    store.give_lease_back(&first).await.unwrap();
    assert!(
        store.keep_lease(&second, at(30)).await.unwrap(),
        "and nobody else gives it back"
    );
    let ledger = store.migrations().await.unwrap().remove(0);
    let segment = |fence| Segment {
        fence,
        done: fence == first.fence,
        ..Segment::default()
    };
    assert!(
        store
            .write_segment(&ledger, 0, &segment(second.fence), at(13))
            .await
            .unwrap()
    );
    assert!(
        !store
            .write_segment(&ledger, 0, &segment(first.fence), at(13))
            .await
            .unwrap()
    );
    assert!(!store.segment(&ledger, 0).await.unwrap().done);
    store.give_lease_back(&second).await.unwrap();
    done(&field, &migrator).await;
}

///
#[tokio::test(flavor = "multi_thread")]
async fn whoever_works_gives_way_to_an_operator_who_wants_something_else() {
    let field = Field::with_rows(ROWS).await;
    let (before, migrator) = (field.dump().await, field.migrator());
    field.start_as(&migrator, Way::Up, &Field::slow()).await;
    let limit = Limit {
        until: None,
        lease: SignedDuration::from_millis(300),
    };
    let working = Box::pin(migrator.advance(limit, std::future::pending()));
    let wanting = async {
        // It is at work once it has converted something.
        while !field.dump().await.values().any(|item| version(item) == 3) {}
        loop {
            let report = migrator.start(Way::Down, &Field::wish()).await.unwrap();
            if !matches!(report.outcome, Outcome::Busy { .. }) {
                return report.outcome;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (worked, outcome) = tokio::join!(working, wanting);
    assert_eq!(worked.unwrap(), Worked::Came(Outcome::Continues), "it has given way");
    assert_eq!(outcome, Outcome::Continues);
    done(&field, &migrator).await;
    assert_eq!(field.dump().await, before);
}
