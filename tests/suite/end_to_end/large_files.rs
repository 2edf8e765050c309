//! The whole workflow through the gateway, with files of every size up to a gigabyte, over S3 and over a storage service behind mutual TLS;
//! and a hundred uploads at once.

use std::time::Instant;

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gateway::secret::hex;
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::fixtures::CLIENT_SECRET;
use tests::local::{Caller, Stack, make_secret};
use tests::storage_service::{SECRET_NAME, Services};

const MIB: usize = 1024 * 1024;
/// What a URL of S3's takes, and what passes through a function.
const S3_PART: usize = 16 * MIB;
const PASSED_PART: usize = 4 * MIB;
const PARTS_AT_ONCE: usize = 4;
/// So many parts are asked for at once.
const ASKED_AT_ONCE: usize = 100;
/// What a function's process may hold at the most, whatever passes.
const MOST_KIB: u64 = 64 * 1024;

/// A file that nobody stores: each part is the same noise with its number at the beginning.
struct Generated {
    noise: Vec<u8>,
    size: usize,
    part: usize,
}

impl Generated {
    fn of(size: usize, part: usize) -> Self {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()
        };
        let length = size.min(part);
        let noise = (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect();
        Self { noise, size, part }
    }

    fn parts(&self) -> usize {
        self.size.div_ceil(self.part)
    }

    fn part(&self, number: usize) -> Bytes {
        let length = self.part.min(self.size - (number - 1) * self.part);
        let mut bytes = self.noise[..length].to_vec();
        for (byte, of_number) in bytes.iter_mut().zip(number.to_le_bytes()) {
            *byte ^= of_number;
        }
        bytes.into()
    }

