//! What the integration tests share: no test is here, only what starts, asks and ends things.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "these are tests, and a panic is how a test fails"
)]

pub mod local;
