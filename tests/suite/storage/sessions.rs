//! Uploads in parts over the storage service: through the upload function, since the service has no URLs of its own.

use gateway::objects::Sha256;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::request;
use tests::storage_service::Fault;

use super::service::Scene;
use super::*;

const OWNER: &str = "user:parts";
const PART: usize = 4 * 1024 * 1024;
const SESSIONS: &str = "/api/v1/files/sessions";

/// The functions over a storage service.
struct Desk {
    scene: Scene,
    functions: tests::in_process::Functions,
}

impl Desk {
    async fn open() -> Self {
        let scene = Scene::new().await;
        let functions = scene.functions();
        Self { scene, functions }
    }

    async fn ask(&self, method: &str, path: &str) -> HttpAnswer {
        self.functions.ask("upload", &request(method, path).by(OWNER)).await
    }

    async fn post(&self, path: &str, body: &Value) -> HttpAnswer {
        let post = request("POST", path).by(OWNER).json(body);
        self.functions.ask("upload", &post).await
    }

    async fn session(&self, bytes: &[u8], sha256: &str) -> String {
        let wish = json!({"filename": "large.bin", "size_bytes": bytes.len(), "sha256": sha256});
        let answer = self.post(SESSIONS, &wish).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["part_size_bytes"], json!(PART));
        format!("{SESSIONS}/{}", answer.json()["session_id"].as_str().unwrap())
    }

    /// Sends bytes to where a part is to go whose checksum is that of `announced`.
    async fn put(&self, session: &str, number: usize, announced: &[u8], sent: &[u8]) -> HttpAnswer {
        let wish = json!({"parts": [{"number": number, "sha256": Sha256::of(announced).hex()}]});
        let answer = self.post(&format!("{session}/parts"), &wish).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let to = &answer.json()["parts"][0];
        assert_eq!(to["url"], json!(format!("parts/{number}")));
        let digest = to["headers"]["repr-digest"].as_str().unwrap();
        self.put_as(&format!("{session}/parts/{number}"), Some(digest), sent)
            .await
    }

    async fn put_as(&self, path: &str, digest: Option<&str>, sent: &[u8]) -> HttpAnswer {
        let put = request("PUT", path).by(OWNER).body(sent);
        let put = match digest {
            Some(digest) => put.header("Repr-Digest", digest),
            None => put,
        };
        self.functions.ask("upload", &put).await
    }

    async fn put_all(&self, session: &str, bytes: &[u8]) {
        for (number, part) in (1..).zip(bytes.chunks(PART)) {
            assert_eq!(self.put(session, number, part, part).await.status, 204);
        }
    }

    async fn complete(&self, session: &str) -> HttpAnswer {
        self.ask("POST", &format!("{session}/complete")).await
    }

    async fn listed(&self) -> usize {
        let answer = self.ask("GET", "/api/v1/files").await;
        answer.json()["files"].as_array().unwrap().len()
    }

    /// What is listed, and what the service has: files and uploads.
    async fn left(&self) -> (usize, usize) {
        (self.listed().await, self.scene.services.store.files())
    }

    /// A file's bytes, read in ranges, as many at a time as come.
    async fn read_back(&self, file: &Value) -> Vec<u8> {
        let path = format!("/api/v1/files/{}/content", file["file_id"].as_str().unwrap());
        let size = usize::try_from(file["size_bytes"].as_u64().unwrap()).unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < size {
            let get = request("GET", &path)
                .by(OWNER)
                .header("Range", &format!("bytes={}-", bytes.len()));
            let answer = self.functions.ask("upload", &get).await;
            assert_eq!(answer.status, 206, "{answer:?}");
            let last = bytes.len() + answer.body.len() - 1;
            assert_eq!(
                answer.header("content-range"),
                format!("bytes {}-{last}/{size}", bytes.len())
            );
            bytes.extend_from_slice(&answer.body);
        }
        bytes
    }
}

