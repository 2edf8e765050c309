//! The process of `admin`: builds its state once, then serves API Gateway, and operators.

use std::sync::Arc;

use admin::{State, handle};
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::{shutdown, startup, telemetry};
use lambda_runtime::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let variables = startup::begin(Function::Admin).await?;
    let aws = Aws::from_environment(variables.clone())?;
    telemetry::keep_counters(&aws, &variables)?;
    let state = &Arc::new(State::new(&aws, &variables, Clock::System)?);
    shutdown::run(service_fn(async |event| {
        let answer = handle(Arc::clone(state), event).await;
        telemetry::finish().await;
        answer
    }))
    .await
}
