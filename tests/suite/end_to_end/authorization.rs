//! Who may do what: every route of the template × every kind of credential.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use gateway::wire::dialect::Dialect;
use localstack::template::{Template, Values};
use serde_json::{Value, json};
use tests::local::{Answer, Caller, MODEL, Route, Stack, marker, root, signing_key};

use super::credentials;

on_every_host!(
    every_route_answers_every_credential_as_it_should,
    a_right_credential_passes_in_either_header_and_in_both,
    a_token_made_by_the_stacks_own_key_passes,
);

/// So many requests at once.
const AT_ONCE: usize = 24;

/// A-02, A-06, A-07, A-08, A-15, A-18
async fn every_route_answers_every_credential_as_it_should(stack: &Stack) {
    let matrix = Matrix::new(stack).await;
    assert_eq!(matrix.uncovered(), BTreeSet::new(), "routes that nobody tests");
    let bad = credentials::bad(stack, &matrix.owner).await;
    let mut faults = Vec::new();
    let pairs = matrix
        .cases
        .iter()
        .flat_map(|case| bad.iter().map(move |shown| (case, shown)));
    let mut answers = stream::iter(pairs)
        .map(async |(case, shown)| {
            let caller = shown
                .headers
                .iter()
                .fold(stack.anonymous(), |caller, (name, value)| caller.with(name, value));
            (case, shown, case.ask(&caller).await)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((case, shown, answer)) = answers.next().await {
        let right = match case.scope {
            Some(_) => is_unauthorized(&answer),
            None => answer.status == case.open_status(shown),
        };
        if !right {
            faults.push(format!(
                "{} {} with {}: {answer:?}",
                case.method, case.route, shown.name
            ));
        }
    }
    for case in &matrix.cases {
        if let Some(fault) = matrix.fault_of_good_credentials(stack, case).await {
            faults.push(format!("{} {}: {fault}", case.method, case.route));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Of all this only the right credentials came through to Bedrock: one call a route.
    let requests = stack.mock().requests(&matrix.mark).await;
    assert_eq!(requests.len(), 6, "{requests:#?}");
}

/// A-06, A-08
async fn a_right_credential_passes_in_either_header_and_in_both(stack: &Stack) {
    let (user, program) = (stack.new_user().await, stack.service_account().await);
    for credential in [&user.key, &program.key] {
        let bearer = format!("Bearer {credential}");
        for headers in [
            vec![("authorization", &bearer)],
            vec![("x-api-key", credential)],
            vec![("Authorization", &bearer), ("X-Api-Key", credential)],
        ] {
            let caller = headers
                .iter()
                .fold(stack.anonymous(), |caller, (name, value)| caller.with(name, value));
            let answer = caller.get("/api/usage/records").await;
            assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
        }
    }
}

/// What the matrix's bad tokens are variations of is good: they are refused for what was spoilt, and for nothing else.
async fn a_token_made_by_the_stacks_own_key_passes(stack: &Stack) {
    let token = signing_key(stack)
        .await
        .sign(&credentials::claims(stack).await)
        .unwrap();
    let answer = stack.bearer(&token).get("/api/usage/records").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The open routes at which clients authenticate themselves.
const AUTHENTICATING: [&str; 3] = ["/oauth/token", "/oauth/revoke", "/oauth/introspect"];

/// The scope of a route that every credential opens which counts.
const ANYTHING: &str = "";

/// A route, and how to ask it.
struct Case {
    method: &'static str,
    /// The path in the template.
    route: &'static str,
    path: String,
    content_type: &'static str,
    body: String,
    /// What the credential must allow; [`ANYTHING`] where it only must count, nothing where none is asked for.
    scope: Option<&'static str>,
    /// The status for a right credential.
    status: u16,
    dialect: Dialect,
}

impl Case {
    async fn ask(&self, caller: &Caller) -> Answer {
        let headers = [("content-type", self.content_type)];
        caller.send(self.method, &self.path, &headers, self.body.clone()).await
    }

    /// An open route answers whatever is shown; but a client that shows two kinds of credentials where it authenticates itself, one
    /// of them in `Authorization`, is refused (RFC 6749, section 2.3), and so is one whose `Authorization` is no text.
    fn open_status(&self, shown: &credentials::Shown) -> u16 {
        let in_authorization = shown.headers.iter().find(|(name, _)| *name == "authorization");
        match in_authorization {
            Some((_, value)) if AUTHENTICATING.contains(&self.route) => {
                if value.is_ascii() {
                    400
                } else {
                    401
                }
            }
            _ => self.status,
        }
    }
}

/// All routes, and who may ask them.
pub(super) struct Matrix {
    mark: String,
    owner: String,
    cases: Vec<Case>,
    /// For each scope a key that allows it alone, and one that allows all but it and those that allow the same and more.
    keys: BTreeMap<&'static str, (String, String)>,
}

const SCOPES: [&str; 8] = [
    "models:invoke",
    "usage:read",
    "files",
    "keys",
    "team:admin",
    "directory",
    "metrics",
    "admin",
];

/// Whether a route that asks for `scope` is open by `other` too: who sees a team's usage, or everybody's, needs no right to their
/// own.
fn opens(scope: &str, other: &str) -> bool {
    other == scope
        || (scope == "usage:read" && ["team:admin", "admin"].contains(&other))
        || (["directory", "metrics"].contains(&scope) && other == "admin")
}

impl Matrix {
    pub(super) async fn new(stack: &Stack) -> Self {
        let (mark, owner) = (marker(), format!("user:{}", marker()));
        let mut keys = BTreeMap::new();
        for scope in SCOPES {
            let others: Vec<&str> = SCOPES.into_iter().filter(|other| !opens(scope, other)).collect();
            let (alone, without) = (
                stack.new_key(&owner, &[scope]).await,
                stack.new_key(&owner, &others).await,
            );
            keys.insert(scope, (alone, without));
        }
        Self {
            cases: cases(stack, &mark, &keys["files"].0).await,
            mark,
            owner,
            keys,
        }
    }

    /// Asks every route once, with a credential that opens it. What it says depends on the stack; it must not be that it failed.
    pub(super) async fn tour(&self, stack: &Stack) {
        for case in &self.cases {
            let caller = match case.scope {
                None => stack.anonymous(),
                Some(ANYTHING) => stack.bearer(&self.keys["files"].0),
                Some(scope) => stack.bearer(&self.keys[scope].0),
            };
            let answer = case.ask(&caller).await;
            assert!(answer.status < 500, "{} {}: {answer:?}", case.method, case.route);
        }
    }

    /// The template's routes that have no case.
    fn uncovered(&self) -> BTreeSet<String> {
        let issuer = ("Issuer".to_owned(), "https://gate.example".to_owned());
        let values = Values {
            parameters: BTreeMap::from([issuer]),
            ..Values::default()
        };
        let template = Template::read(&root().join("template.yaml"), &values).unwrap();
        let declared = template
            .api
            .routes
            .iter()
            .map(|route| format!("{} {}", route.method, route.path));
        let covered: BTreeSet<_> = self
            .cases
            .iter()
            .map(|case| format!("{} {}", case.method, case.route))
            .collect();
        declared.filter(|route| !covered.contains(route)).collect()
    }

    async fn fault_of_good_credentials(&self, stack: &Stack, case: &Case) -> Option<String> {
        let Some(scope) = case.scope else {
            let answer = case.ask(&stack.anonymous()).await;
            return (answer.status != case.status).then(|| format!("asked by anybody: {answer:?}"));
        };
        if scope == ANYTHING {
            let answer = case.ask(&stack.bearer(&self.keys["files"].0)).await;
            return (answer.status != case.status).then(|| format!("with any scope: {answer:?}"));
        }
        let (alone, without) = &self.keys[scope];
        let answer = case.ask(&stack.bearer(without)).await;
        if !is_denied(&answer, case.dialect, scope) {
            return Some(format!("without the scope {scope}: {answer:?}"));
        }
        let answer = case.ask(&stack.bearer(alone)).await;
        (answer.status != case.status).then(|| format!("with the scope {scope}: {answer:?}"))
    }
}

/// The gateway's own refusal, which clients of every dialect understand.
fn is_unauthorized(answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer.status == 401
        && answer.header("www-authenticate") == r#"Bearer realm="tollgate""#
        && answer.header("x-amzn-errortype") == "UnrecognizedClientException"
        && answer.header("cache-control") == "no-store"
        && body["type"] == "error"
        && body["error"]["type"] == "authentication_error"
        && body["message"] == body["error"]["message"]
        && body["request_id"] == answer.header("x-amzn-requestid")
}

/// A function's refusal of a credential that counts but does not allow this. API Gateway renames the challenge.
fn is_denied(answer: &Answer, dialect: Dialect, scope: &str) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let challenge = format!(r#"Bearer realm="tollgate", error="insufficient_scope", scope="{scope}""#);
    let told = match dialect {
        Dialect::Anthropic => body["error"]["type"] == "permission_error",
        Dialect::Bedrock => answer.header("x-amzn-errortype") == "AccessDeniedException" && body["message"].is_string(),
        Dialect::OpenAi => body["error"]["type"] == "permission_error" && body["error"]["code"] == "denied",
        Dialect::OAuth => false,
        Dialect::Problem => body["code"] == "denied" && body["status"] == 403,
        Dialect::Scim => body["status"] == "403" && body["schemas"].is_array(),
    };
    answer.status == 403 && answer.header("x-amzn-remapped-www-authenticate") == challenge && told
}

/// One case for each route. What has an id is made first.
async fn cases(stack: &Stack, mark: &str, files_key: &str) -> Vec<Case> {
    let mut cases = model_cases(mark);
    cases.extend(anthropic_file_cases(&upload(stack, files_key).await));
    cases.extend(session_cases(&session(stack, files_key).await));
    cases.extend(file_cases(&upload(stack, files_key).await));
    cases.extend(admin_cases(stack).await);
    cases.extend(price_cases());
    cases.extend(scim_cases());
    cases.extend(token_cases(stack).await);
    cases.extend(login_cases());
    cases
}

fn case(method: &'static str, route: &'static str, id: &str, scope: Option<&'static str>, status: u16) -> Case {
    Case {
        method,
        route,
        path: route
            .replace("{scope}", "team")
            .replace("{id}", id)
            .replace("{number}", "1")
            .replace("{secret_id}", "secret_none"),
        content_type: "application/json",
        body: String::new(),
        scope,
        status,
        dialect: Dialect::Problem,
    }
}

fn model_cases(mark: &str) -> Vec<Case> {
    let routes = [
        (Route::Invoke, "/bedrock/model/{id}/invoke", Dialect::Bedrock),
        (
            Route::InvokeStream,
            "/bedrock/model/{id}/invoke-with-response-stream",
            Dialect::Bedrock,
        ),
        (Route::Messages, "/anthropic/v1/messages", Dialect::Anthropic),
    ];
    let of = |(form, route, dialect): (Route, &'static str, Dialect)| Case {
        body: form.body(MODEL, mark).to_string(),
        dialect,
        ..case("POST", route, MODEL, Some("models:invoke"), 200)
    };
    let mut cases: Vec<_> = routes.into_iter().map(of).collect();
    cases.extend(listing_cases());
    let body = json!({ "messages": [{ "role": "user", "content": [{ "text": mark }] }] }).to_string();
    for route in ["/bedrock/model/{id}/converse", "/bedrock/model/{id}/converse-stream"] {
        cases.push(Case {
            body: body.clone(),
            dialect: Dialect::Bedrock,
            ..case("POST", route, MODEL, Some("models:invoke"), 200)
        });
    }
    cases.extend(openai_cases(mark));
    cases
}

fn openai_cases(mark: &str) -> Vec<Case> {
    let models = Some("models:invoke");
    let body = json!({"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": mark}]});
    let mut cases = vec![
        Case {
            body: body.to_string(),
            ..case("POST", "/openai/v1/chat/completions", "", models, 200)
        },
        case("GET", "/openai/v1/models", "", models, 200),
        case("GET", "/openai/v1/models/{id}", MODEL, models, 200),
    ];
    for case in &mut cases {
        case.dialect = Dialect::OpenAi;
    }
    cases
}

/// What is asked of models beside calls.
fn listing_cases() -> Vec<Case> {
    let invoke = Some("models:invoke");
    let messages = json!([{ "role": "user", "content": [{ "text": "hi" }] }]);
    let converse = json!({ "input": { "converse": { "messages": messages } } });
    let asked = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hi" }] });
    let mut cases = vec![
        Case {
            body: converse.to_string(),
            dialect: Dialect::Bedrock,
            ..case("POST", "/bedrock/model/{id}/count-tokens", MODEL, invoke, 200)
        },
        Case {
            dialect: Dialect::Bedrock,
            ..case("GET", "/bedrock/inference-profiles", "", invoke, 200)
        },
        case("GET", "/anthropic/v1/models", "", invoke, 200),
        case("GET", "/anthropic/v1/models/{id}", MODEL, invoke, 200),
        Case {
            body: asked.to_string(),
            ..case("POST", "/anthropic/v1/messages/count_tokens", "", invoke, 200)
        },
    ];
    for case in &mut cases {
        if case.route.starts_with("/anthropic") {
            case.dialect = Dialect::Anthropic;
        }
    }
    cases.push(case("HEAD", "/", "", None, 200));
    cases.push(case("HEAD", "/anthropic", "", None, 200));
    cases
}

const FORM: &str = "multipart/form-data; boundary=b";

fn form() -> String {
    "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nbytes\r\n--b--\r\n".to_owned()
}

async fn upload(stack: &Stack, key: &str) -> String {
    let headers = [("content-type", FORM)];
    let answer = stack
        .bearer(key)
        .send("POST", "/api/v1/files/upload", &headers, form())
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["file_id"].as_str().unwrap().to_owned()
}

/// An upload session that waits for its parts.
async fn session(stack: &Stack, key: &str) -> String {
    let wish = json!({"filename": "a", "size_bytes": 1});
    let answer = stack.bearer(key).post("/api/v1/files/sessions", &wish).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["session_id"].as_str().unwrap().to_owned()
}

fn file_cases(id: &str) -> Vec<Case> {
    let files = Some("files");
    vec![
        Case {
            content_type: FORM,
            body: form(),
            ..case("POST", "/api/v1/files/upload", "", files, 201)
        },
        case("GET", "/api/v1/files", "", files, 200),
        case("GET", "/api/v1/files/{id}", id, files, 200),
        case("GET", "/api/v1/files/{id}/content", id, files, 200),
        case("GET", "/api/v1/files/{id}/finalize", id, files, 200),
        Case {
            body: json!({"phase": "prepare"}).to_string(),
            ..case("POST", "/api/v1/files/{id}/finalize", id, files, 200)
        },
        // Last, since nothing can be read after it.
        case("DELETE", "/api/v1/files/{id}", id, files, 204),
    ]
}

fn session_cases(id: &str) -> Vec<Case> {
    let files = Some("files");
    vec![
        Case {
            body: json!({"filename": "a", "size_bytes": 1}).to_string(),
            ..case("POST", "/api/v1/files/sessions", "", files, 201)
        },
        case("GET", "/api/v1/files/sessions/{id}", id, files, 200),
        Case {
            body: json!({"parts": [{"number": 1, "sha256": "0".repeat(64)}]}).to_string(),
            ..case("POST", "/api/v1/files/sessions/{id}/parts", id, files, 200)
        },
        // The storage has URLs of its own.
        Case {
            body: "x".to_owned(),
            ..case("PUT", "/api/v1/files/sessions/{id}/parts/{number}", id, files, 400)
        },
        // Its part has not come.
        case("POST", "/api/v1/files/sessions/{id}/complete", id, files, 409),
        case("DELETE", "/api/v1/files/sessions/{id}", id, files, 204),
    ]
}

fn anthropic_file_cases(id: &str) -> Vec<Case> {
    let files = Some("files");
    let mut cases = vec![
        Case {
            content_type: FORM,
            body: form(),
            ..case("POST", "/anthropic/v1/files", "", files, 200)
        },
        case("GET", "/anthropic/v1/files", "", files, 200),
        case("GET", "/anthropic/v1/files/{id}", id, files, 200),
        case("GET", "/anthropic/v1/files/{id}/content", id, files, 200),
        // Last, since nothing can be read after it.
        case("DELETE", "/anthropic/v1/files/{id}", id, files, 200),
    ];
    for case in &mut cases {
        case.dialect = Dialect::Anthropic;
    }
    cases
}

async fn admin_cases(stack: &Stack) -> Vec<Case> {
    let (client_id, _) = stack.new_client(&["files"]).await;
    let named = json!({ "name": "made in the matrix" }).to_string();
    let (keys, admin) = (Some("keys"), Some("admin"));
    vec![
        case("GET", "/api/usage/records", "", Some("usage:read"), 200),
        Case {
            path: "/api/usage/summary?period=day&group=user".to_owned(),
            ..case("GET", "/api/usage/summary", "", Some("usage:read"), 200)
        },
        case("GET", "/api/budgets", "", Some("usage:read"), 200),
        case("GET", "/metrics", "", Some("metrics"), 200),
        Case {
            body: named.clone(),
            ..case("POST", "/api/keys", "", keys, 201)
        },
        case("GET", "/api/keys", "", keys, 200),
        // There is no key of this id; whoever may not ask does not learn that.
        case("DELETE", "/api/keys/{id}", "key_none", keys, 404),
        Case {
            body: named,
            ..case("POST", "/api/admin/clients", "", admin, 201)
        },
        case("GET", "/api/admin/clients", "", admin, 200),
        Case {
            body: json!({ "name": "changed in the matrix" }).to_string(),
            ..case("PATCH", "/api/admin/clients/{id}", &client_id, admin, 200)
        },
        Case {
            body: "{}".to_owned(),
            ..case("POST", "/api/admin/clients/{id}/secrets", &client_id, admin, 201)
        },
        // There is no secret of this id; whoever may not ask does not learn that.
        case(
            "DELETE",
            "/api/admin/clients/{id}/secrets/{secret_id}",
            &client_id,
            admin,
            404,
        ),
        case("DELETE", "/api/admin/clients/{id}", &client_id, admin, 204),
        case("GET", "/api/admin/users", "", admin, 200),
        Case {
            body: json!({ "status": "suspended" }).to_string(),
            ..case("PUT", "/api/admin/users/{id}", "u_none", admin, 404)
        },
        case("GET", "/api/admin/users/{id}", "u_none", admin, 404),
        Case {
            body: json!({ "status": "suspended" }).to_string(),
            ..case("PATCH", "/api/admin/users/{id}", "u_none", admin, 404)
        },
        // No provider is configured on this stack, so nobody can be made; whoever may not ask does not learn that.
        Case {
            body: json!({"identity": {"provider": "idp", "subject": "x"}, "roles": []}).to_string(),
            ..case("POST", "/api/admin/users", "", admin, 400)
        },
        case("GET", "/api/admin/teams", "", admin, 200),
        Case {
            body: "{}".to_owned(),
            ..case("PUT", "/api/admin/teams/{id}", "matrix", admin, 200)
        },
        case("GET", "/api/admin/teams/{id}", "matrix", admin, 200),
        case("DELETE", "/api/admin/teams/{id}", "matrix", admin, 204),
        case("GET", "/api/admin/audit", "", admin, 200),
        case("GET", "/api/admin/budgets", "", admin, 200),
        // In this order: what is put can be read, and what is taken away no more.
        Case {
            body: json!({"limits": [{"unit": "requests", "window": "day", "limit": 1}]}).to_string(),
            ..case("PUT", "/api/admin/budgets/{scope}/{id}", "matrix", admin, 200)
        },
        case("GET", "/api/admin/budgets/{scope}/{id}", "matrix", admin, 200),
        case("GET", "/api/admin/budgets/{scope}/{id}/state", "matrix", admin, 200),
        case("DELETE", "/api/admin/budgets/{scope}/{id}", "matrix", admin, 204),
        case("GET", "/health", "", None, 200),
        case("GET", "/openapi.json", "", None, 200),
        case("GET", "/health/live", "", None, 200),
        case("GET", "/api/admin/health", "", admin, 200),
    ]
}

/// No directory is configured on this stack: nobody is there, and whoever may not ask does not learn that.
fn scim_cases() -> Vec<Case> {
    let directory = Some("directory");
    let routes = [
        ("GET", "/scim/v2/ServiceProviderConfig", 200),
        ("GET", "/scim/v2/ResourceTypes", 200),
        ("GET", "/scim/v2/ResourceTypes/{id}", 404),
        ("GET", "/scim/v2/Schemas", 200),
        ("GET", "/scim/v2/Schemas/{id}", 404),
        ("GET", "/scim/v2/Users", 404),
        ("POST", "/scim/v2/Users", 404),
        ("GET", "/scim/v2/Users/{id}", 404),
        ("PUT", "/scim/v2/Users/{id}", 404),
        ("PATCH", "/scim/v2/Users/{id}", 404),
        ("DELETE", "/scim/v2/Users/{id}", 404),
        ("GET", "/scim/v2/Groups", 404),
        ("POST", "/scim/v2/Groups", 404),
        ("GET", "/scim/v2/Groups/{id}", 404),
        ("PUT", "/scim/v2/Groups/{id}", 404),
        ("PATCH", "/scim/v2/Groups/{id}", 404),
        ("DELETE", "/scim/v2/Groups/{id}", 404),
    ];
    let of = |(method, route, status)| Case {
        content_type: "application/scim+json",
        body: if method == "GET" {
            String::new()
        } else {
            "{}".to_owned()
        },
        dialect: Dialect::Scim,
        ..case(method, route, "u_none", directory, status)
    };
    routes.into_iter().map(of).collect()
}

/// Of a model that nothing else asks for; all of it is taken away in the end.
fn price_cases() -> Vec<Case> {
    let (admin, model) = (Some("admin"), "us.matrix.model-v1:0");
    let five = json!({"input": 1, "output": 2, "cache_read": 3, "cache_write_5m": 4, "cache_write_1h": 5});
    let mut delete = case("DELETE", "/api/admin/prices/{id}", model, admin, 200);
    delete.path.push_str("?effective_from=2026-12-01T00:00:00Z");
    vec![
        Case {
            body: json!({"effective_from": "2026-12-01T00:00:00Z", "rates": five}).to_string(),
            ..case("PUT", "/api/admin/prices/{id}", model, admin, 200)
        },
        case("GET", "/api/admin/prices/{id}", model, admin, 200),
        case("GET", "/api/admin/prices", "", admin, 200),
        case("GET", "/api/admin/prices.csv", "", admin, 200),
        // There is nothing in it; whoever may not ask does not learn that.
        Case {
            content_type: "text/csv",
            ..case("PUT", "/api/admin/prices.csv", "", admin, 400)
        },
        delete,
    ]
}

async fn token_cases(stack: &Stack) -> Vec<Case> {
    let (id, secret) = stack.new_client(&["files"]).await;
    vec![
        Case {
            content_type: "application/x-www-form-urlencoded",
            body: format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"),
            ..case("POST", "/oauth/token", "", None, 200)
        },
        Case {
            body: json!({ "client_id": id, "client_secret": secret }).to_string(),
            ..case("POST", "/api/v1/auth/token", "", None, 200)
        },
        Case {
            content_type: "application/x-www-form-urlencoded",
            body: format!("token=none&client_id={id}&client_secret={secret}"),
            ..case("POST", "/oauth/revoke", "", None, 200)
        },
        Case {
            content_type: "application/x-www-form-urlencoded",
            body: format!("token=none&client_id={id}&client_secret={secret}"),
            ..case("POST", "/oauth/introspect", "", None, 200)
        },
        case("GET", "/.well-known/openid-configuration", "", None, 200),
        case("GET", "/.well-known/jwks.json", "", None, 200),
        case("GET", "/.well-known/oauth-authorization-server", "", None, 200),
    ]
}

/// No login is configured on this stack: nobody is let in, and everybody is answered alike.
fn login_cases() -> Vec<Case> {
    let at = |method, route: &'static str, status| Case {
        path: route.replace("{provider}", "nobody"),
        ..case(method, route, "", None, status)
    };
    let json = |method, route, status| Case {
        body: "{}".to_owned(),
        ..case(method, route, "", None, status)
    };
    vec![
        at("GET", "/oauth/authorize", 400),
        at("POST", "/oauth/consent", 400),
        at("GET", "/oauth/logout", 200),
        // A form is asked for.
        at("POST", "/oauth/logout", 400),
        at("GET", "/oauth/logout/done", 200),
        // A form is asked for.
        at("POST", "/oauth/device_authorization", 415),
        at("GET", "/oauth/device", 200),
        at("POST", "/oauth/device", 400),
        at("GET", "/auth/providers", 200),
        at("GET", "/auth/authorize/{provider}", 400),
        at("GET", "/auth/callback/{provider}", 400),
        json("POST", "/auth/token", 400),
        json("POST", "/auth/refresh", 400),
        case("GET", "/auth/me", "", Some(ANYTHING), 200),
        // A key is of no session.
        case("POST", "/auth/logout", "", Some(ANYTHING), 404),
        case("GET", "/auth/sessions", "", Some("keys"), 200),
        case("DELETE", "/auth/sessions/{id}", "ses_none", Some("keys"), 404),
    ]
}
