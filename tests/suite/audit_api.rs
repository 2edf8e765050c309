//! Who changed what, over the routes; and the team that a key or a service account works for.

use std::collections::BTreeSet;

use gateway::clock::rfc3339_millis;
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::files::cases;
use tests::in_process::Functions;

struct Api {
    functions: Functions,
    backing: Backing,
}

fn by(method: &str, path: &str, sub: &str, scopes: &str, team: &str) -> Request {
    let mut principal = json!({"principalId": sub, "sub": sub, "scopes": scopes});
    if !team.is_empty() {
        principal["team"] = team.into();
    }
    request(method, path).principal(principal)
}

fn by_root(method: &str, path: &str) -> Request {
    by(method, path, "user:root", "admin keys usage:read", "")
}

impl Api {
    async fn start() -> Self {
        let backing = Backing::start().await;
        Self {
            functions: Functions::new(&backing),
            backing,
        }
    }

    async fn ask(&self, request: Request) -> HttpAnswer {
        self.functions.call("admin", &request.event()).await.http()
    }

    async fn made(&self, request: Request) -> Value {
        let answer = self.ask(request).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()
    }

    /// Entries of all pages, newest first; no page is larger than `limit`.
    async fn trail(&self, query: &str, limit: usize) -> Vec<Value> {
        let path = format!("/api/admin/audit?limit={limit}&{query}");
        let (mut all, mut next) = (Vec::new(), path.clone());
        for _ in 0..200 {
            let answer = self.ask(by_root("GET", &next)).await;
            assert_eq!(answer.status, 200, "{next}: {:?}", answer.body);
            let page = answer.json();
            let entries = page["entries"].as_array().unwrap();
            assert!(entries.len() <= limit);
            all.extend(entries.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => return all,
            }
        }
        panic!("{path} does not end");
    }

    /// What the authorizer says of whoever shows this.
    async fn context(&self, credential: &str) -> Value {
        let mut cases = cases("authorizer").into_iter();
        let mut event = cases.find(|case| case.name == "api_key_in_x_api_key").unwrap().event();
        for (name, value) in [
            ("headers", json!(credential)),
            ("multiValueHeaders", json!([credential])),
        ] {
            let headers = event[name].as_object_mut().unwrap();
            let shown = headers
                .iter_mut()
                .find(|(name, _)| name.eq_ignore_ascii_case("x-api-key"));
            *shown.unwrap().1 = value;
        }
        let answer = self.functions.call("authorizer", &event).await;
        match answer {
            tests::answer::Answer::Direct(policy) => policy["context"].clone(),
            tests::answer::Answer::Http(_) => panic!("not an authorizer's answer"),
        }
    }
}

