//! The integration tests, in one binary, because each links the AWS SDKs again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod audit_api;
mod budgets_api;
mod documents;
mod end_to_end;
mod errors;
mod events;
mod invocation_log;
mod login;
mod metering;
mod money;
mod passing_through;
mod prices;
mod store;
mod streaming;
mod summary_api;
mod sweep;
mod unreliable;
mod usage_api;
