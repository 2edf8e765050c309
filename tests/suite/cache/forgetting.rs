//! Changes and revocations, by way of the functions: how soon they count where a cache is configured. Each function of [`Functions`] is an
//! environment of its own.

use gateway::aws::Aws;
use gateway::budget::{Amount, BudgetSet, DEFAULT_ALERTS, Limit, ScopeKind, Unit, Window};
use gateway::cache::Cache;
use gateway::clock::Clock;
use gateway::lookups::{self, Lookups};
use gateway::store::{BudgetChange, Store, TeamRecord, User, UserChange, UserStatus};
use tests::backing::{Backing, nowhere};
use tests::event::request;
use tests::fixtures::{
    ADMIN_KEY, API_KEY, CLIENT_ID, REVOKED_KEY, UNKNOWN_KEY, access_token, held_clock, made_at, told,
};
use tests::in_process::Functions;
use tests::redis::{Redis, functions_over};

use super::options;

/// The functions over Redis, which remembers for `local_seconds` in each environment.
async fn over_redis(backing: &Backing, url: &str, local_seconds: &str) -> Functions {
    functions_over(backing, url, &[("TOLLGATE_CACHE_LOCAL_SECONDS", local_seconds)]).await
}

/// `DELETE /api/keys/{id}` by its owner.
async fn revoke_key(functions: &Functions) {
    let asked = request("DELETE", "/api/keys/key_0000fixture").by("user:alice");
    assert_eq!(functions.ask("admin", &asked).await.status, 204);
}

async fn suspend_client(functions: &Functions) {
    let admin = serde_json::json!({"principalId": "user:admin", "sub": "user:admin", "scopes": "admin"});
    let path = format!("/api/admin/clients/{CLIENT_ID}");
    let asked = request("PATCH", &path)
        .principal(admin)
        .json(&serde_json::json!({"status": "suspended"}));
    let answer = functions.ask("admin", &asked).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
}

/// A-07, A-10: over Redis a revocation counts in other environments at once, or when they look again.
#[tokio::test]
async fn over_redis_a_revoked_key_and_a_suspended_account_are_refused_within_the_local_seconds() {
    for local_seconds in ["0", "5"] {
        let (backing, redis) = (Backing::start().await, Redis::start().await);
        let functions = over_redis(&backing, &redis.url(), local_seconds).await;
        let token = access_token(|_| ());
        for _ in 0..2 {
            assert!(functions.lets_in(API_KEY).await && functions.lets_in(&token).await);
            assert!(!functions.lets_in(UNKNOWN_KEY).await && !functions.lets_in(REVOKED_KEY).await);
        }
        let remembered: i64 = redis.told(&["DBSIZE"]).await;
        assert!(remembered >= 4, "{remembered} entries");
        revoke_key(&functions).await;
        suspend_client(&functions).await;
        functions.clock.advance_seconds(local_seconds.parse().unwrap());
        assert!(!functions.lets_in(API_KEY).await, "{local_seconds}");
        assert!(!functions.lets_in(&token).await, "{local_seconds}");
        assert!(functions.lets_in(ADMIN_KEY).await);
    }
}

/// A-07, A-10: with memory alone, an environment goes by what it remembers to its end, and not a second longer.
#[tokio::test]
async fn over_memory_a_revoked_key_is_refused_when_its_entry_ends() {
    let backing = Backing::start().await;
    let variables = [("TOLLGATE_CACHE_KIND", "memory"), ("TOLLGATE_CACHE_TTL_SECONDS", "60")];
    let functions = Functions::with(&backing, &variables);
    let token = access_token(|_| ());
    assert!(functions.lets_in(API_KEY).await && functions.lets_in(&token).await);
    revoke_key(&functions).await;
    suspend_client(&functions).await;
    functions.clock.advance_seconds(29);
    assert!(
        functions.lets_in(API_KEY).await && functions.lets_in(&token).await,
        "they are remembered"
    );
    functions.clock.advance_seconds(1);
    assert!(
        !functions.lets_in(&token).await,
        "the 30 seconds that are stated hold whatever is configured"
    );
    functions.clock.advance_seconds(29);
    assert!(functions.lets_in(API_KEY).await);
    functions.clock.advance_seconds(1);
    assert!(!functions.lets_in(API_KEY).await);
}

