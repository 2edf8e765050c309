//! security.md, "Bad inputs to try on every route": each is refused in the route's dialect, and nothing comes of it.

use futures_util::{StreamExt as _, stream};
use gateway::wire::dialect::Dialect;
use serde_json::json;
use tests::local::{Answer, Caller, MODEL, Route, Stack, User, marker, raw, table_text};

use super::bad_bodies::{Bad, FORM, JSON, Target, clients, everything, keys, tokens};
use super::shape;

on_every_host!(
    what_the_bad_bodies_are_made_of_is_good,
    no_bad_body_gets_a_500_a_call_a_row_or_an_item,
    no_bad_query_gets_a_500_or_a_record,
    what_is_too_large_is_413_and_what_is_compressed_415,
);

/// Otherwise they might be refused for another reason than the one that is tested.
async fn what_the_bad_bodies_are_made_of_is_good(stack: &Stack) {
    let (user, mark) = (stack.almighty().await, marker());
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

async fn ask(caller: &Caller, bad: &Bad) -> Answer {
    let content_type = [("content-type", bad.content_type)];
    let headers = if bad.content_type.is_empty() {
        &content_type[..0]
    } else {
        &content_type
    };
    caller.send("POST", &bad.path, headers, bad.body.clone()).await
}

/// A-19, A-20, A-21, A-22, B-11
async fn no_bad_body_gets_a_500_a_call_a_row_or_an_item(stack: &Stack) {
    let (user, mark) = (stack.almighty().await, marker());
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
    let user = stack.almighty().await;
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
        "user=admin",
        "user=",
        "team=a%20b",
        "from=yesterday",
        "success=maybe",
        "format=xml",
        "cursor=..%2f..",
        "cursor=%ff",
        "limit=%ff",
        "LIMIT=1",
        "=1",
        // A sort key with a control character in it.
        "cursor=YQBi",
    ];
    let long = format!("cursor={}", "A".repeat(4_000));
    let lists = [
        "/api/usage/records",
        "/api/usage/summary",
        "/api/keys",
        "/api/admin/clients",
        "/api/admin/audit",
        "/api/admin/budgets",
        "/api/v1/files",
    ];
    let mut faults = Vec::new();
    for path in lists {
        for query in queries.into_iter().chain([long.as_str()]) {
            let answer = user.caller.get(&format!("{path}?{query}")).await;
            if let Some(fault) = shape::fault(&answer, Dialect::Problem) {
                faults.push(format!("{path}?{query}: {fault}"));
            }
        }
    }
    // A place that is none in these lists. (In the others any text is a place.)
    for path in [
        "/api/keys",
        "/api/usage/records",
        "/api/admin/audit",
        "/api/admin/budgets",
    ]
    .map(|it| format!("{it}?cursor=e30"))
    {
        let answer = user.caller.get(&path).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
    }
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
    let (user, mark) = (stack.almighty().await, marker());
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
