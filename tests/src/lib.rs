//! The tests' harness. Three ways to the functions, and what both share:
//!
//! - [`in_process`]: the functions' routers behind the layers that Lambda runs, over the embedded AWS and the Bedrock mock;
//! - [`cargo_lambda`]: the functions' binaries under `cargo lambda watch`, over the same;
//! - [`local`]: the program `local` and all that it starts, asked over HTTP;
//! - [`paced`]: the same, by a clock that a test sets; [`load`]: the same under load, and whether all who count agree;
//! - [`fixtures`]: what the table, the bucket and the secret hold in either case;
//! - [`books`]: budgets that tests plant, and books that they audit;
//! - [`unreliable`]: a proxy before the table that fails on demand, for either way, and counts;
//! - [`samples`]: what a scraper of metrics reads, and [`collector`]: what an OpenTelemetry collector gets;
//! - [`authority`]: certificates of clients, and who signs them;
//! - [`foreign`]: clients that are not ours, and the browser;
//! - [`provider`]: identity providers that say what a test wants, in OpenID Connect and in GitHub's way;
//! - [`redis`]: a real Redis, with TLS and users;
//! - [`storage_service`]: a storage service and the token service before it, both behind mutual TLS;
//! - [`event`]: events as API Gateway makes them, and [`files`]: those in `events/`;
//! - [`answer`]: answers as goldens show them, with [`placeholder`] for what differs from call to call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alone;
pub mod answer;
pub mod authority;
pub mod backing;
pub mod books;
pub mod cargo_lambda;
pub mod collector;
pub mod event;
pub mod files;
pub mod fixtures;
pub mod foreign;
pub mod golden;
pub mod in_process;
pub mod load;
pub mod local;
pub mod paced;
pub mod placeholder;
pub mod port;
pub mod provider;
pub mod redis;
pub mod samples;
pub mod storage_service;
pub mod unreliable;

pub use alone::alone;
pub use peer::logs;
