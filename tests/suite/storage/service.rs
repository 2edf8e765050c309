//! What only a service can do: both hops behind mutual TLS, tokens that are refused, answers that are cut.

use gateway::config::ConfigError;
use http::Method;
use peer::{Authority, Leaf};
use serde_json::Value;
use tests::event::request;
use tests::in_process::Functions;
use tests::storage_service::Fault;
use tokio::sync::mpsc;

use super::*;

/// The storage of a client that may use both services.
pub(super) fn objects(backing: &Backing, services: &Services) -> Objects {
    read(backing, services, &services.settings()).unwrap()
}

fn read(backing: &Backing, services: &Services, settings: &str) -> Result<Objects, ConfigError> {
    let variables = services.variables(backing, settings);
    let aws = Aws::from_environment(backing.variables("upload", &[])).unwrap();
    Objects::read_from(&aws, &variables, &services.clock)
}

pub(super) struct Scene {
    pub(super) backing: Backing,
    pub(super) services: Services,
    objects: Objects,
}

impl Scene {
    /// The functions over the storage service.
    pub(super) fn functions(&self) -> Functions {
        let file = self.services.file("settings.yaml");
        Functions::with(&self.backing, &[("TOLLGATE_SETTINGS", file.to_str().unwrap())])
    }

    pub(super) async fn new() -> Self {
        let backing = Backing::start().await;
        let services = Services::start(&backing).await;
        let objects = objects(&backing, &services);
        Self {
            backing,
            services,
            objects,
        }
    }

    async fn put(&self) -> Result<(), Error> {
        self.objects.put(&owner(), ID, Bytes::from_static(b"hello")).await
    }

    async fn store(&self) -> Result<Stored, Error> {
        self.objects.store(&owner(), ID, upload(b"hello", None)).await
    }
}

/// Why it is unavailable, for the log.
fn unavailable<T>(outcome: Result<T, Error>) -> String {
    let error = outcome.err().expect("it should have failed");
    assert_eq!(error.kind, Kind::Unavailable);
    format!("{error:?}")
}

/// B-09: mutual TLS on both hops, HTTP/2, one token and one connection for all
#[tokio::test(flavor = "multi_thread")]
async fn token_service_and_storage_service_are_reached_by_mutual_tls_and_http_2_in_one_flow() {
    let scene = Scene::new().await;
    assert_eq!(scene.store().await.unwrap(), Stored::Whole(Sha256::of(b"hello")));
    assert_eq!(scene.objects.read(&owner(), ID).await.unwrap().unwrap(), "hello");
    scene.objects.delete(&owner(), ID).await.unwrap();
    let asked = scene.services.store.asked();
    let methods: Vec<_> = asked.iter().map(|(method, _)| method.clone()).collect();
    assert_eq!(methods, [Method::PUT, Method::GET, Method::DELETE]);
    let shown = std::fs::read_to_string(scene.services.file("gateway.pem")).unwrap();
    for (_, connection) in &asked {
        assert_eq!(
            (connection.number, &*connection.tls, &*connection.protocol),
            (1, "TLSv1_3", "h2")
        );
        assert!(pem_of(connection.client.as_ref().unwrap()) == shown.replace(['\r', '\n'], ""));
    }
    assert_eq!(scene.services.tokens.connections(), 1);
    let Objects::Service(service) = &scene.objects else {
        unreachable!()
    };
    assert!(service.health().iter().all(|it| it.status == "healthy"));
    assert_eq!(service.health().len(), 2);
}

/// A certificate in PEM, without its line ends.
fn pem_of(certificate: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::prelude::BASE64_STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----")
}

/// B-13: nothing is held whole
#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_an_upload_arrive_while_others_are_not_there_yet() {
    let scene = Scene::new().await;
    let mut received = scene.services.store.received();
    let (sender, receiver) = mpsc::channel::<Result<Bytes, Error>>(1);
    let chunks = stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    });
    let upload = Upload {
        size: 100_000,
        sha256: None,
        chunks: chunks.boxed(),
    };
    let owner = owner();
    let sending = async {
        for number in 1..=10 {
            sender.send(Ok(Bytes::from(vec![7; 10_000]))).await.unwrap();
            // The last bytes are kept back until the end was seen.
            if number < 10 {
                received.wait_for(|all| *all >= number * 10_000).await.unwrap();
            }
        }
        drop(sender);
    };
    let (stored, ()) = tokio::join!(scene.objects.store(&owner, ID, upload), sending);
    assert_eq!(stored.unwrap(), Stored::Whole(Sha256::of(&[7; 100_000])));
}

/// B-13
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_or_spoilt_ends_in_an_error() {
    let scene = Scene::new().await;
    let bytes = bytes(300_000);
    scene.objects.put(&owner(), ID, bytes.into()).await.unwrap();
    let whole = async || match scene.objects.open(&owner(), ID, None).await? {
        Opened::Found(object) => rest(object).await,
        Opened::Missing | Opened::Unsatisfiable { .. } => panic!("it is there"),
    };
    for fault in [Fault::Cut(0), Fault::Cut(100_000), Fault::Cut(299_999), Fault::Spoilt] {
        scene.services.store.fails([fault]);
        unavailable(whole().await);
    }
    whole().await.unwrap();
}

