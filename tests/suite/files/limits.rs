//! What an owner may have: counted with what it counts, however much comes and goes at once.

use futures_util::future::join_all;
use gateway::store::TakenUp;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Setup;
use tests::unreliable::Fate;

use super::desk::{Desk, form, form_request, noise, path};
use super::sessions::{at, opened, put};

const OWNER: &str = "user:limits";

async fn taken_up(desk: &Desk) -> (u64, u32) {
    let owner = OWNER.parse().unwrap();
    let TakenUp {
        stored_bytes,
        upload_sessions,
    } = desk.backing.store().taken_up(&owner).await.unwrap();
    (stored_bytes, upload_sessions)
}

async fn of(desk: &Desk, bytes: usize) -> HttpAnswer {
    desk.upload(OWNER, &[], ("a", "text/plain", &noise(bytes, 1))).await
}

async fn open(desk: &Desk, owner: &str, bytes: usize) -> HttpAnswer {
    let wish = json!({"filename": "a", "size_bytes": bytes});
    desk.post(owner, "/api/v1/files/sessions", &wish).await
}

/// B-11, B-21
#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_files_at_once_ten_are_stored_where_ten_may_be() {
    let desk = Desk::open_limited(1000, 5).await;
    let answers = join_all((0..30).map(|_| of(&desk, 100))).await;
    let mut files: Vec<Value> = Vec::new();
    for answer in answers {
        match answer.status {
            201 => files.push(answer.json()),
            status => assert_eq!((status, &answer.json()["code"]), (409, &json!("conflict"))),
        }
    }
    assert_eq!(files.len(), 10);
    assert_eq!(taken_up(&desk).await, (1000, 0));
    assert_eq!(
        (
            desk.listed(OWNER).await.len(),
            desk.objects(OWNER).await.len(),
            desk.reminders(OWNER).await
        ),
        (10, 10, 0),
        "nothing is left of the others"
    );
    assert_eq!(of(&desk, 1).await.status, 409);
    assert_eq!(open(&desk, OWNER, 1).await.status, 409);
    assert_eq!(desk.delete(OWNER, &path(&files[0])).await.status, 204);
    assert_eq!(desk.delete(OWNER, &path(&files[0])).await.status, 404);
    assert_eq!(of(&desk, 101).await.status, 409);
    assert_eq!(of(&desk, 100).await.status, 201);
    let gone = join_all(
        files[1..]
            .iter()
            .map(async |file| desk.delete(OWNER, &path(file)).await),
    )
    .await;
    assert!(gone.iter().all(|answer| answer.status == 204));
    assert_eq!(taken_up(&desk).await, (100, 0));
}

#[tokio::test]
async fn a_file_counts_with_what_is_stored_of_it_until_the_sweep_takes_it() {
    let desk = Desk::open_limited(1000, 5).await;
    let texts = [
        ("compress", "true"),
        ("retention_policy", "temporary"),
        ("ttl_days", "1"),
    ];
    let file = desk.stored(OWNER, &texts, &[b'a'; 5000]).await;
    let stored = file["stored_size_bytes"].as_u64().unwrap();
    assert!(stored < 1000);
    assert_eq!(taken_up(&desk).await, (stored, 0));
    desk.later(24);
    assert_eq!(taken_up(&desk).await, (stored, 0), "its bytes are there yet");
    desk.sweep().await;
    assert_eq!(taken_up(&desk).await, (0, 0));
    desk.sweep().await;
    assert_eq!(taken_up(&desk).await, (0, 0));
}

/// B-11
#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_counted_from_their_opening_and_given_back_when_they_are_over() {
    let desk = Desk::open_limited(10_000, 3).await;
    let answers = join_all((0..10).map(|_| open(&desk, OWNER, 100))).await;
    let there: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(there.len(), 3);
    assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)));
    assert_eq!(taken_up(&desk).await, (300, 3));
    assert_eq!(
        open(&desk, "user:other", 100).await.status,
        201,
        "somebody else's count"
    );
    // Aborted, twice and at once.
    let aborted = at(&there[0].json());
    join_all((0..4).map(|_| desk.delete(OWNER, &aborted))).await;
    assert_eq!(taken_up(&desk).await, (200, 2));
    // Stored: the bytes stay, the place is free.
    let bytes = noise(5000, 3);
    let session = opened(&desk, OWNER, &bytes, &json!({})).await;
    assert_eq!(taken_up(&desk).await, (5200, 3));
    assert_eq!(put(&desk, OWNER, &session, 1, &bytes).await, 200);
    let (complete, nothing) = (format!("{}/complete", at(&session)), json!({}));
    let done = join_all((0..4).map(|_| desk.post(OWNER, &complete, &nothing))).await;
    // Some of them may be told that another is at it.
    let stored = done.iter().find(|answer| answer.status == 201);
    let stored = path(&stored.unwrap_or_else(|| panic!("{done:?}")).json());
    assert_eq!(taken_up(&desk).await, (5200, 2));
    // Too much by one byte, with what is open.
    assert_eq!(open(&desk, OWNER, 4801).await.status, 409);
    // Refused.
    let session = opened(&desk, OWNER, &bytes[..4800], &json!({"sha256": "0".repeat(64)})).await;
    assert_eq!(taken_up(&desk).await, (10_000, 3));
    assert_eq!(put(&desk, OWNER, &session, 1, &bytes[..4800]).await, 200);
    assert_eq!(
        desk.post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
            .await
            .status,
        400
    );
    assert_eq!(taken_up(&desk).await, (5200, 2));
    // Abandoned.
    desk.later(25);
    desk.sweep().await;
    assert_eq!(taken_up(&desk).await, (5000, 0));
    assert_eq!(desk.delete(OWNER, &stored).await.status, 204);
    assert_eq!(taken_up(&desk).await, (0, 0));
}

#[tokio::test]
async fn too_much_is_told_in_anthropics_words_by_the_name_that_its_clients_know() {
    let desk = Desk::open_limited(10, 1).await;
    let form = form(&[], &[("a", "text/plain", b"eleven byte")]);
    let answer = desk.ask(&form_request("/anthropic/v1/files", OWNER, form)).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let error = answer.json()["error"].clone();
    assert_eq!(
        (&error["type"], &error["details"]),
        (
            &json!("invalid_request_error"),
            &json!({"error_code": "storage_quota_exceeded"})
        )
    );
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
}

/// However the table fails, the count is that of what is there.
#[tokio::test]
async fn the_count_is_right_whatever_answers_of_the_table_are_lost() {
    let desk = Desk::open_with(&Setup {
        unreliable_table: true,
        ..Setup::default()
    })
    .await;
    let table = desk.backing.unreliable().unwrap();
    for fates in [
        &[Fate::Done, Fate::Lost][..],
        &[Fate::Done, Fate::Lost, Fate::Lost, Fate::Lost, Fate::Lost, Fate::Lost],
        &[Fate::Done, Fate::Throttled, Fate::Lost],
        &[Fate::Lost, Fate::Done, Fate::Lost],
    ] {
        table.script(fates);
        of(&desk, 100).await;
        table.script(&[]);
        let listed = desk.listed(OWNER).await.len() as u64;
        assert_eq!(taken_up(&desk).await, (100 * listed, 0), "{fates:?}");
        for id in desk.listed(OWNER).await {
            table.script(&[Fate::Lost, Fate::Done]);
            desk.delete(OWNER, &format!("/api/v1/files/{id}")).await;
        }
        table.script(&[]);
        assert_eq!(taken_up(&desk).await, (0, 0), "{fates:?}");
    }
}
