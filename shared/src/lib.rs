//! What every Tollgate function shares, in four layers. A module uses its own layer or a lower one.
//!
//! 1. **Vocabulary**, pure: [`attribution`], [`budget`], [`clock`], [`random`], [`secret`], [`scope`], [`principal`], [`role`], [`error`], [`money`], [`model`],
//!    [`usage`], [`price`], [`bound`], [`rollup`], [`compression`], [`media`].
//! 2. **Protocols**, pure: [`certificate`], [`jwt`], [`oauth`], [`scim`], [`wire`].
//! 3. **Outside**: [`config`], [`startup`], [`login`], [`aws`], [`store`], [`cache`], [`lookups`], [`limits`], [`pricing`], [`standing`], [`upstream`], [`secrets`],
//!    [`secret_hash`], [`signing`], [`trusted`], [`objects`], [`large_objects`], [`invocation_log`], [`alerts`], [`telemetry`],
//!    [`tls`] and [`token_client`] (towards services of our own choosing).
//! 4. **Flow**: [`context`], [`files`], [`invocation`], [`http`] (with `observed`, what every request tells of itself), [`migration`], [`shutdown`].
//!
//! Only [`store`] names the DynamoDB SDK, only [`upstream`] the Bedrock SDK, only [`wire`] and [`http`] know error JSON,
//! and only [`config`] reads the environment.

pub mod attribution;
pub mod budget;
pub mod clock;
pub mod compression;
pub mod error;
pub mod media;
pub mod model;
pub mod money;
pub mod price;
pub mod principal;
pub mod random;
pub mod role;
pub mod rollup;
pub mod scope;
pub mod secret;
pub mod usage;

pub mod certificate;
pub mod jwt;
pub mod oauth;
pub mod scim;
pub mod wire;

pub mod bound;

pub mod alerts;
pub mod aws;
pub mod cache;
pub mod config;
pub mod invocation_log;
pub mod large_objects;
pub mod limits;
pub mod login;
pub mod lookups;
pub mod objects;
pub mod pricing;
pub mod secret_hash;
pub mod secrets;
pub mod signing;
pub mod standing;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod token_client;
pub mod trusted;
pub mod upstream;

pub mod context;
pub mod files;
pub mod http;
pub mod invocation;
pub mod migration;
mod observed;
pub mod shutdown;

#[cfg(test)]
mod recorded;
