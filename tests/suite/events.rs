//! Every file in `events/`, replayed: in process, and through `cargo lambda invoke`. Both compare with the same goldens.

use gateway::jwt::Audience;
use tests::backing::Backing;
use tests::cargo_lambda::{Watch, printed, shown};
use tests::files::{FUNCTIONS, STREAMING, all_cases, cases, orphans};
use tests::fixtures::access_token;
use tests::golden::{difference, is_update};
use tests::in_process::Functions;

/// Events that find another state the second time.
const CHANGING: [(&str, &str); 1] = [("upload", "deleted")];

#[test]
fn every_function_has_at_least_three_events_and_no_golden_has_lost_its_event() {
    for function in FUNCTIONS {
        assert!(cases(function).len() >= 3, "{function} has fewer than three events");
    }
    assert!(orphans().is_empty(), "{:?}", orphans());
}

/// The tokens that stand in events. `UPDATE_GOLDENS=1` writes them anew too.
#[test]
fn the_tokens_in_events_are_signed_by_the_fixtures_key() {
    let tokens = [
        ("token", access_token(|_| ())),
        ("expired_token", access_token(|claims| claims.exp = claims.iat + 1800)),
        (
            "token_of_another_issuer",
            access_token(|claims| claims.iss = "https://gateway.example.net".into()),
        ),
        (
            "token_for_another_audience",
            access_token(|claims| claims.aud = Audience::One("tollgate-too".into())),
        ),
        ("token_with_changed_claims", with_changed_claims(&access_token(|_| ()))),
    ];
    for (name, token) in tokens {
        let case = cases("authorizer").into_iter().find(|case| case.name == name).unwrap();
        let event = case.event();
        let stated = event["headers"]["Authorization"]
            .as_str()
            .unwrap()
            .strip_prefix("Bearer ")
            .unwrap();
        if is_update() {
            let text = std::fs::read_to_string(&case.file).unwrap().replace(stated, &token);
            std::fs::write(&case.file, text).unwrap();
        } else {
            assert_eq!(stated, token, "{name}");
        }
    }
}

/// The same token with the scope of an admin, and the signature of what it was before.
fn with_changed_claims(token: &str) -> String {
    let richer = access_token(|claims| claims.scope = "admin".into());
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("not a token: {token}")
    };
    let claims = richer.split('.').nth(1).unwrap();
    format!("{header}.{claims}.{signature}")
}

#[tokio::test]
async fn every_event_gets_its_golden_answer_in_process() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let mut differences = Vec::new();
    for case in all_cases() {
        let answer = functions.call(&case.function, &case.event()).await;
        differences.extend(difference(&case.golden(), &answer.golden()));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_gets_its_golden_answer_through_cargo_lambda_invoke() {
    if is_update() {
        return;
    }
    let backing = Backing::start().await;
    let watch = Watch::start(&backing);
    let mut differences = Vec::new();
    for case in all_cases() {
        let streams = STREAMING.contains(&&*case.function);
        if streams && !CHANGING.contains(&(&*case.function, &*case.name)) {
            differences.extend(difference(&case.golden(), &watch.post(&case).await.golden()));
        }
        let golden = serde_json::from_slice(&std::fs::read(case.golden()).unwrap()).unwrap();
        let output = watch.invoke(&case).await;
        let (printed, shown) = (printed(&output, streams), shown(&golden, streams));
        if printed != shown {
            let (function, name) = (&case.function, &case.name);
            differences.push(format!(
                "{function}/{name}: {output:?} is read as\n{printed:#}\nand not\n{shown:#}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
