//! The other end of a connection, for the tests of every crate. It knows nothing of the gateway, so `gateway`'s own tests can use it.
//!
//! - [`authority`]: certificates of the tests' own making;
//! - [`server`]: an HTTPS server that wants client certificates, in the versions and suites that a test says;
//! - [`logs`]: what the code of a test logs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod authority;
pub mod logs;
pub mod server;

pub use authority::{Authority, Identity, Leaf};
pub use server::{Connection, Server, Wire};
