//! Secrets Manager: the five operations that the gateway and its key rotation use.
//!
//! `CreateSecret`, `GetSecretValue`, `PutSecretValue`, `DescribeSecret` and `UpdateSecretVersionStage` over AWS JSON
//! 1.1, as the API reference describes them, errors included. Secrets are known by name, by ARN, or by the ARN without
//! its six random characters. Not kept: deletion, policies, tags, replication, rotation by function.

mod operations;
mod store;

pub use operations::arn_of;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::Error;
use super::server::Server;
use crate::privileges::{Asked, Caller, Privileges};
use operations::Refusal;
use store::Store;

const TARGET_PREFIX: &str = "secretsmanager.";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Serves the secrets kept in `file`, which the first write makes.
///
/// # Errors
/// When the file is there but cannot be read, or no port be bound.
pub(super) async fn start(file: PathBuf, privileges: Privileges) -> Result<Server, Error> {
    let service = Service {
        store: Store::open(file)?,
        privileges,
    };
    let router = Router::new().route("/", post(answer)).with_state(Arc::new(service));
    Server::start(router, 0)
        .await
        .map_err(Error::io("cannot bind Secrets Manager"))
}

struct Service {
    store: Store,
    privileges: Privileges,
}

type Answer = (StatusCode, [(header::HeaderName, &'static str); 1], String);

async fn answer(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Answer {
    // A write waits for the disk, which must not hold up the runtime.
    let done = tokio::task::spawn_blocking(move || dispatch(&service, &headers, &body)).await;
    let result = done.unwrap_or_else(|_| Err(Refusal::new("InternalServiceError", "the operation panicked")));
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(refusal) => (
            refusal.status(),
            json!({ "__type": refusal.kind, "Message": refusal.message }),
        ),
    };
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body.to_string())
}

fn dispatch(service: &Service, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let caller = caller(headers)?;
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let input: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::new("SerializationException", error.to_string()))?;
    let operation = target.strip_prefix(TARGET_PREFIX);
    let store = &service.store;
    authorize(service, caller, operation.unwrap_or_default(), &input)?;
    match operation {
        Some("CreateSecret") => store.write(|secrets| operations::create(secrets, &input)),
        Some("PutSecretValue") => store.write(|secrets| operations::put_value(secrets, &input)),
        Some("UpdateSecretVersionStage") => store.write(|secrets| operations::move_stage(secrets, &input)),
        Some("GetSecretValue") => store.read(|secrets| operations::value(secrets, &input)),
        Some("DescribeSecret") => store.read(|secrets| operations::describe(secrets, &input)),
        _ => Err(Refusal::new(
            "UnknownOperationException",
            format!("{target} is not served here"),
        )),
    }
}

/// Who calls. The signature itself is not verified: it is the SDK's own affair, and S3 and Bedrock check theirs.
fn caller(headers: &HeaderMap) -> Result<Caller<'_>, Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(value) = value.filter(|value| value.starts_with("AWS4-HMAC-SHA256 ")) else {
        return Err(Refusal::new(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        ));
    };
    let unknown = "The security token included in the request is invalid.";
    Caller::of_header(value).ok_or_else(|| Refusal::new("UnrecognizedClientException", unknown))
}

fn authorize(service: &Service, caller: Caller<'_>, operation: &str, input: &Value) -> Result<(), Refusal> {
    let arn = service.store.read(|secrets| Ok(operations::arn(secrets, input)))?;
    let asked = Asked::new(format!("secretsmanager:{operation}"), arn);
    let denial = service.privileges.check(caller, &asked).err();
    denial.map_or(Ok(()), |denial| {
        Err(Refusal::new("AccessDeniedException", denial.to_string()))
    })
}
