//! A function as its own program is, but for the clock, which a file sets: any of them, by the name that this program is started by.
//! The file is `clock` in the folder of that name. See `tests::paced`.

use std::path::PathBuf;
use std::sync::Arc;

use authorizer::AuthorizerRequest;
use axum::Router;
use axum::extract::Request;
use axum::middleware::map_request;
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::config::Variables;
use gateway::http::{serve_buffered, serve_streaming};
use gateway::invocation::Models;
use gateway::{shutdown, telemetry};
use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use localstack::pace;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let started_as = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let clock = pace::clock(started_as.with_file_name("clock"));
    let name = started_as
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    Box::pin(serve(name, clock)).await
}

async fn serve(name: &str, clock: Clock) -> Result<(), Error> {
    let variables = Variables::Process;
    telemetry::start("paced", &variables)?;
    let aws = Aws::from_environment(Variables::Process)?;
    match name {
        "token" => {
            let state = token::State::new(&aws, &variables, clock)?;
            serve_buffered(token::router(Arc::new(state))).await
        }
        "admin" => {
            let state = admin::State::new(&aws, &variables, clock)?;
            serve_buffered(admin::router(Arc::new(state))).await
        }
        "upload" => {
            let state = upload::State::new(&aws, &variables, clock)?;
            serve_streaming(upload::router(Arc::new(state))).await
        }
        "invoke" => {
            let models = Arc::new(Models::new(&aws, &variables, clock)?);
            serve_streaming(without_deadline(invoke::router(models))).await
        }
        "stream" => {
            let models = Arc::new(Models::new(&aws, &variables, clock)?);
            serve_streaming(without_deadline(stream::router(models))).await
        }
        "authorizer" => Box::pin(authorize(&authorizer::State::new(&aws, &variables, clock)?)).await,
        "sweep" => Box::pin(sweep(&sweep::State::new(&aws, &variables, clock)?)).await,
        other => Err(format!("there is no function {other:?}").into()),
    }
}

/// Lambda's deadline is by the machine's time, and long past for a clock that runs faster.
fn without_deadline(router: Router) -> Router {
    router.layer(map_request(async |mut request: Request| {
        if let Some(context) = request.extensions_mut().get_mut::<Context>() {
            context.deadline = 0;
        }
        request
    }))
}

async fn authorize(state: &authorizer::State) -> Result<(), Error> {
    shutdown::run(service_fn(async |event: LambdaEvent<AuthorizerRequest>| {
        Box::pin(state.authorize(&event.payload)).await.map_err(Error::from)
    }))
    .await
}

async fn sweep(state: &sweep::State) -> Result<(), Error> {
    shutdown::run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = sweep::deadline(event.context.deadline);
        Box::pin(state.handle(&event.payload, deadline))
            .await
            .map_err(Error::from)
    }))
    .await
}
