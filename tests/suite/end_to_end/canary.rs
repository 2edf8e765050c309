//! Canaries: prompts, answers, credentials of every kind, cookies and whatever else a caller sends are planted in every kind of request,
//! to every route, in success and in every failure; then everything that the gateway tells of itself is searched for them.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use localstack::template::{Template, Values};
use serde_json::json;
use tests::collector::Collector;
use tests::local::{Answer, Caller, Route, Stack, User, directed, make_secret, marker, root, table_text};
use tests::provider::{CLIENT_SECRET, Oidc};
use tests::unreliable::{Outage, Unreliable};

use super::login::{SECRET, configuration, tokens};

/// So many requests at once.
const AT_ONCE: usize = 16;

/// What is planted, by what it is.
struct Canaries(BTreeMap<&'static str, String>);

impl Canaries {
    fn new() -> Self {
        let planted = ["prompt", "answer", "body", "form", "query", "cookie", "header", "file"];
        Self(planted.into_iter().map(|name| (name, marker())).collect())
    }

    fn get(&self, name: &str) -> &str {
        &self.0[name]
    }

    /// A credential. Its beginning and its end are told on purpose: the prefix says what it is, the last four characters which.
    fn plant(&mut self, name: &'static str, secret: &str) {
        let inner = match secret.rsplit_once('.') {
            // Of a token the signature is the secret.
            Some((_, signature)) => signature.to_owned(),
            None => secret[4..secret.len() - 4].to_owned(),
        };
        self.0.insert(name, inner);
    }

    /// Which of them stand in `text`.
    fn found_in(&self, text: &str) -> Vec<&'static str> {
        let found = self.0.iter().filter(|(_, canary)| text.contains(canary.as_str()));
        found.map(|(name, _)| *name).collect()
    }
}

/// The routes of the template, with ids that name nothing.
fn routes() -> Vec<(String, String)> {
    let issuer = ("Issuer".to_owned(), "https://gate.example".to_owned());
    let values = Values {
        parameters: BTreeMap::from([issuer]),
        ..Values::default()
    };
    let template = Template::read(&root().join("template.yaml"), &values).unwrap();
    let ids = [
        ("{id}", "none"),
        ("{scope}", "team"),
        ("{secret_id}", "none"),
        ("{provider}", "idp"),
    ];
    let path = |path: &str| {
        ids.into_iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    };
    let routes = template.api.routes.iter();
    routes.map(|route| (route.method.clone(), path(&route.path))).collect()
}

/// A caller whose every header sings.
fn noisy(caller: Caller, canaries: &Canaries) -> Caller {
    let named = [
        "x-forwarded-for",
        "x-request-id",
        "user-agent",
        "tracestate",
        "baggage",
        "x-tollgate-x",
        "referer",
    ];
    let caller = caller.with(
        "cookie",
        format!("tollgate={0}; __Host-tollgate={0}", canaries.get("cookie")),
    );
    named
        .into_iter()
        .fold(caller, |caller, name| caller.with(name, canaries.get("header")))
}

/// Bodies of every type, right in form and broken.
fn bodies(canaries: &Canaries) -> Vec<(&'static str, String)> {
    let (body, form, file) = (canaries.get("body"), canaries.get("form"), canaries.get("file"));
    let told = json!({
        "model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": body}], "client_secret": body,
        "client_id": body, "refresh_token": body, "code": body, "anthropic_version": "bedrock-2023-05-31",
    });
    let names = [
        "grant_type",
        "code",
        "client_secret",
        "refresh_token",
        "device_code",
        "token",
        "ticket",
        "code_verifier",
        "user_code",
    ];
    let pairs: Vec<_> = names.iter().map(|name| format!("{name}={form}")).collect();
    let upload =
        format!("--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{file}\r\n--b--\r\n");
    vec![
        ("application/json", told.to_string()),
        ("application/json", format!("{{\"client_secret\": \"{body}")),
        (
            "application/scim+json",
            json!({"schemas": [body], "userName": 1}).to_string(),
        ),
        ("application/x-www-form-urlencoded", pairs.join("&")),
        (
            "application/x-www-form-urlencoded",
            format!("grant_type=authorization_code&client_id=app&{}", pairs.join("&")),
        ),
        ("multipart/form-data; boundary=b", upload.clone()),
        ("multipart/form-data; boundary=b", upload.replace("--b--", "")),
        ("text/csv", format!("model,{body}\n{body},1\n")),
    ]
}

/// Every route, with every body, from everybody. Errors that callers are told have nothing of what was sent in them.
async fn ask_everything(callers: &[Caller], canaries: &Canaries) -> usize {
    let (routes, bodies) = (routes(), bodies(canaries));
    let query = format!("?access_token={0}&code={0}&prompt={0}", canaries.get("query"));
    let mut wishes = Vec::new();
    for caller in callers {
        for (method, path) in &routes {
            let fitting = if method == "GET" || method == "DELETE" {
                1
            } else {
                bodies.len()
            };
            for (content_type, body) in &bodies[..fitting] {
                wishes.push((caller, method, path.clone(), content_type, body));
            }
            wishes.push((caller, method, format!("{path}{query}"), &bodies[0].0, &bodies[0].1));
        }
    }
    let count = wishes.len();
    let ask = async |(caller, method, path, content_type, body): (&Caller, &String, String, &&str, &String)| {
        let answer = caller
            .send(method, &path, &[("content-type", content_type)], body.clone())
            .await;
        assert_says_nothing(&answer, canaries, &format!("{method} {path}"));
    };
    stream::iter(wishes)
        .map(ask)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    count
}

