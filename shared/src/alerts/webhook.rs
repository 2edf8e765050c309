//! A webhook as Standard Webhooks describes it: signed, sent again with the same id until it is taken.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::redirect::Policy;
use reqwest::{Client, Url, header};

use super::address::Resolver;
use crate::error::Error;
use crate::secrets::Secrets;

/// What a secret of Standard Webhooks begins with; the rest is base64 of the key.
pub const SECRET_PREFIX: &str = "whsec_";
const CONNECT_SECONDS: u64 = 5;
const WHOLE_SECONDS: u64 = 15;
/// A key is at least so long (Standard Webhooks, "Signature scheme").
const LEAST_KEY_BYTES: usize = 24;

/// Where a webhook is.
pub(super) struct Endpoint {
    url: Url,
    loopback: bool,
}

impl Endpoint {
    /// Passes a URL that a webhook may have: see [`public_url`].
    pub(super) fn new(text: &str, loopback: bool) -> Option<Self> {
        public_url(text, loopback).map(|url| Self { url, loopback })
    }
}

/// Passes a URL of https, without a user in it, and with a host that is a name or a public address. With `loopback` this machine
/// counts as public, and may be spoken to without TLS.
pub(crate) fn public_url(text: &str, loopback: bool) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let here = address.is_some_and(|it| it.is_loopback()) || host == "localhost";
    let resolver = Resolver { loopback };
    let secure = url.scheme() == "https" || (loopback && here && url.scheme() == "http");
    let anonymous = url.username().is_empty() && url.password().is_none();
    let reachable = address.is_none_or(|it| resolver.allows(it));
    (secure && anonymous && reachable).then_some(url)
}

/// A webhook, its client and where its secret is.
pub(super) struct Webhook {
    client: Client,
    url: Url,
    secrets: Secrets,
    secret: String,
}

impl Webhook {
    /// A client that follows nothing, goes by no proxy and finds addresses by [`Resolver`].
    pub(super) fn new(endpoint: Endpoint, secrets: Secrets, secret: String) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!endpoint.loopback)
            .dns_resolver(Arc::new(Resolver {
                loopback: endpoint.loopback,
            }))
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .timeout(Duration::from_secs(WHOLE_SECONDS))
            .user_agent("tollgate")
            .build()?;
        Ok(Self {
            client,
            url: endpoint.url,
            secrets,
            secret,
        })
    }

    /// Posts a body. Nothing but 2xx counts as taken.
    pub(super) async fn post(&self, id: &str, now: Timestamp, body: String) -> Result<(), Error> {
        let secret = self.secrets.read(&self.secret).await?;
        let timestamp = now.as_second();
        let signature = signature(&secret, id, timestamp, &body)
            .ok_or_else(|| Error::internal("the webhook's secret is no base64 of at least 24 bytes"))?;
        let answer = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await
            // A URL may hold a token of the receiver's.
            .map_err(|error| Error::unavailable(error.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Error::unavailable(format!("the webhook answered {status}")))
        }
    }
}

/// `v1,<base64 of HMAC-SHA-256>` over id, time and body, by a secret as Standard Webhooks writes it, with or without its prefix.
pub fn signature(secret: &str, id: &str, timestamp: i64, body: &str) -> Option<String> {
    let secret = secret.trim();
    let key = BASE64_STANDARD
        .decode(secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret))
        .ok()
        .filter(|key| key.len() >= LEAST_KEY_BYTES)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_https_without_a_user_at_no_private_address() {
        for good in [
            "https://hooks.example/a?b=c",
            "https://8.8.8.8/",
            "https://[2600::1]:8443/",
        ] {
            assert!(Endpoint::new(good, false).is_some(), "{good}");
        }
        for bad in [
            "http://hooks.example/",
            "ftp://hooks.example/",
            "https://user@hooks.example/",
            "https://:secret@hooks.example/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00:ec2::254]/",
            "http://127.0.0.1:1/",
            "",
            "hooks.example",
        ] {
            assert!(Endpoint::new(bad, false).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_local_stack_may_be_told_on_this_machine_and_nowhere_else() {
        for good in ["http://127.0.0.1:1/", "http://localhost:1/", "https://[::1]/"] {
            assert!(Endpoint::new(good, true).is_some(), "{good}");
        }
        for bad in ["http://hooks.example/", "http://10.0.0.1/", "https://10.0.0.1/"] {
            assert!(Endpoint::new(bad, true).is_none(), "{bad}");
        }
    }

    /// The example of the Standard Webhooks reference libraries.
    #[test]
    fn a_signature_is_the_one_of_the_reference_libraries() {
        let signature = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(
            signature.as_deref(),
            Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        );
    }

    #[test]
    fn a_secret_that_is_none_signs_nothing() {
        for bad in ["", "whsec_", "not base64!", "c2hvcnQ="] {
            assert_eq!(signature(bad, "i", 0, ""), None, "{bad:?}");
        }
    }
}
