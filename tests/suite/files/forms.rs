//! Uploads in one piece.

use gateway::compression::Compression;
use serde_json::{Value, json};
use tests::event::request;

use super::desk::{BOUNDARY, Desk, form, form_request, noise, path, sha256};

const OWNER: &str = "user:forms";

/// Names and values of a form's texts.
type Texts<'a> = &'a [(&'a str, &'a str)];

/// B-10
#[tokio::test]
async fn an_upload_is_answered_with_all_that_there_is_to_know_of_it() {
    let desk = Desk::open().await;
    let texts = [
        ("description", "what it is – ✓"),
        ("metadata", r#"{"a":[1.50,{"b":"c"}]}"#),
        ("retention_policy", "temporary"),
        ("ttl_days", "7"),
    ];
    let bytes = noise(1000, 1);
    let answer = desk
        .upload(OWNER, &texts, ("Bericht – ü.bin", "text/html", &bytes))
        .await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let mut file = answer.json();
    let id = file["file_id"].take();
    assert!(id.as_str().unwrap().starts_with("file_"));
    assert_eq!(
        file,
        json!({
            "file_id": null, "owner": OWNER, "filename": "Bericht – ü.bin", "content_type": "text/html",
            "description": "what it is – ✓", "metadata": {"a": [1.5, {"b": "c"}]},
            "size_bytes": 1000, "stored_size_bytes": 1000, "sha256": sha256(&bytes), "compression_ratio": 1.0,
            "retention_policy": "temporary", "created_at": "2026-12-01T12:00:00Z", "ends_at": "2026-12-08T12:00:00Z",
        })
    );
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        text.contains(r#""metadata":{"a":[1.50,{"b":"c"}]}"#),
        "the owner's own bytes: {text}"
    );
    let shown = desk
        .get(OWNER, &format!("/api/v1/files/{}", id.as_str().unwrap()))
        .await;
    assert_eq!(shown.body, answer.body);
}

/// B-10: the stored object is compressed, the ratio is true, and what is read is what was uploaded.
#[tokio::test]
async fn a_compressed_file_is_stored_compressed_and_read_as_it_was() {
    let desk = Desk::open().await;
    let text = b"the same words, the same words, ".repeat(3000);
    for algorithm in Compression::ALL {
        let texts = [("compress", "true"), ("compression_algorithm", algorithm.name())];
        for bytes in [text.clone(), noise(5000, 2), b"x".to_vec()] {
            let file = desk.stored(OWNER, &texts, &bytes).await;
            let stored = desk.object(OWNER, &file).await;
            assert_eq!(algorithm.decompress(&stored, bytes.len() as u64).unwrap(), bytes);
            assert_eq!(file["compression_algorithm"], algorithm.name());
            assert_eq!(
                (&file["size_bytes"], &file["stored_size_bytes"]),
                (&json!(bytes.len()), &json!(stored.len()))
            );
            let ratio = bytes.len() as f64 / stored.len() as f64;
            assert!(
                (file["compression_ratio"].as_f64().unwrap() - ratio).abs() < 0.001,
                "{file}"
            );
            assert_eq!(file["sha256"], sha256(&bytes), "of the file, not of what is stored");
            let content = desk.get(OWNER, &format!("{}/content", path(&file))).await;
            assert!(content.status == 200 && content.body == bytes);
        }
    }
    let plain = desk.stored(OWNER, &[("compress", "false")], &text).await;
    assert!(plain.get("compression_algorithm").is_none() && desk.object(OWNER, &plain).await == text);
    let default = desk.stored(OWNER, &[("compress", "true")], &text).await;
    assert_eq!(default["compression_algorithm"], "gzip");
}

/// B-11: each with its own answer, and nothing stored.
#[tokio::test]
async fn what_is_wrong_with_a_form_is_told_and_nothing_is_stored() {
    let desk = Desk::open().await;
    let file = ("a.txt", "text/plain", &b"x"[..]);
    let long = "x".repeat(4097);
    let deep = format!("{}1{}", "{\"a\":".repeat(6), "}".repeat(6));
    let cases: &[(Texts<'_>, u16, &str)] = &[
        (&[("compress", "maybe")], 400, "`compress`"),
        (&[("compression_algorithm", "gzip")], 400, "`compression_algorithm`"),
        (
            &[("compress", "true"), ("compression_algorithm", "lzma")],
            400,
            "gzip, brotli, zstd",
        ),
        (&[("metadata", "[]")], 400, "`metadata`"),
        (&[("metadata", "{")], 400, "`metadata`"),
        (&[("metadata", &deep)], 400, "`metadata`"),
        (&[("metadata", &long)], 413, "`metadata`"),
        (&[("description", &long)], 413, "`description`"),
        (&[("description", "a\0b")], 400, "`description`"),
        (&[("retention_policy", "forever")], 400, "`retention_policy`"),
        (&[("storage_mode", "")], 400, "`storage_mode`"),
        (
            &[("retention_policy", "temporary"), ("storage_mode", "permanent")],
            400,
            "different",
        ),
        (&[("ttl_days", "5")], 400, "`ttl_days`"),
        (
            &[("retention_policy", "temporary"), ("ttl_days", "366")],
            400,
            "`ttl_days`",
        ),
        (
            &[("retention_policy", "temporary"), ("ttl_days", "0")],
            400,
            "`ttl_days`",
        ),
        (&[("description", "a"), ("description", "b")], 400, "repeated"),
        (&[("owner", "user:alice")], 400, "unknown"),
        (&[("file_id", "file_x")], 400, "unknown"),
    ];
    for (texts, status, word) in cases {
        let answer = desk.upload(OWNER, texts, file).await;
        let told = answer.json();
        assert_eq!(answer.status, *status, "{texts:?}: {told}");
        assert!(told["detail"].as_str().unwrap().contains(word), "{texts:?}: {told}");
    }
    assert_nothing_is_stored(&desk, OWNER).await;
}

/// B-11: names, boundaries, lengths and encodings of `security.md`.
#[tokio::test]
async fn hostile_forms_are_refused_and_nothing_is_stored() {
    let desk = Desk::open().await;
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let long_name = "n".repeat(1000);
    let whole = |name: &str| form(&[], &[(name, "text/plain", b"x")]);
    let mut bodies: Vec<(String, Vec<u8>, u16)> = [
        "../a",
        "a/b",
        "..\\a",
        "..",
        "a\0b",
        "gpj.\u{202e}exe",
        "a\u{200f}b",
        &long_name,
        "",
    ]
    .into_iter()
    .map(|name| (kind.clone(), whole(name), 400))
    .collect();
    let good = whole("a.txt");
    bodies.extend([
        (kind.clone(), form(&[], &[("a", "text/plain", b"")]), 400),
        (kind.clone(), form(&[], &[]), 400),
        (
            kind.clone(),
            form(&[], &[("a", "text/plain", b"x"), ("b", "text/plain", b"y")]),
            400,
        ),
        (kind.clone(), form(&[], &[("a", "no type", b"x")]), 400),
        (kind.clone(), Vec::new(), 400),
        (kind.clone(), good[..good.len() - 10].to_vec(), 400),
        (kind.clone(), b"not a form at all".to_vec(), 400),
        (
            kind.clone(),
            form(&[], &[("a", "text/plain", &noise(6_300_000, 3))]),
            413,
        ),
        (
            format!("multipart/form-data; boundary={}", "-".repeat(10_000)),
            good.clone(),
            400,
        ),
        (
            format!("multipart/form-data; boundary={}", "b".repeat(71)),
            good.clone(),
            400,
        ),
        ("multipart/form-data; boundary=another".to_owned(), good.clone(), 400),
        ("multipart/form-data".to_owned(), good.clone(), 415),
        ("multipart/form-data; boundary=".to_owned(), good.clone(), 400),
        ("multipart/mixed; boundary=a".to_owned(), good.clone(), 415),
        ("application/json".to_owned(), b"{}".to_vec(), 415),
    ]);
    for (kind, body, status) in bodies {
        let wish = request("POST", "/api/v1/files/upload")
            .by(OWNER)
            .header("Content-Type", &kind);
        let answer = desk.ask(&wish.body(body.clone())).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        assert_eq!(
            answer.status,
            status,
            "{}: {shown}: {:?}",
            &kind[..kind.len().min(80)],
            answer.body
        );
    }
    let squeezed = Compression::Gzip.compress(&vec![0; 10_000_000]).unwrap();
    let bomb = form_request("/api/v1/files/upload", OWNER, squeezed).header("Content-Encoding", "gzip");
    assert_eq!(desk.ask(&bomb).await.status, 415, "a compressed body is not unpacked");
    assert_nothing_is_stored(&desk, OWNER).await;
}

#[tokio::test]
async fn a_length_that_a_part_claims_means_nothing() {
    let desk = Desk::open().await;
    let body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\ncontent-length: 1000000\r\n\r\nxyz\r\n--{BOUNDARY}--\r\n"
    );
    let answer = desk
        .ask(&form_request("/api/v1/files/upload", OWNER, body.into_bytes()))
        .await;
    assert_eq!((answer.status, &answer.json()["size_bytes"]), (201, &json!(3)));
}

async fn assert_nothing_is_stored(desk: &Desk, owner: &str) {
    assert_eq!(desk.listed(owner).await, Vec::<String>::new());
    assert_eq!(desk.objects(owner).await, Vec::<String>::new());
    assert_eq!(desk.reminders(owner).await, 0);
}

#[tokio::test]
async fn files_are_listed_newest_first() {
    let desk = Desk::open().await;
    let mut made: Vec<Value> = Vec::new();
    for number in 0..3_u8 {
        made.push(desk.stored(OWNER, &[], &[number]).await["file_id"].clone());
        desk.functions.clock.advance_seconds(1);
    }
    made.reverse();
    assert_eq!(json!(desk.listed(OWNER).await), json!(made));
}
