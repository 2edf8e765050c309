//! Measures the release build: size and cold start of each function, and what a warm call adds to the model's own time.
//!
//! `make bench` prints the tables of `docs/performance.md`. Every ratio comes from one run, since machines are noisy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::clock::Clock;
use localstack::gateway::Limits;
use localstack::stack::{Options, Stack};
use localstack::template::{Template, Values};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Starts for each cold figure.
const STARTS: usize = 20;
/// Calls for each warm figure, after as many to warm up as a tenth of them.
const CALLS: usize = 500;
const MODEL: &str = "us.anthropic.claude-haiku-4-5-20251001-v1:0";

#[tokio::main]
async fn main() -> Result<()> {
    let binaries = std::env::current_exe()?
        .parent()
        .map(Path::to_owned)
        .ok_or("no folder of binaries")?;
    if !binaries.ends_with("release") {
        return Err("measure the release build: make bench".into());
    }
    let template = PathBuf::from("template.yaml");
    cold(&binaries, &template).await?;
    warm(&binaries, &template).await
}

/// From spawning a function's process to its first poll of the Runtime API; once more with a collector of traces in its configuration.
async fn cold(binaries: &Path, template: &Path) -> Result<()> {
    let values = Values {
        parameters: [("Issuer".to_owned(), "https://gateway.example".to_owned())].into(),
        ..Values::default()
    };
    println!(
        "| function | binary | spawn to first poll, median of {STARTS} | fastest | slowest | with a collector, median |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for function in Template::read(template, &values)?.functions {
        let binary = binaries.join(&function.name);
        let (mut plain, mut traced) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            plain.push(start(&binary, &function, None).await?);
            traced.push(start(&binary, &function, Some("http://127.0.0.1:4318")).await?);
        }
        plain.sort();
        traced.sort();
        println!(
            "| {} | {:.2} MB | {} | {} | {} | {} |",
            function.name,
            std::fs::metadata(&binary)?.len() as f64 / 1e6,
            millis(quantile(&plain, 0.5)),
            millis(plain[0]),
            millis(plain[plain.len() - 1]),
            millis(quantile(&traced, 0.5)),
        );
    }
    println!();
    Ok(())
}

async fn start(binary: &Path, function: &localstack::template::Function, collector: Option<&str>) -> Result<Duration> {
    let runtime_api = TcpListener::bind("127.0.0.1:0").await?;
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs(&function.environment)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .stdout(Stdio::null())
        .kill_on_drop(true);
    if let Some(collector) = collector {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    }
    let began = Instant::now();
    let mut child = command.spawn()?;
    let polled = tokio::time::timeout(Duration::from_secs(10), first_poll(&runtime_api)).await;
    let took = polled.map_err(|_| format!("{} did not poll", function.name))??;
    child.kill().await?;
    Ok(took.duration_since(began))
}

/// When the first event was asked for. The extension that a function registers before is registered.
async fn first_poll(runtime_api: &TcpListener) -> Result<Instant> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = runtime_api.accept() => {
                let (connection, _) = accepted?;
                connections.spawn(poll_on(connection));
            }
            Some(Ok(Ok(Some(polled)))) = connections.join_next() => return Ok(polled),
        }
    }
}

/// When the first event was asked for on this connection.
async fn poll_on(mut connection: TcpStream) -> std::io::Result<Option<Instant>> {
    let body = r#"{"functionName":"bench","functionVersion":"$LATEST","handler":"bootstrap"}"#;
    let registered = format!(
        "HTTP/1.1 200 OK\r\nlambda-extension-identifier: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // The head of a request so small comes in one piece, and its body in the same or the next.
    let mut piece = [0; 1024];
    loop {
        let length = connection.read(&mut piece).await?;
        match &piece[..length] {
            [] => return Ok(None),
            piece if piece.starts_with(b"GET /2018-06-01/runtime/invocation/next") => return Ok(Some(Instant::now())),
            piece if piece.starts_with(b"POST /2020-01-01/extension/register") => {
                connection.write_all(registered.as_bytes()).await?;
            }
            _ => {}
        }
    }
}

/// From handing an event to a warm function to the last byte of its answer, beside the same call to the mock alone.
async fn warm(binaries: &Path, template: &Path) -> Result<()> {
    let stack = Stack::start(&Options {
        template: template.to_owned(),
        binaries: binaries.to_owned(),
        launcher: Some(binaries.join("local")),
        port: 0,
        ready_file: None,
        environments: 1,
        authorizer_ttl_seconds: None,
        clock: Clock::System,
        schedule_seconds: Some(0),
        invocation_log: false,
        login: None,
        parameters: BTreeMap::new(),
        data: None,
        tls: false,
        mutual_tls: None,
        bedrock: None,
        aws_endpoint: None,
        lambda: None,
        limits: Limits::default(),
    })
    .await?;
    let mock = stack.ready().bedrock.clone();
    println!("| call ({CALLS} each) | function p50 | p99 | mock p50 | p99 | added p50 | p99 |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for case in cases(&stack.ready().api_key) {
        let (mut function, mut alone) = (Vec::new(), Vec::new());
        for index in 0..CALLS + CALLS / 10 {
            let (through, direct) = (through(&stack, &case).await?, direct(&mock, &case).await?);
            if index >= CALLS / 10 {
                function.push(through);
                alone.push(direct);
            }
        }
        function.sort();
        alone.sort();
        let at = |times: &[Duration], q| millis(quantile(times, q));
        let added = |q| millis(quantile(&function, q).saturating_sub(quantile(&alone, q)));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            case.name,
            at(&function, 0.5),
            at(&function, 0.99),
            at(&alone, 0.5),
            at(&alone, 0.99),
            added(0.5),
            added(0.99),
        );
    }
    stack.stop().await;
    Ok(())
}

