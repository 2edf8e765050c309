//! TLS towards a service of our own choosing (a token service, a storage service): whom we trust, who we say we are, which versions
//! and cipher suites. On rustls with AWS-LC, as everything here.
//!
//! [`Options`] are read from the environment and the settings file; [`Tls`] is what is made of them. It reads its files again when
//! they change, so certificates are replaced without a restart; [`PeerClient`] is an HTTP client that goes along with that.
//!
//! What is told closes the door rather than opens it: a certificate without its key, a key that cannot be read, or one of another
//! certificate is an error; an authority's file that is not there trusts nobody until it is.

mod began;
mod client;
mod expiry;
mod failure;
mod files;
mod handshake;
mod live;
mod options;
mod suites;

pub use client::{Limits, PeerClient};
pub use expiry::{CertificateHealth, days_to_expiry};
pub(crate) use failure::is_io;
pub use failure::{TlsFailure, failure};
pub use files::TlsError;
pub use live::{CHECK_SECONDS, Tls};
pub use options::{MinimumVersion, Options};

#[cfg(test)]
mod tests;
