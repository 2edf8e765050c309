//! Temporary files: there until the second of their end, and then gone; or finalized before.

use serde_json::{Value, json};

use super::desk::{Desk, path};

const OWNER: &str = "user:ends";

async fn temporary(desk: &Desk, days: &str) -> Value {
    desk.stored(
        OWNER,
        &[("storage_mode", "temporary"), ("ttl_days", days)],
        b"for a while",
    )
    .await
}

async fn finalize(desk: &Desk, file: &Value, phase: &str) -> (u16, Value) {
    let answer = desk
        .post(OWNER, &format!("{}/finalize", path(file)), &json!({"phase": phase}))
        .await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_temporary_file_is_not_there_from_the_second_of_its_end_and_its_bytes_go_with_the_sweep() {
    let desk = Desk::open().await;
    let (file, kept) = (temporary(&desk, "1").await, desk.stored(OWNER, &[], b"for good").await);
    desk.functions.clock.advance_seconds(24 * 3600 - 1);
    assert_eq!(desk.get(OWNER, &path(&file)).await.status, 200);
    assert_eq!(desk.sweep().await["files_removed"], 0, "not before");
    desk.functions.clock.advance_seconds(1);
    let id = file["file_id"].as_str().unwrap();
    for gone in [
        path(&file),
        format!("{}/content", path(&file)),
        format!("/anthropic/v1/files/{id}"),
    ] {
        assert_eq!(desk.get(OWNER, &gone).await.status, 404, "{gone}");
    }
    assert_eq!(finalize(&desk, &file, "prepare").await.0, 404);
    assert_eq!(json!(desk.listed(OWNER).await), json!([kept["file_id"]]));
    assert_eq!(desk.objects(OWNER).await.len(), 2, "the bytes are there yet");
    assert_eq!(desk.sweep().await["files_removed"], 1);
    assert_eq!(
        desk.objects(OWNER).await,
        [format!("files/{OWNER}/{}", kept["file_id"].as_str().unwrap())]
    );
    assert_eq!(desk.reminders(OWNER).await, 0);
    assert_eq!(desk.sweep().await["files_removed"], 0, "once");
}

/// B-14
#[tokio::test]
async fn a_temporary_file_becomes_permanent_in_two_phases_each_of_which_can_be_repeated() {
    let desk = Desk::open().await;
    let file = temporary(&desk, "1").await;
    let status = async || desk.get(OWNER, &format!("{}/finalize", path(&file))).await.json();
    assert_eq!(status().await["finalization"], "none");
    assert_eq!(
        finalize(&desk, &file, "commit").await.0,
        409,
        "not before it is prepared"
    );
    let (first, second) = (
        finalize(&desk, &file, "prepare").await,
        finalize(&desk, &file, "prepare").await,
    );
    assert_eq!((first.0, &first.1["finalization"]), (200, &json!("prepared")));
    assert_eq!(first, second);
    assert_eq!(status().await, first.1);
    assert_eq!(
        desk.get(OWNER, &path(&file)).await.json()["retention_policy"],
        "temporary"
    );
    for _ in 0..2 {
        let (code, committed) = finalize(&desk, &file, "commit").await;
        assert_eq!(
            (code, &committed["finalization"], &committed["ends_at"]),
            (200, &json!("committed"), &json!(null))
        );
    }
    assert_eq!(finalize(&desk, &file, "prepare").await.1["finalization"], "committed");
    let shown = desk.get(OWNER, &path(&file)).await.json();
    assert_eq!(
        (&shown["retention_policy"], &shown["finalized_at"]),
        (&json!("permanent"), &json!("2026-12-01T12:00:00Z"))
    );
    desk.later(24 * 400);
    assert_eq!(desk.sweep().await["files_removed"], 0);
    assert_eq!(
        desk.get(OWNER, &format!("{}/content", path(&file))).await.body,
        "for a while"
    );
    assert_eq!(desk.reminders(OWNER).await, 0);
}

/// B-14: between the phases a file stays, whenever it ends; and if nobody commits, no longer.
#[tokio::test]
async fn a_prepared_file_outlives_its_end_until_the_commit_is_too_late() {
    let desk = Desk::open().await;
    let (one, other) = (temporary(&desk, "1").await, temporary(&desk, "1").await);
    desk.functions.clock.advance_seconds(24 * 3600 - 60);
    for file in [&one, &other] {
        assert_eq!(finalize(&desk, file, "prepare").await.0, 200);
    }
    desk.functions.clock.advance_seconds(1800);
    assert_eq!(
        desk.sweep().await["files_removed"],
        0,
        "its end is over, but it is promised"
    );
    assert_eq!(finalize(&desk, &one, "commit").await.0, 200);
    desk.functions.clock.advance_seconds(1800);
    assert_eq!(
        finalize(&desk, &other, "commit").await.0,
        404,
        "an hour is over, and so is its end"
    );
    assert_eq!(desk.sweep().await["files_removed"], 1);
    assert_eq!(json!(desk.listed(OWNER).await), json!([one["file_id"]]));
    assert_eq!(desk.objects(OWNER).await.len(), 1);
}

#[tokio::test]
async fn a_phase_is_prepare_or_commit_and_a_permanent_file_is_committed() {
    let desk = Desk::open().await;
    let file = desk.stored(OWNER, &[], b"for good").await;
    for phase in ["", "rollback", "Prepare"] {
        assert_eq!(finalize(&desk, &file, phase).await.0, 400, "{phase:?}");
    }
    for phase in ["prepare", "commit"] {
        assert_eq!(finalize(&desk, &file, phase).await.1["finalization"], "committed");
    }
}