struct Case {
    name: &'static str,
    function: &'static str,
    event: Bytes,
    /// The same call to Bedrock alone: operation and body. None where Bedrock has no part.
    upstream: Option<(&'static str, String)>,
}

fn cases(api_key: &str) -> Vec<Case> {
    let body = |extra: &str| {
        format!(
            r#"{{{extra}"max_tokens":64,"messages":[{{"role":"user","content":"mock:{{\"output_tokens\":40}}"}}]}}"#
        )
    };
    let bedrock = body(r#""anthropic_version":"bedrock-2023-05-31","#);
    let messages = |stream: bool| body(&format!(r#""model":"{MODEL}","stream":{stream},"#));
    let (invoke, invoke_stream) = ("invoke", "invoke-with-response-stream");
    let path = |operation: &str| format!("/bedrock/model/{}/{operation}", MODEL.replace(':', "%3A"));
    vec![
        Case {
            name: "messages, one answer",
            function: "stream",
            event: event("/anthropic/v1/messages", &messages(false)),
            upstream: Some((invoke, bedrock.clone())),
        },
        Case {
            name: "messages, streamed",
            function: "stream",
            event: event("/anthropic/v1/messages", &messages(true)),
            upstream: Some((invoke_stream, bedrock.clone())),
        },
        Case {
            name: "Bedrock invoke",
            function: "invoke",
            event: event(&path(invoke), &bedrock),
            upstream: Some((invoke, bedrock.clone())),
        },
        Case {
            name: "Bedrock stream",
            function: "stream",
            event: event(&path(invoke_stream), &bedrock),
            upstream: Some((invoke_stream, bedrock)),
        },
        Case {
            name: "authorizer, API key",
            function: "authorizer",
            event: authorization(api_key),
            upstream: None,
        },
    ]
}

fn event(path: &str, body: &str) -> Bytes {
    let context = json!({
        "requestId": "bench", "stage": "live", "httpMethod": "POST", "identity": {},
        "authorizer": {"sub": "user:bench", "scopes": "models:invoke"},
    });
    let event = json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": "POST", "requestContext": context,
        "headers": {"content-type": "application/json"},
        "multiValueHeaders": {"content-type": ["application/json"]},
        "body": body, "isBase64Encoded": false,
    });
    Bytes::from(event.to_string())
}

fn authorization(api_key: &str) -> Bytes {
    let event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/POST/anthropic/v1/messages",
        "headers": {"x-api-key": api_key}, "multiValueHeaders": {"x-api-key": [api_key]},
    });
    Bytes::from(event.to_string())
}

async fn through(stack: &Stack, case: &Case) -> Result<Duration> {
    let began = Instant::now();
    let answer = stack
        .lambda()
        .invoke(case.function, case.event.clone())
        .await
        .map_err(|failure| failure.message())?;
    let body = answer
        .body
        .collect(usize::MAX)
        .await
        .map_err(|failure| failure.message())?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&body);
    let well = text.contains("\"statusCode\":200") || text.contains("\"Allow\"");
    if well {
        Ok(took)
    } else {
        Err(format!("{}: {text}", case.name).into())
    }
}

async fn direct(mock: &str, case: &Case) -> Result<Duration> {
    let Some((operation, body)) = &case.upstream else {
        return Ok(Duration::ZERO);
    };
    let url = format!("{mock}/model/{}/{operation}", MODEL.replace(':', "%3A"));
    let request = CLIENT
        .get_or_init(reqwest::Client::new)
        .post(&url)
        .header("content-type", "application/json");
    let request = localstack::bedrock::sign(&url, body.as_bytes())
        .into_iter()
        .fold(request, |request, (name, value)| request.header(name, value))
        .body(body.clone());
    let began = Instant::now();
    let answer = request.send().await?.error_for_status()?;
    answer.bytes().await?;
    Ok(began.elapsed())
}

static CLIENT: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();

fn quantile(sorted: &[Duration], quantile: f64) -> Duration {
    let index = (sorted.len() as f64 * quantile) as usize;
    sorted[index.min(sorted.len() - 1)]
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
