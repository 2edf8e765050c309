//! The integration tests, in one binary, because each links the AWS SDKs again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allowed_models;
mod audit;
mod audit_api;
mod bedrock_api;
mod budgets_api;
mod cache;
mod clients_api;
mod configuration;
mod counters;
mod documents;
mod end_to_end;
mod errors;
mod events;
mod failover;
mod files;
mod forged;
mod health;
mod independent;
mod invocation_log;
mod load;
mod login;
mod metering;
mod metrics_list;
mod migrations;
mod money;
mod mutual_tls;
mod passing_through;
mod people;
mod prices;
mod revocation;
mod signing_keys;
mod storage;
mod store;
mod streaming;
mod summary_api;
mod sweep;
mod trusted_issuers;
mod unreliable;
mod usage_api;
mod weak_secret;

/// As in `local`, whose services many tests have in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
