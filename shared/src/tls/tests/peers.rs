//! What is spoken with whom.

use super::*;
use crate::recorded::Recorded;

/// B-08, B-09
#[tokio::test]
async fn the_client_certificate_is_shown_over_http_2_and_tls_1_3() {
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(scene.options());
    ask(&client, &server.url()).await.unwrap();
    ask(&client, &server.url()).await.unwrap();
    let last = scene.last();
    assert_eq!((&*last.protocol, &*last.tls), ("h2", "TLSv1_3"));
    assert_eq!(last.client.as_ref(), Some(&scene.client.certificate));
    assert_eq!(server.connections(), 1, "one pool");
}

/// B-08
#[tokio::test]
async fn a_peer_of_tls_1_2_and_http_1_1_is_spoken_to_where_the_minimum_is_1_2() {
    let scene = Scene::new();
    let wire = Wire {
        versions: &[&rustls::version::TLS12],
        protocols: &["http/1.1"],
        ..scene.wire()
    };
    let server = scene.serve(&wire).await;
    ask(&scene.client(scene.options()), &server.url()).await.unwrap();
    let last = scene.last();
    assert_eq!((&*last.protocol, &*last.tls), ("http/1.1", "TLSv1_2"));
    assert!(last.client.is_some());
}

/// B-08
#[tokio::test]
async fn a_peer_of_tls_1_2_is_refused_where_the_minimum_is_1_3() {
    let scene = Scene::new();
    let wire = Wire {
        versions: &[&rustls::version::TLS12],
        ..scene.wire()
    };
    let server = scene.serve(&wire).await;
    let client = scene.client(minimum_13(scene.options()));
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::NothingInCommon));
    server.speak(&scene.wire());
    ask(&client, &server.url()).await.unwrap();
}

/// B-08
#[tokio::test]
async fn a_peer_of_another_authority_is_refused() {
    let scene = Scene::new();
    let other = Authority::new("Other");
    let stranger = other.issue(&Leaf::new("localhost"));
    let server = scene.serve(&Wire::of(&stranger)).await;
    let client = scene.client(scene.options());
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::Untrusted));
    assert!(scene.seen.lock().unwrap().is_empty(), "nothing was said to it");
}

/// B-08
#[tokio::test]
async fn a_peer_whose_certificate_has_ended_or_not_begun_is_refused() {
    let scene = Scene::new();
    let leaf = Leaf::new("localhost").during(NOW - DAY, NOW + DAY);
    let identity = scene.authority.issue(&leaf);
    let server = scene.serve(&Wire::of(&identity)).await;
    ask(&scene.client(scene.options()), &server.url()).await.unwrap();
    scene.clock.advance_seconds(DAY + 1);
    let later = scene.client(scene.options());
    assert_eq!(ask(&later, &server.url()).await, Err(TlsFailure::Expired));
    scene.clock.advance_seconds(-2 * DAY - 2);
    let earlier = scene.client(scene.options());
    assert_eq!(ask(&earlier, &server.url()).await, Err(TlsFailure::Expired));
}

/// B-08
#[tokio::test]
async fn a_peer_of_another_name_is_refused() {
    let scene = Scene::new();
    let identity = scene.authority.issue(&Leaf::new("elsewhere.example"));
    let server = scene.serve(&Wire::of(&identity)).await;
    let client = scene.client(scene.options());
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::WrongName));
}

/// B-08: with TLS 1.3 the client believes the handshake done when it is refused.
#[tokio::test]
async fn a_peer_that_wants_a_certificate_refuses_none_and_one_of_another_authority() {
    let scene = Scene::new();
    let none = Options {
        certificate_file: None,
        key_file: None,
        ..scene.options()
    };
    Authority::new("Other")
        .issue(&Leaf::new("client"))
        .write(scene.folder.path(), "other");
    let other = Options {
        certificate_file: Some(scene.file("other.pem")),
        key_file: Some(scene.file("other.key")),
        ..scene.options()
    };
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        for protocols in [&["h2"], &["http/1.1"]] {
            let server = scene
                .serve(&Wire {
                    versions,
                    protocols,
                    ..scene.wire()
                })
                .await;
            for options in [&none, &other] {
                let client = scene.client(options.clone());
                let outcome = ask(&client, &server.url()).await;
                assert!(outcome.is_err_and(is_refusal), "{versions:?} {protocols:?} {options:?}");
            }
            assert_eq!(server.refused().len(), 2, "{:?}", server.refused());
        }
    }
    assert!(scene.seen.lock().unwrap().is_empty());
}