/// A-11: a dead Redis keeps nobody out and lets nobody in, and no change waits for it.
#[tokio::test]
async fn with_a_dead_redis_who_may_comes_in_who_may_not_stays_out_and_changes_are_made() {
    let backing = Backing::start().await;
    let url = nowhere().replace("http://", "redis://");
    let functions = over_redis(&backing, &url, "0").await;
    let token = access_token(|_| ());
    for _ in 0..2 {
        assert!(functions.lets_in(API_KEY).await && functions.lets_in(&token).await);
        for out in [UNKNOWN_KEY, REVOKED_KEY, "tgk_x", ""] {
            assert!(!functions.lets_in(out).await, "{out}");
        }
    }
    revoke_key(&functions).await;
    assert!(
        !functions.lets_in(API_KEY).await,
        "what is not remembered counts at once"
    );
}

/// A store that tells a cache of changes, and lookups by the same cache.
struct Told {
    store: Store,
    lookups: Lookups,
}

impl Told {
    fn over(backing: &Backing, clock: &Clock) -> Self {
        let store = backing
            .store()
            .with_cache(Some(Cache::new(options(None), clock.clone())));
        Self {
            lookups: Lookups::new(&store, clock),
            store,
        }
    }
}

/// A-10: each writing of what is remembered is told to the cache.
#[tokio::test]
async fn every_change_of_a_person_an_account_a_team_a_limit_a_price_or_a_token_is_forgotten() {
    let (backing, clock) = (Backing::start().await, held_clock());
    let Told { store, lookups } = Told::over(&backing, &clock);
    // A person who is made, and then suspended.
    assert_eq!(lookups.person("ann").await.unwrap(), None);
    let ann = User::new("ann".into(), made_at());
    change(&store, None, &ann).await;
    assert!(lookups.person("ann").await.unwrap().unwrap().active);
    let mut suspended = ann.clone();
    suspended.status = UserStatus::Suspended;
    change(&store, Some(&ann), &suspended).await;
    assert!(!lookups.person("ann").await.unwrap().unwrap().active);
    // An account that is ended.
    assert!(lookups.account(CLIENT_ID).await.unwrap().unwrap().is_alive(clock.now()));
    assert!(
        store
            .revoke_client(CLIENT_ID, clock.now(), &told("client.revoke", "x"))
            .await
            .unwrap()
    );
    assert!(!lookups.account(CLIENT_ID).await.unwrap().unwrap().is_alive(clock.now()));
    // A team that gets a list, and is taken away.
    let team: gateway::principal::Team = "builders".parse().unwrap();
    assert_eq!(lookups.models_of_team(&team).await.unwrap(), None);
    let record = TeamRecord {
        team: team.clone(),
        name: None,
        description: None,
        models: Some(serde_json::from_value(serde_json::json!(["anthropic.claude-haiku-*"])).unwrap()),
        created_at: made_at(),
        revision: 1,
    };
    assert!(store.put_team(&record, &told("team.put", "1")).await.unwrap());
    assert!(lookups.models_of_team(&team).await.unwrap().is_some());
    assert!(store.delete_team(&record, &told("team.delete", "1")).await.unwrap());
    assert_eq!(lookups.models_of_team(&team).await.unwrap(), None);
    // A token that is revoked.
    assert!(!lookups.is_denied("jwt_x").await.unwrap());
    store.deny_token("jwt_x", 4_000_000_000).await.unwrap();
    assert!(lookups.is_denied("jwt_x").await.unwrap());
    // A price book that is changed.
    assert_eq!(lookups.price_revision().await.unwrap().value, 0);
    store.write_prices(0, &[], &told("prices.put", "1")).await.unwrap();
    assert_eq!(lookups.price_revision().await.unwrap().value, 1);
    limits_are_forgotten(&store, &clock).await;
}

async fn change(store: &Store, before: Option<&User>, after: &User) {
    let change = UserChange {
        before,
        after,
        identities: &[],
        keep_an_admin: false,
        audit: None,
    };
    assert_eq!(
        store.change_user(&change).await.unwrap(),
        gateway::store::UserWrite::Written
    );
}

