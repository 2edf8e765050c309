//! An authority that signs clients' certificates, which a test's truststore holds or does not hold.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, for a truststore.
    pub pem: String,
}

/// A certificate that a client can show.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate in PEM.
    pub pem: String,
    /// Its key in PEM.
    pub key: String,
    /// `x5t#S256`
    pub thumbprint: String,
}

impl Authority {
    /// An authority of this name.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate of `CN=<name>,O=Example`, with `name` as the alternative name of a host too.
    pub fn certificate(&self, name: &str) -> ClientCertificate {
        self.certificate_with(name, |_| ())
    }

    /// The same with something changed.
    pub fn certificate_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> ClientCertificate {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.der());
        ClientCertificate {
            pem: certificate.pem(),
            key: key.serialize_pem(),
            thumbprint: BASE64_URL_SAFE_NO_PAD.encode(digest),
        }
    }
}
