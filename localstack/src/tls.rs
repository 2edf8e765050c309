//! A certificate authority of the data folder's own, and the gateway's certificate under it. Some clients send credentials
//! over HTTPS only (boto3 its bearer token); they are told to trust the authority's file. With a truststore clients have to show a
//! certificate too, as on a domain of API Gateway's with mutual TLS.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::error::{Context, Result};

/// What serves TLS, and whom clients must trust.
pub struct Tls {
    /// Accepts connections.
    pub acceptor: TlsAcceptor,
    /// The authority's certificate, in PEM.
    pub ca: PathBuf,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca).finish_non_exhaustive()
    }
}

/// Makes a certificate for `localhost`, under the folder's authority, which is made where there is none yet. The authority
/// outlives restarts, so that what trusts it once trusts it still. `truststore` is a file of the certificates (PEM) of which one must
/// stand behind a client's: without one, clients need none.
///
/// # Errors
/// If the folder cannot be used, or holds an authority that cannot be read, or the truststore holds nothing that can be trusted.
pub fn prepare(folder: &Path, truststore: Option<&Path>) -> Result<Tls> {
    fs::create_dir_all(folder).doing(format!("making {}", folder.display()))?;
    let ca = folder.join("ca.pem");
    let issuer = authority(&ca, &folder.join("ca.key"))?;
    let key = KeyPair::generate().doing("making a key")?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).doing("naming the gateway")?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params
        .signed_by(&key, &issuer)
        .doing("signing the gateway's certificate")?;
    let clients = truststore.map(verifier).transpose()?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let acceptor = acceptor(certificate.der().clone(), key, clients)?;
    Ok(Tls { acceptor, ca })
}

fn authority(certificate_file: &Path, key_file: &Path) -> Result<Issuer<'static, KeyPair>> {
    if let (Ok(_), Ok(key)) = (fs::metadata(certificate_file), fs::read_to_string(key_file)) {
        let key = KeyPair::from_pem(&key).doing(format!("reading {}", key_file.display()))?;
        return Ok(Issuer::new(authority_params(), key));
    }
    let key = KeyPair::generate().doing("making the authority's key")?;
    let params = authority_params();
    let certificate = params.self_signed(&key).doing("signing the authority's certificate")?;
    fs::write(certificate_file, certificate.pem()).doing(format!("writing {}", certificate_file.display()))?;
    let private = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(key_file);
    let written = private.and_then(|mut file| file.write_all(key.serialize_pem().as_bytes()));
    written.doing(format!("writing {}", key_file.display()))?;
    Ok(Issuer::new(params, key))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Tollgate local stack");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Chain, dates, and the proof that the client has the key. API Gateway looks no more than this after revocation.
fn verifier(truststore: &Path) -> Result<Arc<dyn ClientCertVerifier>> {
    let doing = || format!("reading {}", truststore.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(truststore).doing(doing())? {
        roots.add(certificate.doing(doing())?).doing(doing())?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.build().doing(doing())?;
    Ok(verifier)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn acceptor(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<TlsAcceptor> {
    let versions = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = versions.doing("setting up TLS")?;
    let asks_clients = clients.is_some();
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(vec![certificate], key)
        .doing("setting up TLS")?;
    if asks_clients {
        // Each connection shows its certificate anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
