//! HS256 with too short a secret, on the programs as they are deployed: they end at once and say why, and ask for no event.

use std::process::Stdio;
use std::time::Duration;

use gateway::aws::Aws;
use gateway::config::Variables;
use gateway::secrets::{Replaced, Secrets};
use tests::backing::Backing;
use tests::local::{PATIENCE, program};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Those that sign or verify tokens.
const PROGRAMS: [&str; 2] = ["token", "authorizer"];
const HS256: (&str, &str) = ("TOLLGATE_SIGNING_ALGORITHM", "HS256");

/// The signing secret becomes this text.
async fn plant(backing: &Backing, text: &str) {
    let variables = backing.variables("token", &[]);
    let id = variables.signing_secret().unwrap();
    let secrets = Secrets::new(&Aws::from_environment(variables).unwrap());
    let version = secrets.read_version(&id).await.unwrap();
    let replaced = secrets.replace(&id, &version.id, text.to_owned()).await.unwrap();
    assert_eq!(replaced, Replaced::Written);
}

/// The program as Lambda starts it, with its Runtime API there.
fn started(backing: &Backing, name: &str, runtime_api: &TcpListener) -> Command {
    let Variables::Given(variables) = backing.variables(name, &[HS256]) else {
        panic!("no list of variables")
    };
    let mut command = Command::new(program(name));
    let address = runtime_api.local_addr().unwrap().to_string();
    let lambdas = [
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ];
    command
        .env_clear()
        .envs(variables)
        .envs(lambdas)
        .env("AWS_LAMBDA_RUNTIME_API", address);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// security.md: HMAC secrets under 32 bytes or empty: the function refuses to start.
#[tokio::test]
async fn with_hs256_and_a_short_secret_the_program_ends_and_names_the_fault() {
    let backing = Backing::start().await;
    for secret in ["", "0123456789abcdef0123456789abcde"] {
        plant(&backing, &format!(r#"{{"alg":"HS256","seed":"{secret}"}}"#)).await;
        for name in PROGRAMS {
            let runtime_api = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let ended = started(&backing, name, &runtime_api).output();
            let ended = tokio::time::timeout(PATIENCE, ended)
                .await
                .expect("it goes on")
                .unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(!ended.status.success(), "{name} ends as if all were well: {said}");
            let fault = "the seed or HMAC secret of the signing secret is shorter than 32 characters";
            assert!(said.contains(fault), "{name} says no word of it: {said}");
            assert!(secret.is_empty() || !said.contains(secret), "{name} tells the secret");
            let asked = tokio::time::timeout(Duration::ZERO, runtime_api.accept()).await;
            assert!(asked.is_err(), "{name} asked for an event");
        }
    }
}

/// The same programs with 32 bytes ask for their first event: it is the secret that keeps them from it.
#[tokio::test]
async fn with_hs256_and_a_secret_of_32_bytes_the_program_asks_for_its_first_event() {
    let backing = Backing::start().await;
    plant(&backing, r#"{"alg":"HS256","seed":"0123456789abcdef0123456789abcdef"}"#).await;
    for name in PROGRAMS {
        let runtime_api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _running = started(&backing, name, &runtime_api).spawn().unwrap();
        let accepted = tokio::time::timeout(PATIENCE, runtime_api.accept()).await;
        let (mut asking, _) = accepted.expect("it never asks").unwrap();
        let mut line = [0; 34];
        asking.read_exact(&mut line).await.unwrap();
        // Before its first event it asks to be told of its end.
        let begins: [&[u8]; 2] = [
            b"POST /2020-01-01/extension/registe",
            b"GET /2018-06-01/runtime/invocation",
        ];
        assert!(
            begins.contains(&&line[..]),
            "{name}: {}",
            String::from_utf8_lossy(&line)
        );
    }
}
