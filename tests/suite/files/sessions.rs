//! Uploads in parts: straight to the storage, part by part, verified as a whole, or refused with nothing left.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::desk::{Desk, noise, path, sha256};

const OWNER: &str = "user:sessions";
const PART: usize = 16 * 1024 * 1024;

/// A file of these bytes, uploaded in parts.
pub(super) async fn uploaded(desk: &Desk, owner: &str, bytes: &[u8], more: &Value) -> Value {
    let session = opened(desk, owner, bytes, more).await;
    for number in 1..=bytes.len().div_ceil(PART) {
        assert_eq!(put(desk, owner, &session, number, part(bytes, number)).await, 200);
    }
    let answer = desk
        .post(owner, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()
}

pub(super) async fn opened(desk: &Desk, owner: &str, bytes: &[u8], more: &Value) -> Value {
    let mut wish = json!({"filename": "large.bin", "size_bytes": bytes.len(), "sha256": sha256(bytes)});
    wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = desk.post(owner, "/api/v1/files/sessions", &wish).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()
}

pub(super) fn at(session: &Value) -> String {
    format!("/api/v1/files/sessions/{}", session["session_id"].as_str().unwrap())
}

fn part(bytes: &[u8], number: usize) -> &[u8] {
    &bytes[(number - 1) * PART..(number * PART).min(bytes.len())]
}

/// Where a part is to go whose bytes are these.
async fn url(desk: &Desk, owner: &str, session: &Value, number: usize, bytes: &[u8]) -> Value {
    let wish = json!({"parts": [{"number": number, "sha256": sha256(bytes)}]});
    let answer = desk.post(owner, &format!("{}/parts", at(session)), &wish).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()["parts"][0].clone()
}

/// Sends bytes to where a part is to go, and returns the storage's status.
async fn send(url: &Value, bytes: &[u8]) -> u16 {
    let mut wish = reqwest::Client::new().put(url["url"].as_str().unwrap());
    for (name, value) in url["headers"].as_object().unwrap() {
        if name != "content-length" {
            wish = wish.header(name, value.as_str().unwrap());
        }
    }
    wish.body(bytes.to_vec()).send().await.unwrap().status().as_u16()
}

pub(super) async fn put(desk: &Desk, owner: &str, session: &Value, number: usize, bytes: &[u8]) -> u16 {
    send(&url(desk, owner, session, number, bytes).await, bytes).await
}

/// B-13
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_away_comes_back_and_sends_what_is_missing() {
    let desk = Desk::open().await;
    let bytes = noise(2 * PART + 34, 6);
    let session = opened(&desk, OWNER, &bytes, &json!({"description": "d", "metadata": {"a": 1}})).await;
    assert_eq!(
        (&session["parts"], &session["part_size_bytes"], &session["state"]),
        (&json!(3), &json!(PART), &json!("pending"))
    );
    assert_eq!(put(&desk, OWNER, &session, 3, part(&bytes, 3)).await, 200);
    assert_eq!(put(&desk, OWNER, &session, 1, part(&bytes, 1)).await, 200);
    assert_eq!(
        desk.listed(OWNER).await,
        Vec::<String>::new(),
        "nothing is listed before it is whole"
    );
    let early = desk
        .post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(early.status, 409);
    assert!(
        early.json()["detail"]
            .as_str()
            .unwrap()
            .contains("1 parts are missing: 2."),
        "{:?}",
        early.body
    );
    // It comes back, and asks what is there.
    let there = desk.get(OWNER, &at(&session)).await.json();
    assert_eq!(
        there["uploaded"],
        json!([
            {"number": 1, "size_bytes": PART, "sha256": sha256(part(&bytes, 1))},
            {"number": 3, "size_bytes": 34, "sha256": sha256(part(&bytes, 3))},
        ])
    );
    assert_eq!(put(&desk, OWNER, &session, 2, part(&bytes, 2)).await, 200);
    let done = desk
        .post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(done.status, 201, "{:?}", done.body);
    let file = done.json();
    assert_eq!(
        (&file["file_id"], &file["sha256"], &file["size_bytes"]),
        (&session["file_id"], &json!(sha256(&bytes)), &json!(bytes.len()))
    );
    assert_eq!(
        (&file["description"], &file["metadata"]),
        (&json!("d"), &json!({"a": 1}))
    );
    assert!(desk.object(OWNER, &file).await == bytes);
    let again = desk
        .post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(
        (again.status, again.json()),
        (200, file.clone()),
        "done again, it answers the same"
    );
    assert_eq!(desk.get(OWNER, &at(&session)).await.json()["state"], "stored");
    assert_eq!(desk.delete(OWNER, &at(&session)).await.status, 409, "it is a file now");
    assert_eq!(desk.get(OWNER, &path(&file)).await.json(), file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_takes_the_bytes_that_it_is_bound_to_and_no_others() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 7);
    let session = opened(&desk, OWNER, &bytes, &json!({})).await;
    let there = url(&desk, OWNER, &session, 1, &bytes).await;
    let mut other = bytes.clone();
    other[17] ^= 1;
    assert_eq!(send(&there, &other).await, 400, "other bytes of the same length");
    assert_eq!(
        send(&there, &bytes[..4999]).await,
        403,
        "another length, which the signature covers"
    );
    let mut rebound = there.clone();
    rebound["headers"]["x-amz-checksum-sha256"] = json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    assert_eq!(
        send(&rebound, &other).await,
        403,
        "another digest, which the signature covers"
    );
    let mut unbound = there.clone();
    unbound["headers"]
        .as_object_mut()
        .unwrap()
        .remove("x-amz-checksum-sha256");
    assert!([400, 403].contains(&send(&unbound, &other).await), "none");
    assert_eq!(desk.get(OWNER, &at(&session)).await.json()["uploaded"], json!([]));
    assert_eq!(send(&there, &bytes).await, 200);
}

/// B-11, B-13
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_was_announced_is_refused_and_nothing_is_left() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 8);
    let session = opened(&desk, OWNER, &bytes, &json!({"sha256": sha256(b"other")})).await;
    assert_eq!(put(&desk, OWNER, &session, 1, &bytes).await, 200);
    let refused = desk
        .post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(refused.status, 400, "{:?}", refused.body);
    assert!(refused.json()["detail"].as_str().unwrap().contains("SHA-256"));
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
    let told = desk.get(OWNER, &at(&session)).await.json();
    assert_eq!((&told["state"], told["reason"].is_string()), (&json!("refused"), true));
    for action in ["complete", "parts"] {
        let wish = json!({"parts": [{"number": 1, "sha256": sha256(&bytes)}]});
        assert_eq!(
            desk.post(OWNER, &format!("{}/{action}", at(&session)), &wish)
                .await
                .status,
            409,
            "{action}"
        );
    }
    assert_eq!(desk.delete(OWNER, &at(&session)).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_upload_leaves_nothing_and_can_be_aborted_again() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 9);
    let session = opened(&desk, OWNER, &bytes, &json!({})).await;
    let there = url(&desk, OWNER, &session, 1, &bytes).await;
    assert_eq!(send(&there, &bytes).await, 200);
    for _ in 0..2 {
        assert_eq!(desk.delete(OWNER, &at(&session)).await.status, 204);
    }
    assert_eq!(send(&there, &bytes).await, 404, "the storage knows of no such upload");
    assert_eq!(
        desk.post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
            .await
            .status,
        409
    );
    assert_eq!((desk.listed(OWNER).await, desk.objects(OWNER).await), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_completions_at_once_one_stores_the_file() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 10);
    let session = opened(&desk, OWNER, &bytes, &json!({})).await;
    assert_eq!(put(&desk, OWNER, &session, 1, &bytes).await, 200);
    let (path, body) = (format!("{}/complete", at(&session)), json!({}));
    let answers = join_all((0..10).map(|_| desk.post(OWNER, &path, &body))).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [200, 201, 409].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(desk.listed(OWNER).await.len(), 1);
    assert!(desk.object(OWNER, &session).await == bytes);
}