    fn sha256(&self) -> String {
        let mut all = Context::new(&SHA256);
        (1..=self.parts()).for_each(|number| all.update(&self.part(number)));
        hex(all.finish().as_ref())
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

async fn opened(caller: &Caller, size: usize, sha256: &str) -> String {
    let wish = json!({"filename": "large.bin", "size_bytes": size, "sha256": sha256});
    let answer = caller.post("/api/v1/files/sessions", &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    format!(
        "/api/v1/files/sessions/{}",
        answer.json()["session_id"].as_str().unwrap()
    )
}

/// Where parts are to go whose bytes have these checksums.
async fn places(caller: &Caller, session: &str, parts: Vec<(usize, String)>) -> Vec<Value> {
    let parts: Vec<_> = parts
        .into_iter()
        .map(|(number, sha256)| json!({"number": number, "sha256": sha256}))
        .collect();
    let answer = caller
        .post(&format!("{session}/parts"), &json!({ "parts": parts }))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["parts"].as_array().unwrap().clone()
}

/// Sends a part as it is asked for: to the storage, or, where the URL is relative, to the gateway.
async fn send(http: &reqwest::Client, caller: &Caller, session: &str, to: &Value, bytes: Bytes) -> u16 {
    let url = to["url"].as_str().unwrap();
    let headers = to["headers"].as_object().unwrap().iter();
    let headers = headers.filter(|(name, _)| *name != "content-length");
    let headers: Vec<_> = headers
        .map(|(name, value)| (&**name, value.as_str().unwrap()))
        .collect();
    if !url.contains("://") {
        let answer = caller.send("PUT", &format!("{session}/{url}"), &headers, bytes).await;
        return answer.status;
    }
    let put = http.put(url).body(bytes);
    let put = headers
        .into_iter()
        .fold(put, |put, (name, value)| put.header(name, value));
    put.send().await.unwrap().status().as_u16()
}

async fn put_parts(http: &reqwest::Client, caller: &Caller, session: &str, file: &Generated, numbers: Vec<usize>) {
    for numbers in numbers.chunks(ASKED_AT_ONCE) {
        let parts = numbers.iter().map(|number| (*number, sha256(&file.part(*number))));
        let places = places(caller, session, parts.collect()).await;
        let puts = numbers.iter().zip(places).map(|(number, to)| async move {
            let status = send(http, caller, session, &to, file.part(*number)).await;
            assert!([200, 204].contains(&status), "{status}");
        });
        futures_util::stream::iter(puts)
            .buffer_unordered(PARTS_AT_ONCE)
            .collect::<Vec<()>>()
            .await;
    }
}

/// Reads a file as a client does that follows redirects, and asks for ranges where it is told to; returns the SHA-256 of what comes.
async fn read_back(http: &reqwest::Client, caller: &Caller, file: &Value) -> String {
    let path = format!("/api/v1/files/{}/content", file["file_id"].as_str().unwrap());
    let answer = caller.get(&path).await;
    let mut all = Context::new(&SHA256);
    match answer.status {
        200 => return sha256(&answer.body),
        400 => {
            let (size, mut read) = (file["size_bytes"].as_u64().unwrap(), 0);
            while read < size {
                let range = format!("bytes={read}-");
                let answer = caller.send("GET", &path, &[("range", &*range)], "").await;
                assert_eq!(answer.status, 206, "{answer:?}");
                all.update(&answer.body);
                read += answer.body.len() as u64;
            }
        }
        status => {
            assert_eq!(status, 307, "{answer:?}");
            let mut body = http.get(answer.header("location")).send().await.unwrap().bytes_stream();
            while let Some(piece) = body.next().await {
                all.update(&piece.unwrap());
            }
        }
    }
    hex(all.finish().as_ref())
}

/// The most that any process of a function has held, in KiB.
fn peak_kib(stack: &Stack, function: &str) -> u64 {
    let peak = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    stack.ready_now().functions[function].iter().map(peak).max().unwrap()
}

/// B-12, B-13: token → upload → read back → equal bytes, of every size, over S3.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_up_to_a_gigabyte_come_back_as_they_went() {
    let _alone = tests::alone().await;
    let stack = Stack::start(&["--environments", "2"]).await;
    every_size_comes_back(&stack, S3_PART).await;
}

/// B-09, B-12, B-13: the same over a storage service behind mutual TLS.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_every_size_pass_through_to_a_storage_service_and_come_back() {
    let _alone = tests::alone().await;
    let backing = Box::pin(Backing::start()).await;
    let services = Services::start(&backing).await;
    let parameters = services.parameters();
    let arguments: Vec<_> = ["--environments", "2"]
        .into_iter()
        .chain(parameters.iter().map(String::as_str))
        .collect();
    let stack = Stack::start(&arguments).await;
    make_secret(&stack, SECRET_NAME, CLIENT_SECRET).await;
    every_size_comes_back(&stack, PASSED_PART).await;
    assert_eq!(services.store.files(), 2, "those that were uploaded by a form");
    for (_, connection) in services.store.asked() {
        assert!(connection.client.is_some() && connection.tls == "TLSv1_3" && connection.protocol == "h2");
    }
}

/// A part that fails, a client that comes back, and a wrong checksum are on the way.
async fn every_size_comes_back(stack: &Stack, part: usize) {
    let caller = stack.service_account().await.caller;
    let http = reqwest::Client::new();
    for bytes in [b"x".to_vec(), b"Vierunddreissig Bytes, wie gewollt".to_vec()] {
        let file = caller.upload("a", &bytes).await;
        assert_eq!(file.status, 201, "{file:?}");
        assert_eq!(read_back(&http, &caller, &file.json()).await, sha256(&bytes));
    }
    for size in [1, 34, 5 * MIB, 100 * MIB, 1024 * MIB] {
        comes_back(&http, &caller, &Generated::of(size, part)).await;
    }
    let wrong = Generated::of(20 * MIB, part);
    let session = opened(&caller, wrong.size, &sha256(b"something else")).await;
    put_parts(&http, &caller, &session, &wrong, (1..=wrong.parts()).collect()).await;
    let refused = caller.send("POST", &format!("{session}/complete"), &[], "").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let listed = caller.get("/api/v1/files").await.json();
    assert_eq!(
        listed["files"].as_array().unwrap().len(),
        2,
        "those that were uploaded by a form"
    );
    let peak = peak_kib(stack, "upload");
    println!("the upload function has held {} MiB at the most", peak / 1024);
    assert!(peak < MOST_KIB, "{peak} KiB");
}

async fn comes_back(http: &reqwest::Client, caller: &Caller, file: &Generated) {
    let (began, whole) = (Instant::now(), file.sha256());
    let session = opened(caller, file.size, &whole).await;
    let last = file.part(file.parts());
    let mut spoilt = last.to_vec();
    spoilt[0] ^= 0x80;
    // A part that fails on the way is refused, and comes again.
    let to = places(caller, &session, vec![(file.parts(), sha256(&last))])
        .await
        .remove(0);
    assert_eq!(send(http, caller, &session, &to, spoilt.into()).await, 400);
    let half = file.parts() / 2;
    put_parts(http, caller, &session, file, (1..=half).collect()).await;
    // The client goes away, comes back, and asks what is there.
    let there = caller.get(&session).await.json();
    assert_eq!(there["uploaded"].as_array().unwrap().len(), half);
    put_parts(http, caller, &session, file, (half + 1..=file.parts()).collect()).await;
    let sent = began.elapsed();
    let done = caller.send("POST", &format!("{session}/complete"), &[], "").await;
    assert_eq!(done.status, 201, "{done:?}");
    let verified = began.elapsed();
    assert_eq!(done.json()["sha256"], whole);
    assert_eq!(read_back(http, caller, &done.json()).await, whole);
    let size = file.size;
    println!(
        "{size} bytes: sent in {sent:?}, verified after {verified:?}, read back after {:?}",
        began.elapsed()
    );
    let id = done.json()["file_id"].as_str().unwrap().to_owned();
    assert_eq!(caller.delete(&format!("/api/v1/files/{id}")).await.status, 204);
}

/// B-21: all stored once, and the counters right.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_uploads_at_once_each_is_stored_once_and_counted() {
    let stack = Stack::start(&["--environments", "4"]).await;
    let caller = stack.service_account().await.caller;
    let contents: Vec<_> = (0..100)
        .map(|number| format!("the {number}th content").into_bytes())
        .collect();
    let answers = join_all(contents.iter().map(|bytes| caller.upload("a", bytes))).await;
    let mut ids = Vec::new();
    for (answer, bytes) in answers.iter().zip(&contents) {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["sha256"], sha256(bytes));
        ids.push(answer.json()["file_id"].as_str().unwrap().to_owned());
    }
    for _ in 0..3 {
        assert_eq!(caller.upload("a", b"").await.status, 400);
    }
    let listed = caller.get("/api/v1/files?limit=500").await.json();
    let mut listed: Vec<_> = listed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["file_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    listed.sort();
    assert_eq!(listed, ids);
    ids.dedup();
    assert_eq!(ids.len(), 100);
    for (result, expected) in [("stored", 100.0), ("refused", 3.0), ("failed", 0.0)] {
        assert_eq!(counted(&stack, "uploads_total", result), expected, "{result}");
    }
    let bytes: usize = contents.iter().map(Vec::len).sum();
    assert_eq!(counted(&stack, "upload_bytes_total", ""), bytes as f64);
}

/// The sum of a counter in the functions' logs, as CloudWatch would make it.
fn counted(stack: &Stack, name: &str, result: &str) -> f64 {
    let logs = stack.logs();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let values = lines.filter(|line| line["_aws"].is_object() && (result.is_empty() || line["result"] == result));
    values.filter_map(|line| line[name].as_f64()).sum()
}
