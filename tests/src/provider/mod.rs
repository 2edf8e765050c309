//! Identity providers on loopback. They check what the gateway sends as real ones do, and answer what a test wants.

mod certified;
mod github;
mod oidc;

use tokio::net::TcpListener;

pub use certified::Certified;
pub use github::{GITHUB_TOKEN, Github};
pub use oidc::{ACCESS_TOKEN, Oidc};

/// What the providers call the gateway.
pub const CLIENT_ID: &str = "gateway-at-the-provider";
/// The secret that they gave it. It has characters that HTTP Basic must encode.
pub const CLIENT_SECRET: &str = "a+secret/of:the&provider=";

/// Serves `router` on a port of its own for as long as the test runs; gives its URL.
pub(crate) async fn serve(listener: TcpListener, router: axum::Router) {
    tokio::spawn(async move { axum::serve(listener, router).await });
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A parameter of a URL's query, decoded.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