#[tokio::test]
async fn what_is_wrong_with_a_session_is_told() {
    let desk = Desk::open().await;
    let good = json!({"filename": "a", "size_bytes": 10});
    for (member, value, status) in [
        ("filename", json!("../a"), 400),
        ("filename", json!(null), 400),
        ("size_bytes", json!(0), 400),
        ("size_bytes", json!(-1), 400),
        ("size_bytes", json!("10"), 400),
        ("size_bytes", json!(1.5), 400),
        ("size_bytes", json!(5_u64 * 1024 * 1024 * 1024 + 1), 413),
        ("sha256", json!("abc"), 400),
        ("content_type", json!("nonsense"), 400),
        ("metadata", json!([]), 400),
        ("metadata", json!("{}"), 400),
        ("retention_policy", json!("forever"), 400),
        ("ttl_days", json!(3), 400),
        ("owner", json!("user:alice"), 400),
        ("file_id", json!("file_x"), 400),
    ] {
        let mut wish = good.clone();
        wish[member] = value;
        let answer = desk.post(OWNER, "/api/v1/files/sessions", &wish).await;
        assert_eq!(answer.status, status, "{wish}: {:?}", answer.body);
    }
    let session = desk.post(OWNER, "/api/v1/files/sessions", &good).await.json();
    let digest = "0".repeat(64);
    for parts in [
        json!([]),
        json!([{"number": 0, "sha256": digest}]),
        json!([{"number": 2, "sha256": digest}]),
        json!([{"number": 1, "sha256": "zz"}]),
        json!([{"number": 1}]),
        json!(vec![json!({"number": 1, "sha256": digest}); 101]),
    ] {
        let answer = desk
            .post(OWNER, &format!("{}/parts", at(&session)), &json!({"parts": parts}))
            .await;
        assert_eq!(answer.status, 400, "{parts}: {:?}", answer.body);
    }
    assert_eq!(desk.objects(OWNER).await, Vec::<String>::new());
}