///
#[tokio::test]
async fn every_change_of_keys_and_service_accounts_is_told_with_who_and_what_and_no_secret() {
    let api = Api::start().await;
    let create = by_root("POST", "/api/keys").json(&json!({"name": "n", "owner": "user:ann", "team": "red"}));
    let id_of_create = create.request_id.clone();
    let key = api.made(create).await;
    let key_id = key["key_id"].as_str().unwrap();
    let own = by("POST", "/api/keys", "user:ann", "keys files", "blue").json(&json!({"name": "own"}));
    let own = api.made(own).await;
    let client = by_root("POST", "/api/admin/clients").json(&json!({"name": "c", "team": "red"}));
    let client = api.made(client).await;
    let client_id = client["client_id"].as_str().unwrap();
    api.functions.clock.advance_seconds(1);
    for path in [
        format!("/api/keys/{key_id}?owner=user:ann"),
        format!("/api/admin/clients/{client_id}"),
    ] {
        for _ in 0..2 {
            assert_eq!(api.ask(by_root("DELETE", &path)).await.status, 204, "{path}");
        }
    }
    // What comes to nothing is not told.
    let nowhere = by_root("DELETE", "/api/keys/key_nowhere?owner=user:ann");
    assert_eq!(api.ask(nowhere).await.status, 404);
    let denied = by("POST", "/api/keys", "user:ann", "keys", "").json(&json!({"name": "n", "team": "red"}));
    assert_eq!(api.ask(denied).await.status, 403);

    let trail = api.trail("from=2026-12-01", 500).await;
    let told = |action: &str, target: &Value| {
        let mut found = trail
            .iter()
            .filter(|it| it["action"] == action && it["target"] == *target);
        let entry = found
            .next()
            .unwrap_or_else(|| panic!("{action} {target} in {trail:#?}"));
        assert!(found.next().is_none(), "once");
        entry.clone()
    };
    assert_eq!(trail.len(), 5, "{trail:#?}");
    let made = told("key.create", &key["key_id"]);
    assert_eq!(
        (&made["actor"], &made["request_id"]),
        (&json!("user:root"), &json!(id_of_create))
    );
    assert_eq!(made["before"], Value::Null);
    assert_eq!(
        (&made["after"]["owner"], &made["after"]["team"]),
        (&json!("user:ann"), &json!("red"))
    );
    assert_eq!(told("key.create", &own["key_id"])["actor"], "user:ann");
    let now = rfc3339_millis(api.functions.clock.now());
    for (action, id) in [("key.revoke", &key["key_id"]), ("client.revoke", &client["client_id"])] {
        let ended = told(action, id);
        assert_eq!(ended["before"]["revoked_at"], Value::Null);
        let at: jiff::Timestamp = ended["after"]["revoked_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(rfc3339_millis(at), now);
    }
    assert_eq!(told("client.create", &client["client_id"])["after"]["team"], "red");
    let text = json!(trail).to_string();
    for secret in [&key["key"], &own["key"], &client["client_secret"]] {
        let secret = secret.as_str().unwrap();
        let digest = secret.parse::<gateway::secret::Secret>().unwrap().digest();
        for part in [secret, &secret[secret.len() - 4..], digest.as_str()] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
}

///
#[tokio::test]
async fn the_trail_is_filtered_and_paged_and_for_admins_alone() {
    let api = Api::start().await;
    for number in 0..7 {
        let (sub, scopes) = [("user:ann", "keys files"), ("user:root", "admin keys files")][number % 2];
        let name = format!("key {number}");
        let made = by("POST", "/api/keys", sub, scopes, "").json(&json!({ "name": name }));
        api.made(made).await;
        api.functions.clock.advance_seconds(3_600);
    }
    let names = async |query: &str, limit: usize| -> Vec<String> {
        let entries = api.trail(query, limit).await;
        let name = |it: &Value| it["after"]["name"].as_str().unwrap().to_owned();
        entries.iter().map(name).collect()
    };
    let expected = |numbers: &[usize]| numbers.iter().map(|it| format!("key {it}")).collect::<Vec<_>>();
    for limit in [1, 2, 3, 7, 8, 500] {
        assert_eq!(names("from=2026-12-01", limit).await, expected(&[6, 5, 4, 3, 2, 1, 0]));
        assert_eq!(
            names("from=2026-12-01&actor=user:ann", limit).await,
            expected(&[6, 4, 2, 0])
        );
        assert_eq!(
            names(
                "from=2026-12-01T13:00:00Z&to=2026-12-01T16:00:00Z&action=key.create",
                limit
            )
            .await,
            expected(&[3, 2, 1])
        );
        assert_eq!(names("from=2026-12-01&action=key.revoke", limit).await, expected(&[]));
    }
    let first = api
        .ask(by_root("GET", "/api/admin/audit?limit=1&from=2026-12-01"))
        .await
        .json();
    let cursor = first["next_cursor"].as_str().unwrap();
    for query in [
        format!("cursor={cursor}"),
        format!("from=2026-12-01&actor=user:ann&cursor={cursor}"),
    ] {
        let answer = api.ask(by_root("GET", &format!("/api/admin/audit?{query}"))).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    let user = by(
        "GET",
        "/api/admin/audit?limit=x",
        "user:ann",
        "keys files usage:read team:admin",
        "red",
    );
    assert_eq!(api.ask(user).await.status, 403);
    assert_eq!(api.ask(request("GET", "/api/admin/audit?limit=x")).await.status, 401);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let entry = format!("/api/admin/audit/{}", first["entries"][0]["audit_id"].as_str().unwrap());
        assert_eq!(
            api.ask(by_root(method, "/api/admin/audit")).await.status,
            405,
            "{method}"
        );
        assert_eq!(api.ask(by_root(method, &entry)).await.status, 404, "{method}");
    }
}

///
#[tokio::test]
async fn no_parameter_of_the_trail_is_a_way_around_it() {
    let api = Api::start().await;
    for parameter in ["from", "to", "actor", "action", "limit", "cursor", "x"] {
        for text in [
            "'%20OR%20'1'='1",
            "%3Cscript%3E",
            "%00",
            "%ff",
            "AUDIT%232026-01",
            "-1",
            "*",
            "%23action",
            "0000-01-~",
        ] {
            let answer = api
                .ask(by_root("GET", &format!("/api/admin/audit?{parameter}={text}")))
                .await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            let fits = answer.status == 400 || (answer.status == 200 && answer.json()["entries"] == json!([]));
            assert!(
                fits && !body.contains('<'),
                "{parameter}={text}: {} {body}",
                answer.status
            );
        }
    }
}

/// The team goes from the key or the account into the authorizer's context, and from nothing that a caller sends.
#[tokio::test]
async fn a_key_and_a_service_account_carry_the_team_that_they_were_made_for() {
    let api = Api::start().await;
    let user = |team: &'static str| by("POST", "/api/keys", "user:ann", "keys files", team);
    let wish = |team: Value| json!({"name": "n", "team": team});
    let cases = [
        (
            by_root("POST", "/api/keys").json(&json!({"name": "n", "owner": "user:ann", "team": "red"})),
            json!("red"),
        ),
        (
            by_root("POST", "/api/keys").json(&json!({"name": "n", "owner": "user:ann"})),
            Value::Null,
        ),
        (by_root("POST", "/api/keys").json(&wish(json!("blue"))), json!("blue")),
        (user("red").json(&json!({"name": "n"})), json!("red")),
        (user("red").json(&wish(Value::Null)), json!("red")),
        (user("red").json(&wish(json!("red"))), json!("red")),
        (user("").json(&json!({"name": "n"})), Value::Null),
    ];
    for (request, team) in cases {
        let made = api.made(request).await;
        assert_eq!(made["team"], team);
        let context = api.context(made["key"].as_str().unwrap()).await;
        assert_eq!(
            (&context["team"], &context["key_id"]),
            (&team, &made["key_id"]),
            "{context}"
        );
    }
    for (team, wish) in [("", json!("red")), ("red", json!("blue"))] {
        let answer = api.ask(user(team).json(&json!({"name": "n", "team": wish}))).await;
        assert_eq!(answer.status, 403, "a team that is not one's own");
    }
    for bad in [
        json!("a b"),
        json!(""),
        json!(1),
        json!(["red"]),
        json!("<b>"),
        json!("x".repeat(65)),
    ] {
        let answer = api.ask(by_root("POST", "/api/keys").json(&wish(bad.clone()))).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
    let listed = api.ask(by_root("GET", "/api/keys?owner=user:ann")).await.json();
    let teams: BTreeSet<_> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["team"].to_string())
        .collect();
    assert_eq!(teams, BTreeSet::from(["\"red\"".to_owned(), "null".to_owned()]));

    let client = api
        .made(by_root("POST", "/api/admin/clients").json(&wish(json!("green"))))
        .await;
    let form = json!({"client_id": client["client_id"], "client_secret": client["client_secret"]});
    let token = request("POST", "/api/v1/auth/token").json(&form);
    let token = api.functions.call("token", &token.event()).await.http().json();
    let context = api.context(token["access_token"].as_str().unwrap()).await;
    assert_eq!(context["team"], "green", "{context}");
    let listed = api.ask(by_root("GET", "/api/admin/clients")).await.json();
    let clients = listed["clients"].as_array().unwrap();
    let listed = clients
        .iter()
        .find(|it| it["client_id"] == client["client_id"])
        .unwrap();
    assert_eq!(listed["team"], "green");
    drop(api.backing);
}
