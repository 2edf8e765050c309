//! The process of `upload`: builds its state once, then serves.

use std::sync::Arc;

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::{http, startup, telemetry};
use upload::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let variables = startup::begin(Function::Upload).await?;
    let aws = Aws::from_environment(variables.clone())?;
    telemetry::keep_counters(&aws, &variables)?;
    let state = State::new(&aws, &variables, Clock::System)?;
    http::serve_streaming(router(Arc::new(state))).await
}
