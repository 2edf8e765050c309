//! The process of `stream`: builds its state once, then serves.

use std::sync::Arc;

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::invocation::Models;
use gateway::{http, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start("stream", &Variables::Process)?;
    let aws = Aws::from_environment(Variables::Process)?;
    let models = Models::new(&aws, &Variables::Process, Clock::System)?;
    http::serve_streaming(stream::router(Arc::new(models))).await
}
