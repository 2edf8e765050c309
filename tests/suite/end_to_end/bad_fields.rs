//! JSON objects with one member that must be refused.

use serde_json::{Value, json};

use super::bad_bodies::{Bad, Target};
use super::bad_forms;

pub(super) fn model_bodies(target: &Target) -> Vec<Bad> {
    let user = |content: Value| json!([{ "role": "user", "content": content }]);
    let block = |block: Value| user(json!([block]));
    let source = |source: Value| block(json!({ "type": "image", "source": source }));
    let mut all = vec![
        target.without("messages"),
        target.without("max_tokens"),
        target.with("messages", json!([{ "role": "root", "content": "a" }])),
        target.with("messages", json!([{ "role": 1, "content": "a" }])),
        target.with("messages", json!([{ "content": "a" }])),
        target.with("messages", json!([{ "role": "user" }])),
        target.with("messages", json!([null])),
        target.with("messages", json!([[]])),
        target.with(
            "messages",
            Value::from(vec![block(json!({ "type": "text", "text": "" }))[0].clone(); 2]),
        ),
        target.with("messages", block(json!({ "type": "text" }))),
        target.with("messages", block(json!({ "type": "text", "text": null }))),
        target.with("messages", block(json!({ "type": "text", "text": 1 }))),
        target.with("messages", block(json!({ "text": "a" }))),
        target.with("messages", block(json!({ "type": null }))),
        target.with("messages", block(json!("text"))),
        target.with("messages", block(json!(null))),
        target.with(
            "messages",
            user(Value::from(vec![json!({ "type": "text", "text": "" }); 100_000])),
        ),
        target.with(
            "messages",
            source(json!({ "type": "base64", "media_type": "image/png", "data": "!!!!" })),
        ),
        target.with(
            "messages",
            source(json!({ "type": "base64", "media_type": "image/png", "data": "AAA" })),
        ),
        target.with(
            "messages",
            source(json!({ "type": "base64", "media_type": "image/png" })),
        ),
    ];
    for content in [json!(null), json!(1), json!({}), json!(true)] {
        all.push(target.with("messages", user(content)));
    }
    for messages in [json!(null), json!({}), json!([]), json!("a"), json!(1)] {
        all.push(target.with("messages", messages));
    }
    // Addresses are never fetched on a caller's word, least of all these.
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9/",
        "file:///etc/passwd",
        "gopher://x",
    ] {
        all.push(target.with("messages", source(json!({ "type": "url", "url": url }))));
        all.push(target.with(
            "messages",
            block(json!({ "type": "document", "source": { "type": "url", "url": url } })),
        ));
    }
    for number in [
        "-1",
        "0",
        "-0",
        "1.5",
        "1.0",
        "1e2",
        "18446744073709551616",
        "1e400",
        "\"5\"",
        "null",
        "true",
        "[5]",
        "{}",
    ] {
        all.push(target.with_text("max_tokens", number));
    }
    all
}

/// What the Messages API alone has in its body.
pub(super) fn messages_bodies(target: &Target) -> Vec<Bad> {
    let mut all = vec![target.without("model")];
    for model in [
        json!(null),
        json!(1),
        json!(["a"]),
        json!({ "S": "x" }),
        json!(""),
        json!("a".repeat(10_240)),
        json!("a\u{0}b"),
    ] {
        all.push(target.with("model", model));
    }
    for stream in [json!("true"), json!(1), json!([]), json!({})] {
        all.push(target.with("stream", stream));
    }
    all
}

pub(super) fn key_bodies(target: &Target) -> Vec<Bad> {
    let mut all = name_bodies(target);
    for owner in [
        "", "admin", "user:", "user:a/b", "user:a b", "user:*", "user:a#b", "root:a", "USER:a", "user:é", "user:a\0",
    ] {
        all.push(target.with("owner", json!(owner)));
    }
    all.push(target.with("owner", json!(1)));
    all.push(target.with("owner", json!({ "S": "user:a" })));
    for end in [
        json!("tomorrow"),
        json!(""),
        json!(1),
        json!("2020-01-01T00:00:00Z"),
        json!("9999999-01-01T00:00:00Z"),
        json!([]),
    ] {
        all.push(target.with("expires_at", end));
    }
    all
}

pub(super) fn name_bodies(target: &Target) -> Vec<Bad> {
    let mut all = vec![target.without("name")];
    for name in [
        json!(null),
        json!(1),
        json!([]),
        json!({ "S": "x" }),
        json!(""),
        json!("  "),
        json!("a\nb"),
        json!("a\0b"),
    ] {
        all.push(target.with("name", name));
    }
    all.push(target.with("name", json!("a".repeat(101))));
    for scopes in [
        json!("files"),
        json!([1]),
        json!(["everything"]),
        json!(["files", null]),
        json!({}),
        json!(["files\u{0}"]),
    ] {
        all.push(target.with("scopes", scopes));
    }
    // Mass assignment.
    for member in [
        "role",
        "admin",
        "tenant_id",
        "user_id",
        "budget",
        "client_id",
        "client_secret",
        "key",
        "digest",
        "pk",
        "__proto__",
    ] {
        all.push(target.with(member, json!("admin")));
    }
    all
}

/// As JSON, and as a form.
pub(super) fn token_bodies(target: &Target) -> Vec<Bad> {
    let mut all = vec![target.without("client_id"), target.without("client_secret")];
    for member in ["client_id", "client_secret", "scope"] {
        for value in [json!(1), json!([]), json!({ "S": "x" }), json!(true)] {
            all.push(target.with(member, value));
        }
    }
    let ids = [
        "",
        "*",
        "%",
        "'",
        "client_*",
        "client_' OR 1=1",
        "CLIENT",
        "client_\u{0}",
        "client_é",
        "../client",
    ];
    for id in ids.map(str::to_owned).into_iter().chain(["client_".repeat(2_000)]) {
        all.push(target.with("client_id", json!(id)));
        all.push(target.with("client_secret", json!(id)));
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={id}");
        all.push(bad_forms::form_body(
            &format!("a form with {}", &id[..id.len().min(20)]),
            form,
        ));
    }
    for (name, form) in [
        ("an empty form", ""),
        ("a form of ampersands", "&&&"),
        ("JSON for a form", "{\"grant_type\":\"client_credentials\"}"),
        ("half an escape", "grant_type=%"),
        ("a NUL", "grant_type=client_credentials%00&client_id=a&client_secret=b"),
        (
            "an array",
            "grant_type[]=client_credentials&client_id=a&client_secret=b",
        ),
        (
            "a grant twice",
            "grant_type=client_credentials&grant_type=client_credentials&client_id=a&client_secret=b",
        ),
    ] {
        all.push(bad_forms::form_body(name, form));
    }
    all
}