fn assert_says_nothing(answer: &Answer, canaries: &Canaries, what: &str) {
    if answer.status >= 400 {
        let found = canaries.found_in(&String::from_utf8_lossy(&answer.body));
        assert!(found.is_empty(), "{found:?} in the answer to {what}: {answer:?}");
    }
}

/// Model calls that succeed and that fail in every way. What Bedrock says is told to the caller, and to nobody else.
async fn call_models(callers: &[&Caller], canaries: &Canaries) {
    let answer = canaries.get("answer");
    let directives = [
        json!({"text": answer}),
        json!({"text": answer, "cut_after": 4}),
        json!({"text": answer, "end_after": 2}),
        json!({"text": answer, "truncate_frame": 2}),
        json!({"text": answer, "corrupt_crc": 2}),
        json!({"thinking": answer, "tool_use": {"name": "f", "input": {"a": answer}}}),
        json!({"text": answer, "exception_after": {"events": 2, "type": "x", "message": answer}}),
        json!({"status": 400, "message": answer}),
        json!({"status": 403, "message": answer}),
        json!({"status": 408, "message": answer}),
        json!({"status": 424, "message": answer}),
        json!({"status": 429, "message": answer}),
        json!({"status": 500, "message": answer}),
        json!({"status": 503, "message": answer}),
    ];
    let mut wishes = Vec::new();
    for caller in callers {
        for route in Route::ALL {
            wishes.extend(directives.iter().map(|directive| (*caller, route, directive.clone())));
        }
    }
    let call = async |(caller, route, directive): (&Caller, Route, serde_json::Value)| {
        route.call(caller, &directed(canaries.get("prompt"), directive)).await;
    };
    stream::iter(wishes)
        .map(call)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
}

/// A person who signs in, and what they hold then.
async fn sign_in(stack: &Stack, oidc: &Oidc, canaries: &mut Canaries) -> Caller {
    let held = tokens(stack, oidc).await;
    let text = |name: &str| held[name].as_str().unwrap().to_owned();
    canaries.plant("access token", &text("access_token"));
    canaries.plant("refresh token", &text("refresh_token"));
    let person = stack.bearer(&text("access_token"));
    let wish = json!({"refresh_token": text("refresh_token"), "client_id": "app"});
    let renewed = stack.anonymous().post("/auth/refresh", &wish).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    canaries.plant(
        "second refresh token",
        renewed.json()["refresh_token"].as_str().unwrap(),
    );
    // One that was used, and one that is spoilt.
    for used in [
        wish,
        json!({"refresh_token": format!("{}x", text("refresh_token")), "client_id": "app"}),
    ] {
        let answer = stack.anonymous().post("/auth/refresh", &used).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_says_nothing(&answer, canaries, "a refresh");
    }
    person
}

/// Everything that the gateway tells of itself, by where.
async fn told(stack: &Stack, collector: &Collector) -> Vec<(&'static str, String)> {
    let logs = stack.logs();
    let (metrics, others): (Vec<&str>, Vec<&str>) = logs.lines().partition(|line| line.starts_with("{\"_aws\""));
    vec![
        ("logs", others.join("\n")),
        ("metric lines", metrics.join("\n")),
        ("spans", String::from_utf8_lossy(&collector.bytes()).into_owned()),
        ("the table", table_text(stack).await),
    ]
}

/// A-47; security.md: canaries
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_what_callers_send_is_in_a_log_a_metric_a_span_the_table_or_an_error() {
    let (oidc, collector, aws) = (Oidc::start().await, Collector::start().await, Unreliable::aws().await);
    let (login, endpoint) = (
        configuration(&oidc.url, "implied"),
        format!("OtlpEndpoint={}", collector.url),
    );
    let stack = Stack::start(&[
        "--login",
        login.path().to_str().unwrap(),
        "--environments",
        "3",
        "--aws-endpoint",
        &aws.url,
        "--parameter",
        &endpoint,
        "--parameter",
        "MetricsFlushSeconds=0",
        "--parameter",
        "LogLevel=debug",
    ])
    .await;
    make_secret(&stack, SECRET, CLIENT_SECRET).await;
    let mut canaries = Canaries::new();
    let person = sign_in(&stack, &oidc, &mut canaries).await;
    let (user, almighty, program) = (
        stack.new_user().await,
        stack.almighty().await,
        stack.service_account().await,
    );
    let (client_id, secret) = stack.new_client(&["files"]).await;
    stack.token(&client_id, &secret).await;
    for (name, secret) in [
        ("key", &user.key),
        ("admin's key", &almighty.key),
        ("program's token", &program.key),
        ("client's secret", &secret),
        ("provider's secret", &CLIENT_SECRET.to_owned()),
    ] {
        canaries.plant(name, secret);
    }
    let wrong = |key: &str| stack.bearer(&format!("{key}!"));
    let User { caller, .. } = &user;
    call_models(&[caller, &program.caller, &person], &canaries).await;
    let everybody = [
        stack.anonymous(),
        wrong(&user.key),
        wrong(&program.key),
        user.caller.clone(),
        almighty.caller.clone(),
        person.clone(),
    ];
    let everybody = everybody.map(|caller| noisy(caller, &canaries));
    let asked = ask_everything(&everybody, &canaries).await;
    assert!(asked > 1_000, "{asked}");
    // And while nothing can be read or written.
    aws.table_is(Some(Outage::Failing));
    call_models(&[caller], &canaries).await;
    ask_everything(&everybody[3..4], &canaries).await;
    aws.table_is(None);

    for (place, text) in told(&stack, &collector).await {
        assert!(text.len() > 10_000, "{place}: there is something to search");
        let line = text.lines().find(|line| !canaries.found_in(line).is_empty());
        assert_eq!(line.map(|line| (canaries.found_in(line), line)), None, "in {place}");
    }
}
