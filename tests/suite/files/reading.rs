//! Downloads: whole, in ranges, and of what is too large for a function's answer.

use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::request;

use super::desk::{Desk, noise, path};
use super::sessions::uploaded;

const OWNER: &str = "user:reading";

async fn content(desk: &Desk, file: &Value, headers: &[(&str, &str)]) -> HttpAnswer {
    let wish = request("GET", &format!("{}/content", path(file))).by(OWNER);
    let wish = headers
        .iter()
        .fold(wish, |wish, (name, value)| wish.header(name, value));
    desk.ask(&wish).await
}

/// B-14
#[tokio::test]
async fn a_range_is_answered_with_its_bytes_and_another_one_with_416() {
    let desk = Desk::open().await;
    let bytes = noise(10_000, 4);
    for texts in [&[][..], &[("compress", "true"), ("compression_algorithm", "zstd")]] {
        let file = desk.stored(OWNER, texts, &bytes).await;
        let whole = content(&desk, &file, &[]).await;
        assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));
        let tag = whole.header("etag").to_owned();
        assert_eq!(tag, format!("\"{}\"", file["sha256"].as_str().unwrap()));
        for (range, first, last) in [
            ("bytes=0-0", 0, 0),
            ("bytes=100-199", 100, 199),
            ("bytes=-5", 9995, 9999),
            ("bytes=9000-", 9000, 9999),
        ] {
            for headers in [&[("Range", range)][..], &[("Range", range), ("If-Range", &tag)]] {
                let part = content(&desk, &file, headers).await;
                assert_eq!(part.status, 206, "{headers:?}: {:?}", part.body);
                assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/10000"));
                assert_eq!(
                    (part.header("etag"), part.header("content-type")),
                    (&*tag, "application/octet-stream")
                );
                assert_eq!(part.body, bytes[first..=last]);
            }
        }
        let beyond = content(&desk, &file, &[("Range", "bytes=10000-")]).await;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */10000"));
        assert_eq!(beyond.json()["code"], "range_not_satisfiable");
        for headers in [
            &[("Range", "bytes=1-2"), ("If-Range", "\"other\"")][..],
            &[("Range", "bytes=5-1")],
            &[("Range", "bytes=0-1,4-5")],
        ] {
            let whole = content(&desk, &file, headers).await;
            assert!(
                whole.status == 200 && whole.body == bytes,
                "{headers:?}: {}",
                whole.status
            );
        }
    }
}

/// B-13, B-14: what is larger than an answer goes by a URL of the storage's own, which gives it to be kept and never as a page.
#[tokio::test]
async fn a_large_file_is_read_from_the_storage_by_a_url() {
    let desk = Desk::open().await;
    let bytes = noise(7_000_000, 5);
    let file = uploaded(&desk, OWNER, &bytes, &json!({"content_type": "text/html"})).await;
    let answer = content(&desk, &file, &[]).await;
    assert_eq!((answer.status, answer.header("cache-control")), (307, "no-store"));
    let url = answer.header("location").to_owned();
    let http = reqwest::Client::new();
    let whole = http.get(&url).send().await.unwrap();
    assert_eq!(whole.headers()["content-type"], "application/octet-stream");
    assert_eq!(whole.headers()["content-disposition"], "attachment");
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert!(whole.bytes().await.unwrap() == bytes);
    let part = http.get(&url).header("range", "bytes=6999990-").send().await.unwrap();
    assert_eq!(
        (part.status().as_u16(), part.bytes().await.unwrap()),
        (206, bytes[6_999_990..].to_vec().into())
    );
    // A part that fits comes from here, with the storage's own tag.
    let part = content(&desk, &file, &[("Range", "bytes=5-9"), ("If-Range", &tag)]).await;
    assert_eq!(
        (part.status, &part.body[..], part.header("etag")),
        (206, &bytes[5..10], &*tag)
    );
    let other = content(&desk, &file, &[("Range", "bytes=5-9"), ("If-Range", "\"other\"")]).await;
    assert_eq!(other.status, 409);
    let spoilt = url.replace(
        "response-content-disposition=attachment",
        "response-content-disposition=inline",
    );
    assert_ne!(spoilt, url);
    assert_eq!(http.get(spoilt).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn somebody_elses_file_answers_like_none_at_all_on_every_route() {
    let desk = Desk::open().await;
    let theirs = desk
        .stored("user:other", &[("retention_policy", "temporary")], b"theirs")
        .await;
    let opened = json!({"filename": "a", "size_bytes": 1});
    let session = desk.post("user:other", "/api/v1/files/sessions", &opened).await.json();
    let id = theirs["file_id"].as_str().unwrap();
    let session_id = session["session_id"].as_str().unwrap();
    let prepare = json!({"phase": "prepare"}).to_string();
    let parts = json!({"parts": [{"number": 1, "sha256": "0".repeat(64)}]}).to_string();
    let routes = [
        ("GET", "/api/v1/files/{id}", id, ""),
        ("GET", "/api/v1/files/{id}/content", id, ""),
        ("DELETE", "/api/v1/files/{id}", id, ""),
        ("GET", "/api/v1/files/{id}/finalize", id, ""),
        ("POST", "/api/v1/files/{id}/finalize", id, &prepare),
        ("GET", "/anthropic/v1/files/{id}", id, ""),
        ("GET", "/anthropic/v1/files/{id}/content", id, ""),
        ("DELETE", "/anthropic/v1/files/{id}", id, ""),
        ("GET", "/api/v1/files/sessions/{id}", session_id, ""),
        ("DELETE", "/api/v1/files/sessions/{id}", session_id, ""),
        ("POST", "/api/v1/files/sessions/{id}/parts", session_id, &parts),
        ("POST", "/api/v1/files/sessions/{id}/complete", session_id, ""),
        // The ids of one kind are none of the other.
        ("GET", "/api/v1/files/{id}", session_id, ""),
        ("GET", "/api/v1/files/sessions/{id}", id, ""),
    ];
    for (method, route, id, body) in routes {
        let ask = async |owner: &str, id: &str| {
            let wish = request(method, &route.replace("{id}", id)).by(owner);
            let wish = wish.header("Content-Type", "application/json").body(body);
            let answer = desk.ask(&wish).await;
            let mut told = answer.json();
            told["request_id"].take();
            (answer.status, told)
        };
        let none = ask(OWNER, "file_none").await;
        assert_eq!(none.0, 404, "{method} {route}: {none:?}");
        assert_eq!(ask(OWNER, id).await, none, "{method} {route}");
    }
    let wrong = desk.get("user:other", &format!("/api/v1/files/{session_id}")).await;
    assert_eq!(wrong.status, 404);
    assert_eq!(
        desk.get("user:other", &path(&theirs)).await.status,
        200,
        "it is still there"
    );
}
