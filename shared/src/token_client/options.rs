//! Where tokens are, and as whom they are asked for.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;
use zeroize::Zeroizing;

use super::error::TokenError;
use crate::config::{ConfigError, Section};
use crate::secrets::Secrets;

/// How long a token endpoint may take, unless told otherwise.
const TIMEOUT_SECONDS: u64 = 10;
const MOST_SECONDS: u64 = 60;

/// How a client shows who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// `{"client_id", "client_secret"}` as JSON: Tollgate's own `POST /api/v1/auth/token`.
    #[default]
    Json,
    /// A form, and id and secret in HTTP Basic (RFC 6749, section 2.3.1).
    Basic,
    /// A form with id and secret in it.
    Body,
}

impl FromStr for Way {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "basic" => Ok(Self::Basic),
            "body" => Ok(Self::Body),
            _ => Err(()),
        }
    }
}

/// A token endpoint: an `https` URL, or `http` on loopback, without a user, a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(super) fn url(&self) -> Url {
        self.0.clone()
    }

    /// A path at the base URL.
    fn at(base: &str, path: &str) -> Option<Self> {
        format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
            .parse()
            .ok()
    }
}

impl FromStr for Endpoint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let host = url.host_str().unwrap_or_default();
        let loopback = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        let secure = url.scheme() == "https" || (url.scheme() == "http" && loopback);
        let anonymous = url.username().is_empty() && url.password().is_none();
        let plain = url.query().is_none() && url.fragment().is_none();
        (secure && anonymous && plain && !host.is_empty())
            .then_some(Self(url))
            .ok_or(())
    }
}

/// The secret of a client, or where it is. It is not printed.
#[derive(Clone)]
pub enum ClientSecret {
    /// The secret itself. It is wiped when the last one lets go of it.
    Plain(Zeroizing<String>),
    /// A secret in Secrets Manager, by name or ARN. It is read for each request, so one that was replaced there counts from then on.
    Stored(Secrets, String),
}

impl ClientSecret {
    pub(super) async fn read(&self) -> Result<Zeroizing<String>, TokenError> {
        match self {
            Self::Plain(text) => Ok(text.clone()),
            Self::Stored(secrets, name) => match secrets.read(name).await {
                Ok(text) => Ok(Zeroizing::new(text)),
                Err(error) => {
                    tracing::warn!(?error, "the secret of a token client cannot be read");
                    Err(TokenError::NoSecret)
                }
            },
        }
    }
}

/// A client of a token endpoint, as configured.
#[derive(Clone)]
pub struct Options {
    /// Where tokens are.
    pub endpoint: Endpoint,
    /// Who asks.
    pub client_id: String,
    /// The secret of who asks.
    pub client_secret: ClientSecret,
    /// How the two are shown.
    pub way: Way,
    /// The scope that is asked for, if one is.
    pub scope: Option<String>,
    /// How long the endpoint may take.
    pub timeout_seconds: u64,
}

const KNOWN: [&str; 8] = [
    "base_url",
    "path",
    "client_id",
    "client_secret_name",
    "way",
    "scope",
    "timeout_seconds",
    "tls",
];

impl Options {
    /// Reads a section. `None`: it has no `base_url`, so there is no such endpoint. The secret stands in Secrets Manager, and its name
    /// here.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and what it must hold.
    pub fn read(section: &Section<'_>, secrets: &Secrets) -> Result<Option<Self>, ConfigError> {
        section.refuse_others(&KNOWN)?;
        let expected = "an https:// URL without user or query (http:// on loopback)";
        let Some(base) = section.optional::<String>("base_url", expected)? else {
            return Ok(None);
        };
        let path: String = section.or("path", "a path", "/api/v1/auth/token".to_owned())?;
        let endpoint = Endpoint::at(&base, &path).ok_or_else(|| section.wrong("base_url", expected))?;
        let timeout_seconds = section.or("timeout_seconds", "1 to 60", TIMEOUT_SECONDS)?;
        if !(1..=MOST_SECONDS).contains(&timeout_seconds) {
            return Err(section.wrong("timeout_seconds", "1 to 60"));
        }
        let name = section.required("client_secret_name", "the name or ARN of a secret in Secrets Manager")?;
        Ok(Some(Self {
            endpoint,
            client_id: section.required("client_id", "the id of the client")?,
            client_secret: ClientSecret::Stored(secrets.clone(), name),
            way: section.or("way", "json, basic or body", Way::default())?,
            scope: section.optional("scope", "scopes with spaces between them")?,
            timeout_seconds,
        }))
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Options")
            .field("endpoint", &self.endpoint.as_str())
            .field("client_id", &self.client_id)
            .field("way", &self.way)
            .field("timeout_seconds", &self.timeout_seconds)
            .finish_non_exhaustive()
    }
}
