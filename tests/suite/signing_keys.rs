//! The signing keys in Secrets Manager: rotated with overlap, read again when they must be, and not oftener.

use futures_util::future::join_all;
use gateway::aws::Aws;
use gateway::jwt::{Audience, Claims, KeyAlgorithm, KeyRing, KeyState, Rotation};
use gateway::secrets::Secrets;
use gateway::signing::{RING_SECONDS, rotate};
use jiff::SignedDuration;
use serde_json::json;
use tests::backing::{Backing, Setup};
use tests::event::request;
use tests::fixtures::{AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, SIGNING_SECRET, ends_at, held_clock, made_at};
use tests::in_process::Functions;

fn daily(algorithm: KeyAlgorithm) -> Rotation {
    Rotation {
        algorithm,
        period: SignedDuration::from_hours(24),
        lead: Rotation::LEAD,
    }
}

/// Secrets Manager, and the signing secret's name in it. The first key is of the beginning of the year.
async fn secrets(backing: &Backing) -> (Secrets, String) {
    let variables = backing.variables("token", &[]);
    let id = variables.signing_secret().unwrap();
    let secrets = Secrets::new(&Aws::from_environment(variables).unwrap());
    let version = secrets.read_version(&id).await.unwrap();
    let ring = KeyRing::from_stored(&version.text, KeyAlgorithm::EdDsa).unwrap();
    let dated = ring.first_made_at(made_at()).to_stored().unwrap();
    secrets.replace(&id, &version.id, dated).await.unwrap();
    (secrets, id)
}

async fn token(functions: &Functions) -> String {
    let wish = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET });
    let answer = functions
        .ask("token", &request("POST", "/api/v1/auth/token").json(&wish))
        .await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// B-24
#[tokio::test]
async fn of_two_rotations_at_once_one_writes() {
    let backing = Backing::start().await;
    let (secrets, id) = secrets(&backing).await;
    let (rotation, now) = (daily(KeyAlgorithm::Es256), held_clock().now());
    let both = join_all((0..2).map(|_| rotate(&secrets, &id, &rotation, now))).await;
    let written = both.into_iter().filter(|it| *it.as_ref().unwrap()).count();
    assert_eq!(written, 1);
    let ring = KeyRing::from_stored(&secrets.read(&id).await.unwrap(), KeyAlgorithm::Es256).unwrap();
    let states: Vec<_> = ring.keys(now).map(|(_, state)| state).collect();
    assert_eq!(states, [KeyState::Signing, KeyState::PublishedNext]);
    assert!(
        !rotate(&secrets, &id, &rotation, now).await.unwrap(),
        "nothing is left to do"
    );
}

/// A fresh deployment keeps its first key for a whole period.
#[tokio::test]
async fn a_key_that_is_as_old_as_its_secret_is_not_rotated_at_once() {
    let backing = Backing::start().await;
    let variables = backing.variables("token", &[]);
    let id = variables.signing_secret().unwrap();
    let secrets = Secrets::new(&Aws::from_environment(variables).unwrap());
    let written = secrets.read_version(&id).await.unwrap().written_at;
    let rotation = daily(KeyAlgorithm::EdDsa);
    let after = |hours| written + SignedDuration::from_hours(hours);
    assert!(!rotate(&secrets, &id, &rotation, after(21)).await.unwrap());
    assert!(rotate(&secrets, &id, &rotation, after(22)).await.unwrap());
}

/// B-24: every 25 minutes somebody gets a token, and every token passes at its first and in its last second, over two days and
/// the rotations in them, while the published keys always hold the one that signs.
#[tokio::test]
async fn through_two_rotations_no_good_token_is_refused_and_no_removed_key_counts() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let (secrets, id) = secrets(&backing).await;
    let forever = forever(&functions);
    assert!(functions.lets_in(&forever).await);
    let mut kids = std::collections::BTreeSet::new();
    for step in 0..120 {
        let algorithm = [KeyAlgorithm::Es256, KeyAlgorithm::Rs256][step / 60];
        rotate(&secrets, &id, &daily(algorithm), functions.clock.now())
            .await
            .unwrap();
        let token = token(&functions).await;
        assert!(functions.lets_in(&token).await, "step {step}, at once");
        let jwks = functions
            .ask("token", &request("GET", "/.well-known/jwks.json"))
            .await
            .json();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let published = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["kid"] == header.kid.clone().unwrap());
        assert!(published, "step {step}: {jwks}");
        kids.insert(header.kid.unwrap());
        functions.clock.advance_seconds(1500);
        rotate(&secrets, &id, &daily(algorithm), functions.clock.now())
            .await
            .unwrap();
        assert!(functions.lets_in(&token).await, "step {step}, later");
        functions.clock.advance_seconds(299);
        assert!(functions.lets_in(&token).await, "step {step}, in its last second");
        functions.clock.advance_seconds(1);
        assert!(!functions.lets_in(&token).await, "step {step}, at its end");
        // So that tokens live across every part of a rotation, and not always from one of its moments to another.
        functions.clock.advance_seconds(170);
    }
    assert!(kids.len() >= 3, "{kids:?}");
    assert!(!functions.lets_in(&forever).await, "its key is gone");
}

