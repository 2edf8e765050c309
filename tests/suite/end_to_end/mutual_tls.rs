//! Mutual TLS by real handshakes: a domain that asks for certificates beside one that does not, and the default endpoint off.

use reqwest::{Certificate, Client, Identity, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::authority::{Authority, ClientCertificate};
use tests::local::{MODEL, PATIENCE, Route, Stack, marker};

const RECORDS: &str = "/api/usage/records";

struct Domains {
    stack: Stack,
    authority: Authority,
    _folder: TempDir,
}

impl Domains {
    async fn start(arguments: &[&str]) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("clients"));
        let store = folder.path().join("truststore.pem");
        std::fs::write(&store, &authority.pem).unwrap();
        let mutual = ["--tls", "--mutual-tls", store.to_str().unwrap(), "--environments", "2"];
        let stack = Stack::start(&[&mutual, arguments].concat()).await;
        Self {
            stack,
            authority,
            _folder: folder,
        }
    }

    /// Somebody who shows this certificate at the domain that asks for one, or comes without by the other.
    fn caller(&self, shown: Option<&ClientCertificate>) -> Caller {
        let ready = self.stack.ready();
        let ca = std::fs::read(ready.ca.as_deref().unwrap()).unwrap();
        let client = Client::builder()
            .timeout(PATIENCE)
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()]);
        let (client, url) = match shown {
            Some(shown) => {
                let identity = Identity::from_pem(format!("{}{}", shown.pem, shown.key).as_bytes()).unwrap();
                (client.identity(identity), &ready.gateway_mutual_tls)
            }
            None => (client, &ready.gateway_tls),
        };
        Caller {
            client: client.build().unwrap(),
            url: url.clone().unwrap(),
        }
    }

    async fn account(&self, wish: Value) -> String {
        let admin = &self.stack.ready().admin_key;
        let made = self.caller(None).post("/api/admin/clients", admin, &wish).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.unwrap();
        made["client_id"].as_str().unwrap().to_owned()
    }
}

struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    async fn get(&self, path: &str, credential: &str) -> Response {
        let asked = self.client.get(format!("{}{path}", self.url));
        asked.bearer_auth(credential).send().await.unwrap()
    }

    async fn post(&self, path: &str, credential: &str, body: &Value) -> Response {
        let asked = self.client.post(format!("{}{path}", self.url)).json(body);
        asked.bearer_auth(credential).send().await.unwrap()
    }

    async fn model(&self, route: Route, credential: &str, text: &str) -> u16 {
        let answer = self
            .post(&route.path(MODEL), credential, &route.body(MODEL, text))
            .await;
        let status = answer.status().as_u16();
        answer.bytes().await.unwrap();
        status
    }

    async fn token(&self, client_id: &str) -> Response {
        let asked = self.client.post(format!("{}/oauth/token", self.url));
        let form = format!("grant_type=client_credentials&client_id={client_id}");
        let asked = asked.header("content-type", "application/x-www-form-urlencoded");
        asked.body(form).send().await.unwrap()
    }
}

async fn access_token(answer: Response) -> String {
    assert_eq!(answer.status(), 200);
    let told: Value = answer.json().await.unwrap();
    told["access_token"].as_str().unwrap().to_owned()
}

fn wish(name: &str) -> Value {
    json!({ "name": "a test's", "scopes": ["models:invoke", "usage:read"], "certificate": { "tls_client_auth_san_dns": name } })
}

