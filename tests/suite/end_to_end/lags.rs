//! How long what was ended goes on, to the second: with API Gateway keeping the authorizer's answers for five minutes, and without.
//!
//! The table in docs/security.md says the same. The stack goes by a clock that stands still, so nothing waits.

use gateway::standing::LAG_SECONDS;
use serde_json::{Value, json};
use tests::local::{Caller, Stack, make_secret};
use tests::paced::Paced;
use tests::provider::{CLIENT_SECRET, Oidc};

use super::login::{SECRET, configuration, tokens_of};

const KEPT_SECONDS: i64 = 300;

struct House {
    paced: Paced,
    stack: Stack,
    oidc: Oidc,
}

/// A credential that is let in until something is done, and for how long the authorizer itself goes on letting it in after that.
struct Doomed {
    what: &'static str,
    caller: Caller,
    ending: Ending,
    lag_seconds: i64,
}

/// The request that ends it.
struct Ending {
    by: Caller,
    method: &'static str,
    path: String,
    content_type: &'static str,
    body: String,
}

fn json_body(by: Caller, method: &'static str, path: String, body: &Value) -> Ending {
    Ending {
        by,
        method,
        path,
        content_type: "application/json",
        body: body.to_string(),
    }
}

fn bare(by: Caller, method: &'static str, path: String) -> Ending {
    Ending {
        by,
        method,
        path,
        content_type: "text/plain",
        body: String::new(),
    }
}

impl House {
    async fn open(more: &[&str]) -> Self {
        let (paced, oidc) = (Paced::new(), Oidc::start().await);
        let login = configuration(&oidc.url, "implied");
        // One environment, so that what it found out about a token is what the next request meets.
        let mut arguments = vec!["--login", login.path().to_str().unwrap(), "--environments", "1"];
        arguments.extend(more);
        let stack = paced.stack(&arguments).await;
        make_secret(&stack, SECRET, CLIENT_SECRET).await;
        Self { paced, stack, oidc }
    }

    async fn person(&self, subject: &str) -> (Caller, String) {
        let tokens = tokens_of(&self.stack, &self.oidc, subject).await;
        let caller = self.stack.bearer(tokens["access_token"].as_str().unwrap());
        let me = caller.get("/auth/me").await.json();
        let id = me["subject"].as_str().unwrap().strip_prefix("user:").unwrap();
        (caller, id.to_owned())
    }

    async fn keys(&self) -> Vec<Doomed> {
        let user = self.stack.new_user().await;
        let listed = user.caller.get("/api/keys").await.json();
        let path = format!(
            "/api/keys/{}?owner={}",
            listed["keys"][0]["key_id"].as_str().unwrap(),
            user.name
        );
        let (client_id, _) = self.stack.new_client(&["usage:read"]).await;
        let key = self
            .stack
            .new_key(&format!("client:{client_id}"), &["usage:read"])
            .await;
        let suspended = json!({ "status": "suspended" });
        let of_account = format!("/api/admin/clients/{client_id}");
        vec![
            doomed(
                "a key that is revoked",
                user.caller,
                bare(self.stack.admin(), "DELETE", path),
                0,
            ),
            doomed(
                "a key of an account that is suspended",
                self.stack.bearer(&key),
                json_body(self.stack.admin(), "PATCH", of_account, &suspended),
                0,
            ),
        ]
    }

