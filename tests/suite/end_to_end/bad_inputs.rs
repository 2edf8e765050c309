//! security.md, "Bad inputs to try on every route": each is refused in the route's dialect, and nothing comes of it.

use futures_util::{StreamExt as _, stream};
use gateway::wire::dialect::Dialect;
use serde_json::{Value, json};
use tests::local::{Answer, Caller, MODEL, Route, Stack, User, marker, raw, table_text};

use super::shape;

on_both_hosts!(
    what_the_bad_bodies_are_made_of_is_good,
    no_bad_body_gets_a_500_a_call_a_row_or_an_item,
    no_bad_query_gets_a_500_or_a_record,
    what_is_too_large_is_413_and_what_is_compressed_415,
);

/// A request that must be refused.
struct Bad {
    name: String,
    path: String,
    content_type: &'static str,
    body: Vec<u8>,
    dialect: Dialect,
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A route that takes a JSON object, with a body that it would take.
struct Target {
    path: String,
    dialect: Dialect,
    good: Value,
}

impl Target {
    fn of(route: Route, mark: &str) -> Self {
        Self {
            path: route.path(MODEL),
            dialect: if route.is_bedrock() {
                Dialect::Bedrock
            } else {
                Dialect::Anthropic
            },
            good: route.body(MODEL, mark),
        }
    }

    fn bad(&self, name: impl Into<String>, body: impl Into<Vec<u8>>) -> Bad {
        Bad {
            name: name.into(),
            path: self.path.clone(),
            content_type: JSON,
            body: body.into(),
            dialect: self.dialect,
        }
    }

    /// The good body with one member changed.
    fn with(&self, name: &str, value: Value) -> Bad {
        let mut shown = value.to_string();
        let mut body = self.good.clone();
        body[name] = value;
        shown.truncate(shown.floor_char_boundary(60));
        self.bad(format!("{name}: {shown}"), body.to_string())
    }

    /// The good body with a member in the caller's own writing.
    fn with_text(&self, name: &str, text: &str) -> Bad {
        let mut body = self.good.clone();
        body.as_object_mut().unwrap().remove(name);
        let rest = body.to_string();
        let comma = if rest == "{}" { "" } else { "," };
        self.bad(
            format!("{name}: {text}"),
            format!("{{\"{name}\":{text}{comma}{}", &rest[1..]),
        )
    }

