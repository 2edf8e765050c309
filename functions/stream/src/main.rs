//! The process of `stream`: builds its state once, then serves.

use std::sync::Arc;

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::invocation::Models;
use gateway::{http, startup, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let variables = startup::begin(Function::Stream).await?;
    let aws = Aws::from_environment(variables.clone())?;
    telemetry::keep_counters(&aws, &variables)?;
    let models = Models::new(&aws, &variables, Clock::System)?;
    http::serve_streaming(stream::router(Arc::new(models))).await
}
