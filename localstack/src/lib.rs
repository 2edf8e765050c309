//! The laptop's AWS: what the gateway needs of AWS, on the loopback interface, without Docker, account or network.
//!
//! A developer's tool and the tests' harness: no production code knows of it.

pub mod aws;
pub mod bedrock;
