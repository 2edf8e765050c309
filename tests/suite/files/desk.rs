//! What the tests of files ask by.

use aws_lc_rs::digest::{SHA256, digest};
use gateway::principal::Subject;
use gateway::secret::hex;
use gateway::store::END_SHARDS;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::{Backing, Setup};
use tests::event::{Request, request};
use tests::in_process::Functions;

pub(super) const BOUNDARY: &str = "a-boundary-of-the-test";

/// The functions over their backing.
pub(super) struct Desk {
    pub(super) backing: Backing,
    pub(super) functions: Functions,
}

/// A file in a form: its name, its type and its bytes.
pub(super) type Part<'a> = (&'a str, &'a str, &'a [u8]);

impl Desk {
    pub(super) async fn open() -> Self {
        Self::open_with(&Setup::default()).await
    }

    pub(super) async fn open_with(setup: &Setup) -> Self {
        let backing = Box::pin(Backing::start_with(setup)).await;
        let functions = Functions::new(&backing);
        Self { backing, functions }
    }

    /// Owners may have so many bytes, and so many open uploads.
    pub(super) async fn open_limited(bytes: u64, sessions: u32) -> Self {
        let backing = Box::pin(Backing::start()).await;
        let limits = [
            ("TOLLGATE_FILES_STORED_BYTES_PER_OWNER", &*bytes.to_string()),
            ("TOLLGATE_FILES_UPLOAD_SESSIONS_PER_OWNER", &*sessions.to_string()),
        ];
        let functions = Functions::with(&backing, &limits);
        Self { backing, functions }
    }

    pub(super) async fn ask(&self, request: &Request) -> HttpAnswer {
        self.functions.ask("upload", request).await
    }

    pub(super) async fn get(&self, owner: &str, path: &str) -> HttpAnswer {
        self.ask(&request("GET", path).by(owner)).await
    }

    pub(super) async fn delete(&self, owner: &str, path: &str) -> HttpAnswer {
        self.ask(&request("DELETE", path).by(owner)).await
    }

    pub(super) async fn post(&self, owner: &str, path: &str, body: &Value) -> HttpAnswer {
        self.ask(&request("POST", path).by(owner).json(body)).await
    }

    pub(super) async fn upload(&self, owner: &str, texts: &[(&str, &str)], file: Part<'_>) -> HttpAnswer {
        self.ask(&form_request("/api/v1/files/upload", owner, form(texts, &[file])))
            .await
    }

    /// A file that is stored, as it is shown.
    pub(super) async fn stored(&self, owner: &str, texts: &[(&str, &str)], bytes: &[u8]) -> Value {
        let answer = self.upload(owner, texts, ("a.bin", "application/x-thing", bytes)).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()
    }

    /// The keys of an owner's objects.
    pub(super) async fn objects(&self, owner: &str) -> Vec<String> {
        let list = self.backing.s3().list_objects_v2().bucket(self.backing.bucket());
        let answer = list.prefix(format!("files/{owner}/")).send().await.unwrap();
        let objects = answer.contents.unwrap_or_default();
        objects.into_iter().map(|object| object.key.unwrap()).collect()
    }

    /// The bytes of an object, as they are stored.
    pub(super) async fn object(&self, owner: &str, file: &Value) -> Vec<u8> {
        let key = format!("files/{owner}/{}", file["file_id"].as_str().unwrap());
        let get = self.backing.s3().get_object().bucket(self.backing.bucket()).key(key);
        let body = get.send().await.unwrap().body;
        body.collect().await.unwrap().into_bytes().to_vec()
    }

    /// The ids of an owner's files, as they are listed.
    pub(super) async fn listed(&self, owner: &str) -> Vec<String> {
        let answer = self.get(owner, "/api/v1/files?limit=500").await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let files = answer.json()["files"].as_array().unwrap().clone();
        files
            .iter()
            .map(|file| file["file_id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How many reminders of this owner's there are, of any time.
    pub(super) async fn reminders(&self, owner: &str) -> usize {
        let owner: Subject = owner.parse().unwrap();
        let far = "2200-01-01T00:00:00Z".parse().unwrap();
        let mut count = 0;
        for shard in 0..END_SHARDS {
            let ends = self.backing.store().file_ends(shard, far, 1000).await.unwrap();
            count += ends.iter().filter(|end| end.owner == owner).count();
        }
        count
    }

    pub(super) async fn sweep(&self) -> Value {
        self.functions.sweep(&json!({})).await.unwrap()
    }

    pub(super) fn later(&self, hours: i64) {
        self.functions.clock.advance_seconds(hours * 3600);
    }
}

/// An upload's form: texts, and files in the field `file`.
pub(super) fn form(texts: &[(&str, &str)], files: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        let part = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, kind, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

pub(super) fn form_request(path: &str, owner: &str, form: Vec<u8>) -> Request {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    request("POST", path).by(owner).header("Content-Type", &kind).body(form)
}

pub(super) fn path(file: &Value) -> String {
    format!("/api/v1/files/{}", file["file_id"].as_str().unwrap())
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Bytes that no algorithm makes shorter, the same for the same seed.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        // Knuth's multiplier for a congruential generator of 64 bits; the upper bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}