/// RFC 8705: the client with its own certificate gets a token and calls with it; every other connection gets neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_gets_its_token_by_certificate_and_calls_on_a_connection_with_that_certificate_alone() {
    let domains = Domains::start(&[]).await;
    let own = domains.authority.certificate("build.example.com");
    let other = domains.authority.certificate("other.example.com");
    let client_id = domains.account(wish("build.example.com")).await;
    let token = access_token(domains.caller(Some(&own)).token(&client_id).await).await;
    for wrong in [Some(&other), None] {
        let refused = domains.caller(wrong).token(&client_id).await;
        assert_eq!(refused.status(), 401);
        let told: Value = refused.json().await.unwrap();
        assert_eq!(told["error"], "invalid_client");
    }
    let (mark, stolen) = (marker(), marker());
    assert_eq!(domains.caller(Some(&own)).get(RECORDS, &token).await.status(), 200);
    for route in Route::ALL {
        assert_eq!(
            domains.caller(Some(&own)).model(route, &token, &mark).await,
            200,
            "{route:?}"
        );
        for wrong in [Some(&other), None] {
            assert_eq!(
                domains.caller(wrong).model(route, &token, &stolen).await,
                401,
                "{route:?}"
            );
        }
    }
    assert_eq!(domains.stack.mock().requests(&stolen).await.len(), 0);
    // Whatever a header says, on either domain.
    for shown in [Some(&other), None] {
        let caller = domains.caller(shown);
        let mut asked = caller
            .client
            .get(format!("{}{RECORDS}", caller.url))
            .bearer_auth(&token);
        for name in [
            "x-amzn-mtls-clientcert",
            "x-forwarded-client-cert",
            "clientCert",
            "clientCertPem",
        ] {
            asked = asked.header(name, own.pem.replace('\n', "%0A"));
        }
        assert_eq!(asked.send().await.unwrap().status(), 401);
    }
    // A key of somebody else's is bound to nothing.
    let key = &domains.stack.ready().api_key;
    for shown in [Some(&own), Some(&other), None] {
        assert_eq!(domains.caller(shown).get(RECORDS, key).await.status(), 200);
    }
}

/// At the door: no certificate, one of an authority that is not trusted, one that is over, and the endpoint that every API has.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_trusted_certificate_there_is_no_connection_and_no_way_round() {
    let domains = Domains::start(&[]).await;
    let path = "/.well-known/oauth-authorization-server";
    let ready = domains.stack.ready();
    let untrusted = Authority::new("clients").certificate("build.example.com");
    let over = domains.authority.certificate_with("build.example.com", |params| {
        params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    });
    for (name, shown) in [("untrusted", Some(&untrusted)), ("over", Some(&over)), ("none", None)] {
        let client = domains.caller(shown).client;
        let url = format!("{}{path}", ready.gateway_mutual_tls.as_deref().unwrap());
        let error = client.get(url).send().await.expect_err(name);
        assert!(!error.is_timeout(), "{name}: {error:?}");
    }
    let past = domains.stack.anonymous().get(path).await;
    assert_eq!((past.status, past.text().as_str()), (403, r#"{"message":"Forbidden"}"#));
    assert_eq!(domains.stack.admin().get("/api/admin/clients").await.status, 403);
    let told: Value = domains.caller(None).get(path, "").await.json().await.unwrap();
    assert_eq!(told["issuer"].as_str(), ready.gateway_tls.as_deref());
    let mutual = ready.gateway_mutual_tls.as_deref().unwrap();
    assert_eq!(
        told["mtls_endpoint_aliases"]["token_endpoint"],
        format!("{mutual}/oauth/token")
    );
}

/// Where API Gateway keeps the authorizer's answers, it keeps them by the token alone: the function looks at the certificate itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_of_the_authorizer_serves_no_other_certificate() {
    let domains = Domains::start(&["--authorizer-ttl", "300"]).await;
    let own = domains.authority.certificate("build.example.com");
    let other = domains.authority.certificate("build.example.com");
    let client_id = domains.account(wish("build.example.com")).await;
    let token = access_token(domains.caller(Some(&own)).token(&client_id).await).await;
    assert_eq!(domains.caller(Some(&own)).get(RECORDS, &token).await.status(), 200);
    let mark = marker();
    for wrong in [Some(&other), None] {
        let caller = domains.caller(wrong);
        let refused = caller.get(RECORDS, &token).await;
        assert_eq!(refused.status(), 401);
        // In the function's words: the authorizer is not asked again.
        let told: Value = refused.json().await.unwrap();
        assert_eq!(told["code"], "unauthenticated", "{told}");
        for route in Route::ALL {
            let expected = if route.is_bedrock() { 403 } else { 401 };
            assert_eq!(caller.model(route, &token, &mark).await, expected, "{route:?}");
        }
    }
    assert_eq!(domains.stack.mock().requests(&mark).await.len(), 0);
    assert_eq!(domains.caller(Some(&own)).get(RECORDS, &token).await.status(), 200);
}
