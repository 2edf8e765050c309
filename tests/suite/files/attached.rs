//! Files that messages name: what arrives at Bedrock is what would have arrived had the caller sent the bytes.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::event::{MODEL, Request, invoke, messages, request};

use super::desk::{Desk, form, form_request, noise};
use super::sessions::uploaded;

const OWNER: &str = "user:attached";
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";
const TEXT: &str = "Grüße, \"und\"\nmehr";

async fn file(desk: &Desk, owner: &str, bytes: &[u8], texts: &[(&str, &str)]) -> String {
    // The name and the type say the wrong thing, and mean nothing.
    let form = form(texts, &[("a.exe", "application/x-msdownload", bytes)]);
    let answer = desk.ask(&form_request("/api/v1/files/upload", owner, form)).await;
    answer.json()["file_id"].as_str().unwrap().to_owned()
}

fn body(content: &Value) -> Value {
    json!({"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": content}]})
}

fn block(kind: &str, id: &str) -> Value {
    json!({"type": kind, "source": {"type": "file", "file_id": id}})
}

/// The last body that Bedrock got, if it is another than before.
fn arrived(desk: &Desk, before: usize) -> Option<Value> {
    let requests = desk.backing.mock.requests();
    let calls = requests.iter().filter(|it| it.path.contains("/invoke"));
    (calls.count() > before).then(|| serde_json::from_slice(&requests.last().unwrap().body).unwrap())
}

async fn ask(desk: &Desk, request: &Request) -> HttpAnswer {
    desk.functions.ask("stream", request).await
}

#[tokio::test]
async fn a_pdf_an_image_and_a_text_arrive_as_the_blocks_that_hold_them() {
    let desk = Desk::open().await;
    let zstd = [("compress", "true"), ("compression_algorithm", "zstd")];
    let (pdf, png) = (file(&desk, OWNER, PDF, &zstd).await, file(&desk, OWNER, PNG, &[]).await);
    let text = file(&desk, OWNER, TEXT.as_bytes(), &[]).await;
    let content = json!([
        {"type": "document", "title": "t", "source": {"type": "file", "file_id": pdf}, "cache_control": {"type": "ephemeral"}},
        block("image", &png), block("document", &text),
        {"type": "tool_result", "tool_use_id": "x", "content": [block("image", &png)]},
        {"type": "text", "text": "What is it?"},
    ]);
    let beta = messages(OWNER, &body(&content)).header("anthropic-beta", "files-api-2025-04-14,other-1");
    let answer = ask(&desk, &beta).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let sent = arrived(&desk, 0).unwrap();
    let (of_pdf, of_png) = (
        json!({"type": "base64", "media_type": "application/pdf", "data": BASE64_STANDARD.encode(PDF)}),
        json!({"type": "base64", "media_type": "image/png", "data": BASE64_STANDARD.encode(PNG)}),
    );
    assert_eq!(
        sent["messages"][0]["content"],
        json!([
            {"type": "document", "title": "t", "source": of_pdf, "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": of_png},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": TEXT}},
            {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "image", "source": of_png}]},
            {"type": "text", "text": "What is it?"},
        ])
    );
    assert_eq!(
        sent["anthropic_beta"],
        json!(["other-1"]),
        "what is resolved here is no business of Bedrock's"
    );
}

#[tokio::test]
async fn a_call_of_bedrocks_own_route_names_files_too() {
    let desk = Desk::open().await;
    let text = file(&desk, OWNER, TEXT.as_bytes(), &[]).await;
    let wish = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
        "messages": [{"role": "user", "content": [block("document", &text)]}]});
    let answer = desk.functions.ask("invoke", &invoke(OWNER, &wish)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let sent = arrived(&desk, 0).unwrap();
    assert_eq!(sent["messages"][0]["content"][0]["source"]["data"], TEXT);
    let unknown = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50,
        "messages": [{"role": "user", "content": [block("document", "file_none")]}]});
    let answer = desk.functions.ask("invoke", &invoke(OWNER, &unknown)).await;
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (404, "ResourceNotFoundException")
    );
}

