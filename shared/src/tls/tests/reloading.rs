//! Certificates that change while they are used.

use super::*;
use crate::tls::CHECK_SECONDS;

/// B-08: reload while serving
#[tokio::test]
async fn a_new_certificate_counts_without_a_restart_and_no_request_fails_meanwhile() {
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(scene.options());
    ask(&client, &server.url()).await.unwrap();
    let fresh = scene.authority.issue(&Leaf::new("client"));
    let asking = async {
        for round in 0..60 {
            if round == 20 {
                fresh.write(scene.folder.path(), "client");
                scene.clock.advance_seconds(CHECK_SECONDS - 1);
            }
            if round == 40 {
                let last = scene.last();
                assert_eq!(
                    last.client.as_ref(),
                    Some(&scene.client.certificate),
                    "it is too early to look"
                );
                scene.clock.advance_seconds(1);
            }
            let url = server.url();
            let (one, two) = tokio::join!(ask(&client, &url), ask(&client, &url));
            assert_eq!((one, two), (Ok(()), Ok(())), "round {round}");
        }
    };
    asking.await;
    assert_eq!(scene.last().client.as_ref(), Some(&fresh.certificate));
}

/// B-08: reload while serving
#[tokio::test]
async fn a_new_authority_counts_without_a_restart_and_the_old_one_no_more() {
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(scene.options());
    ask(&client, &server.url()).await.unwrap();
    let other = Authority::new("Next");
    let next = other.issue(&Leaf::new("localhost"));
    other.write(scene.folder.path(), "ca.pem");
    scene.clock.advance_seconds(CHECK_SECONDS);
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::Untrusted));
    server.speak(&Wire {
        identity: &next,
        ..scene.wire()
    });
    ask(&client, &server.url()).await.unwrap();
}

/// B-08: reload while serving
#[tokio::test]
async fn a_broken_new_file_keeps_the_old_certificate_and_is_warned_of_once() {
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(scene.options());
    ask(&client, &server.url()).await.unwrap();
    let logs = peer::logs::capture();
    // The first: a new certificate is written, and its key not yet.
    let fresh = scene.authority.issue(&Leaf::new("client")).certificate_pem;
    let faults = [
        ("client.pem", Some(&*fresh)),
        ("client.pem", Some("nonsense")),
        ("client.key", Some("nonsense")),
        ("client.key", None),
        ("ca.pem", Some("nonsense")),
        ("ca.pem", None),
    ];
    for (before, (name, text)) in faults.into_iter().enumerate() {
        let whole = std::fs::read(scene.file(name)).unwrap();
        match text {
            Some(text) => std::fs::write(scene.file(name), text).unwrap(),
            None => std::fs::remove_file(scene.file(name)).unwrap(),
        }
        for _ in 0..3 {
            scene.clock.advance_seconds(CHECK_SECONDS);
            ask(&client, &server.url()).await.unwrap();
        }
        let warnings = logs.text().matches("the old ones count on").count();
        assert_eq!(warnings, before + 1, "{name} {text:?}: {}", logs.text());
        assert_eq!(scene.last().client.as_ref(), Some(&scene.client.certificate));
        std::fs::write(scene.file(name), whole).unwrap();
        scene.clock.advance_seconds(CHECK_SECONDS);
        ask(&client, &server.url()).await.unwrap();
    }
}
