//! GitHub's shape: no OpenID, errors with HTTP 200, ids that are numbers, addresses in a list of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{CLIENT_ID, CLIENT_SECRET, listen, parameter, serve};

/// What begins the tokens that it gives: nothing of the gateway's may hold it.
pub const GITHUB_TOKEN: &str = "gho_UpstreamTokenThatNobodyMaySee";

/// A running GitHub.
#[derive(Clone)]
pub struct Github {
    /// The site's URL, and the API's.
    pub url: String,
    codes: Arc<Mutex<HashMap<String, (String, Value)>>>,
}

impl Github {
    /// Starts one.
    pub async fn start() -> Self {
        let (listener, url) = listen().await;
        let github = Self {
            url,
            codes: Arc::default(),
        };
        let router = Router::new()
            .route("/login/oauth/access_token", post(token))
            .route(
                "/user",
                get(async |State(it): State<Self>, headers: HeaderMap| told(&it, &headers, "user")),
            )
            .route(
                "/user/emails",
                get(async |State(it): State<Self>, headers: HeaderMap| told(&it, &headers, "emails")),
            )
            .route(
                "/user/orgs",
                get(async |State(it): State<Self>, headers: HeaderMap| told(&it, &headers, "orgs")),
            )
            .with_state(github.clone());
        serve(listener, router).await;
        github
    }

    /// A code for the person `{"user","emails","orgs"}`, for the browser that was sent to `location`.
    pub fn code(&self, location: &str, person: &Value) -> String {
        let start = format!("{}/login/oauth/authorize?", self.url);
        assert!(location.starts_with(&start), "{location}");
        assert_eq!(parameter(location, "client_id").unwrap(), CLIENT_ID);
        let challenge = parameter(location, "code_challenge").unwrap();
        let code = gateway::random::identifier("hub").unwrap();
        self.codes
            .lock()
            .unwrap()
            .insert(code.clone(), (challenge, person.clone()));
        code
    }
}

async fn token(State(it): State<Github>, body: String) -> Json<Value> {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    let form: BTreeMap<_, _> = form.query_pairs().into_owned().collect();
    let codes = it.codes.lock().unwrap();
    let found = codes.get(&form["code"]);
    let right = found.is_some_and(|(challenge, _)| *challenge == gateway::oauth::s256(&form["code_verifier"]));
    if !right || form["client_secret"] != CLIENT_SECRET {
        let told = "The code passed is incorrect or expired.";
        return Json(json!({"error": "bad_verification_code", "error_description": told}));
    }
    let token = format!("{GITHUB_TOKEN}{}", form["code"]);
    Json(json!({"access_token": token, "scope": "read:user,user:email", "token_type": "bearer"}))
}

fn told(it: &Github, headers: &HeaderMap, member: &str) -> (StatusCode, Json<Value>) {
    let bearer = headers["authorization"].to_str().unwrap();
    let code = bearer.strip_prefix(&format!("Bearer {GITHUB_TOKEN}")).unwrap();
    let codes = it.codes.lock().unwrap();
    let value = &codes[code].1[member];
    if value.is_null() {
        return (StatusCode::NOT_FOUND, Json(json!({"message": "Not Found"})));
    }
    (StatusCode::OK, Json(value.clone()))
}
