//! The integration tests, in one binary, because each links the AWS SDKs again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod end_to_end;
mod events;
