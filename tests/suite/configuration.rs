//! The configuration, as the programs read it: from the environment, a bundled file, S3 and the Parameter Store.

use std::process::{Output, Stdio};

use axum::Router;
use axum::extract::Json;
use axum::routing::post;
use gateway::config::setting::Need;
use gateway::config::{Function, Variables, reference, tree};
use gateway::startup::configured;
use peer::Server;
use serde_json::{Value, json};
use tests::backing::{Backing, nowhere, root};
use tests::local::{PATIENCE, program};
use tokio::net::TcpListener;
use tokio::process::Command;

const GOOD: &str = "call_seconds: 60\ncache:\n  kind: memory\n  ttl_seconds: 10\n";
const BAD: &str = "call_seconds: hunter2\ncache:\n  kind: disk\nunknown: 1\n";

/// A-49..54: `docs/configuration.md` is what the declarations say. `UPDATE_GOLDENS=1` writes it.
#[test]
fn the_reference_page_says_what_the_declarations_say() {
    let path = root().join("docs/configuration.md");
    let told = reference::page();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &told).unwrap();
    } else {
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(written == told, "docs/configuration.md; UPDATE_GOLDENS=1 writes it");
    }
}

/// the template gives each function what it needs, and nothing that is no setting.
#[tokio::test]
async fn each_function_starts_with_what_the_template_gives_it() {
    let backing = Backing::start().await;
    for function in Function::ALL {
        let variables = backing.variables(function.name(), &[]);
        assert!(
            variables.check(Some(function)).is_ok(),
            "{:?}",
            variables.check(Some(function))
        );
        for it in tree::ALL.iter().filter(|it| it.read_by.contains(&function)) {
            if !matches!(it.need, Need::Required) {
                continue;
            }
            let variable: &'static str = it.variable().leak();
            let lacking = backing.variables(function.name(), &[(variable, "")]);
            let told = lacking.check(Some(function)).unwrap_err().to_string();
            assert!(told.contains(variable) && told.contains("is not set"), "{told}");
        }
    }
}

async fn with_settings(backing: &Backing, function: Function, source: &str, ssm: &str) -> Result<Variables, String> {
    let replaced = [("TOLLGATE_SETTINGS", source), ("AWS_ENDPOINT_URL_SSM", ssm)];
    let variables = backing.variables(function.name(), &replaced);
    configured(function, variables)
        .await
        .map_err(|faults| faults.to_string())
}

fn is_good(variables: &Result<Variables, String>) {
    let variables = variables.as_ref().unwrap();
    assert_eq!(tree::CALL_SECONDS.get(variables), Ok(60));
    assert_eq!(tree::CACHE_TTL_SECONDS.get(variables), Ok(10));
}

fn is_refused(variables: &Result<Variables, String>, source: &str) {
    let told = variables.as_ref().err().unwrap();
    for part in [
        "call_seconds",
        "cache.kind",
        "none, memory or redis",
        "unknown",
        "whole seconds, from 1 to 900",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains(source) && !told.contains("hunter2"), "{told}");
}

/// a file that is bundled with the function.
#[tokio::test]
async fn settings_come_from_a_bundled_file() {
    let backing = Backing::start().await;
    let file = backing.data().join("settings.yaml");
    std::fs::write(&file, GOOD).unwrap();
    is_good(&with_settings(&backing, Function::Stream, file.to_str().unwrap(), "").await);
    let beside = [
        ("TOLLGATE_SETTINGS", "settings.yaml"),
        ("LAMBDA_TASK_ROOT", backing.data().to_str().unwrap()),
    ];
    let variables = backing.variables("stream", &beside);
    is_good(
        &configured(Function::Stream, variables)
            .await
            .map_err(|faults| faults.to_string()),
    );
    std::fs::write(&file, BAD).unwrap();
    is_refused(
        &with_settings(&backing, Function::Admin, file.to_str().unwrap(), "").await,
        "settings.yaml",
    );
    let none = with_settings(&backing, Function::Admin, "/nowhere.yaml", "")
        .await
        .err()
        .unwrap();
    assert!(
        none.starts_with("the settings file /nowhere.yaml cannot be read"),
        "{none}"
    );
}

/// an object in S3.
#[tokio::test]
async fn settings_come_from_an_object() {
    let backing = Backing::start().await;
    let (s3, bucket) = (backing.s3(), backing.bucket());
    let put = async |text: String| {
        let put = s3
            .put_object()
            .bucket(&bucket)
            .key("settings.yaml")
            .body(text.into_bytes().into());
        put.send().await.unwrap();
    };
    let source = format!("s3://{bucket}/settings.yaml");
    put(GOOD.to_owned()).await;
    is_good(&with_settings(&backing, Function::Upload, &source, "").await);
    put(BAD.to_owned()).await;
    is_refused(&with_settings(&backing, Function::Upload, &source, "").await, &source);
    put(format!("# {}\n", "x".repeat(256 * 1024))).await;
    let large = with_settings(&backing, Function::Upload, &source, "")
        .await
        .err()
        .unwrap();
    assert!(large.contains("is larger than 262144 bytes"), "{large}");
    let none = with_settings(&backing, Function::Upload, &format!("s3://{bucket}/none"), "").await;
    let none = none.err().unwrap();
    assert!(none.contains("/none cannot be read: NoSuchKey"), "{none}");
}

