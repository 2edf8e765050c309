//! Why TLS failed, told from the error of whoever tried.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why TLS failed. The label is a metric's dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The peer's certificate is of an authority that is not trusted, or is not good.
    Untrusted,
    /// The peer's certificate has ended, or does not count yet.
    Expired,
    /// The peer's certificate is for another name.
    WrongName,
    /// No version of TLS or no cipher suite is known to both.
    NothingInCommon,
    /// The peer refused us: our certificate lacks, or is not one that it trusts.
    RefusedByPeer,
    /// The peer hung up after the handshake, before it took a request. With TLS 1.3 that is how a peer ends that refuses us, if what
    /// it says of it comes too late to be heard.
    HungUp,
    /// The handshake broke off, or went wrong in another way.
    Broken,
}

impl TlsFailure {
    /// A stable name in `snake_case`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Expired => "expired",
            Self::WrongName => "wrong_name",
            Self::NothingInCommon => "nothing_in_common",
            Self::RefusedByPeer => "refused_by_peer",
            Self::HungUp => "hung_up",
            Self::Broken => "broken",
        }
    }

    /// The same in words.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Untrusted => "its certificate is not trusted",
            Self::Expired => "its certificate has ended or does not count yet",
            Self::WrongName => "its certificate is for another name",
            Self::NothingInCommon => "there is no version of TLS or no cipher suite that both know",
            Self::RefusedByPeer => "it does not accept our certificate, or wants one",
            Self::HungUp => "it hung up after the handshake, as one does that does not accept our certificate",
            Self::Broken => "the handshake broke off",
        }
    }
}

/// The failure of TLS that is at the bottom of an error, if it is one. HTTP/2 hands on of an error of rustls only that it was invalid
/// data; that comes after the handshake, and is the alert of a peer that refuses us.
pub fn failure(error: &(dyn StdError + 'static)) -> Option<TlsFailure> {
    let said = causes(error).find_map(|it| it.downcast_ref::<Error>()).map(of_rustls);
    said.or_else(|| is_io(error, &[io::ErrorKind::InvalidData]).then_some(TlsFailure::RefusedByPeer))
}

/// Whether a request was not taken any more, because its connection had ended.
///
/// Over HTTP/2 no more can be known. With TLS 1.3 a peer refuses our certificate only when we are done with the handshake: its alert may come
/// while the first request waits, and then hyper gives the request up as canceled, with nothing beneath that; the alert was read by the task
/// of the connection, whose error nobody gets. And where the request does hear of it, h2 keeps of an `io::Error` its kind and its words
/// (`proto::Error::Io(ErrorKind, Option<String>)`) and no source, so that rustls' error is gone, and words are not for programs.
pub(super) fn is_not_taken(error: &(dyn StdError + 'static)) -> bool {
    let mut errors = causes(error).filter_map(|it| it.downcast_ref::<hyper::Error>());
    errors.any(|it| it.is_canceled() || it.is_closed())
}

/// Whether an error of input or output of these kinds is at the bottom of an error.
pub(crate) fn is_io(error: &(dyn StdError + 'static), kinds: &[io::ErrorKind]) -> bool {
    let mut errors = causes(error).filter_map(|it| it.downcast_ref::<io::Error>());
    errors.any(|it| kinds.contains(&it.kind()))
}

/// An error and all that are beneath it.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| beneath(*error))
}

/// The `source` of an [`io::Error`] passes over the error that it holds.
fn beneath<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => error.source(),
    }
}

fn of_rustls(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => TlsFailure::Expired,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => TlsFailure::WrongName,
        Error::InvalidCertificate(_) => TlsFailure::Untrusted,
        Error::PeerIncompatible(_) => TlsFailure::NothingInCommon,
        Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => TlsFailure::NothingInCommon,
        Error::AlertReceived(_) => TlsFailure::RefusedByPeer,
        _ => TlsFailure::Broken,
    }
}
