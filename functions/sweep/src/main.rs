//! The sweep's process: builds its state once, then runs whenever its schedule or an operator says so.

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Function;
use gateway::telemetry::trace::Remote;
use gateway::telemetry::{self, Trail};
use gateway::{shutdown, startup};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use sweep::{State, deadline};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variables = startup::begin(Function::Sweep).await?;
    let aws = Aws::from_environment(variables.clone())?;
    telemetry::keep_counters(&aws, &variables)?;
    let state = &State::new(&aws, &variables, Clock::System)?;
    shutdown::run(service_fn(async |event: LambdaEvent<Value>| {
        let remote = Remote::default().or_xray(event.context.xray_trace_id.as_deref());
        let trail = Trail::of(&event.context.request_id, "sweep", &remote);
        let handling = state.handle(&event.payload, deadline(event.context.deadline));
        let answer = Box::pin(trail.around(handling)).await;
        if let Err(error) = &answer {
            trail.span.fail(error.kind.label());
            trail.enter(|| tracing::error!(error = ?error, "the sweep failed"));
        }
        trail.span.end();
        telemetry::finish().await;
        answer.map_err(Error::from)
    }))
    .await
}