/// B-13, B-17
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_replaced_once() {
    let scene = Scene::new().await;
    let asked = || scene.services.store.asked().len();
    scene.services.store.fails([Fault::Status(401)]);
    scene.put().await.unwrap();
    assert_eq!(asked(), 2);
    scene.services.store.fails([Fault::Status(401), Fault::Status(401)]);
    unavailable(scene.objects.info(&owner(), ID).await);
    assert_eq!(asked(), 4);
    // A stream cannot be sent twice; the next one has another token.
    scene.services.store.fails([Fault::Status(401)]);
    unavailable(scene.store().await);
    assert_eq!(asked(), 5);
    scene.store().await.unwrap();
    // A token ends, and a new one is fetched before that.
    scene.services.clock.advance_seconds(1500);
    scene.put().await.unwrap();
}

/// B-11, B-13: storage down
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_is_unavailable_and_has_nothing_half_stored() {
    let scene = Scene::new().await;
    for status in [500, 503, 507, 403, 302] {
        let fails = || scene.services.store.fails([Fault::Status(status)]);
        fails();
        unavailable(scene.put().await);
        fails();
        unavailable(scene.store().await);
        fails();
        unavailable(scene.objects.info(&owner(), ID).await);
        fails();
        unavailable(scene.objects.open(&owner(), ID, None).await.map(drop));
        fails();
        unavailable(scene.objects.delete(&owner(), ID).await);
    }
    assert_eq!(scene.services.store.files(), 0);
    scene.put().await.unwrap();
}

/// B-08, B-09: both hops
#[tokio::test(flavor = "multi_thread")]
async fn either_hop_is_refused_without_a_certificate_or_with_an_authority_that_is_not_trusted() {
    let scene = Scene::new().await;
    let services = &scene.services;
    Authority::new("Other").write(services.file("ca.pem").parent().unwrap(), "other.pem");
    let (ours, right) = (services.file("ca.pem").display().to_string(), services.settings());
    let other = services.file("other.pem").display().to_string();
    let shown = format!(
        ", certificate_file: {}, key_file: {}",
        services.file("gateway.pem").display(),
        services.file("gateway.key").display()
    );
    for (from, to) in [(&*ours, &*other), (&*shown, "")] {
        let storage = right.replacen(from, to, 1);
        let first = right.find(from).unwrap() + from.len();
        let tokens = right[..first].to_owned() + &right[first..].replacen(from, to, 1);
        for (settings, place) in [(storage, "storage service"), (tokens, "token endpoint")] {
            let objects = read(&scene.backing, services, &settings).unwrap();
            let why = unavailable(objects.put(&owner(), ID, Bytes::from_static(b"x")).await);
            assert!(why.contains(place) && why.contains("TLS"), "{why}");
        }
    }
    assert_eq!((services.store.files(), services.store.asked().len()), (0, 0));
}

/// B-08: reload while serving
#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_to_the_storage_service_without_a_restart() {
    let scene = Scene::new().await;
    let services = &scene.services;
    scene.put().await.unwrap();
    let fresh = services.authority.issue(&Leaf::new("gateway"));
    fresh.write(services.file("ca.pem").parent().unwrap(), "gateway");
    services.clock.advance_seconds(gateway::tls::CHECK_SECONDS);
    scene.put().await.unwrap();
    let (_, connection) = services.store.asked().pop().unwrap();
    assert_eq!(connection.client, Some(fresh.certificate));
}

/// B-07
#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_of_the_storage_are_named() {
    let scene = Scene::new().await;
    let right = scene.services.settings();
    for (from, to, named) in [
        ("base_url: https", "base_url: ftp", "storage.service.base_url"),
        ("    tls:", "    tsl:", "storage.service.tsl"),
        ("      client_id:", "      client:", "storage.service.token.client"),
        ("      base_url:", "      path:", "storage.service.token.base_url"),
        ("gateway.key", "nowhere.key", "nowhere.key"),
        (
            "minimum_version: 1.3",
            "minimum_version: 3",
            "storage.service.tls.minimum_version",
        ),
    ] {
        let error = read(&scene.backing, &scene.services, &right.replacen(from, to, 1))
            .err()
            .unwrap();
        assert!(error.to_string().contains(named), "{from}: {error}");
    }
}

/// B-12, B-13: the upload function over the storage service
#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_through_the_upload_function_to_the_storage_service_and_back() {
    let scene = Scene::new().await;
    let functions = scene.functions();
    let body =
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello, storage\r\n--b--\r\n";
    let post = || {
        let post = request("POST", "/api/v1/files/upload").by("user:storage");
        let post = post.header("content-type", "multipart/form-data; boundary=b");
        post.body(body.as_bytes())
    };
    let answer = functions.ask("upload", &post()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let file: Value = serde_json::from_slice(&answer.body).unwrap();
    let path = format!("/api/v1/files/{}/content", file["file_id"].as_str().unwrap());
    let answer = functions.ask("upload", &request("GET", &path).by("user:storage")).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello, storage"[..]));
    assert_eq!(scene.services.store.files(), 1);
    scene.services.store.fails([Fault::Status(503)]);
    assert_eq!(functions.ask("upload", &post()).await.status, 503);
    assert_eq!(scene.services.store.files(), 1);
}