async fn limits_are_forgotten(store: &Store, clock: &Clock) {
    let limits = gateway::limits::Limits::new(store.clone(), clock.clone());
    let owner = gateway::limits::Owner {
        key_id: None,
        user: "user:ann",
        team: None,
        model: "m",
    };
    assert_eq!(limits.of(&owner).await.unwrap().len(), 0);
    let set = BudgetSet {
        scope: ScopeKind::User,
        id: "user:ann".into(),
        limits: vec![Limit {
            unit: Unit::Requests,
            window: Window::Minute,
            limit: Amount::new(5),
            alerts: DEFAULT_ALERTS.to_vec(),
        }],
        revision: 1,
        updated_at: made_at(),
    };
    let change = BudgetChange {
        scope: ScopeKind::User,
        id: "user:ann",
        before: None,
        after: Some(&set),
    };
    store
        .change_budgets(&change, clock.now(), &told("budget.put", "1"))
        .await
        .unwrap();
    assert_eq!(limits.of(&owner).await.unwrap().len(), 1);
}

/// B-24: a token that was verified once counts no longer than its keys and its own times, and lends nothing to another.
#[tokio::test]
async fn a_remembered_token_ends_with_its_key_and_by_itself_and_lends_nothing_to_a_forged_one() {
    let backing = Backing::start().await;
    let functions = Functions::with(&backing, &[("TOLLGATE_CACHE_KIND", "memory")]);
    let token = access_token(|_| ());
    let short = access_token(|claims| claims.exp = functions.clock.now().as_second() + 100);
    for _ in 0..2 {
        assert!(functions.lets_in(&token).await && functions.lets_in(&short).await);
    }
    let (head, signature) = token.rsplit_once('.').unwrap();
    let swapped = format!("{head}.{}", short.rsplit_once('.').unwrap().1);
    let mut cut = signature.to_owned();
    cut.pop();
    for forged in [
        swapped,
        format!("{head}."),
        format!("{head}.{cut}"),
        format!("{token}A"),
    ] {
        assert!(!functions.lets_in(&forged).await, "{forged}");
    }
    functions.clock.advance_seconds(100);
    assert!(!functions.lets_in(&short).await, "it has ended");
    let variables = backing.variables("token", &[]);
    let id = variables.signing_secret().unwrap();
    let secrets = gateway::secrets::Secrets::new(&Aws::from_environment(variables).unwrap());
    let version = secrets.read_version(&id).await.unwrap();
    let another = r#"{"alg":"EdDSA","seed":"another-seed-another-seed-another-seed-another-seed-another-seed"}"#;
    secrets.replace(&id, &version.id, another.to_owned()).await.unwrap();
    functions.clock.advance_seconds(199);
    assert!(functions.lets_in(&token).await, "the keys are held for 300 s");
    functions.clock.advance_seconds(1);
    assert!(!functions.lets_in(&token).await);
}

/// A-12: these are the forms of version 1. Whoever changes one counts its version on in `gateway::lookups`, and writes both down here.
#[test]
fn what_is_remembered_has_the_form_of_its_version() {
    let names = [
        lookups::API_KEYS.name("x"),
        lookups::PEOPLE.name("x"),
        lookups::ACCOUNTS.name("x"),
        lookups::DENIED.name("x"),
        lookups::TEAMS.name("x"),
        lookups::LIMITS.name("x"),
        lookups::PRICE_REVISION.name("x"),
    ];
    let names = names.map(|name| name.as_str().to_owned()).join(" ");
    let expected =
        "v1:api_key:x v1:person:x v1:account:x v1:denied_token:x v1:team_models:x v1:limits:x v1:price_revision:x";
    assert_eq!(names, expected);
    let scopes: gateway::scope::Scopes = "models:invoke files".parse().unwrap();
    let person = lookups::Person {
        active: true,
        scopes: scopes.clone(),
        models: None,
    };
    let account = lookups::Account {
        active: true,
        ends_at: Some(made_at()),
        scopes,
        models: Some(serde_json::from_value(serde_json::json!(["anthropic.claude-haiku-*"])).unwrap()),
    };
    let limit = Limit {
        unit: Unit::Requests,
        window: Window::Minute,
        limit: Amount::new(5),
        alerts: vec![50],
    };
    let forms = [
        serde_json::to_string(&person).unwrap(),
        serde_json::to_string(&account).unwrap(),
        serde_json::to_string(&limit).unwrap(),
    ];
    let expected = [
        r#"{"active":true,"scopes":"models:invoke files","models":null}"#,
        r#"{"active":true,"ends_at":"2026-01-01T00:00:00Z","scopes":"models:invoke files","models":["anthropic.claude-haiku-*"]}"#,
        r#"{"unit":"requests","window":"minute","limit":"5","alerts":[50]}"#,
    ];
    assert_eq!(forms, expected);
}
