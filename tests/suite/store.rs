//! The table's promises, on the embedded DynamoDB: limits under contention, writes that count once, complete pages, and
//! nothing of anybody else's.

use futures_util::future::join_all;
use gateway::aws::Aws;
use gateway::budget::ScopeKind;
use gateway::clock::Clock;
use gateway::error::Kind;
use gateway::principal::Subject;
use gateway::scope::Scopes;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{
    ApiKey, ClientSecret, Cursor, FileLimits, FileList, KeyCreation, Page, ServiceClient, Store, StoredFile,
};
use serde_json::{Value, json};
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::fixtures::{made_at, told, usage_row};
use tests::in_process::Functions;

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

fn new_key(id: &str, owner: &str) -> ApiKey {
    let secret = Secret::mint(SecretKind::ApiKey).unwrap();
    let scopes = Scopes::of_a_user();
    ApiKey::new(id.into(), subject(owner), "n".into(), scopes, &secret, made_at(), None)
}

fn new_file(id: &str, owner: &str) -> StoredFile {
    let text = String::from;
    StoredFile {
        file_id: id.into(),
        owner: subject(owner),
        filename: text("f"),
        content_type: text("text/plain"),
        description: None,
        metadata: None,
        size_bytes: 1,
        compression: None,
        stored_size_bytes: None,
        sha256: text("0"),
        storage_tag: None,
        created_at: made_at(),
        ends_at: None,
        prepared_until: None,
        finalized_at: None,
        counted: true,
    }
}

async fn create(store: &Store, id: &str, owner: &str, limit: u32) -> Option<KeyCreation> {
    let audit = told("key.create", &format!("{id}_{owner}"));
    store.create_api_key(&new_key(id, owner), limit, &audit).await.ok()
}

///
#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_keys_made_at_once_no_more_than_the_limit_come_to_be() {
    let backing = Backing::start().await;
    let store = backing.store();
    let tasks = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { create(&store, &format!("key_{number}"), "user:many", 5).await })
    });
    let outcomes: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let created = outcomes.iter().filter(|it| **it == Some(KeyCreation::Created)).count();
    let keys = store.api_keys_of(&subject("user:many"), 100, None).await.unwrap().items;
    assert_eq!((created, keys.len()), (5, 5), "{outcomes:?}");
    assert_eq!(
        create(&store, "key_next", "user:many", 5).await,
        Some(KeyCreation::LimitReached)
    );
    assert_eq!(
        create(&store, "key_next", "user:other", 5).await,
        Some(KeyCreation::Created)
    );
}

///
#[tokio::test(flavor = "multi_thread")]
async fn a_key_revoked_twenty_times_makes_room_for_one() {
    let backing = Backing::start().await;
    let store = backing.store();
    let owner = subject("user:two");
    let key = new_key("key_a", "user:two");
    let made = told("key.create", "key_a");
    assert_eq!(
        store.create_api_key(&key, 2, &made).await.unwrap(),
        KeyCreation::Created
    );
    assert_eq!(create(&store, "key_b", "user:two", 2).await, Some(KeyCreation::Created));
    let tasks = (0..20).map(|number| {
        let (store, owner) = (store.clone(), owner.clone());
        let audit = told("key.revoke", &number.to_string());
        tokio::spawn(async move { store.revoke_api_key(&owner, "key_a", made_at(), &audit).await.ok() })
    });
    let outcomes: Vec<_> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert!(
        outcomes.iter().all(|it| *it != Some(false)) && outcomes.contains(&Some(true)),
        "{outcomes:?}"
    );
    let later = Clock::System.now();
    assert!(
        store
            .revoke_api_key(&owner, "key_a", later, &told("key.revoke", "later"))
            .await
            .unwrap(),
        "revoking again is no error"
    );
    let found = store.api_key(&key.digest).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(made_at()), "and changes nothing");
    let trail = store
        .audit_entries(made_at(), made_at(), 500, None)
        .await
        .unwrap()
        .items;
    let told = trail
        .iter()
        .filter(|it| it.action == "key.revoke" && it.target.len() < 3);
    assert_eq!(told.count(), 1, "and is told once");
    assert_eq!(create(&store, "key_c", "user:two", 2).await, Some(KeyCreation::Created));
    assert_eq!(
        create(&store, "key_d", "user:two", 2).await,
        Some(KeyCreation::LimitReached)
    );
}