    fn without(&self, name: &str) -> Bad {
        let mut body = self.good.clone();
        body.as_object_mut().unwrap().remove(name);
        self.bad(format!("no {name}"), body.to_string())
    }
}

/// What is no JSON object, or not only one.
fn not_an_object(target: &Target) -> Vec<Bad> {
    let good = target.good.to_string();
    let first = target.good.as_object().unwrap().keys().next().unwrap();
    let utf16 = |bytes: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let inside = |bytes: &[u8]| [&good.as_bytes()[..good.len() - 1], b",\"x\":\"", bytes, b"\"}"].concat();
    let texts = [
        ("a null", "null".to_owned()),
        ("a list", "[]".to_owned()),
        ("a list of one", format!("[{good}]")),
        ("a string", "\"a\"".to_owned()),
        ("a string of JSON", json!(good).to_string()),
        ("a number", "1".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("an open brace", "{".to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
        ("all but its end", good[..good.len() - 1].to_owned()),
        ("something behind it", format!("{good}x")),
        ("two of it", format!("{good}{good}")),
        ("two of it in lines", format!("{good}\n{good}")),
        ("a member twice", format!("{{\"{first}\":0,{}", &good[1..])),
        (
            "a member twice, escaped",
            format!("{{\"\\u00{:02x}{}\":0,{}", first.as_bytes()[0], &first[1..], &good[1..]),
        ),
        ("a comma too many", good.replacen('}', ",}", 1)),
        ("a comment", format!("/* */{good}")),
        ("single quotes", good.replace('"', "'")),
        ("a number past all doubles", format!("{{\"x\":1e400,{}", &good[1..])),
        ("a number with a leading zero", format!("{{\"x\":01,{}", &good[1..])),
        ("no number", format!("{{\"x\":NaN,{}", &good[1..])),
        ("a lone surrogate", format!("{{\"x\":\"\\ud800\",{}", &good[1..])),
        ("a byte order mark", format!("\u{feff}{good}")),
        (
            "10,000 lists",
            format!("{{\"x\":{}{},{}", "[".repeat(10_000), "]".repeat(10_000), &good[1..]),
        ),
        (
            "10,000 objects",
            format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        ),
        ("10,000 open lists", "[".repeat(10_000)),
    ];
    let bytes = [
        ("nothing", Vec::new()),
        ("spaces", b" \n\t".to_vec()),
        ("UTF-16, little end first", utf16(u16::to_le_bytes)),
        ("UTF-16, big end first", utf16(u16::to_be_bytes)),
        ("invalid UTF-8", inside(b"\xff\xfe")),
        ("overlong UTF-8", inside(b"\xc0\xaf")),
        ("a surrogate in UTF-8", inside(b"\xed\xa0\x80")),
        ("a NUL", inside(b"\0")),
        ("a NUL behind it", [good.as_bytes(), b"\0"].concat()),
        ("a line break in a string", inside(b"\n")),
        ("random bytes", (0..=255).collect()),
    ];
    let texts = texts.into_iter().map(|(name, text)| target.bad(name, text));
    texts
        .chain(bytes.into_iter().map(|(name, bytes)| target.bad(name, bytes)))
        .collect()
}

fn model_bodies(target: &Target) -> Vec<Bad> {
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
fn messages_bodies(target: &Target) -> Vec<Bad> {
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

fn key_bodies(target: &Target) -> Vec<Bad> {
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

fn name_bodies(target: &Target) -> Vec<Bad> {
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
fn token_bodies(target: &Target) -> Vec<Bad> {
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
        all.push(form_body(&format!("a form with {}", &id[..id.len().min(20)]), form));
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
        all.push(form_body(name, form));
    }
    all
}

fn form_body(name: &str, form: impl Into<Vec<u8>>) -> Bad {
    Bad {
        name: name.to_owned(),
        path: "/oauth/token".to_owned(),
        content_type: FORM,
        body: form.into(),
        dialect: Dialect::OAuth,
    }
}

/// B-11
fn uploads() -> Vec<Bad> {
    let field = |disposition: &str, content: &str| {
        format!("--b\r\ncontent-disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
    };
    let file = |name: &str| field(&format!("name=\"file\"; filename=\"{name}\""), "x");
    let end = "--b--\r\n";
    let mut forms = vec![
        ("nothing".to_owned(), String::new()),
        ("an end alone".to_owned(), end.to_owned()),
        ("no end".to_owned(), file("a")),
        ("half a head".to_owned(), "--b\r\ncontent-dispo".to_owned()),
        ("another boundary".to_owned(), file("a").replace("--b", "--c")),
        ("JSON".to_owned(), "{}".to_owned()),
        ("no file".to_owned(), field("name=\"description\"", "x") + end),
        (
            "an empty file".to_owned(),
            field("name=\"file\"; filename=\"a\"", "") + end,
        ),
        ("two files".to_owned(), file("a") + &file("b") + end),
        ("a file without a name".to_owned(), field("name=\"file\"", "x") + end),
        (
            "an unknown field".to_owned(),
            file("a") + &field("name=\"role\"", "admin") + end,
        ),
        (
            "a field without a name".to_owned(),
            file("a") + &field("filename=\"b\"", "x") + end,
        ),
        ("no disposition".to_owned(), format!("--b\r\n\r\nx\r\n{end}")),
        (
            "two descriptions".to_owned(),
            file("a") + &field("name=\"description\"", "x").repeat(2) + end,
        ),
        (
            "a long description".to_owned(),
            file("a") + &field("name=\"description\"", &"x".repeat(4_097)) + end,
        ),
        (
            "a NUL in the description".to_owned(),
            file("a") + &field("name=\"description\"", "a\0b") + end,
        ),
        (
            "10,000 fields".to_owned(),
            file("a") + &field("name=\"x\"", "y").repeat(10_000) + end,
        ),
    ];
    let long = "a".repeat(1_000);
    for name in [
        "",
        ".",
        "..",
        "../a",
        "a/b",
        "..\\a",
        "/etc/passwd",
        "a\0b",
        "a\u{202e}fdp.exe",
        "a\u{2066}b",
        &long,
    ] {
        forms.push((format!("a file named {name:?}"), file(name) + end));
    }
    let mut bodies: Vec<(String, Vec<u8>)> = forms.into_iter().map(|(name, form)| (name, form.into())).collect();
    let latin = [
        file("a").as_bytes(),
        &b"--b\r\ncontent-disposition: form-data; name=\"description\"\r\n\r\n\xff\r\n--b--\r\n"[..],
    ]
    .concat();
    bodies.push(("a description that is no UTF-8".to_owned(), latin));
    let dashes: &str = Box::leak(format!("multipart/form-data; boundary={}", "-".repeat(5_000)).into_boxed_str());
    let content_types = [
        dashes,
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=b",
        JSON,
        "",
    ];
    let of = |name: String, content_type: &'static str, body: Vec<u8>| Bad {
        name,
        path: "/api/v1/files/upload".to_owned(),
        content_type,
        body,
        dialect: Dialect::Problem,
    };
    let mut all: Vec<Bad> = bodies
        .into_iter()
        .map(|(name, body)| of(name, "multipart/form-data; boundary=b", body))
        .collect();
    for content_type in content_types {
        let shown = &content_type[..content_type.len().min(40)];
        all.push(of(format!("as {shown:?}"), content_type, (file("a") + end).into()));
    }
    all
}

fn wrong_types(target: &Target) -> Vec<Bad> {
    let types = [
        "text/plain",
        "application/xml",
        "application/jsonx",
        "multipart/form-data; boundary=b",
        FORM,
        "application/json/x",
        "*/*",
    ];
    let of = |content_type| Bad {
        content_type,
        ..target.bad(format!("as {content_type}"), target.good.to_string())
    };
    types.into_iter().map(of).collect()
}

fn keys(mark: &str) -> Target {
    Target {
        path: "/api/keys".to_owned(),
        dialect: Dialect::Problem,
        good: json!({ "name": mark }),
    }
}

fn clients(mark: &str) -> Target {
    Target {
        path: "/api/admin/clients".to_owned(),
        ..keys(mark)
    }
}

fn tokens(id: &str, secret: &str) -> Target {
    Target {
        path: "/api/v1/auth/token".to_owned(),
        dialect: Dialect::OAuth,
        good: json!({ "client_id": id, "client_secret": secret }),
    }
}

/// Otherwise they might be refused for another reason than the one that is tested.
async fn what_the_bad_bodies_are_made_of_is_good(stack: &Stack) {
    let (user, mark) = (all_mighty(stack).await, marker());
    let (id, secret) = stack.new_client(&["files"]).await;
    let models = Route::ALL.map(|route| Target::of(route, &mark));
    for target in models
        .iter()
        .chain([&keys(&mark), &clients(&mark), &tokens(&id, &secret)])
    {
        let anybody = stack.anonymous();
        let caller = if target.dialect == Dialect::OAuth {
            &anybody
        } else {
            &user.caller
        };
        let answer = caller.post(&target.path, &target.good).await;
        assert!([200, 201].contains(&answer.status), "{}: {answer:?}", target.path);
    }
}

fn everything(mark: &str) -> Vec<Bad> {
    let mut all = Vec::new();
    for route in Route::ALL {
        let target = Target::of(route, mark);
        all.extend(not_an_object(&target));
        all.extend(model_bodies(&target));
        if !route.is_bedrock() {
            all.extend(messages_bodies(&target));
            all.extend(wrong_types(&target));
        }
    }
    let (keys, clients, tokens) = (keys(mark), clients(mark), tokens("client_x", "tgs_x"));
    for target in [&keys, &clients, &tokens] {
        all.extend(not_an_object(target));
        all.extend(wrong_types(target));
    }
    all.extend(key_bodies(&keys));
    all.extend(name_bodies(&clients));
    all.extend(token_bodies(&tokens));
    all.extend(uploads());
    assert!(all.len() > 600, "{}", all.len());
    all
}

/// A user whom no missing right keeps from anything.
async fn all_mighty(stack: &Stack) -> User {
    let name = format!("user:{}", marker());
    let key = stack
        .new_key(&name, &["models:invoke", "usage:read", "files", "keys", "admin"])
        .await;
    User {
        caller: stack.bearer(&key),
        name,
        key,
    }
}

async fn ask(caller: &Caller, bad: &Bad) -> Answer {
    let content_type = [("content-type", bad.content_type)];
    let headers = if bad.content_type.is_empty() {
        &content_type[..0]
    } else {
        &content_type
    };
    caller.send("POST", &bad.path, headers, bad.body.clone()).await
}

/// A-19, A-20, A-21, A-22
async fn no_bad_body_gets_a_500_a_call_a_row_or_an_item(stack: &Stack) {
    let (user, mark) = (all_mighty(stack).await, marker());
    // The token endpoints take no other credential, and need none to refuse.
    let anybody = stack.anonymous();
    let faults: Vec<String> = stream::iter(everything(&mark))
        .map(async |bad| {
            let caller = if bad.dialect == Dialect::OAuth {
                &anybody
            } else {
                &user.caller
            };
            let fault = shape::fault(&ask(caller, &bad).await, bad.dialect);
            fault.map(|fault| format!("{} with {}: {fault}", bad.path, bad.name))
        })
        .buffer_unordered(24)
        .filter_map(async |fault| fault)
        .collect()
        .await;
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    nothing_came_of_it(stack, &user, &mark).await;
}

async fn nothing_came_of_it(stack: &Stack, user: &User, mark: &str) {
    assert_eq!(stack.mock().requests(mark).await.len(), 0, "upstream calls");
    assert_eq!(user.rows().await, [], "usage rows");
    assert_eq!(
        user.caller.get("/api/keys").await.json()["keys"]
            .as_array()
            .unwrap()
            .len(),
        1,
        "keys"
    );
    assert_eq!(
        user.caller.get("/api/v1/files").await.json()["files"],
        json!([]),
        "files"
    );
    assert!(!table_text(stack).await.contains(mark), "items");
}

/// A-14, A-19
async fn no_bad_query_gets_a_500_or_a_record(stack: &Stack) {
    let user = all_mighty(stack).await;
    let queries = [
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=1.5",
        "limit=a",
        "limit=",
        "limit=18446744073709551616",
        "limit=%31%00",
        "limit=1&limit=2",
        "cursor=",
        "cursor=!",
        "cursor=%00",
        "cursor=a&cursor=b",
        "unknown=1",
        "limit[]=1",
        "principal=user:admin",
        "user=user:admin",
        "cursor=..%2f..",
        "cursor=%ff",
        "limit=%ff",
        "LIMIT=1",
        "=1",
        // A sort key with a control character in it.
        "cursor=YQBi",
    ];
    let long = format!("cursor={}", "A".repeat(4_000));
    let lists = ["/api/usage/records", "/api/keys", "/api/admin/clients", "/api/v1/files"];
    let mut faults = Vec::new();
    for path in lists {
        for query in queries.into_iter().chain([long.as_str()]) {
            let answer = user.caller.get(&format!("{path}?{query}")).await;
            if let Some(fault) = shape::fault(&answer, Dialect::Problem) {
                faults.push(format!("{path}?{query}: {fault}"));
            }
        }
    }
    // A place that is none in this list. (In the others any text is a place.)
    let answer = user.caller.get("/api/keys?cursor=e30").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    for query in [
        "check=",
        "check=x",
        "check=all&check=db",
        "check=%00",
        "x=y",
        "check=db%20",
    ] {
        let answer = stack.anonymous().get(&format!("/health?{query}")).await;
        if let Some(fault) = shape::fault(&answer, Dialect::Problem) {
            faults.push(format!("/health?{query}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A-21, A-22
async fn what_is_too_large_is_413_and_what_is_compressed_415(stack: &Stack) {
    let (user, mark) = (all_mighty(stack).await, marker());
    let paths = [
        (Route::Invoke.path(MODEL), Dialect::Bedrock),
        (Route::InvokeStream.path(MODEL), Dialect::Bedrock),
        (Route::Messages.path(MODEL), Dialect::Anthropic),
        ("/api/keys".to_owned(), Dialect::Problem),
        ("/api/admin/clients".to_owned(), Dialect::Problem),
        ("/api/v1/files/upload".to_owned(), Dialect::Problem),
        ("/api/v1/auth/token".to_owned(), Dialect::OAuth),
        ("/oauth/token".to_owned(), Dialect::OAuth),
    ];
    for (path, dialect) in paths {
        let content_type = match path.as_str() {
            "/oauth/token" => FORM,
            "/api/v1/files/upload" => "multipart/form-data; boundary=b",
            _ => JSON,
        };
        let caller = if dialect == Dialect::OAuth {
            stack.anonymous()
        } else {
            user.caller.clone()
        };
        let headers = [("content-type", content_type)];
        // Past what API Gateway takes by a byte; and what fits there, but not into Lambda.
        for length in [10 * 1024 * 1024 + 1, 5_000_000] {
            let answer = caller.send("POST", &path, &headers, vec![b'a'; length]).await;
            assert_eq!(answer.status, 413, "{path} with {length} bytes: {answer:?}");
            assert_eq!(shape::fault(&answer, dialect), None);
        }
        // What comes through is still refused for what it is.
        let answer = caller.send("POST", &path, &headers, vec![b'a'; 3_000_000]).await;
        assert_eq!(shape::fault(&answer, dialect), None, "{path} with 3,000,000 bytes");
        for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip", "x", ""] {
            let headers = [("content-type", content_type), ("content-encoding", encoding)];
            let answer = caller.send("POST", &path, &headers, mark.clone()).await;
            assert_eq!(answer.status, 415, "{path} with {encoding:?}: {answer:?}");
            assert_eq!(shape::fault(&answer, dialect), None, "{path} with {encoding:?}");
        }
        let head = "x".repeat(10_240);
        let answer = caller.send("POST", &path, &[("x-long", &head)], "").await;
        assert_eq!(answer.status, 431, "{path}: {answer:?}");
    }
    nothing_came_of_it(stack, &user, &mark).await;
}

/// What no HTTP library sends: the server closes, or refuses, and takes the next request.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_http_is_refused_and_the_next_request_served() {
    let stack = tests::local::shared(tests::local::Host::Runtime).await;
    let (key, mark) = (&stack.ready().api_key, marker());
    let body = Route::Messages.body(MODEL, &mark).to_string();
    let length = body.len();
    let head = |headers: &str| {
        format!(
            "POST /anthropic/v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\nconnection: close\r\n{headers}\r\n"
        )
    };
    let requests = [
        (
            "two lengths",
            head(&format!("content-length: {length}\r\ncontent-length: 3\r\n")) + &body,
        ),
        ("a length that is no number", head("content-length: +3\r\n") + &body),
        ("a negative length", head("content-length: -1\r\n") + &body),
        ("no chunk", head("transfer-encoding: chunked\r\n") + &body),
        (
            "another coding",
            head(&format!("transfer-encoding: x\r\ncontent-length: {length}\r\n")) + &body,
        ),
        (
            "a header with a line break",
            head(&format!("content-length: {length}\r\nx: a\nb\r\n")) + &body,
        ),
        (
            "a header with a NUL",
            head(&format!("content-length: {length}\r\nx: a\0b\r\n")) + &body,
        ),
        (
            "a header without a colon",
            head(&format!("content-length: {length}\r\nx\r\n")) + &body,
        ),
        (
            "a folded header",
            head(&format!("content-length: {length}\r\nx: a\r\n b\r\n")) + &body,
        ),
        (
            "a space before the colon",
            head(&format!("content-length : {length}\r\n")) + &body,
        ),
        ("a path with a space", head("").replace("/v1/messages", "/v1/ messages")),
        (
            "a path with a control character",
            head("").replace("/v1/messages", "/v1/\x01messages"),
        ),
        ("no path", head("").replace("/anthropic/v1/messages", "")),
        ("another version", head("").replace("HTTP/1.1", "HTTP/9.9")),
        ("garbage", "\x16\x03\x01\0garbage\r\n\r\n".to_owned()),
    ];
    for (name, request) in requests {
        let answer = String::from_utf8_lossy(&raw(&stack.ready().gateway, request.as_bytes()).await).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{name}: {answer}"
        );
        assert_eq!(stack.mock().requests(&mark).await.len(), 0, "{name}");
    }
    // Less than was promised: nobody acts on half a body.
    let half = head(&format!("content-length: {}\r\n", length * 2)) + &body;
    let mut cut = tokio::net::TcpStream::connect(stack.ready().gateway.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut cut, half.as_bytes())
        .await
        .unwrap();
    drop(cut);
    assert_eq!(Route::Messages.call(&stack.user(), "the next one").await.status, 200);
    assert_eq!(stack.mock().requests(&mark).await.len(), 0);
}
