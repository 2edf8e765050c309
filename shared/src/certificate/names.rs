//! The names in a certificate: its subject, and its alternative names (RFC 5280, section 4.2.1.6).

use std::net::IpAddr;

use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::Certificate;
use super::distinguished::Distinguished;

impl Certificate {
    pub(super) fn subject(&self) -> Distinguished {
        Distinguished::of(self.read.tbs_certificate().subject())
    }

    /// An extension that cannot be read names nobody.
    fn alternative_names(&self) -> Vec<GeneralName> {
        let found = self.read.tbs_certificate().get_extension::<SubjectAltName>();
        found.ok().flatten().map(|(_, names)| names.0).unwrap_or_default()
    }

    /// No wildcard counts for more than itself: RFC 8705, section 2.1.2, wants this very name.
    pub(super) fn has_dns_name(&self, expected: &str) -> bool {
        self.alternative_names().iter().any(|name| match name {
            GeneralName::DnsName(dns) => dns.as_str().eq_ignore_ascii_case(expected),
            _ => false,
        })
    }

    pub(super) fn has_uri(&self, expected: &str) -> bool {
        self.alternative_names().iter().any(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => uri.as_str() == expected,
            _ => false,
        })
    }

    pub(super) fn has_ip(&self, expected: IpAddr) -> bool {
        let bytes = match expected {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        self.alternative_names().iter().any(|name| match name {
            GeneralName::IpAddress(ip) => ip.as_bytes() == bytes,
            _ => false,
        })
    }

    /// Capitals mean nothing in the domain, and something before the `@` (RFC 5280, section 7.5).
    pub(super) fn has_email(&self, expected: &str) -> bool {
        let split = |address: &str| {
            let (local, domain) = address.rsplit_once('@')?;
            Some((local.to_owned(), domain.to_ascii_lowercase()))
        };
        let expected = split(expected);
        self.alternative_names().iter().any(|name| match name {
            GeneralName::Rfc822Name(email) => expected.is_some() && split(email.as_str()) == expected,
            _ => false,
        })
    }
}
