//! The laptop's AWS: API Gateway, Lambda, DynamoDB, S3, Secrets Manager and a Bedrock mock in one program, described by the
//! project's `template.yaml` alone. A developer's tool and the tests' harness; no production code knows of it.

pub mod aws;
pub mod bedrock;
pub mod bootstrap;
mod data;
mod entrances;
pub mod error;
pub mod gateway;
pub mod invocation_log;
pub mod lambda;
mod net;
pub mod pace;
pub mod privileges;
pub mod ready;
mod schedules;
pub mod stack;
pub mod template;
pub mod tls;

pub use error::{Error, Result};
