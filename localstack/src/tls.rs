//! A certificate authority of the data folder's own, and the gateway's certificate under it. Some clients send credentials
//! over HTTPS only (boto3 its bearer token); they are told to trust the authority's file.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
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
/// outlives restarts, so that what trusts it once trusts it still.
///
/// # Errors
/// If the folder cannot be used, or holds an authority that cannot be read.
pub fn prepare(folder: &Path) -> Result<Tls> {
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
    let acceptor = acceptor(
        certificate.der().clone(),
        PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    )?;
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

fn acceptor(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .doing("setting up TLS")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
