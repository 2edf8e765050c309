//! The sweep's process: builds its state once, then runs whenever its schedule or an operator says so.

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::{shutdown, startup, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use sweep::{State, deadline};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variables = startup::begin(Function::Sweep).await?;
    let aws = Aws::from_environment(variables.clone())?;
    let state = &State::new(&aws, &variables, Clock::System)?;
    shutdown::run(service_fn(async |event: LambdaEvent<Value>| {
        let answer = Box::pin(state.handle(&event.payload, deadline(event.context.deadline))).await;
        if let Err(error) = &answer {
            tracing::error!(error = ?error, "the sweep failed");
        }
        telemetry::flush();
        answer.map_err(Error::from)
    }))
    .await
}