/// The price is that of what the file becomes: a text is held by its bytes, like one that was sent.
#[tokio::test]
async fn a_file_costs_what_its_bytes_cost() {
    let desk = Desk::open().await;
    let long = "words and words ".repeat(2000);
    let id = file(&desk, OWNER, long.as_bytes(), &[]).await;
    let sent = json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": long}});
    let mut costs = Vec::new();
    for content in [json!([block("document", &id)]), json!([sent])] {
        let answer = ask(&desk, &messages(OWNER, &body(&content))).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        costs.push(answer.json()["usage"]["input_tokens"].as_u64().unwrap());
    }
    assert!(costs[0] > 1000 && costs[0] == costs[1], "{costs:?}");
}

#[tokio::test]
async fn what_cannot_be_resolved_is_refused_before_anything_is_called_or_held() {
    let desk = Desk::open().await;
    let theirs = file(&desk, "user:other", PDF, &[]).await;
    let (pdf, text) = (
        file(&desk, OWNER, PDF, &[]).await,
        file(&desk, OWNER, TEXT.as_bytes(), &[]).await,
    );
    let program = file(&desk, OWNER, b"MZ\x90\0\x03\0\0\0", &[]).await;
    let ended = file(
        &desk,
        OWNER,
        PDF,
        &[("retention_policy", "temporary"), ("ttl_days", "1")],
    )
    .await;
    desk.later(24);
    let many: Vec<Value> = (0..101).map(|_| block("document", &pdf)).collect();
    let cases = [
        (json!([block("document", "file_none")]), 404),
        (json!([block("document", &theirs)]), 404),
        (json!([block("document", &ended)]), 404),
        (json!([block("document", "../../x")]), 404),
        (json!([block("image", &pdf)]), 400),
        (json!([block("image", &text)]), 400),
        (json!([block("document", &program)]), 400),
        (json!([{"type": "document", "source": {"type": "file"}}]), 400),
        (json!([{"type": "container_upload", "file_id": pdf}]), 400),
        (json!(many), 400),
    ];
    let mut of_none = Vec::new();
    for (content, status) in cases {
        let answer = ask(&desk, &messages(OWNER, &body(&content))).await;
        let mut told = answer.json();
        assert_eq!(answer.status, status, "{content}: {told}");
        told["request_id"].take();
        if status == 404 {
            of_none.push(told);
        }
    }
    assert!(of_none.iter().all(|told| *told == of_none[0]), "{of_none:?}");
    let narrow = request("POST", "/anthropic/v1/messages")
        .principal(json!({"principalId": OWNER, "sub": OWNER, "scopes": "models:invoke"}))
        .json(&body(&json!([block("document", &pdf)])));
    let answer = ask(&desk, &narrow).await;
    assert_eq!(
        answer.status, 403,
        "who may not read files may not read them by way of a model"
    );
    assert!(
        answer.body.starts_with(b"{") && arrived(&desk, 0).is_none(),
        "no call went out"
    );
    let rows = desk
        .backing
        .store()
        .usage_of(&OWNER.parse().unwrap(), 10, None)
        .await
        .unwrap();
    assert_eq!(rows.items, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_would_make_the_body_longer_than_bedrock_takes_are_refused() {
    let desk = Desk::open().await;
    let picture = [PNG, &noise(19_000_000, 13)].concat();
    let large = uploaded(&desk, OWNER, &picture, &json!({})).await;
    let id = large["file_id"].as_str().unwrap();
    let answer = ask(&desk, &messages(OWNER, &body(&json!([block("image", id)])))).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["type"]),
        (413, &json!("request_too_large"))
    );
    let picture = [PNG, &noise(9_000_000, 14)].concat();
    let half = uploaded(&desk, OWNER, &picture, &json!({})).await;
    let block = block("image", half["file_id"].as_str().unwrap());
    let twice = ask(&desk, &messages(OWNER, &body(&json!([block, block])))).await;
    assert_eq!(twice.status, 200, "{:?}", &twice.body[..200.min(twice.body.len())]);
    let thrice = ask(&desk, &messages(OWNER, &body(&json!([block, block, block])))).await;
    assert_eq!(thrice.status, 413);
}
