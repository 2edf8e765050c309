//! The audit trail, on the embedded DynamoDB: append only, newest first, over months.

use gateway::error::Kind;
use gateway::store::{AuditEntry, Cursor, Store};
use jiff::Timestamp;
use serde_json::json;
use tests::backing::Backing;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn entry(time: &str, target: &str) -> AuditEntry {
    let change = (None, Some(json!({"big": u64::MAX, "empty": "", "list": [1.5, null]})));
    let actor = "user:root".parse().unwrap();
    AuditEntry::new(at(time), actor, "price.put", target.into(), change, "request".into()).unwrap()
}

/// Targets of all pages of `limit` from `since` to `until`.
async fn targets(store: &Store, since: &str, until: &str, limit: usize) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None::<Cursor>);
    for _ in 0..100 {
        let page = store
            .audit_entries(at(since), at(until), limit, after.as_ref())
            .await
            .unwrap();
        assert!(page.items.len() <= limit);
        // Not the fixtures' own.
        let entries = page.items.into_iter().filter(|entry| entry.action == "price.put");
        all.extend(entries.map(|entry| entry.target));
        after = match page.next_cursor {
            Some(cursor) => Some(Cursor::decode(&cursor.encode()).unwrap()),
            None => return all,
        };
    }
    panic!("it does not end");
}

#[tokio::test]
async fn entries_are_listed_newest_first_over_months_and_gaps_of_years() {
    let backing = Backing::start().await;
    let store = backing.store();
    for (time, target) in [
        ("2024-02-29T23:59:59.999Z", "e"),
        ("2026-10-31T23:59:59.999Z", "c"),
        ("2026-11-01T00:00:00Z", "b"),
        ("2026-11-25T12:00:00.001Z", "a"),
        ("2026-10-01T00:00:00Z", "d"),
    ] {
        assert!(store.record_audit(&entry(time, target)).await.unwrap());
    }
    for limit in 1..=6 {
        let all = targets(&store, "2020-01-01T00:00:00Z", "2026-12-01T00:00:00Z", limit).await;
        assert_eq!(all, ["a", "b", "c", "d", "e"], "by {limit}");
        let middle = targets(&store, "2026-10-31T23:59:59.999Z", "2026-11-25T12:00:00Z", limit).await;
        assert_eq!(middle, ["b", "c"], "both ends are included, by {limit}");
    }
}

#[tokio::test]
async fn an_entry_comes_back_as_it_went_in_and_is_never_overwritten() {
    let backing = Backing::start().await;
    let store = backing.store();
    let mut first = entry("2026-11-25T12:00:00Z", "t");
    assert!(store.record_audit(&first).await.unwrap());
    let written = first.clone();
    first.target = "changed".into();
    assert!(!store.record_audit(&first).await.unwrap());
    let (since, until) = (at("2026-11-01T00:00:00Z"), at("2026-11-30T00:00:00Z"));
    let page = store.audit_entries(since, until, 10, None).await.unwrap();
    assert_eq!(page.items, [written]);
    let forged = Cursor::decode("S0VZIw").unwrap();
    let error = store.audit_entries(since, until, 10, Some(&forged)).await.unwrap_err();
    assert_eq!(error.kind, Kind::InvalidRequest);
}
