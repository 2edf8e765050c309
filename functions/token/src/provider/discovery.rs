//! OpenID Connect: a provider's documents, the exchange of its code, and its userinfo.

use gateway::error::{Error, Kind};
use gateway::login::Provider;
use reqwest::Url;
use serde_json::{Map, Value};

use super::Attempt;
use super::id_token::Keys;
use super::outside::{Outside, endpoint};

/// A provider's documents are read again after so long.
pub(super) const FRESH_SECONDS: i64 = 300;
/// For an unknown key they are read again sooner, but not sooner than this.
pub(super) const REREAD_SECONDS: i64 = 30;

/// What a provider says of itself (OpenID Connect Discovery, section 3), as much of it as counts here.
pub(super) struct Discovered {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    token_endpoint: Url,
    userinfo_endpoint: Option<Url>,
    takes_basic: bool,
    /// RFC 9207, section 3.
    pub(super) names_itself_in_answers: bool,
    pub(super) keys: Keys,
    pub(super) read_at: i64,
}

/// What came for a code. It is neither logged nor stored nor handed on.
pub(super) struct Tokens {
    pub(super) id_token: String,
    access_token: String,
}

pub(super) async fn read(outside: &Outside, provider: &Provider, now_seconds: i64) -> Result<Discovered, Error> {
    let issuer = provider
        .issuer()
        .ok_or_else(|| Error::internal("a provider without issuer"))?;
    // Section 4: a slash at the issuer's end is left away before the path is added.
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = good(outside.get(&endpoint(Some(&place), &issuer)?, None).await?)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer") != Some(&*issuer) {
        return Err(Error::unavailable(
            "a provider names another issuer than the configured one",
        ));
    }
    let jwks_uri = endpoint(text("jwks_uri"), &issuer)?;
    let keys = Keys::read(&good(outside.get(&jwks_uri, None).await?)?);
    let methods = document
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array);
    Ok(Discovered {
        authorization_endpoint: endpoint(text("authorization_endpoint"), &issuer)?,
        token_endpoint: endpoint(text("token_endpoint"), &issuer)?,
        userinfo_endpoint: text("userinfo_endpoint")
            .map(|url| endpoint(Some(url), &issuer))
            .transpose()?,
        // Basic where nothing is said.
        takes_basic: methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
        names_itself_in_answers: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
        keys,
        issuer,
        read_at: now_seconds,
    })
}

fn good(answer: super::outside::Answer) -> Result<Map<String, Value>, Error> {
    match answer.json {
        Value::Object(members) if answer.status == 200 => Ok(members),
        _ => Err(Error::unavailable(format!("a provider answered {}", answer.status))),
    }
}

pub(super) async fn exchange(
    outside: &Outside,
    discovered: &Discovered,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    secret: &str,
) -> Result<Tokens, Error> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &attempt.callback),
        ("code_verifier", &attempt.verifier),
    ];
    let basic = discovered.takes_basic.then_some((&*provider.client_id, secret));
    if basic.is_none() {
        form.extend([("client_id", &*provider.client_id), ("client_secret", secret)]);
    }
    let answer = outside.post(&discovered.token_endpoint, &form, basic).await?;
    let text = |name: &str| answer.json.get(name).and_then(Value::as_str).map(str::to_owned);
    match (answer.status, text("id_token"), text("access_token")) {
        (200, Some(id_token), Some(access_token)) => Ok(Tokens { id_token, access_token }),
        (500.., ..) => Err(Error::unavailable("a provider's token endpoint fails")),
        _ => Err(Error::new(
            Kind::AccessDenied,
            "The identity provider did not accept the login.",
        )),
    }
}

/// What the provider tells besides the token, where the token has no address. It must be about the same person (OpenID Connect Core,
/// section 5.3.2).
pub(super) async fn userinfo(
    outside: &Outside,
    discovered: &Discovered,
    tokens: &Tokens,
    claims: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, Error> {
    let Some(url) = discovered
        .userinfo_endpoint
        .as_ref()
        .filter(|_| !claims.contains_key("email"))
    else {
        return Ok(None);
    };
    let info = good(outside.get(url, Some(&tokens.access_token)).await?)?;
    if info.get("sub").is_none() || info.get("sub") != claims.get("sub") {
        return Err(Error::internal("a provider's userinfo is about somebody else"));
    }
    Ok(Some(info))
}