/// After a handshake of TLS 1.3 the peer's words may come too late.
fn is_refusal(failure: TlsFailure) -> bool {
    matches!(failure, TlsFailure::RefusedByPeer | TlsFailure::HungUp)
}

/// B-08
#[tokio::test]
async fn an_unknown_cipher_suite_is_warned_of_and_the_default_ones_are_used() {
    let logs = peer::logs::capture();
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let names = ["TLS_AES_128_GCM_SHA256", "TLS_RSA_WITH_RC4_128_MD5"];
    ask(&scene.client(suites(scene.options(), &names)), &server.url())
        .await
        .unwrap();
    assert_eq!(
        scene.last().suite,
        "TLS13_AES_256_GCM_SHA384",
        "the first of the defaults"
    );
    let text = logs.text();
    assert!(
        text.contains("WARN") && text.contains("TLS_RSA_WITH_RC4_128_MD5") && text.contains("default"),
        "{text}"
    );
}

/// B-07, B-08
#[tokio::test]
async fn only_the_cipher_suites_that_are_named_are_offered() {
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let one = suites(scene.options(), &["tls_chacha20_poly1305_sha256"]);
    ask(&scene.client(one.clone()), &server.url()).await.unwrap();
    assert_eq!(scene.last().suite, "TLS13_CHACHA20_POLY1305_SHA256");
    let other = [rustls::CipherSuite::TLS13_AES_256_GCM_SHA384];
    server.speak(&Wire {
        suites: &other,
        ..scene.wire()
    });
    assert_eq!(
        ask(&scene.client(one), &server.url()).await,
        Err(TlsFailure::NothingInCommon)
    );
}

/// B-19
#[tokio::test]
async fn handshakes_are_counted_by_their_result_and_successes_are_timed() {
    let recorded = Recorded::default();
    let _guard = recorded.begin();
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(scene.options());
    ask(&client, &server.url()).await.unwrap();
    ask(&client, &server.url()).await.unwrap();
    let count = |result| recorded.sum(&format!("tls_handshakes_total{{peer=peer,result={result}}}"));
    assert_eq!(count("success"), 1.0, "two requests, one handshake");
    let durations = recorded.values("tls_handshake_duration_seconds{peer=peer}");
    assert!(durations.len() == 1 && durations[0] > 0.0, "{durations:?}");

    let stranger = Authority::new("Other").issue(&Leaf::new("localhost"));
    server.speak(&Wire::of(&stranger));
    ask(&scene.client(scene.options()), &server.url()).await.unwrap_err();
    assert_eq!((count("success"), count("untrusted")), (1.0, 1.0));

    server.speak(&scene.wire());
    let none = Options {
        certificate_file: None,
        key_file: None,
        ..scene.options()
    };
    ask(&scene.client(none), &server.url()).await.unwrap_err();
    assert_eq!(count("refused_by_peer") + count("hung_up"), 1.0);
    assert_eq!(
        recorded.values("tls_handshake_duration_seconds{peer=peer}").len() as f64,
        count("success")
    );
}

/// B-19
#[tokio::test]
async fn a_peer_that_hangs_up_in_the_handshake_is_counted_and_one_that_is_not_there_is_not() {
    let recorded = Recorded::default();
    let _guard = recorded.begin();
    let scene = Scene::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let client = scene.client(scene.options());
    let (asked, ()) = tokio::join!(client.client().unwrap().get(&url).send(), async {
        drop(listener.accept().await.unwrap());
    });
    asked.unwrap_err();
    let broken = "tls_handshakes_total{peer=peer,result=broken}";
    let counted = recorded.sum(broken);
    assert!(counted >= 1.0);
    drop(listener);
    client.client().unwrap().get(&url).send().await.unwrap_err();
    assert_eq!(recorded.sum(broken), counted);
}

/// B-07: nothing is sent in the clear where TLS is configured.
#[tokio::test]
async fn a_peer_is_never_spoken_to_without_tls_where_tls_is_configured() {
    let scene = Scene::new();
    let server = Server::plain(Router::new()).await;
    let client = scene.client(scene.options());
    let error = client.client().unwrap().get(server.url()).send().await.unwrap_err();
    assert!(error.is_builder(), "{error:?}");
    assert_eq!(server.connections(), 0);
}