#[tokio::test]
async fn a_key_is_found_by_its_digest_alone_until_it_is_revoked() {
    let backing = Backing::start().await;
    let store = backing.store();
    let secret = Secret::mint(SecretKind::ApiKey).unwrap();
    assert_eq!(store.api_key(&secret.digest()).await.unwrap(), None);
    let key = ApiKey::new(
        "key_a".into(),
        subject("user:a"),
        "n".into(),
        Scopes::of_a_user(),
        &secret,
        made_at(),
        None,
    );
    store
        .create_api_key(&key, 5, &told("key.create", "key_a"))
        .await
        .unwrap();
    assert_eq!(store.api_key(&secret.digest()).await.unwrap(), Some(key));
    assert!(
        !store
            .revoke_api_key(&subject("user:b"), "key_a", made_at(), &told("key.revoke", "b"))
            .await
            .unwrap(),
        "not another's"
    );
    assert!(
        store
            .api_key(&secret.digest())
            .await
            .unwrap()
            .unwrap()
            .is_alive(made_at())
    );
    assert!(
        store
            .revoke_api_key(&subject("user:a"), "key_a", made_at(), &told("key.revoke", "a"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .api_key(&secret.digest())
            .await
            .unwrap()
            .unwrap()
            .is_alive(made_at())
    );
}

#[tokio::test]
async fn a_usage_row_written_twice_is_one_and_the_first() {
    let backing = Backing::start().await;
    let store = backing.store();
    let mut row = usage_row(7);
    row.principal = subject("user:twice");
    store.record_usage(&row, 400).await.unwrap();
    row.estimated = true;
    store.record_usage(&row, 400).await.unwrap();
    let rows = store.usage_of(&row.principal, 10, None).await.unwrap().items;
    assert_eq!((rows.len(), rows[0].estimated), (1, false));
}

#[tokio::test]
async fn a_service_account_is_made_once_and_ended_once() {
    let backing = Backing::start().await;
    let store = backing.store();
    let secret = Secret::mint(SecretKind::ClientSecret).unwrap();
    let stored = ClientSecret::new(&secret, made_at()).await.unwrap();
    let client = ServiceClient::new("client_a".into(), "n".into(), Scopes::of_a_client(), stored, made_at());
    let (made, ended) = (told("client.create", "a"), told("client.revoke", "a"));
    let (again, later) = (told("client.create", "again"), told("client.revoke", "later"));
    assert!(store.create_client(&client, &made).await.unwrap());
    assert!(!store.create_client(&client, &again).await.unwrap());
    assert!(store.revoke_client("client_a", made_at(), &ended).await.unwrap());
    let now = Clock::System.now();
    assert!(store.revoke_client("client_a", now, &later).await.unwrap());
    assert_eq!(
        store.client("client_a").await.unwrap().unwrap().revoked_at,
        Some(made_at())
    );
    let nowhere = told("client.revoke", "nowhere");
    assert!(
        !store
            .revoke_client("client_nowhere", made_at(), &nowhere)
            .await
            .unwrap()
    );
    // Of what changed nothing, nothing is told.
    let trail = store
        .audit_entries(made_at(), made_at(), 500, None)
        .await
        .unwrap()
        .items;
    assert!(trail.contains(&made) && trail.contains(&ended));
    assert!(!trail.contains(&again) && !trail.contains(&later) && !trail.contains(&nowhere));
    assert_eq!(store.client("client_nowhere").await.unwrap(), None);
}

/// Every page of a list, from the first to the last; no page is larger than asked for.
async fn pages<T>(limit: usize, mut page: impl AsyncFnMut(Option<Cursor>) -> Page<T>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let next = page(after).await;
        assert!(next.items.len() <= limit);
        all.extend(next.items);
        // A cursor goes out to the caller and comes back as text.
        after = match next.next_cursor {
            Some(cursor) => Some(Cursor::decode(&cursor.encode()).unwrap()),
            None => return all,
        };
        assert!(all.len() < 1000, "it does not end");
    }
}

///
#[tokio::test]
async fn pages_of_any_size_hold_every_item_once_and_in_order() {
    const COUNT: usize = 7;
    let backing = Backing::start().await;
    let store = backing.store();
    let owner = subject("user:pages");
    for number in 0..COUNT {
        let mut row = usage_row(i64::try_from(number).unwrap());
        row.principal = owner.clone();
        store.record_usage(&row, 400).await.unwrap();
        create(&store, &format!("key_{number}"), "user:pages", 100)
            .await
            .unwrap();
        store
            .create_file(
                &new_file(&format!("file_{number}"), "user:pages"),
                None,
                &FileLimits::NONE,
            )
            .await
            .unwrap();
        // Neighbours in the table, which belong to no page.
        for neighbour in ["user:page", "user:pages.", "user:pages2"] {
            row.principal = subject(neighbour);
            store.record_usage(&row, 400).await.unwrap();
            create(&store, &format!("key_{number}_{neighbour}"), neighbour, 100)
                .await
                .unwrap();
            store
                .create_file(&new_file(&format!("file_{number}"), neighbour), None, &FileLimits::NONE)
                .await
                .unwrap();
        }
    }
    let numbered = |prefix: &str| (0..COUNT).map(|number| format!("{prefix}{number}")).collect::<Vec<_>>();
    for limit in 1..=COUNT + 1 {
        let rows = pages(limit, async |after| {
            store.usage_of(&owner, limit, after.as_ref()).await.unwrap()
        })
        .await;
        let mut ids: Vec<_> = rows.into_iter().map(|row| row.request_id).collect();
        ids.reverse();
        assert_eq!(ids, numbered("fixture-"), "usage, newest first, by {limit}");
        let keys = pages(limit, async |after| {
            store.api_keys_of(&owner, limit, after.as_ref()).await.unwrap()
        })
        .await;
        assert_eq!(
            keys.into_iter().map(|key| key.key_id).collect::<Vec<_>>(),
            numbered("key_"),
            "by {limit}"
        );
        let files = pages(limit, async |after| {
            let wanted = FileList {
                limit,
                newest_first: false,
                after: after.as_ref(),
                now: made_at(),
            };
            store.files_of(&owner, wanted).await.unwrap()
        })
        .await;
        assert_eq!(
            files.into_iter().map(|file| file.file_id).collect::<Vec<_>>(),
            numbered("file_"),
            "by {limit}"
        );
        let clients = pages(limit, async |after| store.clients(limit, after.as_ref()).await.unwrap()).await;
        assert_eq!(clients.len(), 2, "the fixtures', by {limit}");
    }
}

/// the same over the routes, with rows that come while somebody turns the pages.
#[tokio::test]
async fn rows_that_are_written_between_two_pages_shift_nothing() {
    let backing = Backing::start().await;
    let (store, functions) = (backing.store(), Functions::new(&backing));
    let write = async |number: i64| {
        let mut row = usage_row(number);
        row.principal = subject("user:busy");
        store.record_usage(&row, 400).await.unwrap();
    };
    for number in 0..5 {
        write(number).await;
    }
    let (mut seen, mut path) = (Vec::new(), "/api/usage/records?limit=2".to_owned());
    for number in 5.. {
        let answer = functions
            .call("admin", &request("GET", &path).by("user:busy").event())
            .await
            .http()
            .json();
        let ids = answer["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["request_id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        write(number).await;
        let Some(cursor) = answer["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/usage/records?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["fixture-4", "fixture-3", "fixture-2", "fixture-1", "fixture-0"]);
}

/// What a caller learns, without what names the request.
async fn learned(functions: &Functions, function: &str, request: &Request) -> Value {
    let text = functions.call(function, &request.event()).await.golden().to_string();
    serde_json::from_str(&text.replace(&request.request_id, "")).unwrap()
}

#[tokio::test]
async fn what_belongs_to_another_answers_like_what_does_not_exist() {
    let backing = Backing::start().await;
    let functions = Functions::new(&backing);
    let by_mallory = |method: &str, path: &str| request(method, path).by("user:mallory");
    for (function, method, theirs, nobodys) in [
        (
            "upload",
            "GET",
            "/api/v1/files/file_0000fixture",
            "/api/v1/files/file_nowhere",
        ),
        (
            "upload",
            "GET",
            "/api/v1/files/file_0000fixture/content",
            "/api/v1/files/file_nowhere/content",
        ),
        (
            "upload",
            "DELETE",
            "/api/v1/files/file_0000fixture",
            "/api/v1/files/file_nowhere",
        ),
        ("admin", "DELETE", "/api/keys/key_0000fixture", "/api/keys/key_nowhere"),
    ] {
        let theirs = learned(&functions, function, &by_mallory(method, theirs)).await;
        let nobodys = learned(&functions, function, &by_mallory(method, nobodys)).await;
        assert_eq!(theirs, nobodys);
        assert_eq!(theirs["statusCode"], 404);
    }
    for (function, path, list) in [
        ("upload", "/api/v1/files", "files"),
        ("admin", "/api/keys", "keys"),
        ("admin", "/api/usage/records", "records"),
    ] {
        // A cursor into alice's list opens nothing of hers.
        let first = request("GET", &format!("{path}?limit=1")).by("user:alice");
        let answer = functions.call(function, &first.event()).await.http().json();
        let cursor = answer["next_cursor"].as_str().unwrap_or("S0VZIw");
        let with_cursor = functions
            .call(function, &by_mallory("GET", &format!("{path}?cursor={cursor}")).event())
            .await;
        let without = functions.call(function, &by_mallory("GET", path).event()).await;
        match list {
            "records" => assert_eq!(with_cursor.http().status, 400),
            _ => assert_eq!(with_cursor.http().json()[list], json!([])),
        }
        assert_eq!(without.http().json()[list], json!([]));
    }
    let alice = subject("user:alice");
    assert!(
        backing
            .store()
            .file(&alice, "file_0000fixture")
            .await
            .unwrap()
            .is_some(),
        "hers is still there"
    );
    let keys = backing.store().api_keys_of(&alice, 10, None).await.unwrap().items;
    assert!(
        keys.iter()
            .any(|key| key.key_id == "key_0000fixture" && key.revoked_at.is_none())
    );
}

/// A table that answers every read of many items with this.
async fn answering(backing: &Backing, answer: Value) -> Store {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(move || std::future::ready(answer.to_string()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let variables = backing.variables("stream", &[("AWS_ENDPOINT_URL_DYNAMODB", &url)]);
    let table = variables.table().unwrap();
    Store::new(Aws::from_environment(variables).unwrap().dynamodb(), table)
}

/// No limit is overlooked because an answer lacks a part: it counts as the table being down.
#[tokio::test]
async fn limits_are_not_taken_for_none_where_an_answer_is_not_whole() {
    let backing = Backing::start().await;
    let table = backing.variables("stream", &[]).table().unwrap();
    let wanted = [(ScopeKind::User, "user:alice")];
    let whole = json!({"Responses": {&table: []}, "UnprocessedKeys": {}});
    let store = answering(&backing, whole).await;
    assert_eq!(store.budget_sets(&wanted).await.unwrap().len(), 0);
    for answer in [
        json!({}),
        json!({"UnprocessedKeys": {}}),
        json!({"Responses": {&table: []}}),
        json!({"Responses": {}, "UnprocessedKeys": {}}),
        json!({"Responses": {"another": []}, "UnprocessedKeys": {}}),
    ] {
        let store = answering(&backing, answer.clone()).await;
        let refused = store.budget_sets(&wanted).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Unavailable, "{answer}");
    }
}
