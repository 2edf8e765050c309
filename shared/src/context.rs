//! What a function knows of a request before it reads it: its id, and who calls. Both come from API Gateway's request
//! context alone; headers of the same names mean nothing.

use std::collections::HashMap;

use jiff::Timestamp;
use lambda_http::request::RequestContext;
use serde_json::Value;

use crate::certificate::{BadCertificate, Certificate, Confirmation};
use crate::error::{Error, Kind};
use crate::model::AllowedModels;
use crate::principal::{Principal, Subject, Team};
use crate::scope::Scopes;

/// The names under which the authorizer puts the principal into the context. Both sides use these.
pub mod field {
    /// The subject, for example `user:alice`.
    pub const SUBJECT: &str = "sub";
    /// The scopes, parted by spaces.
    pub const SCOPES: &str = "scopes";
    /// The API key's id.
    pub const KEY_ID: &str = "key_id";
    /// When the credential ends, in seconds since the Unix epoch.
    pub const EXPIRES: &str = "exp";
    /// The team of the access token or key.
    pub const TEAM: &str = "team";
    /// The models that may be called, as [`crate::model::AllowedModels`] writes them. Without it every model may.
    pub const MODELS: &str = "models";
    /// The login session of the access token.
    pub const SESSION_ID: &str = "sid";
    /// The OAuth client of the access token.
    pub const CLIENT_ID: &str = "client_id";
    /// The thumbprint of the certificate that the access token is bound to (RFC 8705).
    pub const CONFIRMATION: &str = "cnf";
}

/// The id of a request that API Gateway gave none.
pub const UNKNOWN_REQUEST: &str = "unknown";

/// The id of the request: API Gateway's, which its caller sees too.
pub fn request_id(context: Option<&RequestContext>) -> String {
    let given = match context {
        Some(RequestContext::ApiGatewayV1(context)) => context.request_id.as_deref(),
        _ => None,
    };
    checked_request_id(given)
}

/// The id that API Gateway gave, if it looks like one.
pub fn checked_request_id(given: Option<&str>) -> String {
    let given = given.unwrap_or_default();
    let fits =
        (1..=128).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits {
        given.to_owned()
    } else {
        UNKNOWN_REQUEST.to_owned()
    }
}

/// The AWS account that this gateway serves on, of which its inference profiles are; twelve noughts where API Gateway does not say.
pub fn account(context: Option<&RequestContext>) -> String {
    let given = match context {
        Some(RequestContext::ApiGatewayV1(context)) => context.account_id.as_deref().unwrap_or_default(),
        _ => "",
    };
    if given.len() == 12 && given.bytes().all(|byte| byte.is_ascii_digit()) {
        given.to_owned()
    } else {
        "0".repeat(12)
    }
}

/// When the function is killed, as Lambda tells it with each event. What is long past is no deadline: `cargo lambda watch` gives one of
/// 1970.
pub fn deadline(context: Option<&lambda_runtime::Context>) -> Option<Timestamp> {
    let millis = i64::try_from(context?.deadline).ok()?;
    Timestamp::from_millisecond(millis)
        .ok()
        .filter(|at| at.as_second() > EARLIEST_DEADLINE)
}

/// The beginning of 2020, in seconds since the Unix epoch.
const EARLIEST_DEADLINE: i64 = 1_577_836_800;

/// The client's certificate, as API Gateway verified it in the handshake: `requestContext.identity.clientCert`, which is there on a
/// domain with mutual TLS alone ([AWS]).
///
/// # Errors
/// [`Kind::Unauthenticated`]: there is one that cannot be read.
///
/// [AWS]: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mutual-tls.html
pub fn certificate(context: Option<&RequestContext>) -> Result<Option<Certificate>, Error> {
    let Some(RequestContext::ApiGatewayV1(context)) = context else {
        return Ok(None);
    };
    let Some(shown) = context.identity.other.get("clientCert").filter(|it| !it.is_null()) else {
        return Ok(None);
    };
    let pem = shown.get("clientCertPem").and_then(Value::as_str).ok_or(BadCertificate);
    pem.and_then(Certificate::from_pem).map(Some).map_err(|error| {
        tracing::warn!(%error, "a client's certificate cannot be read");
        Error::new(Kind::Unauthenticated, "The client's certificate cannot be read.")
    })
}

/// Who calls, as the authorizer said. A token that is bound to a certificate counts with that one only, also where API Gateway has
/// kept an answer that was given for it.
///
/// # Errors
/// [`Kind::Unauthenticated`] when no authorizer has spoken, or has named nobody that can be, and without the right certificate.
pub fn principal(request: Option<&RequestContext>) -> Result<Principal, Error> {
    let nobody = || Error::new(Kind::Unauthenticated, "The request carries no identity.");
    let Some(RequestContext::ApiGatewayV1(context)) = request else {
        return Err(nobody());
    };
    let fields = &context.authorizer.fields;
    require_certificate(fields, request)?;
    let subject = text(fields, field::SUBJECT)?.ok_or_else(nobody)?;
    Ok(Principal {
        subject: subject.parse::<Subject>().map_err(Error::internal)?,
        scopes: text(fields, field::SCOPES)?
            .ok_or_else(nobody)?
            .parse::<Scopes>()
            .map_err(Error::internal)?,
        team: text(fields, field::TEAM)?
            .map(str::parse::<Team>)
            .transpose()
            .map_err(Error::internal)?,
        models: models(fields)?,
        key_id: text(fields, field::KEY_ID)?.map(str::to_owned),
        session_id: text(fields, field::SESSION_ID)?.map(str::to_owned),
        expires_at: text(fields, field::EXPIRES)?
            .map(|text| seconds(text).ok_or_else(nobody))
            .transpose()?,
    })
}

/// What cannot be read is no missing list, which would allow every model.
fn models(fields: &HashMap<String, Value>) -> Result<Option<AllowedModels>, Error> {
    let list = text(fields, field::MODELS)?.map(AllowedModels::from_text);
    list.transpose().map_err(Error::internal)
}

fn require_certificate(fields: &HashMap<String, Value>, request: Option<&RequestContext>) -> Result<(), Error> {
    let Some(bound) = text(fields, field::CONFIRMATION)? else {
        return Ok(());
    };
    let thumbprint = bound.parse().map_err(Error::internal)?;
    match (Confirmation { thumbprint }).is_of(certificate(request)?.as_ref()) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Unauthenticated,
            "The token is bound to a certificate that the connection does not have.",
        )),
    }
}

/// A field of the context, all of which the authorizer gives as text. One of another type is no missing one: without an end, a team or
/// a list a credential allows more.
fn text<'a>(fields: &'a HashMap<String, Value>, name: &str) -> Result<Option<&'a str>, Error> {
    let not_text = || Error::internal("a field of the authorizer's context is no text");
    fields
        .get(name)
        .map(|value| value.as_str().ok_or_else(not_text))
        .transpose()
}

fn seconds(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.parse().ok()?).ok()
}
