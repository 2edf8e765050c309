//! Files that lack, or hold what they should not.

use super::super::TlsError;
use super::*;

fn error(scene: &Scene, options: Options) -> String {
    let Err(error) = Tls::new("peer", options, scene.clock.clone()) else {
        panic!("it should have been refused");
    };
    format!("{error} {error:?}")
}

/// B-08: fails closed
#[test]
fn a_key_that_lacks_or_cannot_be_used_is_an_error() {
    let scene = Scene::new();
    let options = scene.options();
    let with = |key: &str| Options {
        key_file: Some(scene.file(key)),
        ..options.clone()
    };
    std::fs::write(scene.file("garbage.key"), "hunter2").unwrap();
    let half = scene.client.key_pem.replace("PRIVATE KEY", "PUBLIC THING");
    std::fs::write(scene.file("half.key"), half).unwrap();
    let broken = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
    std::fs::write(scene.file("broken.key"), broken).unwrap();
    for key in ["none.key", "garbage.key", "half.key", "broken.key", "ca.pem"] {
        let told = error(&scene, with(key));
        assert!(told.contains(key) && !told.contains("hunter2"), "{told}");
    }
    // A folder is there and cannot be read.
    assert!(error(&scene, with(".")).contains("cannot be read"));
}

/// B-08: fails closed
#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_an_error() {
    let scene = Scene::new();
    scene
        .authority
        .issue(&Leaf::new("client"))
        .write(scene.folder.path(), "other");
    let options = Options {
        key_file: Some(scene.file("other.key")),
        ..scene.options()
    };
    let outcome = Tls::new("peer", options.clone(), scene.clock.clone());
    assert!(matches!(outcome, Err(TlsError::NotAPair { .. })));
    let told = error(&scene, options.clone());
    assert!(told.contains("client.pem") && told.contains("other.key"), "{told}");
    for half in [
        Options {
            key_file: None,
            ..options.clone()
        },
        Options {
            certificate_file: None,
            ..options
        },
    ] {
        assert!(matches!(
            Tls::new("peer", half, scene.clock.clone()),
            Err(TlsError::Half)
        ));
    }
}

/// B-08: fails closed
#[test]
fn a_certificate_that_lacks_or_is_none_is_an_error() {
    let scene = Scene::new();
    std::fs::write(scene.file("empty.pem"), "").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    std::fs::write(scene.file("broken.pem"), broken).unwrap();
    std::fs::write(scene.file("cut.pem"), &scene.client.certificate_pem[..200]).unwrap();
    for name in ["none.pem", "empty.pem", "broken.pem", "cut.pem"] {
        let options = Options {
            certificate_file: Some(scene.file(name)),
            ..scene.options()
        };
        assert!(error(&scene, options).contains(name), "{name}");
    }
    for name in ["empty.pem", "broken.pem", "cut.pem"] {
        let options = Options {
            ca_file: Some(scene.file(name)),
            ..scene.options()
        };
        assert!(error(&scene, options).contains(name), "{name}");
    }
}

#[test]
fn cipher_suites_of_no_version_that_is_allowed_are_an_error() {
    let scene = Scene::new();
    let options = suites(
        minimum_13(scene.options()),
        &["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
    );
    let outcome = Tls::new("peer", options, scene.clock.clone());
    assert!(matches!(outcome, Err(TlsError::NothingToSpeak)));
}

/// B-08: a missing authority is warned of, and nobody is trusted in its place.
#[tokio::test]
async fn an_authority_that_is_not_there_is_warned_of_and_trusts_nobody_until_it_is() {
    let logs = peer::logs::capture();
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    std::fs::remove_file(scene.file("ca.pem")).unwrap();
    let client = scene.client(scene.options());
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::Untrusted));
    let text = logs.text();
    assert!(
        text.contains("WARN") && text.contains("ca.pem") && text.contains("nobody is trusted"),
        "{text}"
    );
    scene.authority.write(scene.folder.path(), "ca.pem");
    scene.clock.advance_seconds(crate::tls::CHECK_SECONDS);
    ask(&client, &server.url()).await.unwrap();
}

/// B-08
#[tokio::test]
async fn without_an_authority_the_machines_are_trusted_with_a_warning_and_not_everybody() {
    let logs = peer::logs::capture();
    let scene = Scene::new();
    let server = scene.serve(&scene.wire()).await;
    let client = scene.client(Options {
        ca_file: None,
        ..scene.options()
    });
    assert_eq!(ask(&client, &server.url()).await, Err(TlsFailure::Untrusted));
    assert!(logs.text().contains("no certificate authority is configured"));
}
