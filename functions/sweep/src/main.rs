//! The sweep's process: builds its state once, then runs whenever its schedule or an operator says so.

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::telemetry;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use sweep::{State, deadline};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::start("sweep", &Variables::Process)?;
    let aws = Aws::from_environment(Variables::Process)?;
    let state = &State::new(&aws, &Variables::Process, Clock::System)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let answer = Box::pin(state.handle(&event.payload, deadline(event.context.deadline))).await;
        if let Err(error) = &answer {
            tracing::error!(error = ?error, "the sweep failed");
        }
        telemetry::flush();
        answer.map_err(Error::from)
    }))
    .await
}
