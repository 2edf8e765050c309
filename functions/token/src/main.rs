//! The process of `token`: builds its state once, then serves.

use std::sync::Arc;

use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::{http, telemetry};
use token::{State, router};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start("token", &Variables::Process)?;
    let aws = Aws::from_environment(Variables::Process)?;
    let state = State::new(&aws, &Variables::Process, Clock::System)?;
    state.refuse_weak_secret().await?;
    http::serve_buffered(router(Arc::new(state))).await
}
