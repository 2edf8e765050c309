//! Forged tokens and keys: none is accepted, all are refused with one answer, and none makes a request go out.

mod bodies;
mod headers;
mod keys;
mod parts;
mod smith;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway::aws::Aws;
use gateway::secrets::{Replaced, Secrets};
use serde_json::{Value, json};
use tests::backing::{Backing, Setup};
use tests::in_process::Functions;
use tokio::net::TcpListener;

use smith::Smith;

/// A credential that must open nothing.
struct Forged {
    /// For whoever reads a failure.
    name: String,
    credential: String,
}

fn forged(name: impl Into<String>, credential: impl Into<String>) -> Forged {
    Forged {
        name: name.into(),
        credential: credential.into(),
    }
}

/// A place that a token could send somebody to. It counts who comes.
struct Trap {
    url: String,
    visits: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let visits = Arc::new(AtomicUsize::new(0));
        let count = visits.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { url, visits }
    }
}

fn event(name: &str, value: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/api/usage/records",
        "headers": {name: value}, "multiValueHeaders": {name: [value]},
    })
}

async fn answer(functions: &Functions, header: &str, value: &str) -> Value {
    match functions.call("authorizer", &event(header, value)).await {
        tests::answer::Answer::Direct(answer) => answer,
        other => panic!("no authorizer answers {other:?}"),
    }
}

/// Plants the smith's keys as the stack's own, and gives the functions, whose every request is counted.
async fn functions(backing: &Backing, smith: &Smith) -> Functions {
    let variables = backing.variables("token", &[]);
    let id = variables.signing_secret().unwrap();
    let secrets = Secrets::new(&Aws::from_environment(variables).unwrap());
    let version = secrets.read_version(&id).await.unwrap();
    let replaced = secrets.replace(&id, &version.id, smith.stored.clone()).await.unwrap();
    assert_eq!(replaced, Replaced::Written);
    let proxy = &backing.unreliable().unwrap().url;
    Functions::with(backing, &[("AWS_ENDPOINT_URL_SECRETS_MANAGER", proxy)])
}

/// security.md, "JWT" and "API keys".
#[tokio::test]
async fn no_forged_token_or_key_is_accepted_all_get_one_answer_and_no_request_goes_out() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let (trap, smith) = (Trap::set().await, Smith::new());
    let functions = functions(&backing, &smith).await;
    // What the forgeries are variations of is good: they fall for what was done to them, and for nothing else.
    for forge in &smith.forges {
        let good = answer(&functions, "authorization", &format!("Bearer {}", forge.good())).await;
        assert_eq!(
            good["context"]["sub"],
            "client:client_0000fixture",
            "{}: {good}",
            forge.name()
        );
    }
    let refused = answer(&functions, "authorization", "").await;
    assert_eq!(refused["errorMessage"], "Unauthorized");

    let mut corpus = headers::corpus(&smith, &trap.url);
    corpus.extend(bodies::corpus(&smith, &trap.url));
    corpus.extend(parts::corpus(&smith));
    corpus.extend(keys::corpus());
    assert!(corpus.len() >= 400, "only {} forgeries", corpus.len());
    let proxy = backing.unreliable().unwrap();
    let before = proxy.counts();
    let mut faults = Vec::new();
    for it in &corpus {
        for (header, value) in [
            ("authorization", format!("Bearer {}", it.credential)),
            ("x-api-key", it.credential.clone()),
        ] {
            let answer = answer(&functions, header, &value).await;
            if answer != refused {
                faults.push(format!("{} in {header}: {answer}", it.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let after = proxy.counts();
    assert_eq!(after.by_operation, before.by_operation, "the table was asked");
    // An unknown key id in a header of our own form makes for one look at our own secret: here one, since the clock stands still
    // and the first reading counts as a try.
    assert_eq!(after.secrets, before.secrets, "the secret was read again");
    assert_eq!(
        trap.visits.load(Ordering::SeqCst),
        0,
        "somebody went where a token sent them"
    );
}

/// the claims that mean something here reach the functions, and no other one does, whatever it is called.
#[tokio::test]
async fn known_claims_are_carried_into_the_context_and_unknown_ones_are_ignored() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let smith = Smith::new();
    let functions = functions(&backing, &smith).await;
    let mut claims = smith::claims();
    claims["team"] = json!("fixtures");
    // Names of the context's own fields, of other issuers' claims, and of nothing.
    for name in [
        "scopes",
        "models",
        "key_id",
        "sub_jwk",
        "roles",
        "groups",
        "principal",
        "https://example.com/admin",
    ] {
        claims[name] = json!("admin");
    }
    claims["nested"] = json!({"scope": "admin", "list": [1, null, {"sub": "user:root"}]});
    for forge in &smith.forges {
        let answer = answer(
            &functions,
            "authorization",
            &format!(
                "Bearer {}",
                forge.signed(&forge.header().to_string(), claims.to_string())
            ),
        )
        .await;
        let expected = json!({
            "sub": "client:client_0000fixture", "scopes": "models:invoke usage:read", "client_id": "client_0000fixture",
            "team": "fixtures", "exp": claims["exp"].to_string(),
        });
        assert_eq!(answer["context"], expected, "{}", forge.name());
    }
}
