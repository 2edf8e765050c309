//! Clients that authenticate by certificate, and tokens that are bound to one (RFC 8705), by events as API Gateway makes them on a
//! domain with mutual TLS. The handshake itself is in `end_to_end/mutual_tls.rs`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tests::answer::{Answer, HttpAnswer};
use tests::authority::{Authority, ClientCertificate};
use tests::backing::Backing;
use tests::event::{Request, request};
use tests::in_process::Functions;

const GRANT: &str = "grant_type=client_credentials";
const DN: &str = "tls_client_auth_subject_dn";
const SAN: &str = "tls_client_auth_san_dns";
const BINDS: &str = "tls_client_certificate_bound_access_tokens";

struct House {
    functions: Functions,
    authority: Authority,
    _backing: Backing,
}

impl House {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(variables: &[(&'static str, &str)]) -> Self {
        let backing = Backing::start().await;
        Self {
            functions: Functions::with(&backing, variables),
            authority: Authority::new("clients"),
            _backing: backing,
        }
    }

    async fn admin(&self, asked: Request) -> HttpAnswer {
        let admin = json!({"sub": "user:root", "scopes": "admin"});
        self.functions.ask("admin", &asked.principal(admin)).await
    }

    async fn account(&self, wish: Value) -> Value {
        let mut all = json!({ "name": "nightly", "scopes": ["usage:read", "files", "models:invoke"] });
        all.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        let answer = self.admin(request("POST", "/api/admin/clients").json(&all)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    }

    async fn change(&self, account: &Value, wish: &Value) -> HttpAnswer {
        let path = format!("/api/admin/clients/{}", id(account));
        self.admin(request("PATCH", &path).json(wish)).await
    }

    async fn form(&self, path: &str, form: &str, shown: Option<&ClientCertificate>) -> HttpAnswer {
        let asked = request("POST", path).header("Content-Type", "application/x-www-form-urlencoded");
        self.functions.ask("token", &on(asked.body(form), shown)).await
    }

    async fn token(&self, form: &str, shown: Option<&ClientCertificate>) -> HttpAnswer {
        self.form("/oauth/token", &format!("{GRANT}&{form}"), shown).await
    }

    /// What the authorizer says of a token on a connection: its context, or nothing.
    async fn authorized(&self, token: &str, shown: Option<&ClientCertificate>) -> Option<Value> {
        let mut event = json!({
            "type": "REQUEST", "methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/live/GET/api/v1/files",
            "headers": {"Authorization": format!("Bearer {token}")}, "requestContext": {"identity": {}},
        });
        if let Some(shown) = shown {
            event["requestContext"]["identity"]["clientCert"] = json!({ "clientCertPem": shown.pem });
        }
        match self.functions.call("authorizer", &event).await {
            Answer::Direct(value) if value["context"].is_object() => Some(value["context"].clone()),
            Answer::Direct(value) => {
                assert_eq!(value["errorMessage"], "Unauthorized", "{value}");
                None
            }
            other => panic!("{other:?}"),
        }
    }
}

fn on(asked: Request, shown: Option<&ClientCertificate>) -> Request {
    match shown {
        Some(certificate) => asked.certificate(&certificate.pem),
        None => asked,
    }
}

fn id(account: &Value) -> &str {
    account["client_id"].as_str().unwrap()
}

/// The token of an answer, and what it says.
fn token_of(answer: &HttpAnswer) -> (String, Value) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    (token, serde_json::from_slice(&payload).unwrap())
}

fn refused(answer: &HttpAnswer) -> bool {
    answer.status == 401 && answer.json()["error"] == "invalid_client"
}

/// RFC 8705, sections 2.1 and 3.1
#[tokio::test]
async fn an_account_authenticates_by_its_certificate_in_form_and_json_and_has_no_secret() {
    let house = House::open().await;
    let shown = house.authority.certificate("build.example.com");
    for expected in [
        json!({ SAN: "build.example.com" }),
        json!({ DN: "CN=build.example.com,O=Example" }),
        json!({ "x5t#S256": shown.thumbprint }),
    ] {
        let account = house.account(json!({ "certificate": expected })).await;
        assert_eq!((account.get("client_secret"), &account["secrets"]), (None, &json!([])));
        assert_eq!((&account["certificate"], &account[BINDS]), (&expected, &json!(true)));
        let by_form = house.token(&format!("client_id={}", id(&account)), Some(&shown)).await;
        let by_json = request("POST", "/api/v1/auth/token").json(&json!({ "client_id": id(&account) }));
        let by_json = house.functions.ask("token", &on(by_json, Some(&shown))).await;
        for answer in [&by_form, &by_json] {
            let (_, claims) = token_of(answer);
            assert_eq!(claims["cnf"], json!({ "x5t#S256": shown.thumbprint }));
            assert_eq!(claims["sub"], format!("client:{}", id(&account)));
            assert_eq!(
                (answer.header("cache-control"), answer.header("pragma")),
                ("no-store", "no-cache")
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_certificate_none_and_an_unknown_client_get_the_same_bytes() {
    let house = House::open().await;
    let right = house.authority.certificate("build.example.com");
    let account = house
        .account(json!({ "certificate": { SAN: "build.example.com" } }))
        .await;
    let by_secret = house.account(json!({})).await;
    let secret = by_secret["client_secret"].as_str().unwrap();
    let other = house.authority.certificate("other.example.com");
    let over = house.authority.certificate_with("build.example.com", |params| {
        params.not_after = rcgen::date_time_ymd(2026, 11, 30);
    });
    let broken = ClientCertificate {
        pem: "CERT_CONTENT".into(),
        ..right.clone()
    };
    let own = format!("client_id={}", id(&account));
    let cases = [
        ("no certificate", own.clone(), None),
        ("another's certificate", own.clone(), Some(&other)),
        ("one that is over", own.clone(), Some(&over)),
        ("what is none", own.clone(), Some(&broken)),
        ("nobody's client", "client_id=client_unknown".into(), Some(&right)),
        ("no client's name", "client_id=%27%22".into(), Some(&right)),
        (
            "a client with a secret",
            format!("client_id={}", id(&by_secret)),
            Some(&right),
        ),
        (
            "a secret of somebody else's",
            format!("{own}&client_secret={secret}"),
            Some(&right),
        ),
    ];
    let expected = house.token("client_id=client_unknown&client_secret=x", None).await;
    for (name, form, shown) in cases {
        let answer = house.token(&form, shown).await;
        assert!(refused(&answer), "{name}: {answer:?}");
        assert_eq!(answer.body, expected.body, "{name}");
    }
    let told = request("POST", "/oauth/token").header("Content-Type", "application/x-www-form-urlencoded");
    // What a header says of a certificate means nothing.
    for name in [
        "x-amzn-mtls-clientcert",
        "x-forwarded-client-cert",
        "ssl-client-cert",
        "clientCert",
    ] {
        let asked = told.clone().header(name, &right.pem.replace('\n', "%0A"));
        let answer = house
            .functions
            .ask("token", &asked.body(format!("{GRANT}&{own}")))
            .await;
        assert!(refused(&answer), "{name}: {answer:?}");
    }
    assert_eq!(house.token(&own, Some(&right)).await.status, 200);
}

/// One way of authentication for each account: that which it had before opens nothing.
#[tokio::test]
async fn a_secret_opens_nothing_while_its_account_has_a_certificate() {
    let house = House::open().await;
    let account = house.account(json!({})).await;
    let shown = house.authority.certificate("build.example.com");
    let form = format!("client_id={}", id(&account));
    let with_secret = format!("{form}&client_secret={}", account["client_secret"].as_str().unwrap());
    assert_eq!(house.token(&with_secret, Some(&shown)).await.status, 200);
    let changed = house
        .change(&account, &json!({ "certificate": { SAN: "build.example.com" } }))
        .await;
    assert_eq!((changed.status, &changed.json()[BINDS]), (200, &json!(true)));
    assert!(refused(&house.token(&with_secret, Some(&shown)).await));
    assert!(refused(&house.token(&with_secret, None).await));
    assert_eq!(house.token(&form, Some(&shown)).await.status, 200);
    let secrets = format!("/api/admin/clients/{}/secrets", id(&account));
    assert_eq!(
        house.admin(request("POST", &secrets).json(&json!({}))).await.status,
        409
    );
    assert_eq!(
        house.change(&account, &json!({ "certificate": null })).await.status,
        200
    );
    assert!(refused(&house.token(&form, Some(&shown)).await));
    let (_, claims) = token_of(&house.token(&with_secret, Some(&shown)).await);
    assert_eq!(claims.get("cnf"), None);
    let trail = house.admin(request("GET", "/api/admin/audit")).await.json();
    assert!(
        trail.to_string().contains("build.example.com"),
        "the trail tells of the certificate"
    );
}

/// RFC 8705, section 3.4: binding is a choice of its own.
#[tokio::test]
async fn tokens_are_bound_as_the_account_says_and_there_is_none_without_a_certificate_to_bind_to() {
    let house = House::open().await;
    let shown = house.authority.certificate("build.example.com");
    let by_secret = house.account(json!({ BINDS: true })).await;
    let form = format!(
        "client_id={}&client_secret={}",
        id(&by_secret),
        by_secret["client_secret"].as_str().unwrap()
    );
    let (_, claims) = token_of(&house.token(&form, Some(&shown)).await);
    assert_eq!(claims["cnf"]["x5t#S256"], shown.thumbprint);
    let unbound = house.token(&form, None).await;
    assert_eq!(
        (unbound.status, &unbound.json()["error"]),
        (400, &json!("invalid_request"))
    );
    let free = house
        .account(json!({ "certificate": { SAN: "build.example.com" }, BINDS: false }))
        .await;
    let (token, claims) = token_of(&house.token(&format!("client_id={}", id(&free)), Some(&shown)).await);
    assert_eq!(claims.get("cnf"), None);
    assert!(house.authorized(&token, None).await.is_some());
    for wish in [
        json!({ BINDS: "yes" }),
        json!({ "certificate": {} }),
        json!({ "certificate": { SAN: "a", DN: "CN=a" } }),
    ] {
        assert_eq!(house.change(&free, &wish).await.status, 400, "{wish}");
    }
}

/// RFC 8705, section 3: at the authorizer, and once more at each function, since API Gateway may keep the authorizer's answer.
#[tokio::test]
async fn a_bound_token_counts_on_a_connection_with_its_own_certificate_alone() {
    let house = House::open().await;
    let own = house.authority.certificate("build.example.com");
    // Of the same name, by the same authority.
    let other = house.authority.certificate("build.example.com");
    let account = house
        .account(json!({ "certificate": { SAN: "build.example.com" } }))
        .await;
    let (token, _) = token_of(&house.token(&format!("client_id={}", id(&account)), Some(&own)).await);
    // One that cannot be read is a failure, and not the lack of one.
    let mut unreadable = house.authority.certificate("build.example.com");
    unreadable.pem = unreadable.pem.replace("MII", "MIJ");
    for wrong in [Some(&other), Some(&unreadable), None] {
        assert!(house.authorized(&token, wrong).await.is_none());
    }
    let answer = house
        .token(&format!("client_id={}", id(&account)), Some(&unreadable))
        .await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let context = house.authorized(&token, Some(&own)).await.unwrap();
    assert_eq!(context["cnf"], own.thumbprint);
    let messages =
        json!({ "model": "claude-sonnet-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}] });
    let routes = [
        ("upload", request("GET", "/api/v1/files")),
        ("admin", request("GET", "/api/usage/records")),
        ("token", request("GET", "/auth/me")),
        ("stream", request("POST", "/anthropic/v1/messages").json(&messages)),
    ];
    for (function, asked) in routes {
        let ask = async |shown: Option<&ClientCertificate>, context: &Value| {
            let asked = on(asked.clone().principal(context.clone()), shown);
            house.functions.ask(function, &asked).await
        };
        for wrong in [Some(&other), Some(&unreadable), None] {
            let answer = ask(wrong, &context).await;
            assert_eq!(answer.status, 401, "{function}: {answer:?}");
        }
        assert_ne!(ask(Some(&own), &context).await.status, 401, "{function}");
        let mut senseless = context.clone();
        senseless["cnf"] = json!("none");
        assert_eq!(ask(Some(&own), &senseless).await.status, 500, "{function}");
    }
}

#[tokio::test]
async fn introspection_tells_of_the_binding_and_a_client_by_certificate_may_ask_and_revoke() {
    let house = House::open().await;
    let shown = house.authority.certificate("build.example.com");
    let account = house
        .account(json!({ "certificate": { SAN: "build.example.com" } }))
        .await;
    let (token, _) = token_of(&house.token(&format!("client_id={}", id(&account)), Some(&shown)).await);
    let form = format!("client_id={}&token={token}", id(&account));
    let told = house.form("/oauth/introspect", &form, Some(&shown)).await.json();
    assert_eq!(
        (&told["active"], &told["cnf"]["x5t#S256"]),
        (&json!(true), &json!(shown.thumbprint))
    );
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        assert!(refused(&house.form(path, &form, None).await));
    }
    assert_eq!(house.form("/oauth/revoke", &form, Some(&shown)).await.status, 200);
    let told = house.form("/oauth/introspect", &form, Some(&shown)).await;
    assert_eq!(&told.body[..], br#"{"active":false}"#);
}

/// RFC 8705, sections 3.3 and 5: said where there is such a domain, and not where there is none.
#[tokio::test]
async fn the_metadata_tells_of_mutual_tls_where_there_is_a_domain_for_it() {
    let (house, without) = (
        House::with(&[("TOLLGATE_MUTUAL_TLS_URL", "https://mtls.gateway.example")]).await,
        House::open().await,
    );
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        let told = house.functions.ask("token", &request("GET", path)).await.json();
        assert_eq!(told[BINDS], true);
        let aliases = told["mtls_endpoint_aliases"].as_object().unwrap();
        for (name, url) in aliases {
            let elsewhere = told[name]
                .as_str()
                .unwrap()
                .replace(tests::fixtures::ISSUER, "https://mtls.gateway.example");
            assert_eq!(url.as_str().unwrap(), elsewhere, "{name}");
        }
        for endpoint in ["token", "revocation", "introspection"] {
            assert!(aliases.contains_key(&format!("{endpoint}_endpoint")));
            let methods = &told[&format!("{endpoint}_endpoint_auth_methods_supported")];
            assert!(
                methods.as_array().unwrap().contains(&json!("tls_client_auth")),
                "{endpoint}"
            );
        }
        let text = without
            .functions
            .ask("token", &request("GET", path))
            .await
            .json()
            .to_string();
        assert!(!text.contains("tls"), "{text}");
    }
}
