//! Issues access tokens, and publishes the key that verifies them.
//!
//! `POST /oauth/token` speaks RFC 6749 (forms, HTTP Basic): the grant `client_credentials` of service accounts, which
//! `POST /api/v1/auth/token` takes as JSON, and the grants of people, who come by way of an identity provider.
//! `POST /oauth/revoke` (RFC 7009) ends a token before its time, and `POST /oauth/introspect` (RFC 7662) tells of one.

mod account;
mod authorize;
mod browser;
mod callback;
mod client;
mod device;
mod grant;
mod grants;
mod introspect;
mod known;
mod logout;
mod metadata;
mod people;
mod provider;
mod revoke;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Extract;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, head, post};
use gateway::aws::Aws;
use gateway::cache::Cache;
use gateway::clock::Clock;
use gateway::config::{ConfigError, Issuer, Variables};
use gateway::error::{Error, Kind};
use gateway::http::{Outcome, Shown, Whole, json, read_json, require_content_type};
use gateway::login::LoginConfig;
use gateway::oauth::{ClientCredentials, Form, client_credentials};
use gateway::secrets::Secrets;
use gateway::signing::Signing;
use gateway::store::{ServiceClient, Store};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;

use provider::Providers;

/// What the token function works with.
pub struct State {
    store: Store,
    signing: Signing,
    /// Where clients are asked for a certificate, if there is such a domain.
    mutual_tls: Option<Issuer>,
    clock: Clock,
    configured: LoginConfig,
    providers: Providers,
}

impl State {
    /// Reads the configuration and builds the clients. Nothing goes out before the first request.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn new(aws: &Aws, variables: &Variables, clock: Clock) -> Result<Self, ConfigError> {
        let cache = Cache::read(aws, variables, &clock)?;
        let store = Store::new(aws.dynamodb(), variables.table()?).with_cache(cache);
        Ok(Self {
            store,
            signing: Signing::new(aws, variables)?,
            mutual_tls: variables.mutual_tls()?,
            configured: LoginConfig::read(variables)?,
            providers: Providers::new(Secrets::new(aws), clock.clone()),
            clock,
        })
    }

    /// See [`Signing::refuse_weak_secret`].
    ///
    /// # Errors
    /// When the secret is too weak for HS256, or cannot be read.
    pub async fn refuse_weak_secret(&self) -> Result<(), Error> {
        self.signing.refuse_weak_secret(self.clock.now()).await
    }
}

/// The function's routes.
pub fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/oauth/token", post(token_by_form))
        .route("/api/v1/auth/token", post(token_by_json))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/.well-known/jwks.json", get(metadata::jwks))
        .route("/.well-known/openid-configuration", get(metadata::openid))
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::authorization_server),
        )
        // Clients ask whether there is anybody, before they show a credential.
        .route("/", head(async || ()))
        .route("/anthropic", head(async || ()))
        .merge(people_routes())
        .with_state(state)
}

/// Sign-in, by [RFC 6749] and [RFC 8628], and what people see and end of their own.
///
/// [RFC 6749]: https://www.rfc-editor.org/rfc/rfc6749
/// [RFC 8628]: https://www.rfc-editor.org/rfc/rfc8628
fn people_routes() -> Router<Arc<State>> {
    Router::new()
        .route("/oauth/authorize", get(authorize::oauth))
        .route("/oauth/consent", post(callback::consent))
        .route("/oauth/logout", get(logout::asked).post(logout::submitted))
        .route("/oauth/logout/done", get(logout::done))
        .route("/oauth/device_authorization", post(device::authorization))
        .route("/oauth/device", get(device::form).post(device::submitted))
        .route("/auth/providers", get(account::providers))
        .route("/auth/authorize/{provider}", get(authorize::at_provider))
        .route("/auth/callback/{provider}", get(callback::callback))
        .route("/auth/token", post(account::token))
        .route("/auth/refresh", post(account::refresh))
        .route("/auth/me", get(account::me))
        .route("/auth/logout", post(logout::by_token))
        .route("/auth/sessions", get(account::sessions))
        .route("/auth/sessions/{id}", delete(account::end_session))
}

