//! What is left when the storage or the table fails on the way: a whole file that is listed, or nothing.

use gateway::principal::Subject;
use serde_json::json;
use tests::backing::{Setup, nowhere};
use tests::in_process::Functions;
use tests::unreliable::{Fate, Outage};

use super::desk::{Desk, form, form_request, path};

const OWNER: &str = "user:failures";

async fn unreliable() -> Desk {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    Desk::open_with(&setup).await
}

/// B-11
#[tokio::test]
async fn while_the_storage_is_down_uploads_get_503_and_nothing_is_listed() {
    let desk = Desk::open().await;
    let kept = desk.stored(OWNER, &[], b"from before").await;
    let down = Functions::with(&desk.backing, &[("AWS_ENDPOINT_URL_S3", &nowhere())]);
    let upload = form_request("/api/v1/files/upload", OWNER, form(&[], &[("a", "text/plain", b"x")]));
    let answer = down.ask("upload", &upload).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, "5"),
        "{:?}",
        answer.body
    );
    let open = tests::event::request("POST", "/api/v1/files/sessions")
        .by(OWNER)
        .json(&json!({"filename": "a", "size_bytes": 5}));
    assert_eq!(down.ask("upload", &open).await.status, 503);
    let read = tests::event::request("GET", &format!("{}/content", path(&kept))).by(OWNER);
    assert_eq!(down.ask("upload", &read).await.status, 503);
    assert_eq!(json!(desk.listed(OWNER).await), json!([kept["file_id"]]));
    // The intention is left, and the sweep finds that there is nothing to it.
    assert_eq!(desk.reminders(OWNER).await, 1);
    desk.later(2);
    desk.sweep().await;
    assert_eq!((desk.reminders(OWNER).await, desk.objects(OWNER).await.len()), (0, 1));
}

/// B-11
#[tokio::test]
async fn bytes_whose_item_cannot_be_written_are_taken_back() {
    let desk = unreliable().await;
    let table = desk.backing.unreliable().unwrap();
    // The intention is written, the item is not, however often it is tried.
    table.script(&[&[Fate::Done][..], &[Fate::Throttled; 6]].concat());
    let answer = desk.upload(OWNER, &[], ("a", "text/plain", b"x")).await;
    assert_eq!(answer.status, 503, "{:?}", answer.body);
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
    assert_eq!(desk.reminders(OWNER).await, 0);
}

/// B-11: the answer that the item is written never comes; then it is there, or it is taken back with its bytes.
#[tokio::test]
async fn a_lost_answer_of_the_table_leaves_no_half_of_a_file() {
    let desk = unreliable().await;
    let table = desk.backing.unreliable().unwrap();
    table.script(&[Fate::Done, Fate::Lost]);
    let answer = desk.upload(OWNER, &[], ("a", "text/plain", b"once")).await;
    assert_whole(&desk).await;
    assert!([201, 409, 503].contains(&answer.status), "{:?}", answer.body);
    table.script(&[&[Fate::Done][..], &[Fate::Lost; 6]].concat());
    let answer = desk.upload(OWNER, &[], ("a", "text/plain", b"for ever")).await;
    assert!([409, 503].contains(&answer.status), "{:?}", answer.body);
    assert_whole(&desk).await;
}

/// All that is listed can be read, and nothing else is there once the sweep was.
async fn assert_whole(desk: &Desk) {
    let listed = desk.listed(OWNER).await;
    for id in &listed {
        assert_eq!(
            desk.get(OWNER, &format!("/api/v1/files/{id}/content")).await.status,
            200
        );
    }
    desk.later(2);
    desk.sweep().await;
    assert_eq!(desk.listed(OWNER).await, listed);
    assert_eq!(desk.objects(OWNER).await.len(), listed.len());
}

/// B-11: a function that dies between the bytes and the item leaves bytes, which the sweep removes.
#[tokio::test]
async fn bytes_of_a_dead_upload_are_removed_by_the_sweep() {
    let desk = unreliable().await;
    let table = desk.backing.unreliable().unwrap();
    // Neither the item can be written nor anything be cleaned up: as if the function had died here.
    table.script(&[&[Fate::Done][..], &[Fate::Throttled; 100]].concat());
    let answer = desk.upload(OWNER, &[], ("a", "text/plain", b"x")).await;
    assert_eq!(answer.status, 503);
    table.script(&[]);
    assert_eq!(
        (desk.listed(OWNER).await.len(), desk.objects(OWNER).await.len()),
        (0, 1)
    );
    assert_eq!(desk.sweep().await["files_removed"], 0, "it might still be on its way");
    desk.later(2);
    assert_eq!(desk.sweep().await["files_removed"], 1);
    assert_eq!((desk.objects(OWNER).await.len(), desk.reminders(OWNER).await), (0, 0));
}

#[tokio::test]
async fn a_file_whose_bytes_cannot_be_removed_is_off_the_list_and_the_sweep_removes_them() {
    let desk = Desk::open().await;
    let file = desk.stored(OWNER, &[], b"x").await;
    let down = Functions::with(&desk.backing, &[("AWS_ENDPOINT_URL_S3", &nowhere())]);
    let delete = tests::event::request("DELETE", &path(&file)).by(OWNER);
    assert_eq!(down.ask("upload", &delete).await.status, 204);
    assert_eq!(
        (desk.listed(OWNER).await.len(), desk.objects(OWNER).await.len()),
        (0, 1)
    );
    assert_eq!(desk.sweep().await["files_removed"], 1);
    assert_eq!((desk.objects(OWNER).await.len(), desk.reminders(OWNER).await), (0, 0));
}

/// A failing storage keeps the sweep from nothing else, and what it could not do is done by the next one.
#[tokio::test]
async fn the_sweep_goes_on_where_the_storage_fails() {
    let desk = Desk::open().await;
    desk.stored(OWNER, &[("retention_policy", "temporary"), ("ttl_days", "1")], b"x")
        .await;
    desk.later(25);
    let down = Functions::with(&desk.backing, &[("AWS_ENDPOINT_URL_S3", &nowhere())]);
    down.clock.advance_seconds(25 * 3600);
    let report = down.sweep(&json!({})).await.unwrap();
    assert_eq!(
        (&report["files_failed"], &report["complete"]),
        (&json!(1), &json!(true)),
        "{report}"
    );
    let owner: Subject = OWNER.parse().unwrap();
    assert!(desk.reminders(owner.as_str()).await == 1 && desk.objects(OWNER).await.len() == 1);
    assert_eq!(desk.sweep().await["files_removed"], 1);
    assert_eq!((desk.objects(OWNER).await.len(), desk.reminders(OWNER).await), (0, 0));
}

/// B-11
#[tokio::test]
async fn while_the_table_is_down_uploads_get_503_and_nothing_is_stored() {
    let desk = unreliable().await;
    let table = desk.backing.unreliable().unwrap();
    table.table_is(Some(Outage::Failing));
    let answer = desk.upload(OWNER, &[], ("a", "text/plain", b"x")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
    table.table_is(None);
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
}