/// B-13: resumed, whole, read back
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_away_sends_the_missing_parts_through_the_gateway() {
    let desk = Desk::open().await;
    let bytes = bytes(2 * PART + 34);
    let part = |number: usize| bytes.chunks(PART).nth(number - 1).unwrap();
    let session = desk.session(&bytes, &Sha256::of(&bytes).hex()).await;
    for number in [3, 1] {
        let answer = desk.put(&session, number, part(number), part(number)).await;
        assert_eq!(
            (answer.status, answer.header("repr-digest")),
            (204, &*Sha256::of(part(number)).repr_digest())
        );
    }
    let early = desk.complete(&session).await;
    assert_eq!(early.status, 409);
    assert!(
        early.json()["detail"].as_str().unwrap().contains("missing: 2."),
        "{early:?}"
    );
    assert_eq!(desk.left().await, (0, 1), "the upload alone");
    let there = desk.ask("GET", &session).await.json();
    let told = |number: usize| json!({"number": number, "size_bytes": part(number).len(), "sha256": Sha256::of(part(number)).hex()});
    assert_eq!(there["uploaded"], json!([told(1), told(3)]));
    // A part may come again, also with other bytes.
    let other = vec![7; PART];
    assert_eq!(desk.put(&session, 2, &other, &other).await.status, 204);
    assert_eq!(desk.put(&session, 2, part(2), part(2)).await.status, 204);
    let done = desk.complete(&session).await;
    assert_eq!(done.status, 201, "{done:?}");
    assert_eq!(done.json()["sha256"], json!(Sha256::of(&bytes).hex()));
    assert_eq!(
        desk.complete(&session).await.status,
        200,
        "done again, it answers the same"
    );
    assert_eq!(desk.put_as(&format!("{session}/parts/1"), None, b"x").await.status, 409);
    assert_eq!(desk.ask("DELETE", &session).await.status, 409, "it is a file now");
    assert_eq!(desk.left().await, (1, 1), "the file alone");
    assert!(desk.read_back(&done.json()).await == bytes);
    let path = format!("/api/v1/files/{}", done.json()["file_id"].as_str().unwrap());
    let whole = desk.ask("GET", &format!("{path}/content")).await;
    assert_eq!(whole.status, 400, "there is no URL that it could be told");
    assert!(whole.json()["detail"].as_str().unwrap().contains("Range"), "{whole:?}");
    assert_eq!(desk.ask("DELETE", &path).await.status, 204);
    assert_eq!(desk.left().await, (0, 0));
}

/// B-11, B-13
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_what_was_announced_is_refused_before_it_goes_on() {
    let desk = Desk::open().await;
    let bytes = bytes(5000);
    let session = desk.session(&bytes, &Sha256::of(&bytes).hex()).await;
    let asked = desk.scene.services.store.asked().len();
    let mut other = bytes.clone();
    other[17] ^= 1;
    assert_eq!(desk.put(&session, 1, &bytes, &other).await.status, 400, "other bytes");
    assert_eq!(desk.put(&session, 1, &bytes, &bytes[1..]).await.status, 400, "shorter");
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(desk.put(&session, 1, &longer, &longer).await.status, 400, "longer");
    let digest = Sha256::of(&bytes).repr_digest();
    for (path, digest, status) in [
        (format!("{session}/parts/1"), None, 400),
        (format!("{session}/parts/1"), Some("sha-256=:AA==:"), 400),
        (format!("{session}/parts/1"), Some("sha-512=:AA==:"), 400),
        (format!("{session}/parts/0"), Some(&*digest), 400),
        (format!("{session}/parts/2"), Some(&*digest), 400),
        (format!("{session}/parts/-1"), Some(&*digest), 400),
        (format!("{session}/parts/x"), Some(&*digest), 400),
        (format!("{SESSIONS}/upload_none/parts/1"), Some(&*digest), 404),
        (format!("{SESSIONS}/..%2f..%2fx/parts/1"), Some(&*digest), 404),
        (format!("{session}/parts/%ff"), Some(&*digest), 404),
    ] {
        let answer = desk.put_as(&path, digest, &bytes).await;
        assert_eq!(answer.status, status, "{path} {digest:?}: {answer:?}");
    }
    let compressed = request("PUT", &format!("{session}/parts/1")).by(OWNER).body(&bytes[..]);
    let compressed = compressed
        .header("Repr-Digest", &digest)
        .header("Content-Encoding", "gzip");
    assert_eq!(desk.functions.ask("upload", &compressed).await.status, 415);
    let anothers = request("PUT", &format!("{session}/parts/1")).by("user:other");
    let anothers = anothers.header("Repr-Digest", &digest).body(&bytes[..]);
    assert_eq!(desk.functions.ask("upload", &anothers).await.status, 404);
    assert_eq!(desk.scene.services.store.asked().len(), asked, "nothing of it went on");
}

