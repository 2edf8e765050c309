//! The process of `upload`: builds its state once, then serves.

use std::sync::Arc;

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::{http, telemetry};
use upload::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start("upload", &Variables::Process)?;
    let aws = Aws::from_environment(Variables::Process)?;
    let state = State::new(&aws, &Variables::Process, Clock::System)?;
    http::serve_streaming(router(Arc::new(state))).await
}
