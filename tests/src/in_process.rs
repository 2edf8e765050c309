//! The functions in this process, behind the same layers that their binaries run.

use std::sync::Arc;

use authorizer::AuthorizerRequest;
use axum::Router;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gateway::aws::Aws;
use gateway::clock::Clock;
use gateway::error::Error;
use gateway::http::{buffered, streaming};
use gateway::invocation::Models;
use http::HeaderMap;
use jiff::Timestamp;
use lambda_http::request::LambdaRequest;
use lambda_runtime::tower::ServiceExt as _;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde_json::{Value, json};

use crate::answer::{Answer, HttpAnswer};
use crate::backing::Backing;
use crate::event::Request;
use crate::fixtures::held_clock;

/// The seven functions, each built once as its `main` builds it.
pub struct Functions {
    /// The time that they go by.
    pub clock: Clock,
    authorizer: authorizer::State,
    token: Router,
    invoke: Router,
    stream: Router,
    upload: Router,
    admin: Router,
    sweep: sweep::State,
}

/// An answer that has begun.
pub struct Begun {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The rest of it. Dropping it is what a runtime does whose client has left.
    pub body: BoxStream<'static, Bytes>,
}

impl Functions {
    /// The functions over `backing`.
    pub fn new(backing: &Backing) -> Self {
        Self::with(backing, &[])
    }

    /// The functions over `backing` with some variables replaced.
    pub fn with(backing: &Backing, replaced: &[(&'static str, &str)]) -> Self {
        crate::logs::wake();
        let clock = held_clock();
        let variables = |function: &str| backing.held_variables(function, replaced);
        let aws = |function: &str| Aws::from_environment(variables(function)).unwrap();
        let models = |name: &str| Arc::new(Models::new(&aws(name), &variables(name), clock.clone()).unwrap());
        let token = token::State::new(&aws("token"), &variables("token"), clock.clone()).unwrap();
        let upload = upload::State::new(&aws("upload"), &variables("upload"), clock.clone()).unwrap();
        let admin = admin::State::new(&aws("admin"), &variables("admin"), clock.clone()).unwrap();
        Self {
            authorizer: authorizer::State::new(&aws("authorizer"), &variables("authorizer"), clock.clone()).unwrap(),
            token: token::router(Arc::new(token)),
            invoke: invoke::router(models("invoke")),
            stream: stream::router(models("stream")),
            upload: upload::router(Arc::new(upload)),
            admin: admin::router(Arc::new(admin)),
            sweep: sweep::State::new(&aws("sweep"), &variables("sweep"), clock.clone()).unwrap(),
            clock,
        }
    }

    /// Hands an event to a function and reads its answer to the end.
    pub async fn call(&self, function: &str, event: &Value) -> Answer {
        match function {
            "authorizer" => Answer::Direct(self.authorize(event).await),
            "sweep" => Answer::Direct(told(self.sweep(event).await)),
            "token" => whole(&self.token, event).await,
            "admin" => whole(&self.admin, event).await,
            _ => Answer::Http(self.begin(function, event).await.rest().await),
        }
    }

    /// Hands an event to a function that streams, and returns when its head is there.
    pub async fn begin(&self, function: &str, event: &Value) -> Begun {
        self.begin_by(function, event, None).await
    }

    /// The same of a function that is killed then, by its own clock.
    pub async fn begin_by(&self, function: &str, event: &Value, deadline: Option<Timestamp>) -> Begun {
        let router = match function {
            "invoke" => &self.invoke,
            "stream" => &self.stream,
            "upload" => &self.upload,
            _ => panic!("{function} does not stream"),
        };
        let mut event = lambda_event(event);
        event.context.deadline = deadline.map_or(0, |at| at.as_millisecond().try_into().unwrap());
        let answer = streaming(router.clone()).oneshot(event).await.unwrap();
        Begun {
            status: answer.metadata_prelude.status_code.as_u16(),
            headers: answer.metadata_prelude.headers,
            // The runtime would write an error into the body and end as if nothing were wrong.
            body: answer.stream.map(|chunk| chunk.expect("a body never fails")).boxed(),
        }
    }

    /// Hands a request to a function behind a proxy integration.
    pub async fn ask(&self, function: &str, request: &Request) -> HttpAnswer {
        match self.call(function, &request.event()).await {
            Answer::Http(answer) => answer,
            Answer::Direct(answer) => panic!("an authorizer's answer: {answer}"),
        }
    }

    /// Whether the authorizer lets in who shows this in `Authorization: Bearer`.
    pub async fn lets_in(&self, credential: &str) -> bool {
        let event = json!({
            "methodArn": "arn:aws:execute-api:us-east-1:000000000000:tollgate00/live/GET/api/usage/records",
            "multiValueHeaders": {"authorization": [format!("Bearer {credential}")]},
        });
        self.authorize(&event).await["context"].is_object()
    }

    /// Invokes the sweep, which has all the time that it needs.
    pub async fn sweep(&self, event: &Value) -> Result<Value, Error> {
        Box::pin(self.sweep.handle(event, None)).await
    }

    async fn authorize(&self, event: &Value) -> Value {
        let request: AuthorizerRequest = serde_json::from_value(event.clone()).unwrap();
        told(self.authorizer.authorize(&request).await)
    }
}

/// What the runtime tells of an outcome.
fn told<E>(outcome: Result<Value, E>) -> Value
where
    lambda_runtime::Error: From<E>,
{
    match outcome {
        Ok(value) => value,
        Err(error) => serde_json::to_value(Diagnostic::from(lambda_runtime::Error::from(error))).unwrap(),
    }
}

impl Begun {
    /// What comes next; nothing at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.body.next().await
    }

    /// The whole answer.
    pub async fn rest(self) -> HttpAnswer {
        let body: Vec<Bytes> = self.body.collect().await;
        HttpAnswer {
            status: self.status,
            headers: self.headers,
            body: body.concat().into(),
        }
    }
}

async fn whole(router: &Router, event: &Value) -> Answer {
    let answer = buffered(router.clone()).oneshot(lambda_event(event)).await.unwrap();
    Answer::from_json(&serde_json::to_value(answer).unwrap())
}

fn lambda_event(event: &Value) -> LambdaEvent<LambdaRequest> {
    // By text, as it comes: `LambdaRequest` reads itself from raw JSON.
    let request: LambdaRequest = serde_json::from_str(&event.to_string()).unwrap();
    LambdaEvent::new(request, Context::default())
}
