//! The files of certificates and keys, read and made into what rustls speaks by.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys, RootCertStore, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt as _;
use zeroize::Zeroizing;

use super::options::Options;
use super::{began, suites};
use crate::clock::Clock;

/// TLS cannot be spoken as configured. The message names the file, and shows nothing that is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is there, or should be, but cannot be read.
    #[error("the file {file} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        reason: std::io::ErrorKind,
    },
    /// A file is not what it should be.
    #[error("the file {file} holds no {what} that can be used")]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Only one of the two is configured.
    #[error("a certificate and its key belong together, and one of them is not configured")]
    Half,
    /// The key is another certificate's.
    #[error("the key in {key} does not belong to the certificate in {certificate}")]
    NotAPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Versions and cipher suites leave nothing to speak.
    #[error("none of the cipher suites is of a version of TLS that is allowed")]
    NothingToSpeak,
    /// The machine's own certificates cannot be used.
    #[error("the machine's certificate authorities cannot be read")]
    NoRoots,
}

/// What the files held at one moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Contents {
    /// The authorities; `None` if no file is configured, or it is not there.
    pub(super) ca: Option<Vec<u8>>,
    pub(super) certificate: Option<Vec<u8>>,
    key: Option<Zeroizing<Vec<u8>>>,
}

impl Contents {
    /// Reads them. An authority's file that is not there is no error here.
    pub(super) fn read(options: &Options) -> Result<Self, TlsError> {
        let ca = match options.ca_file.as_deref().map(bytes) {
            Some(Err(TlsError::Unreadable {
                reason: std::io::ErrorKind::NotFound,
                ..
            }))
            | None => None,
            Some(read) => Some(read?),
        };
        Ok(Self {
            ca,
            certificate: options.certificate_file.as_deref().map(bytes).transpose()?,
            key: options.key_file.as_deref().map(bytes).transpose()?.map(Zeroizing::new),
        })
    }

    /// The certificate's chain, ours first.
    pub(super) fn chain(&self, options: &Options) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match (&options.certificate_file, &self.certificate) {
            (Some(file), Some(pem)) => certificates(file, pem),
            _ => Ok(Vec::new()),
        }
    }

    /// The authorities that are trusted by name.
    pub(super) fn authorities(&self, options: &Options) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match (&options.ca_file, &self.ca) {
            (Some(file), Some(pem)) => certificates(file, pem),
            _ => Ok(Vec::new()),
        }
    }

    /// What rustls speaks by. Certificates are judged by `clock`.
    pub(super) fn client_config(&self, options: &Options, clock: &Clock) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(suites::provider(&options.cipher_suites));
        let time = Arc::new(ByClock(clock.clone()));
        let builder = ClientConfig::builder_with_details(provider.clone(), time)
            .with_protocol_versions(suites::versions(options.minimum_version))
            .map_err(|_| TlsError::NothingToSpeak)?;
        let builder = self.trusting(options, builder)?;
        let mut config = match (&options.certificate_file, &options.key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(self.chain(options)?, self.key(key)?)
                .map_err(|error| refused_pair(&error, certificate, key))?,
            _ => return Err(TlsError::Half),
        };
        config.resumption = began::resumption();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Trusts the authorities that are configured and no others. Where none is configured, the machine's; where the file is not
    /// there, nobody.
    fn trusting(
        &self,
        options: &Options,
        builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    ) -> Result<ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, TlsError> {
        let Some(file) = &options.ca_file else {
            tracing::warn!("no certificate authority is configured; the machine's are trusted");
            return builder.with_platform_verifier().map_err(|_| TlsError::NoRoots);
        };
        let mut roots = RootCertStore::empty();
        if self.ca.is_none() {
            tracing::warn!(file = %file.display(), "the certificate authority's file is not there; nobody is trusted");
            return Ok(builder.with_root_certificates(roots));
        }
        for certificate in self.authorities(options)? {
            roots
                .add(certificate)
                .map_err(|_| unusable(file, "certificate authority"))?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), builder.crypto_provider().clone())
            .build()
            .map_err(|_| unusable(file, "certificate authority"))?;
        Ok(builder.with_webpki_verifier(verifier))
    }

    fn key(&self, file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
        let pem = self.key.as_deref().map(Vec::as_slice).unwrap_or_default();
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| unusable(file, "private key"))
    }
}

/// rustls tells a key that is another's from one that it cannot use at all.
fn refused_pair(error: &rustls::Error, certificate: &Path, key: &Path) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::NotAPair {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        rustls::Error::InvalidCertificate(_) => unusable(certificate, "certificate"),
        _ => unusable(key, "private key"),
    }
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(unusable(file, "certificate")),
    }
}

fn bytes(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::Unreadable {
        file: file.to_owned(),
        reason: error.kind(),
    })
}

fn unusable(file: &Path, what: &'static str) -> TlsError {
    let file = file.to_owned();
    TlsError::Unusable { file, what }
}

/// The gateway's clock, for rustls.
#[derive(Debug)]
struct ByClock(Clock);

impl TimeProvider for ByClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now_seconds()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}
