//! The authorizer's process: builds its state once, then serves API Gateway.

use authorizer::{AuthorizerRequest, Closed, State};
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::{shutdown, startup, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variables = startup::begin(Function::Authorizer).await?;
    let aws = Aws::from_environment(variables.clone())?;
    telemetry::keep_counters(&aws, &variables)?;
    let state = &State::new(&aws, &variables, Clock::System)?;
    state.refuse_weak_secret().await?;
    shutdown::run(service_fn(async |event: LambdaEvent<AuthorizerRequest>| {
        let answer = Box::pin(state.answer(&event)).await;
        answer.map_err(|closed: Closed| Error::from(closed))
    }))
    .await
}