/// A token of the first key that never ends.
fn forever(functions: &Functions) -> String {
    let now = functions.clock.now();
    let claims = Claims {
        iss: ISSUER.into(),
        sub: format!("client:{CLIENT_ID}"),
        aud: Audience::One(AUDIENCE.into()),
        exp: ends_at().as_second(),
        iat: now.as_second(),
        nbf: None,
        jti: "jwt_forever".into(),
        client_id: CLIENT_ID.into(),
        scope: "usage:read".into(),
        team: None,
        sid: None,
        cnf: None,
    };
    let ring = KeyRing::from_stored(SIGNING_SECRET, KeyAlgorithm::EdDsa).unwrap();
    ring.sign(&claims, now).unwrap()
}

/// security.md: unknown `kid`: one refetch at a time, at most one in 30 s.
#[tokio::test]
async fn many_tokens_of_unknown_keys_make_for_one_reading_in_30_seconds() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let proxy = backing.unreliable().unwrap();
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_SECRETS_MANAGER", &proxy.url)]);
    let good = tests::fixtures::access_token(|_| ());
    let unknown = {
        let secret = SIGNING_SECRET.replace("fixture", "another");
        let ring = KeyRing::from_stored(&secret, KeyAlgorithm::EdDsa).unwrap();
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(&good).unwrap();
        ring.sign(&claims, functions.clock.now()).unwrap()
    };
    let storm = async || {
        let before = proxy.counts().secrets;
        let passed = join_all((0..20).map(|_| functions.lets_in(&unknown))).await;
        assert!(!passed.contains(&true));
        proxy.counts().secrets - before
    };
    assert_eq!(storm().await, 1, "the first reading of all");
    assert_eq!(storm().await, 0);
    functions.clock.advance_seconds(29);
    assert_eq!(storm().await, 0);
    functions.clock.advance_seconds(1);
    assert_eq!(storm().await, 1);
    assert_eq!(storm().await, 0);
    assert!(functions.lets_in(&good).await);
}

/// Keys that cannot be read again count on for an hour, and not longer.
#[tokio::test]
async fn while_the_secret_cannot_be_read_the_keys_count_on_for_an_hour_and_no_longer() {
    let setup = Setup {
        unreliable_table: true,
        ..Setup::default()
    };
    let backing = Backing::start_with(&setup).await;
    let proxy = backing.unreliable().unwrap();
    let functions = Functions::with(&backing, &[("AWS_ENDPOINT_URL_SECRETS_MANAGER", &proxy.url)]);
    let good = tests::fixtures::access_token(|_| ());
    assert!(functions.lets_in(&good).await);
    proxy.secrets_are_down(true);
    functions.clock.advance_seconds(3599);
    assert!(functions.lets_in(&good).await);
    functions.clock.advance_seconds(1);
    assert!(!functions.lets_in(&good).await);
    proxy.secrets_are_down(false);
    assert!(functions.lets_in(&good).await);
}

/// A key that was taken out of the secret by hand, because it was stolen, counts for as long as the keys are kept and no longer.
#[tokio::test]
async fn a_key_that_was_taken_out_by_hand_counts_for_300_seconds_at_the_most() {
    let backing = Backing::start().await;
    let (secrets, id) = secrets(&backing).await;
    let functions = Functions::new(&backing);
    let stolen = tests::fixtures::access_token(|_| ());
    assert!(functions.lets_in(&stolen).await);
    let version = secrets.read_version(&id).await.unwrap();
    let other = SIGNING_SECRET.replace("fixture", "another");
    secrets.replace(&id, &version.id, other).await.unwrap();
    functions.clock.advance_seconds(RING_SECONDS - 1);
    assert!(functions.lets_in(&stolen).await, "what was read is kept");
    functions.clock.advance_seconds(1);
    assert!(!functions.lets_in(&stolen).await);
}
