//! What settings are read into, where nothing else of the gateway is that.

use std::fmt;
use std::str::FromStr;

use crate::login::LoginConfig;
use crate::trusted;

/// A URL of AWS's, or of what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = reqwest::Url::parse(text).map_err(|_| ())?;
        let anonymous = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
        if web && anonymous {
            Ok(Self(text.to_owned()))
        } else {
            Err(())
        }
    }
}

/// A region of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region(String);

impl Region {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('-').collect();
        let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        match parts.as_slice() {
            [words @ .., number] if words.len() >= 2 && words.iter().all(letters) => {
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                if digits { Ok(Self(text.to_owned())) } else { Err(()) }
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What remembers lookups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// Nothing.
    None,
    /// The memory of each environment.
    Memory,
    /// Redis, for all environments.
    Redis,
}

impl FromStr for BackendKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "none" => Ok(Self::None),
            "memory" => Ok(Self::Memory),
            "redis" => Ok(Self::Redis),
            _ => Err(()),
        }
    }
}

/// Where Redis is. Without TLS on this machine alone: what goes there lets people in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The database.
    pub database: i64,
}

impl FromStr for RedisUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = reqwest::Url::parse(text).map_err(|_| ())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(())?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let loopback = ["127.0.0.1", "localhost", "::1"].contains(&&*host);
        let tls = match url.scheme() {
            "rediss" => true,
            "redis" if loopback => false,
            _ => return Err(()),
        };
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number => number.parse().map_err(|_| ())?,
        };
        let anonymous = url.username().is_empty() && url.password().is_none();
        let plain = url.query().is_none() && url.fragment().is_none() && (0..=15).contains(&database);
        if !(anonymous && plain) {
            return Err(());
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(6379),
            tls,
            database,
        })
    }
}

/// Where the file of settings is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that is bundled with the function.
    File(String),
    /// An object in S3.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// A parameter of the Parameter Store.
    Parameter(String),
}

impl FromStr for Source {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(object) = text.strip_prefix("s3://") {
            let (bucket, key) = object.split_once('/').ok_or(())?;
            return match bucket.is_empty() || key.is_empty() {
                true => Err(()),
                false => Ok(Self::Object {
                    bucket: bucket.to_owned(),
                    key: key.to_owned(),
                }),
            };
        }
        match text.strip_prefix("ssm:") {
            Some("") => Err(()),
            Some(name) => Ok(Self::Parameter(name.to_owned())),
            None if text.contains("://") => Err(()),
            None => Ok(Self::File(text.to_owned())),
        }
    }
}

/// JSON that is a right [`LoginConfig`].
#[derive(Clone, Debug)]
pub struct LoginText(pub String);

impl FromStr for LoginText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        LoginConfig::of(text).map_err(|_| ())?;
        Ok(Self(text.to_owned()))
    }
}

/// JSON that is a right list of trusted issuers.
#[derive(Clone, Debug)]
pub struct TrustedText(pub String);

impl FromStr for TrustedText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match trusted::is_right(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(()),
        }
    }
}
