//! Files: stored, listed, read and deleted by their owners (B-10, B-11, B-12).

use serde_json::{Value, json};
use tests::local::{Answer, Caller, Stack};

on_every_host!(
    a_file_is_read_back_to_the_byte,
    a_file_never_comes_back_as_a_page,
    somebody_elses_file_answers_like_one_that_does_not_exist,
    files_are_listed_in_pages,
);

const BOUNDARY: &str = "a-boundary-of-the-test";

pub(super) async fn upload(caller: &Caller, name: &str, kind: &str, bytes: &[u8]) -> Answer {
    let mut body = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"description\"\r\n\r\nwhat it is – ✓\r\n--{BOUNDARY}\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\ncontent-type: {kind}\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("content-type", content_type.as_str())];
    caller.send("POST", "/api/v1/files/upload", &headers, body).await
}

async fn stored(caller: &Caller, name: &str, kind: &str, bytes: &[u8]) -> Value {
    let answer = upload(caller, name, kind, bytes).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn path(file: &Value) -> String {
    format!("/api/v1/files/{}", file["file_id"].as_str().unwrap())
}

/// B-12
async fn a_file_is_read_back_to_the_byte(stack: &Stack) {
    let program = stack.service_account().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let contents = [
        every_byte,
        b"\r\n--a-boundary-of-the-tes\r\n".to_vec(),
        b"x".to_vec(),
        vec![0; 4_000_000],
    ];
    for bytes in contents {
        let file = stored(&program.caller, "Bericht – ü.bin", "application/x-thing", &bytes).await;
        assert_eq!(
            (&file["size_bytes"], &file["owner"]),
            (&json!(bytes.len()), &json!(program.name))
        );
        assert_eq!(
            (&file["filename"], &file["description"]),
            (&json!("Bericht – ü.bin"), &json!("what it is – ✓"))
        );
        assert_eq!(program.caller.get(&path(&file)).await.json(), file);
        let content = program.caller.get(&format!("{}/content", path(&file))).await;
        assert!(
            content.status == 200 && content.body == bytes,
            "{} bytes: {}",
            bytes.len(),
            content.status
        );
        assert_eq!(program.caller.delete(&path(&file)).await.status, 204);
        for gone in [path(&file), format!("{}/content", path(&file))] {
            assert_eq!(program.caller.get(&gone).await.status, 404);
        }
    }
}

///
async fn a_file_never_comes_back_as_a_page(stack: &Stack) {
    let user = stack.new_user().await;
    let file = stored(&user.caller, "a.html", "text/html", b"<script>alert(1)</script>").await;
    let content = user.caller.get(&format!("{}/content", path(&file))).await;
    assert_eq!(content.header("content-type"), "application/octet-stream");
    assert_eq!(content.header("content-disposition"), "attachment");
    assert_eq!(content.header("x-content-type-options"), "nosniff");
}

async fn somebody_elses_file_answers_like_one_that_does_not_exist(stack: &Stack) {
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    let theirs = stored(&other.caller, "a", "text/plain", b"theirs").await;
    let none = json!({ "file_id": "file_none" });
    for (method, suffix) in [("GET", ""), ("GET", "/content"), ("DELETE", "")] {
        let ask = async |file: &Value| {
            let path = format!("{}{suffix}", path(file));
            let answer = user.caller.send(method, &path, &[], "").await;
            let mut body = answer.json();
            body["request_id"].take();
            (answer.status, body)
        };
        let (theirs, none) = (ask(&theirs).await, ask(&none).await);
        assert_eq!(theirs.0, 404, "{theirs:?}");
        assert_eq!(theirs, none, "{method} {suffix}");
    }
    assert_eq!(user.caller.get("/api/v1/files").await.json()["files"], json!([]));
    assert_eq!(other.caller.get(&path(&theirs)).await.status, 200, "it is still there");
}

async fn files_are_listed_in_pages(stack: &Stack) {
    let user = stack.new_user().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(stored(&user.caller, &number.to_string(), "text/plain", b"x").await["file_id"].clone());
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = user.caller.get(&format!("/api/v1/files?limit=2{cursor}")).await.json();
        let files = page["files"].as_array().unwrap();
        assert!(files.len() <= 2);
        seen.extend(files.iter().map(|file| file["file_id"].clone()));
        match page["next_cursor"].as_str() {
            None => break,
            Some(next) => cursor = format!("&cursor={next}"),
        }
    }
    let sorted = |mut ids: Vec<Value>| {
        ids.sort_by_key(ToString::to_string);
        ids
    };
    assert_eq!(sorted(seen), sorted(made));
}
