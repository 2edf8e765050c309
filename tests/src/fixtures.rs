//! What the table, the bucket and the signing secret hold when a test begins.
//!
//! The credentials are constants, since the files in `events/` hold them too. They open nothing but what [`plant`] made.

use bytes::Bytes;
use gateway::clock::Clock;
use gateway::jwt::{Audience, Claims, SigningKey};
use gateway::money::Picodollars;
use gateway::objects::Objects;
use gateway::scope::{Scope, Scopes};
use gateway::secret::Secret;
use gateway::store::{
    ApiKey, AuditEntry, ClientSecret, FileLimits, FileWrite, KeyCreation, ServiceClient, Store, StoredFile, UsageRow,
    hold_name,
};
use gateway::usage::{Outcome, StopReason, Usage};
use gateway::wire::dialect::Dialect;
use jiff::Timestamp;

/// Who issues the fixtures' tokens.
pub const ISSUER: &str = "https://gateway.example";
/// The template's default audience.
pub const AUDIENCE: &str = "tollgate";
/// What Secrets Manager holds.
pub const SIGNING_SECRET: &str =
    r#"{"alg":"EdDSA","seed":"fixture-only-never-usable-elsewhere-fixture-only-never-usable-el"}"#;
/// A user's live API key.
pub const API_KEY: &str = "tgk_FixtureOnlyNeverUsableElsewhere0yKuUF2";
/// An administrator's.
pub const ADMIN_KEY: &str = "tgk_FixtureOnlyNeverUsableElsewhere1WbXjF0";
/// One that was revoked.
pub const REVOKED_KEY: &str = "tgk_FixtureOnlyNeverUsableElsewhere2AhXyi2";
/// One that has ended.
pub const EXPIRED_KEY: &str = "tgk_FixtureOnlyNeverUsableElsewhere3EiYgA4";
/// One that was never made, with a right checksum.
pub const UNKNOWN_KEY: &str = "tgk_FixtureOnlyNeverUsableElsewhere4TGCiI2";
/// A service account.
pub const CLIENT_ID: &str = "client_0000fixture";
/// Its secret.
pub const CLIENT_SECRET: &str = "tgs_FixtureOnlyNeverUsableElsewhere0Qokhv2";
/// A service account that was ended.
pub const ENDED_CLIENT_ID: &str = "client_0001fixture";

/// When all of it was made: long before any clock of a test.
pub fn made_at() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// When live credentials end: long after any clock of a test.
pub fn ends_at() -> Timestamp {
    "2100-01-01T00:00:00Z".parse().unwrap()
}

/// What a held clock shows at the beginning.
pub fn held_clock() -> Clock {
    Clock::held_at("2026-12-01T12:00:00Z".parse().unwrap())
}

/// A token of the fixtures' issuer for the fixtures' service account.
pub fn access_token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims {
        iss: ISSUER.into(),
        sub: format!("client:{CLIENT_ID}"),
        aud: Audience::One(AUDIENCE.into()),
        exp: ends_at().as_second(),
        iat: made_at().as_second(),
        nbf: None,
        jti: "jwt_fixture".into(),
        client_id: CLIENT_ID.into(),
        scope: "models:invoke usage:read".into(),
        team: Some("fixtures".into()),
        sid: None,
        cnf: None,
    };
    change(&mut claims);
    SigningKey::from_stored(SIGNING_SECRET).unwrap().sign(&claims).unwrap()
}

/// Plants all of it.
pub async fn plant(store: &Store, objects: &Objects) {
    let user = Scopes::of_a_user;
    key(store, "key_0000fixture", "user:alice", user(), API_KEY, Some(ends_at())).await;
    key(store, "key_0001fixture", "user:alice", user(), REVOKED_KEY, None).await;
    key(
        store,
        "key_0002fixture",
        "user:alice",
        user(),
        EXPIRED_KEY,
        Some(made_at()),
    )
    .await;
    key(
        store,
        "key_0003fixture",
        "user:admin",
        Scopes::of_an_admin(),
        ADMIN_KEY,
        None,
    )
    .await;
    let alice = "user:alice".parse().unwrap();
    assert!(
        store
            .revoke_api_key(
                &alice,
                "key_0001fixture",
                made_at(),
                &told("key.revoke", "key_0001fixture")
            )
            .await
            .unwrap()
    );
    client(store, CLIENT_ID).await;
    client(store, ENDED_CLIENT_ID).await;
    let ended = told("client.revoke", ENDED_CLIENT_ID);
    assert!(store.revoke_client(ENDED_CLIENT_ID, made_at(), &ended).await.unwrap());
    for name in ["0000fixture", "0001fixture", "0002fixture"] {
        file(store, objects, &format!("file_{name}")).await;
    }
    for number in 0..3 {
        store.record_usage(&usage_row(number), 400).await.unwrap();
    }
}

