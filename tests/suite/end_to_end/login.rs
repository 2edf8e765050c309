//! Sign-in from outside: a client, a browser and a provider around the whole stack.

use serde_json::{Value, json};
use tests::local::{Answer, Caller, Route, Stack, make_secret, marker, table_text};
use tests::provider::{CLIENT_ID, CLIENT_SECRET, Oidc, parameter};

const URI: &str = "http://127.0.0.1:7/cb";
const VERIFIER: &str = "a-verifier-of-the-least-length-that-may-be.";
pub(crate) const SECRET: &str = "tollgate/login/idp";

pub(crate) async fn stack(oidc: &Oidc) -> Stack {
    let stack = configured(&oidc.url, "implied", &[]).await;
    make_secret(&stack, SECRET, CLIENT_SECRET).await;
    stack
}

/// A stack with one client and one provider.
async fn configured(issuer: &str, consent: &str, more: &[&str]) -> Stack {
    let file = configuration(issuer, consent);
    let mut arguments = vec!["--login", file.path().to_str().unwrap(), "--environments", "2"];
    arguments.extend(more);
    Stack::start(&arguments).await
}

/// A file for `--login`, with one client and one provider.
pub(crate) fn configuration(issuer: &str, consent: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let configured = json!({
        "clients": [{"client_id": "app", "name": "App", "redirect_uris": ["http://127.0.0.1/cb"], "consent": consent}],
        "providers": [{"id": "idp", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": issuer,
                       "rules": {"everyone": {"roles": ["user"], "team": "e2e"}}}],
    });
    std::fs::write(file.path(), configured.to_string()).unwrap();
    file
}

fn query(pairs: &[(&str, &str)]) -> String {
    let url = reqwest::Url::parse_with_params("http://form/", pairs).unwrap();
    url.query().unwrap().to_owned()
}

async fn posted(caller: &Caller, path: &str, form: &[(&str, &str)]) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    caller.send("POST", path, &headers, query(form)).await
}

/// A person signs in, as a client and a browser do it.
pub(crate) async fn tokens(stack: &Stack, oidc: &Oidc) -> Value {
    tokens_of(stack, oidc, "ada").await
}

/// The same of whom the provider knows by this subject.
pub(crate) async fn tokens_of(stack: &Stack, oidc: &Oidc, subject: &str) -> Value {
    let challenge = gateway::oauth::s256(VERIFIER);
    let wish = query(&[
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", URI),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let sent = stack.anonymous().get(&format!("/oauth/authorize?{wish}")).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    let cookie = sent.header("set-cookie").split(';').next().unwrap().to_owned();
    let location = sent.header("location");
    let now = jiff::Timestamp::now().as_second();
    let claims =
        json!({"sub": subject, "iat": now, "exp": now + 300, "email": "ada@example.com", "email_verified": true});
    let (code, state) = (oidc.code(location, &claims), parameter(location, "state").unwrap());
    let back = query(&[("code", &code), ("state", &state), ("iss", &oidc.url)]);
    let browser = stack.anonymous().with("cookie", &cookie);
    let answer = browser.get(&format!("/auth/callback/idp?{back}")).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{URI}?")), "{location}");
    assert_eq!(parameter(location, "iss").unwrap(), stack.ready().gateway);
    let code = parameter(location, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &*code),
        ("redirect_uri", URI),
        ("code_verifier", VERIFIER),
    ];
    let answer = posted(&stack.anonymous(), "/oauth/token", &form).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// login → JWT → call; and with API Gateway's cache off a logout or a suspension counts from the next request on.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_calls_a_model_and_is_out_at_once_after_logout_or_suspension() {
    let oidc = Oidc::start().await;
    let stack = stack(&oidc).await;
    let first = tokens(&stack, &oidc).await;
    let access = first["access_token"].as_str().unwrap().to_owned();
    let person = stack.bearer(&access);
    assert_eq!(Route::Messages.call(&person, &marker()).await.status, 200);
    let me = person.get("/auth/me").await.json();
    assert_eq!(
        (&me["user"]["email"], &me["team"]),
        (&json!("ada@example.com"), &json!("e2e"))
    );
    let rows = person.get("/api/usage/records").await.json();
    assert_eq!(rows["records"][0]["principal"], me["subject"]);
    assert_eq!(person.send("POST", "/auth/logout", &[], "").await.status, 204);
    assert_eq!(Route::Messages.call(&person, &marker()).await.status, 401);

    let second = tokens(&stack, &oidc).await;
    let person = stack.bearer(second["access_token"].as_str().unwrap());
    assert_eq!(person.get("/auth/me").await.json()["subject"], me["subject"]);
    let key = person.post("/api/keys", &json!({"name": "mine"})).await.json();
    let by_key = stack.bearer(key["key"].as_str().unwrap());
    assert_eq!(by_key.get("/auth/me").await.status, 200);
    let user_id = me["subject"].as_str().unwrap().strip_prefix("user:").unwrap();
    let path = format!("/api/admin/users/{user_id}");
    let answer = stack.admin().put(&path, &json!({"status": "suspended"})).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("suspended")));
    let listed = stack.admin().get("/api/admin/users").await.json();
    assert_eq!(listed["users"][0]["user_id"], user_id);
    let trail = stack.admin().get("/api/admin/audit?action=user.suspend").await.json();
    assert_eq!(trail["entries"][0]["target"], user_id, "{trail}");
    assert_eq!(person.get("/auth/me").await.status, 401);
    assert_eq!(by_key.get("/auth/me").await.status, 401, "a suspended person's key");
    let refresh = second["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", refresh),
    ];
    assert_eq!(posted(&stack.anonymous(), "/oauth/token", &form).await.status, 400);

    // No token of ours or of the provider's, and no secret of theirs, is in the table or in a log.
    let texts = [table_text(&stack).await, stack.logs()];
    for secret in [
        &access,
        refresh,
        "upstream-access-token",
        CLIENT_SECRET,
        key["key"].as_str().unwrap(),
    ] {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{}…", &secret[..8]);
    }
}