    async fn people(&self) -> Vec<Doomed> {
        let (ada, ada_id) = self.person("ada").await;
        let (bob, _) = self.person("bob").await;
        let (cleo, _) = self.person("cleo").await;
        let (other, _) = self.person("cleo").await;
        let made = ada.post("/api/keys", &json!({ "name": "mine" })).await.json();
        let adas_key = self.stack.bearer(made["key"].as_str().unwrap());
        let (admin, suspended) = (self.stack.admin(), json!({ "status": "suspended" }));
        let of_ada = format!("/api/admin/users/{ada_id}");
        let suspend = || json_body(admin.clone(), "PUT", of_ada.clone(), &suspended);
        let session = other.get("/auth/me").await.json()["session_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let of_session = format!("/auth/sessions/{session}");
        vec![
            doomed("the token of a person who is suspended", ada, suspend(), 0),
            doomed("the key of a person who is suspended", adas_key, suspend(), 0),
            doomed(
                "the token of who logs out",
                bob.clone(),
                bare(bob, "POST", "/auth/logout".into()),
                0,
            ),
            doomed(
                "the token of a session that is ended",
                other,
                bare(cleo, "DELETE", of_session),
                0,
            ),
        ]
    }

    async fn accounts(&self) -> Vec<Doomed> {
        let mut all = Vec::new();
        for what in [
            "a token that is revoked",
            "a token of a suspended account",
            "a token of an ended account",
        ] {
            let (id, secret) = self.stack.new_client(&["usage:read"]).await;
            let token = self.stack.token(&id, &secret).await;
            let path = format!("/api/admin/clients/{id}");
            let ending = match what {
                "a token that is revoked" => Ending {
                    by: self.stack.anonymous(),
                    method: "POST",
                    path: "/oauth/revoke".into(),
                    content_type: "application/x-www-form-urlencoded",
                    body: format!("token={token}&client_id={id}&client_secret={secret}"),
                },
                "a token of a suspended account" => {
                    json_body(self.stack.admin(), "PATCH", path, &json!({ "status": "suspended" }))
                }
                _ => bare(self.stack.admin(), "DELETE", path),
            };
            all.push(doomed(what, self.stack.bearer(&token), ending, LAG_SECONDS));
        }
        all
    }

    async fn all(&self) -> Vec<Doomed> {
        let mut all = self.keys().await;
        all.extend(self.people().await);
        all.extend(self.accounts().await);
        all
    }
}

fn doomed(what: &'static str, caller: Caller, ending: Ending, lag_seconds: i64) -> Doomed {
    Doomed {
        what,
        caller,
        ending,
        lag_seconds,
    }
}

impl Doomed {
    async fn end(&self) {
        let Ending {
            by,
            method,
            path,
            content_type,
            body,
        } = &self.ending;
        let answer = by
            .send(method, path, &[("content-type", content_type)], body.clone())
            .await;
        assert!([200, 204].contains(&answer.status), "{}: {answer:?}", self.what);
    }

    /// Whether a function answers. Whoever is refused is refused by API Gateway, with 401.
    async fn is_let_in(&self) -> bool {
        let status = self.caller.get("/auth/me").await.status;
        assert!([200, 401].contains(&status), "{}: {status}", self.what);
        status == 200
    }
}

/// the template's own way. What the table is asked for at each request counts from the next one on; what the authorizer
/// remembers of a token, 30 seconds later.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_answer_is_kept_an_ending_counts_at_once_or_after_30_seconds() {
    let house = House::open(&[]).await;
    let all = house.all().await;
    for it in &all {
        assert!(it.is_let_in().await, "{}", it.what);
    }
    for it in &all {
        it.end().await;
    }
    for it in &all {
        assert_eq!(it.is_let_in().await, it.lag_seconds > 0, "{}, at once", it.what);
    }
    house.paced.advance_seconds(LAG_SECONDS - 1);
    for it in &all {
        assert_eq!(
            it.is_let_in().await,
            it.lag_seconds > 0,
            "{}, after 29 seconds",
            it.what
        );
    }
    house.paced.advance_seconds(1);
    for it in &all {
        assert!(!it.is_let_in().await, "{}, after 30 seconds", it.what);
    }
}

/// With answers kept, everything goes on until its answer is forgotten, and no longer: the authorizer remembers nothing as long.
#[tokio::test(flavor = "multi_thread")]
async fn where_answers_are_kept_for_five_minutes_an_ending_counts_after_them_and_not_later() {
    let kept = KEPT_SECONDS.to_string();
    let house = House::open(&["--authorizer-ttl", &kept]).await;
    let all = house.all().await;
    for it in &all {
        assert!(it.is_let_in().await, "{}", it.what);
    }
    // Where somebody was shown in between, the answer is of that moment: all of this happens in one.
    for it in &all {
        it.end().await;
    }
    house.paced.advance_seconds(KEPT_SECONDS - 1);
    for it in &all {
        assert!(it.is_let_in().await, "{}, after 299 seconds", it.what);
    }
    house.paced.advance_seconds(1);
    for it in &all {
        assert!(!it.is_let_in().await, "{}, after 300 seconds", it.what);
    }
    // Nobody else is refused with them.
    let (id, secret) = house.stack.new_client(&["usage:read"]).await;
    let other = house.stack.bearer(&house.stack.token(&id, &secret).await);
    assert_eq!(other.get("/auth/me").await.status, 200);
}