/// What the audit trail is told of a change that a test makes without a route: always the same of the same.
pub fn told(action: &str, target: &str) -> AuditEntry {
    // A short digest, as names of holds are: the id is the transaction's token too, and of at most 36 characters.
    let digest = hold_name(&format!("{action} {target}"));
    AuditEntry {
        audit_id: digest.replace("h-", "audit_"),
        time: made_at(),
        actor: "user:fixture".parse().unwrap(),
        action: action.into(),
        target: target.into(),
        before: None,
        after: None,
        request_id: "fixture".into(),
    }
}

async fn key(store: &Store, id: &str, owner: &str, scopes: Scopes, secret: &str, ends_at: Option<Timestamp>) {
    let secret: Secret = secret.parse().unwrap();
    let key = ApiKey::new(
        id.into(),
        owner.parse().unwrap(),
        "fixture".into(),
        scopes,
        &secret,
        made_at(),
        ends_at,
    );
    let created = store.create_api_key(&key, 25, &told("key.create", id)).await.unwrap();
    assert_eq!(created, KeyCreation::Created);
}

async fn client(store: &Store, id: &str) {
    let secret: Secret = CLIENT_SECRET.parse().unwrap();
    let scopes = Scopes::from_iter([Scope::ModelsInvoke, Scope::UsageRead]);
    let mut stored = ClientSecret::new(&secret, made_at()).await.unwrap();
    stored.secret_id = "secret_0000fixture".into();
    let client = ServiceClient::new(id.into(), "fixture".into(), scopes, stored, made_at());
    assert!(store.create_client(&client, &told("client.create", id)).await.unwrap());
}

async fn file(store: &Store, objects: &Objects, id: &str) {
    let owner = "user:alice".parse().unwrap();
    let bytes = Bytes::from_static(b"What a fixture holds.\n");
    let file = StoredFile {
        file_id: id.into(),
        owner: "user:alice".parse().unwrap(),
        filename: "fixture.txt".into(),
        content_type: "text/plain".into(),
        description: None,
        metadata: None,
        size_bytes: bytes.len() as u64,
        compression: None,
        stored_size_bytes: None,
        sha256: "0".repeat(64),
        storage_tag: None,
        created_at: made_at(),
        ends_at: None,
        prepared_until: None,
        finalized_at: None,
        counted: false,
    };
    objects.put(&owner, id, bytes).await.unwrap();
    let created = store.create_file(&file, None, &FileLimits::NONE).await.unwrap();
    assert_eq!(created, FileWrite::Done);
}

/// A row of `user:fixture`, each a second after the one before.
pub fn usage_row(number: i64) -> UsageRow {
    let started_at = Timestamp::from_second(made_at().as_second() + number).unwrap();
    UsageRow {
        request_id: format!("fixture-{number}"),
        principal: "user:fixture".parse().unwrap(),
        team: None,
        key_id: Some("key_0000fixture".into()),
        model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
        price_model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0".into(),
        profile: Some("global".into()),
        region: "us-east-1".into(),
        target: None,
        session_id: None,
        agent_id: None,
        service_tier: "default".into(),
        dialect: Dialect::Anthropic,
        streamed: true,
        started_at,
        ended_at: started_at,
        latency_ms: 1,
        time_to_first_byte_ms: Some(1),
        outcome: Outcome::Success,
        stop_reason: Some(StopReason::EndTurn),
        upstream_status: Some(200),
        upstream_request_id: Some("fixture".into()),
        usage: Usage::default(),
        cost_picodollars: Picodollars::new(0),
        price_version: "fixture".into(),
        rates: None,
        estimated: false,
    }
}
