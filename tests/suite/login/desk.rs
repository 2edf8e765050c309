//! A gateway with two clients and two providers, and who uses them.

use gateway::aws::Aws;
use gateway::oauth::s256;
use gateway::random;
use gateway::secret::{Secret, SecretKind};
use gateway::store::{ClientSecret, ServiceClient, Store};
use serde_json::{Value, json};
use tests::answer::HttpAnswer;
use tests::backing::{Backing, Setup};
use tests::event::{Request, request};
use tests::fixtures::{made_at, told};
use tests::in_process::Functions;
use tests::provider::{CLIENT_ID, CLIENT_SECRET, Github, Oidc, parameter};

pub(crate) const APP_URI: &str = "https://app.example/cb";
/// Where `app` has people sent after they signed out.
pub(crate) const BYE_URI: &str = "https://app.example/bye";
/// 43 characters, as few as there may be.
pub(crate) const VERIFIER: &str = "a-verifier-of-the-least-length-that-may-be.";
pub(crate) const SECRET: &str = "tollgate/login/provider";

pub(crate) struct Desk {
    pub(crate) backing: Backing,
    pub(crate) functions: Functions,
    pub(crate) oidc: Oidc,
    pub(crate) github: Github,
}

/// A browser that was sent to a provider.
pub(crate) struct Sent {
    pub(crate) location: String,
    pub(crate) cookie: String,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(&json!({})).await
    }

    /// With members of the configuration replaced.
    pub(crate) async fn with(replaced: &Value) -> Self {
        Self::made(|_| replaced.clone()).await
    }

    /// With members that know where the OpenID provider is.
    pub(crate) async fn made(replaced: impl FnOnce(&str) -> Value) -> Self {
        Self::over(Backing::start().await, replaced).await
    }

    /// With a table that can fail.
    pub(crate) async fn unreliable() -> Self {
        let setup = Setup {
            unreliable_table: true,
            ..Setup::default()
        };
        Self::over(Backing::start_with(&setup).await, |_| json!({})).await
    }

    async fn over(backing: Backing, replaced: impl FnOnce(&str) -> Value) -> Self {
        let (oidc, github) = (Oidc::start().await, Github::start().await);
        let secrets = Aws::from_environment(backing.variables("token", &[]))
            .unwrap()
            .secretsmanager();
        let made = secrets.create_secret().name(SECRET).secret_string(CLIENT_SECRET);
        made.send().await.unwrap();
        let mut configured = configuration(&oidc, &github);
        configured
            .as_object_mut()
            .unwrap()
            .extend(replaced(&oidc.url).as_object().unwrap().clone());
        let functions = Functions::with(&backing, &[("TOLLGATE_LOGIN", &configured.to_string())]);
        Self {
            backing,
            functions,
            oidc,
            github,
        }
    }

    pub(crate) fn store(&self) -> Store {
        self.backing.store()
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> HttpAnswer {
        let event = request("GET", path).header("Cookie", cookie).event();
        self.functions.call("token", &event).await.http()
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> HttpAnswer {
        let event = request("POST", path)
            .header("Cookie", cookie)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(encoded(form))
            .event();
        self.functions.call("token", &event).await.http()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> HttpAnswer {
        self.post("/oauth/token", "", form).await
    }

    /// Asks the admin function as somebody with these scopes.
    pub(crate) async fn admin(&self, scopes: &str, asked: Request) -> HttpAnswer {
        let principal = json!({"sub": "user:root", "scopes": scopes});
        self.functions.ask("admin", &asked.principal(principal)).await
    }

    /// An admin suspends a person, or lets them in again.
    pub(crate) async fn put_status(&self, user_id: &str, status: &str) {
        let asked = request("PUT", &format!("/api/admin/users/{user_id}")).json(&json!({ "status": status }));
        let answer = self.admin("admin", asked).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(status)));
    }

    /// Begins at `provider`, with parameters replaced.
    pub(crate) async fn begin(&self, provider: &str, replaced: &[(&str, &str)]) -> Sent {
        let answer = self.get(&authorize(provider, replaced), "").await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie");
        assert!(
            cookie.starts_with("__Host-tollgate-login=tgl_") && cookie.contains("; HttpOnly; SameSite=Lax; Secure")
        );
        Sent {
            location: answer.header("location").to_owned(),
            cookie: cookie.split(';').next().unwrap().to_owned(),
        }
    }

    /// Claims of a person in the domain that may sign in, good for the desk's time.
    pub(crate) fn claims(&self, subject: &str) -> Value {
        let now = self.functions.clock.now_seconds();
        json!({
            "sub": subject, "iat": now, "exp": now + 300, "name": "Ada <b>Lovelace</b>", "email": "ada@example.com",
            "email_verified": true,
        })
    }

    /// Comes back from the OpenID provider as a person of these claims.
    pub(crate) async fn back(&self, sent: &Sent, claims: &Value) -> HttpAnswer {
        let code = self.oidc.code(&sent.location, claims);
        let state = parameter(&sent.location, "state").unwrap();
        let query = encoded(&[("code", &code), ("state", &state), ("iss", &self.oidc.url)]);
        self.get(&format!("/auth/callback/idp?{query}"), &sent.cookie).await
    }

    /// A code for `app` and the person of this subject.
    pub(crate) async fn code(&self, subject: &str) -> String {
        let sent = self.begin("idp", &[]).await;
        let answer = self.back(&sent, &self.claims(subject)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        parameter(answer.header("location"), "code").unwrap()
    }

    pub(crate) async fn redeem(&self, code: &str) -> HttpAnswer {
        self.token(&redemption(code)).await
    }

    /// The tokens of a person who signs in with `app`.
    pub(crate) async fn tokens(&self, subject: &str) -> Value {
        let answer = self.redeem(&self.code(subject).await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn refresh(&self, token: &str) -> HttpAnswer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", token),
        ];
        self.token(&form).await
    }

    /// A service account with these scopes: its id and its secret.
    pub(crate) async fn service_account(&self, scopes: &str) -> (String, String) {
        let secret = Secret::mint(SecretKind::ClientSecret).unwrap();
        let stored = ClientSecret::new(&secret, made_at()).await.unwrap();
        let id = random::identifier("client").unwrap();
        let client = ServiceClient::new(
            id.clone(),
            "a desk's".into(),
            scopes.parse().unwrap(),
            stored,
            made_at(),
        );
        let audit = told("client.create", &id);
        assert!(self.store().create_client(&client, &audit).await.unwrap());
        (id, secret.expose().to_owned())
    }

    /// What the authorizer says of a credential: its context, or nothing.
    pub(crate) async fn authorized(&self, credential: &str) -> Option<Value> {
        let event = json!({
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/live/GET/auth/me",
            "headers": {"Authorization": format!("Bearer {credential}")},
        });
        match self.functions.call("authorizer", &event).await {
            tests::answer::Answer::Direct(value) if value["context"].is_object() => Some(value["context"].clone()),
            tests::answer::Answer::Direct(value) => {
                assert_eq!(value["errorMessage"], "Unauthorized", "{value}");
                None
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks as the person of a token, whom the authorizer lets in.
    pub(crate) async fn as_person(&self, method: &str, path: &str, token: &str) -> HttpAnswer {
        let context = self.authorized(token).await.expect("the token counts");
        let event = request(method, path).principal(context).event();
        self.functions.call("token", &event).await.http()
    }

    /// The same with JSON.
    pub(crate) async fn sends(&self, method: &str, path: &str, token: &str, body: &Value) -> HttpAnswer {
        let context = self.authorized(token).await.expect("the token counts");
        let event = request(method, path).principal(context).json(body).event();
        self.functions.call("token", &event).await.http()
    }
}

pub(crate) fn redemption(code: &str) -> [(&'static str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", code),
        ("redirect_uri", APP_URI),
        ("code_verifier", VERIFIER),
    ]
}

/// The path of the authorize step; a parameter that is replaced by nothing is left out.
pub(crate) fn authorize(provider: &str, replaced: &[(&str, &str)]) -> String {
    let challenge = s256(VERIFIER);
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", APP_URI),
        ("state", "the client's own & state"),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in replaced {
        all.retain(|(known, _)| known != name);
        all.push((name, value));
    }
    format!("/auth/authorize/{provider}?{}", encoded(&all))
}

pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://form/").unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

fn configuration(oidc: &Oidc, github: &Github) -> Value {
    json!({
        "clients": [
            {"client_id": "app", "name": "The company's own", "redirect_uris": [APP_URI, "http://127.0.0.1/cb"],
             "post_logout_redirect_uris": [BYE_URI], "consent": "implied"},
            {"client_id": "cli", "name": "Somebody's <i>tool</i>", "redirect_uris": [APP_URI]},
        ],
        "providers": [
            {"id": "idp", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": oidc.url, "rules": {
                "domains": {"example.com": {"team": "everybody", "roles": ["user"]}},
                "groups": {"ml": {"team": "ml", "roles": ["team_admin"]}, "Tollgate users": {"roles": ["user"]},
                           "0ff1ce": {"roles": ["admin"]}},
            }},
            {"id": "hub", "kind": "github", "client_id": CLIENT_ID, "secret": SECRET,
             "github": {"site": github.url, "api": github.url}, "rules": {
                "domains": {"example.com": {"roles": ["user"]}}, "groups": {"acme": {"team": "acme", "roles": ["user"]}},
            }},
        ],
    })
}