async fn token_by_form(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Shown(certificate): Shown,
    Whole(body): Whole,
) -> Response {
    let by_basic = headers.contains_key(header::AUTHORIZATION);
    let outcome = async {
        refuse_query(&uri)?;
        require_content_type(&headers, "application/x-www-form-urlencoded")?;
        let form = Form::parse(&body)?;
        let authorization = one_authorization(&headers)?;
        match form.value("grant_type") {
            Some("client_credentials") => {}
            Some(grant @ ("authorization_code" | "refresh_token" | grants::DEVICE_GRANT)) => {
                let client = grants::public_client(&state, authorization, &form)?;
                return match grant {
                    "authorization_code" => grants::by_code(&state, client, &form).await,
                    "refresh_token" => grants::by_refresh(&state, client, &form).await,
                    _ => grants::by_device(&state, client, &form).await,
                };
            }
            Some(_) => return Err(Error::new(Kind::UnsupportedGrantType, "The grant type is not served.")),
            None => return Err(Error::invalid("`grant_type` is missing.")),
        }
        let credentials = client_credentials(authorization, &form)?;
        grant::client_credentials(&state, &credentials, certificate.as_ref(), form.value("scope")).await
    };
    answered(Box::pin(outcome).await, by_basic)
}

#[derive(Deserialize)]
struct JsonRequest {
    client_id: String,
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    scope: Option<String>,
}

async fn token_by_json(
    Extract(state): Extract<Arc<State>>,
    uri: Uri,
    headers: HeaderMap,
    Shown(certificate): Shown,
    Whole(body): Whole,
) -> Response {
    let outcome = async {
        refuse_query(&uri)?;
        let request: JsonRequest = read_json(&headers, &body)?;
        let credentials = ClientCredentials {
            id: request.client_id,
            secret: request.client_secret,
        };
        grant::client_credentials(&state, &credentials, certificate.as_ref(), request.scope.as_deref()).await
    };
    answered(outcome.await, false)
}

/// Parameters never stand in the URL, where logs would keep them (RFC 6749, section 2.3.1).
fn refuse_query(uri: &Uri) -> Result<(), Error> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(Error::invalid("The token endpoint takes no query parameters.")),
    }
}

fn one_authorization(headers: &HeaderMap) -> Result<Option<&str>, Error> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| gateway::oauth::invalid_client()),
        (Some(_), Some(_)) => Err(Error::invalid("There are two Authorization headers.")),
    }
}

/// Counts the answer of the token endpoint.
fn answered(outcome: Result<gateway::oauth::TokenAnswer, Error>, by_basic: bool) -> Response {
    let result = if outcome.is_ok() { "success" } else { "failure" };
    metrics::counter!("oauth_token_requests_total", "result" => result).increment(1);
    challenging(outcome.and_then(|answer| json(StatusCode::OK, &answer)), by_basic)
}

/// A form about a token, of a client that has authenticated itself: what the endpoints of RFC 7009 and RFC 7662 take.
async fn form_of_a_client(
    state: &State,
    uri: &Uri,
    headers: &HeaderMap,
    certificate: &Shown,
    body: &[u8],
) -> Result<(ServiceClient, Form), Error> {
    refuse_query(uri)?;
    require_content_type(headers, "application/x-www-form-urlencoded")?;
    let form = Form::parse(body)?;
    let credentials = client_credentials(one_authorization(headers)?, &form)?;
    let client = client::authenticated(state, &credentials, certificate.0.as_ref()).await?;
    Ok((client, form))
}

/// The same of a client that may have no secret, as the endpoint of RFC 7009 takes it: a public client names itself (section 2.1).
async fn form_of_any_client(
    state: &State,
    uri: &Uri,
    headers: &HeaderMap,
    certificate: &Shown,
    body: &[u8],
) -> Result<(String, Form), Error> {
    refuse_query(uri)?;
    require_content_type(headers, "application/x-www-form-urlencoded")?;
    let form = Form::parse(body)?;
    let public = grants::public_client(state, one_authorization(headers)?, &form);
    match public.map(|client| client.client_id.clone()) {
        Ok(client_id) => Ok((client_id, form)),
        Err(_) => {
            let (client, form) = form_of_a_client(state, uri, headers, certificate, body).await?;
            Ok((client.client_id, form))
        }
    }
}

/// Challenges a client that failed by HTTP Basic (RFC 6749, section 5.2).
fn challenging(outcome: Outcome, by_basic: bool) -> Response {
    match outcome {
        Ok(response) => response,
        Err(error) => {
            let challenged = by_basic && error.kind == Kind::Unauthenticated;
            let mut response = error.into_response();
            if challenged {
                let challenge = HeaderValue::from_static(r#"Basic realm="tollgate", charset="UTF-8""#);
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}
