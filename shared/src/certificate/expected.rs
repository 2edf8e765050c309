//! Which certificate is a client's: one of the names of RFC 8705, section 2.1.2, or the very certificate, or both.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::distinguished::Distinguished;
use super::{Certificate, Thumbprint};

/// The longest name.
const LONGEST_NAME_BYTES: usize = 1024;

/// What a client's certificate must say. Written as the metadata of RFC 8705 are: `{"tls_client_auth_san_dns": "build.example"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Members", into = "Members")]
pub struct CertificateLogin {
    name: Option<ExpectedName>,
    thumbprint: Option<Thumbprint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ExpectedName {
    SubjectDn(String),
    Dns(String),
    Uri(String),
    Ip(IpAddr),
    Email(String),
}

/// What was given says nothing, too much, or what no certificate can say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "exactly one of tls_client_auth_subject_dn (RFC 4514), tls_client_auth_san_dns, _uri, _ip and _email, or x5t#S256, or one of them with it"
)]
pub struct BadCertificateLogin;

/// As it is written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Members {
    #[serde(rename = "tls_client_auth_subject_dn", skip_serializing_if = "Option::is_none")]
    subject_dn: Option<String>,
    #[serde(rename = "tls_client_auth_san_dns", skip_serializing_if = "Option::is_none")]
    dns: Option<String>,
    #[serde(rename = "tls_client_auth_san_uri", skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(rename = "tls_client_auth_san_ip", skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(rename = "tls_client_auth_san_email", skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    thumbprint: Option<Thumbprint>,
}

impl TryFrom<Members> for CertificateLogin {
    type Error = BadCertificateLogin;

    fn try_from(members: Members) -> Result<Self, BadCertificateLogin> {
        let given = [
            members.subject_dn.map(ExpectedName::SubjectDn),
            members.dns.map(ExpectedName::Dns),
            members.uri.map(ExpectedName::Uri),
            members.ip.map(ExpectedName::Ip),
            members.email.map(ExpectedName::Email),
        ];
        let mut names = given.into_iter().flatten();
        let (name, another) = (names.next(), names.next());
        let good = name.as_ref().is_none_or(ExpectedName::can_be) && another.is_none();
        let thumbprint = members.thumbprint;
        if !good || (name.is_none() && thumbprint.is_none()) {
            return Err(BadCertificateLogin);
        }
        Ok(Self { name, thumbprint })
    }
}

impl From<CertificateLogin> for Members {
    fn from(login: CertificateLogin) -> Self {
        let mut members = Self {
            thumbprint: login.thumbprint,
            ..Self::default()
        };
        match login.name {
            Some(ExpectedName::SubjectDn(name)) => members.subject_dn = Some(name),
            Some(ExpectedName::Dns(name)) => members.dns = Some(name),
            Some(ExpectedName::Uri(name)) => members.uri = Some(name),
            Some(ExpectedName::Ip(ip)) => members.ip = Some(ip),
            Some(ExpectedName::Email(name)) => members.email = Some(name),
            None => {}
        }
        members
    }
}

impl ExpectedName {
    /// Whether a certificate can name its owner so. Alternative names are of ASCII (RFC 5280, section 4.2.1.6).
    fn can_be(&self) -> bool {
        let plain = |text: &str| text.len() <= LONGEST_NAME_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        match self {
            Self::SubjectDn(name) => name.len() <= LONGEST_NAME_BYTES && Distinguished::parse(name).is_some(),
            Self::Dns(name) => plain(name) && !name.is_empty() && !name.contains([':', '/', '@', '*']),
            Self::Uri(name) => plain(name) && name.contains(':'),
            Self::Ip(_) => true,
            Self::Email(name) => {
                plain(name)
                    && name
                        .rsplit_once('@')
                        .is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
            }
        }
    }

    fn names_owner_of(&self, certificate: &Certificate) -> bool {
        match self {
            Self::SubjectDn(name) => Distinguished::parse(name).is_some_and(|name| name == certificate.subject()),
            Self::Dns(name) => certificate.has_dns_name(name),
            Self::Uri(name) => certificate.has_uri(name),
            Self::Ip(ip) => certificate.has_ip(*ip),
            Self::Email(name) => certificate.has_email(name),
        }
    }
}

impl CertificateLogin {
    /// Whether a certificate is the client's.
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        let pinned = self.thumbprint.as_ref().is_none_or(|it| it == certificate.thumbprint());
        let named = self.name.as_ref().is_none_or(|it| it.names_owner_of(certificate));
        pinned && named
    }
}
