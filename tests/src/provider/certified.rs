//! `oidc-provider`, an OpenID Certified implementation, in a process of its own (`tests/idp/server.js`), and a browser for it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;

use super::{CLIENT_ID, CLIENT_SECRET};
use crate::backing::root;

/// The running provider. It ends when this is dropped, or this process is gone: its standard input ends then.
pub struct Certified {
    /// Its issuer.
    pub url: String,
    child: Child,
}

impl Certified {
    /// Starts it for a gateway with this callback.
    ///
    /// # Panics
    /// Without `tools/setup idp`.
    pub fn start(callback: &str) -> Self {
        let modules = root().join(".tools/idp");
        assert!(modules.join("complete").exists(), "tools/setup idp was not run");
        let mut child = Command::new("node")
            .arg(root().join("tests/idp/server.js"))
            .arg(modules)
            .args([CLIENT_ID, CLIENT_SECRET, callback])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "the provider did not start: {url:?}"
        );
        Self {
            url: url.trim().to_owned(),
            child,
        }
    }

    /// Does what a person's browser does from `location` on: signs in as `who`, allows what is asked (or leaves, with `false`), and
    /// gives the URL outside of the provider that it is sent to in the end.
    pub async fn browse(&self, location: &str, who: &str, allows: bool) -> String {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let mut cookies = BTreeMap::new();
        let mut request = client.get(location);
        loop {
            let shown = cookies.iter().map(|(name, value)| format!("{name}={value}"));
            let shown = shown.collect::<Vec<_>>().join("; ");
            let answer = request.header(COOKIE, shown).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            if let Some(next) = answer.headers().get(LOCATION) {
                let next = answer.url().join(next.to_str().unwrap()).unwrap();
                if !next.as_str().starts_with(&self.url) {
                    return next.into();
                }
                request = client.get(next);
                continue;
            }
            let (status, page) = (answer.status(), answer.text().await.unwrap());
            let between = |start: &str, end: &str| {
                let rest = page
                    .split(start)
                    .nth(1)
                    .unwrap_or_else(|| panic!("{status}: no {start} in {page}"));
                rest.split(end).next().unwrap().to_owned()
            };
            let prompt = between("name=\"prompt\" value=\"", "\"");
            if prompt == "consent" && !allows {
                let abort = format!("{}/abort", between("action=\"", "\""));
                request = client.get(abort);
                continue;
            }
            let form = [("prompt", &*prompt), ("login", who), ("password", "any")];
            let body = reqwest::Url::parse_with_params("http://form/", form).unwrap();
            let form_type = ("content-type", "application/x-www-form-urlencoded");
            let post = client.post(between("action=\"", "\"")).header(form_type.0, form_type.1);
            request = post.body(body.query().unwrap().to_owned());
        }
    }
}

impl Drop for Certified {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
