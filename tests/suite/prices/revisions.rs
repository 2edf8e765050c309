//! Revisions under contention and repetition.

use futures_util::future::join_all;
use gateway::store::PriceWrite;
use tests::backing::Backing;
use tests::event::request;
use tests::in_process::Functions;

use super::{ask, body, entry, everything, put, told, write};

/// what a row was priced by can be looked up for ever.
#[tokio::test]
async fn a_revision_that_counted_once_can_be_read_when_it_counts_no_more() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    put(&functions, "2026-01-01T00:00:00Z", 1).await;
    put(&functions, "2026-01-01T00:00:00Z", 2).await;
    let input = async |revision| {
        store.price_entries(revision).await.unwrap()[0]
            .rates
            .unwrap()
            .base
            .input
            .as_u64()
    };
    assert_eq!((input(1).await, input(2).await), (1, 2));
}

#[tokio::test]
async fn a_change_that_is_written_again_after_a_lost_answer_is_one() {
    let backing = Backing::start().await;
    let (store, audit) = (backing.store(), told(1));
    for _ in 0..2 {
        let outcome = store.write_prices(0, &[entry(1)], &audit).await.unwrap();
        assert_eq!(outcome, PriceWrite::Written);
    }
    let (revision, entries, trail) = everything(&store).await;
    assert_eq!((revision, entries.len(), trail.len()), (1, 1, 1));
}

///
#[tokio::test]
async fn a_change_that_was_overtaken_writes_nothing_at_all() {
    let backing = Backing::start().await;
    let store = backing.store();
    assert_eq!(write(&store, 0, 1).await, PriceWrite::Written);
    let before = everything(&store).await;
    for stale in [0, 2, 7] {
        assert_eq!(write(&store, stale, 9).await, PriceWrite::Overtaken, "{stale}");
    }
    assert_eq!(everything(&store).await, before);
    assert_eq!(write(&store, 1, 2).await, PriceWrite::Written);
}

///
#[tokio::test]
async fn of_changes_at_once_each_is_whole_or_answered_with_409() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let puts = (1..=12_u64).map(|rate| {
        let request = request("PUT", &format!("/api/admin/prices/us.model.number-{rate}"));
        ask(&functions, request.json(&body("2027-01-01T00:00:00Z", rate)))
    });
    let answers: Vec<_> = join_all(puts).await.into_iter().map(|answer| answer.status).collect();
    let written = answers.iter().filter(|status| **status == 200).count();
    assert!(
        written >= 1 && answers.iter().all(|status| [200, 409].contains(status)),
        "{answers:?}"
    );
    let (revision, entries, trail) = everything(&store).await;
    assert_eq!(
        (usize::try_from(revision).unwrap(), entries.len(), trail.len()),
        (written, written, written)
    );
}
