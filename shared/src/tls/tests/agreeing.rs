//! OpenSSL as the other side, which shares no code with rustls: as a server that our client speaks to, and as a client that the
//! tests' own server answers as it should.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::*;

/// `openssl s_server`, which ends with the test.
struct Openssl {
    _child: Child,
    /// Held open, so that it may say what it likes.
    _lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Openssl {
    async fn serve(scene: &Scene, arguments: &[&str]) -> Self {
        scene.server.write(scene.folder.path(), "server");
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-alpn", "http/1.1"])
            .args(["-cert", "server.pem", "-key", "server.key", "-CAfile", "ca.pem"])
            .args(["-Verify", "1", "-verify_return_error"])
            .args(arguments)
            .current_dir(scene.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is needed by these tests");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("s_server says where it listens");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                let port = address.rsplit(':').next().unwrap().to_owned();
                let url = format!("https://localhost:{port}/");
                return Self {
                    _child: child,
                    _lines: lines,
                    url,
                };
            }
        }
    }
}

/// Whether `openssl s_client` comes to speak with a server, so that it has a session. What it says goes with a failure.
async fn s_client(scene: &Scene, server: &Server, arguments: &[&str]) -> Result<String, String> {
    let address = format!("127.0.0.1:{}", server.address().port());
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &address,
            "-servername",
            "localhost",
            "-verify_hostname",
            "localhost",
        ])
        .args([
            "-CAfile",
            "ca.pem",
            "-verify_return_error",
            "-alpn",
            "http/1.1",
            "-ign_eof",
        ])
        .args(arguments)
        .current_dir(scene.folder.path())
        .stdin(request(scene))
        .output()
        .await
        .expect("openssl is needed by these tests");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("HTTP/1.1 200 OK") {
        Ok(said)
    } else {
        Err(said)
    }
}

fn request(scene: &Scene) -> Stdio {
    let file = scene.file("request.txt");
    std::fs::write(&file, "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    std::fs::File::open(file).unwrap().into()
}

/// B-08, B-09
#[tokio::test]
async fn openssl_as_the_server_takes_our_certificate_and_refuses_what_it_should() {
    let scene = Scene::new();
    for version in ["-tls1_3", "-tls1_2"] {
        let openssl = Openssl::serve(&scene, &[version]).await;
        ask(&scene.client(scene.options()), &openssl.url).await.unwrap();
        let none = Options {
            certificate_file: None,
            key_file: None,
            ..scene.options()
        };
        // What it says of it may be lost: it hangs up with our request unread.
        let refused = scene.client(none).client().unwrap().get(&openssl.url).send().await;
        assert!(refused.is_err(), "{version}: {refused:?}");
        let strict = ask(&scene.client(minimum_13(scene.options())), &openssl.url).await;
        assert_eq!(strict.is_ok(), version == "-tls1_3", "{strict:?}");
    }
}

/// B-08, B-09
#[tokio::test]
async fn openssl_as_the_client_agrees_on_what_the_tests_server_takes_and_refuses() {
    let scene = Scene::new();
    let shown = ["-cert", "client.pem", "-key", "client.key"];
    let server = scene.serve(&scene.wire()).await;
    for version in ["-tls1_3", "-tls1_2"] {
        s_client(&scene, &server, &[&shown[..], &[version]].concat())
            .await
            .unwrap();
        let refused = s_client(&scene, &server, &[version]).await.unwrap_err();
        assert!(refused.contains("alert"), "{version}: {refused}");
    }
    server.speak(&Wire {
        versions: &[&rustls::version::TLS13],
        ..scene.wire()
    });
    s_client(&scene, &server, &shown).await.unwrap();
    let refused = s_client(&scene, &server, &[&shown[..], &["-tls1_2"]].concat())
        .await
        .unwrap_err();
    assert!(refused.contains("protocol version"), "{refused}");

    let stranger = Authority::new("Other").issue(&Leaf::new("localhost"));
    server.speak(&Wire {
        identity: &stranger,
        ..scene.wire()
    });
    assert!(
        s_client(&scene, &server, &shown)
            .await
            .unwrap_err()
            .contains("verify error")
    );
    let elsewhere = scene.authority.issue(&Leaf::new("elsewhere.example"));
    server.speak(&Wire {
        identity: &elsewhere,
        ..scene.wire()
    });
    assert!(
        s_client(&scene, &server, &shown)
            .await
            .unwrap_err()
            .contains("verify error")
    );
    let over = scene
        .authority
        .issue(&Leaf::new("localhost").during(NOW - 900 * DAY, NOW - 800 * DAY));
    server.speak(&Wire {
        identity: &over,
        ..scene.wire()
    });
    assert!(
        s_client(&scene, &server, &shown)
            .await
            .unwrap_err()
            .contains("certificate has expired")
    );
}