/// Abandoned sessions go, with what they brought, and not before their time.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_ends_what_nobody_completed() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 11);
    let session = opened(&desk, OWNER, &bytes, &json!({})).await;
    let there = url(&desk, OWNER, &session, 1, &bytes).await;
    assert_eq!(send(&there, &bytes).await, 200);
    desk.later(23);
    assert_eq!(desk.sweep().await["uploads_abandoned"], 0);
    desk.later(1);
    let late = desk
        .post(OWNER, &format!("{}/complete", at(&session)), &json!({}))
        .await;
    assert_eq!(late.status, 409, "{:?}", late.body);
    desk.later(1);
    assert_eq!(desk.sweep().await["uploads_abandoned"], 1);
    assert_eq!(desk.get(OWNER, &at(&session)).await.status, 404);
    assert_eq!(send(&there, &bytes).await, 404, "the storage knows of no such upload");
    assert_eq!((desk.objects(OWNER).await, desk.reminders(OWNER).await), (vec![], 0));
    assert_eq!(desk.sweep().await["uploads_abandoned"], 0);
}

/// What a session has become stays when the session itself goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_takes_a_finished_session_away_and_not_its_file() {
    let desk = Desk::open().await;
    let bytes = noise(5000, 12);
    let file = uploaded(&desk, OWNER, &bytes, &json!({})).await;
    desk.later(26);
    assert_eq!(desk.sweep().await["files_removed"], 0);
    assert_eq!(desk.reminders(OWNER).await, 0);
    assert!(desk.object(OWNER, &file).await == bytes);
    assert_eq!(desk.get(OWNER, &path(&file)).await.status, 200);
}