/// A Parameter Store that has two parameters.
async fn parameters() -> Server {
    let answer = async |Json(asked): Json<Value>| {
        assert_eq!(asked["WithDecryption"], false, "no secret is in it");
        let text = match asked["Name"].as_str() {
            Some("/tollgate/good") => GOOD,
            Some("/tollgate/bad") => BAD,
            _ => {
                return (
                    http::StatusCode::BAD_REQUEST,
                    Json(json!({"__type": "ParameterNotFound"})),
                );
            }
        };
        let parameter = json!({"Name": asked["Name"], "Type": "String", "Value": text});
        (http::StatusCode::OK, Json(json!({"Parameter": parameter})))
    };
    let amz = axum::middleware::from_fn(
        async |mut request: axum::extract::Request, next: axum::middleware::Next| {
            // `Json` wants its own type, and AWS's protocol has another.
            let json = http::HeaderValue::from_static("application/json");
            request.headers_mut().insert("content-type", json);
            next.run(request).await
        },
    );
    Server::plain(Router::new().route("/", post(answer)).layer(amz)).await
}

/// a parameter of the Parameter Store.
#[tokio::test]
async fn settings_come_from_a_parameter() {
    let (backing, parameters) = (Backing::start().await, parameters().await);
    let url = parameters.url();
    is_good(&with_settings(&backing, Function::Invoke, "ssm:/tollgate/good", &url).await);
    is_refused(
        &with_settings(&backing, Function::Invoke, "ssm:/tollgate/bad", &url).await,
        "ssm:/tollgate/bad",
    );
    let none = with_settings(&backing, Function::Invoke, "ssm:/none", &url)
        .await
        .err()
        .unwrap();
    assert!(none.contains("ssm:/none cannot be read: ParameterNotFound"), "{none}");
    let down = with_settings(&backing, Function::Invoke, "ssm:/none", &nowhere())
        .await
        .err()
        .unwrap();
    assert!(down.contains("ssm:/none cannot be read: there is no answer"), "{down}");
}

async fn ended(backing: &Backing, name: &str, replaced: &[(&'static str, &str)], runtime_api: &TcpListener) -> Output {
    let Variables::Given(variables) = backing.variables(name, replaced) else {
        panic!("no list of variables")
    };
    let mut command = Command::new(program(name));
    command.env_clear().envs(variables);
    command
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1");
    command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
    command.env("AWS_LAMBDA_RUNTIME_API", runtime_api.local_addr().unwrap().to_string());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    output.unwrap_or_else(|_| panic!("{name} goes on")).unwrap()
}

/// each program, as it is deployed, ends before its first event and names all that is wrong.
#[tokio::test]
async fn each_program_names_all_that_is_wrong_and_asks_for_no_event() {
    let backing = Backing::start().await;
    let wrong = [
        ("AWS_REGION", "hunter2"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "hunter2"),
        ("TOLLGATE_TABLE", ""),
        ("TOLLGATE_CACHE_TTL_SECONDS", "301"),
        ("TOLLGATE_CACHE_KIN", "redis"),
    ];
    for function in Function::ALL {
        let (name, runtime_api) = (function.name(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let ended = ended(&backing, name, &wrong, &runtime_api).await;
        let told = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert!(!ended.status.success(), "{name}: {told}");
        for (variable, _) in wrong {
            assert!(told.contains(variable), "{name} does not name {variable}: {told}");
        }
        assert!(
            told.contains("whole seconds, from 1 to 300") && !told.contains("hunter2"),
            "{name}: {told}"
        );
        let asked = tokio::time::timeout(std::time::Duration::ZERO, runtime_api.accept()).await;
        assert!(asked.is_err(), "{name} asked for an event");
    }
}

async fn check(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(program("check-config"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    let output = command.output().await.unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

/// a file is checked without deploying it.
#[tokio::test]
async fn a_file_is_checked_without_deploying_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    let name = file.to_str().unwrap();
    std::fs::write(&file, GOOD).unwrap();
    assert_eq!(check(&[name], &[]).await, (Some(0), format!("{name}: all is right\n")));
    let (code, told) = check(
        &[name, "--function", "upload"],
        &[("TOLLGATE_TABLE", "t"), ("AWS_REGION", "us-east-1")],
    )
    .await;
    assert_eq!(code, Some(1));
    assert!(
        told.contains("bucket in") && told.contains("AWS_ACCESS_KEY_ID") && !told.contains("TOLLGATE_TABLE"),
        "{told}"
    );
    std::fs::write(&file, BAD).unwrap();
    let (code, told) = check(&[name], &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        told.ends_with("3 things are wrong\n") && !told.contains("hunter2"),
        "{told}"
    );
    std::fs::write(&file, "a: [").unwrap();
    let (code, told) = check(&[name], &[]).await;
    assert!(code == Some(1) && told.contains("is no YAML: line "), "{told}");
    for wrongly in [
        &[][..],
        &["a", "b"],
        &["--function"],
        &["a", "--function", "none"],
        &["--help"],
    ] {
        let (code, told) = check(wrongly, &[]).await;
        assert!(code == Some(2) && told.starts_with("usage: "), "{wrongly:?}: {told}");
    }
}