/// B-11, B-13
#[tokio::test(flavor = "multi_thread")]
async fn what_the_parts_make_is_verified_and_what_is_wrong_leaves_nothing() {
    let desk = Desk::open().await;
    let bytes = bytes(PART + 5000);
    let session = desk.session(&bytes, &Sha256::of(b"other").hex()).await;
    desk.put_all(&session, &bytes).await;
    let refused = desk.complete(&session).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("SHA-256"));
    assert_eq!(desk.ask("GET", &session).await.json()["state"], "refused");
    assert_eq!(desk.left().await, (0, 0));
}

/// B-11
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_the_service_that_is_aborted_or_abandoned_leaves_nothing() {
    let desk = Desk::open().await;
    let bytes = bytes(PART + 1);
    let session = desk.session(&bytes, &Sha256::of(&bytes).hex()).await;
    desk.put_all(&session, &bytes).await;
    assert_eq!(desk.left().await, (0, 1));
    for _ in 0..2 {
        assert_eq!(desk.ask("DELETE", &session).await.status, 204);
        assert_eq!(desk.left().await, (0, 0));
    }
    let digest = Sha256::of(&bytes[PART..]).repr_digest();
    let late = desk
        .put_as(&format!("{session}/parts/2"), Some(&digest), &bytes[PART..])
        .await;
    assert_eq!(late.status, 409);
    let session = desk.session(&bytes, &Sha256::of(&bytes).hex()).await;
    desk.put_all(&session, &bytes).await;
    desk.functions.clock.advance_seconds(23 * 3600);
    assert_eq!(desk.functions.sweep(&json!({})).await.unwrap()["uploads_abandoned"], 0);
    desk.functions.clock.advance_seconds(2 * 3600);
    assert_eq!(desk.functions.sweep(&json!({})).await.unwrap()["uploads_abandoned"], 1);
    assert_eq!(desk.ask("GET", &session).await.status, 404);
    assert_eq!(desk.left().await, (0, 0));
}

/// B-11, B-17: each request that a completion makes of the service fails, before it is done or after.
#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_the_service_fails_at_any_step_is_done_by_the_next() {
    let desk = Desk::open().await;
    let bytes = bytes(PART + 5000);
    for step in 0..4 {
        for fault in [Fault::Status(503), Fault::Lost(503), Fault::Cut(100)] {
            let session = desk.session(&bytes, &Sha256::of(&bytes).hex()).await;
            desk.put_all(&session, &bytes).await;
            desk.scene.services.store.fails_at(step, fault);
            let failed = desk.complete(&session).await;
            let cut = matches!(fault, Fault::Cut(_));
            // The answers that are no object's are not cut.
            let expected = if cut && step < 3 { 201 } else { 503 };
            assert_eq!(failed.status, expected, "{step} {fault:?}: {failed:?}");
            let done = desk.complete(&session).await;
            let again = if expected == 201 { 200 } else { 201 };
            assert_eq!(done.status, again, "{step} {fault:?}: {done:?}");
            assert_eq!(desk.left().await, (1, 1));
            let path = format!("/api/v1/files/{}", done.json()["file_id"].as_str().unwrap());
            assert_eq!(desk.ask("DELETE", &path).await.status, 204);
        }
    }
}
