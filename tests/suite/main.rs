//! The integration tests: one binary, because each one links the SDKs again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these are tests, and a panic is how a test fails"
)]

mod end_to_end;
