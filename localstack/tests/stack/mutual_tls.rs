//! A domain with mutual TLS: who gets a connection, and what the events tell of the client.

use std::path::{Path, PathBuf};

use localstack::stack::Stack;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{PATIENCE, Running, start_with};

/// An authority that signs clients' certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// The certificate and the key of a client, both in PEM.
    fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example, Inc.");
        params.distinguished_name.push(DnType::CommonName, "build");
        params.not_before = date_time_ymd(2025, 3, 9);
        params.not_after = date_time_ymd(2100, 12, 24);
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, 0xb1, 0x02]));
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

struct Domain {
    running: Running,
    authority: Authority,
    _folder: TempDir,
}

fn truststore(folder: &Path, authorities: &[&Authority]) -> PathBuf {
    let path = folder.join("truststore.pem");
    let all: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    std::fs::write(&path, all).unwrap();
    path
}

impl Domain {
    async fn start() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("clients"));
        let store = truststore(folder.path(), &[&Authority::new("others"), &authority]);
        let running = start_with(|options| {
            options.tls = true;
            options.mutual_tls = Some(store);
        })
        .await;
        Self {
            running,
            authority,
            _folder: folder,
        }
    }

    fn stack(&self) -> &Stack {
        &self.running.stack
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack().ready().gateway_mutual_tls.as_deref().unwrap())
    }

    fn client(&self, shown: Option<&(String, String)>) -> Client {
        let ca = std::fs::read(self.stack().ready().ca.as_deref().unwrap()).unwrap();
        let builder = Client::builder()
            .timeout(PATIENCE)
            .tls_certs_only([Certificate::from_pem(&ca).unwrap()]);
        let builder = match shown {
            Some((certificate, key)) => {
                builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap())
            }
            None => builder,
        };
        builder.build().unwrap()
    }

    async fn is_served(&self, shown: Option<&(String, String)>) -> bool {
        let answer = self.client(shown).get(self.url("/open/x")).send().await;
        answer
            .inspect_err(|error| assert!(!error.is_timeout(), "{error:?}"))
            .is_ok()
    }
}

/// As in AWS's examples of the two events.
#[tokio::test(flavor = "multi_thread")]
async fn both_events_tell_of_a_trusted_clients_certificate_whatever_a_header_says() {
    let domain = Domain::start().await;
    let shown = domain.authority.client(|_| ());
    let expected = json!({
        "clientCertPem": shown.0.replace("\r\n", "\n"),
        "subjectDN": r"CN=build,O=Example\, Inc.",
        "issuerDN": "CN=clients",
        "serialNumber": "0a:b1:02",
        "validity": { "notBefore": "Mar  9 00:00:00 2025 GMT", "notAfter": "Dec 24 00:00:00 2100 GMT" },
    });
    let request = domain.client(Some(&shown)).get(domain.url("/closed"));
    let request = request
        .header("authorization", "allow")
        .header("x-amzn-mtls-clientcert", "forged")
        .header("x-forwarded-client-cert", "forged");
    let echo: Value = request.send().await.unwrap().json().await.unwrap();
    let context = &echo["event"]["requestContext"];
    assert_eq!(context["identity"]["clientCert"], expected);
    let told: Value = serde_json::from_str(context["authorizer"]["certificate"].as_str().unwrap()).unwrap();
    assert_eq!(told, expected, "the authorizer's event");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_certificate_an_untrusted_and_an_expired_one_get_no_connection() {
    let domain = Domain::start().await;
    let good = domain.authority.client(|_| ());
    assert!(domain.is_served(Some(&good)).await);
    assert!(!domain.is_served(None).await);
    // By its name it is the authority that is trusted.
    let untrusted = Authority::new("clients").client(|_| ());
    let expired = domain
        .authority
        .client(|params| params.not_after = date_time_ymd(2026, 1, 1));
    let early = domain
        .authority
        .client(|params| params.not_before = date_time_ymd(2099, 1, 1));
    for (why, shown) in [("untrusted", untrusted), ("expired", expired), ("early", early)] {
        assert!(!domain.is_served(Some(&shown)).await, "{why}");
    }
}

/// `DisableExecuteApiEndpoint` in the template, by the parameter that names the domain.
#[tokio::test(flavor = "multi_thread")]
async fn beside_mutual_tls_the_default_endpoint_is_off_and_a_plain_domain_knows_of_no_certificate() {
    let domain = Domain::start().await;
    let refused = domain.running.get("/open/x").await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.text().await.unwrap(), r#"{"message":"Forbidden"}"#);
    let plain = format!("{}/open/x", domain.stack().ready().gateway_tls.as_deref().unwrap());
    let shown = domain.authority.client(|_| ());
    let asked = domain.client(Some(&shown)).get(plain).header("clientCert", "forged");
    let echo: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(echo["event"]["requestContext"]["identity"].get("clientCert"), None);
    // The issuer is where those without a certificate can read it.
    assert_eq!(
        echo["environment"]["ISSUER"].as_str(),
        domain.stack().ready().gateway_tls.as_deref()
    );
    let without = crate::support::start().await;
    assert_eq!(without.get("/open/x").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truststore_that_holds_no_certificate_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = truststore(folder.path(), &[]);
    let binaries = crate::support::binaries();
    let mut options = crate::support::options(&binaries);
    options.mutual_tls = Some(path);
    assert!(Stack::start(&options).await.is_err());
}
