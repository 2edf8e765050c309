//! A stack with a certified provider and a public client, at ports that all sides are told before they start.

use serde_json::{Value, json};
use tests::local::{Stack, make_secret};
use tests::port::free_port;
use tests::provider::{CLIENT_ID, CLIENT_SECRET, Certified};

/// The public client that people use.
pub(super) const APP: &str = "app";
const SECRET: &str = "tollgate/login/idp";

pub(super) struct House {
    pub(super) stack: Stack,
    /// Where the app may listen to which a browser goes back after signing out.
    pub(super) app_port: String,
    /// It ends with the house.
    _provider: Certified,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With more providers than the certified one.
    pub(super) async fn with(others: &[Value]) -> Self {
        let (port, app_port) = (free_port().to_string(), free_port().to_string());
        let provider = Certified::start(&format!("http://127.0.0.1:{port}/auth/callback/idp"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let providers = [&[json!({
            "id": "idp", "name": "Example", "kind": "oidc", "client_id": CLIENT_ID, "secret": SECRET, "issuer": provider.url,
            "rules": {"everyone": {"roles": ["user"], "team": "e2e"}},
        })], others].concat();
        let configured = json!({
            "clients": [{"client_id": APP, "name": "The <i>App</i>", "redirect_uris": ["http://127.0.0.1/cb"],
                         "post_logout_redirect_uris": [format!("http://127.0.0.1:{app_port}/bye")]}],
            "providers": providers,
        });
        std::fs::write(file.path(), configured.to_string()).unwrap();
        let login = file.path().to_str().unwrap();
        let stack = Stack::start(&["--login", login, "--port", &port, "--environments", "2"]).await;
        make_secret(&stack, SECRET, CLIENT_SECRET).await;
        Self {
            stack,
            app_port,
            _provider: provider,
        }
    }

    pub(super) fn gateway(&self) -> &str {
        &self.stack.ready().gateway
    }

    /// Where a browser comes back to the app after signing out.
    pub(super) fn bye(&self) -> String {
        format!("http://127.0.0.1:{}/bye", self.app_port)
    }
}
