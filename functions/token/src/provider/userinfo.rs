//! What a provider tells of a person besides the id token (OpenID Connect Core, section 5.3).

use gateway::error::Error;
use http::{Request, StatusCode, header};
use openidconnect::core::CoreUserInfoClaims;
use openidconnect::{AccessToken, SubjectIdentifier};
use serde_json::{Map, Value};

use super::discovery::Discovered;
use super::outside::Outside;

/// The claims, which the library finds to be about `subject` (section 5.3.2). It does not ask for them itself: it would panic at an
/// access token that fits into no header.
pub(super) async fn read(
    outside: &Outside,
    discovered: &Discovered,
    access_token: &AccessToken,
    subject: &str,
) -> Result<Option<Map<String, Value>>, Error> {
    let Some(url) = discovered.userinfo_endpoint() else {
        return Ok(None);
    };
    let request = Request::get(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {}", access_token.secret()))
        .body(Vec::new())
        .map_err(|_| Error::internal("a provider's access token fits into no header"))?;
    let answer = outside.asking(discovered.issuer()).ask(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(Error::unavailable(format!("a provider answered {}", answer.status())));
    }
    let subject = SubjectIdentifier::new(subject.to_owned());
    CoreUserInfoClaims::from_json::<Error>(answer.body(), Some(&subject))
        .map_err(|_| Error::internal("a provider's userinfo is malformed, or about somebody else"))?;
    serde_json::from_slice(answer.body()).map_err(Error::internal)
}
