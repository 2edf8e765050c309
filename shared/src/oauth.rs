//! The pure part of the token endpoint (RFC 6749): forms, client authentication, answers.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::error::{Error, Kind};

/// A parsed form: every name once, empty values left out (RFC 6749, section 3.2: an empty parameter counts as omitted).
#[derive(Default)]
pub struct Form(Vec<(String, String)>);

/// Values are passwords, codes and tokens; not even the names are ours.
impl std::fmt::Debug for Form {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Form({} values)", self.0.len())
    }
}

impl Form {
    /// Parses `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// [`Kind::InvalidRequest`] when the form is malformed or names a parameter twice.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::invalid("The body is not a form.");
        let text = std::str::from_utf8(body).map_err(|_| malformed())?;
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text).map_err(|_| malformed())?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::invalid("A parameter is repeated."));
            }
        }
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    /// The value of a parameter, if it is there and not empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A client id and its secret, as they were shown.
pub struct ClientCredentials {
    /// The client id.
    pub id: String,
    /// The secret in the clear. A client that authenticates by its certificate shows none (RFC 8705, section 2).
    pub secret: Option<String>,
}

/// Reads the client's credentials from HTTP Basic or from the form, never from both (RFC 6749, section 2.3). A form may name a client
/// and show no secret; then something else must show that it is the one.
///
/// # Errors
/// [`Kind::InvalidRequest`] for two methods at once, [`Kind::Unauthenticated`] for none or a malformed one.
pub fn client_credentials(authorization: Option<&str>, form: &Form) -> Result<ClientCredentials, Error> {
    let in_form = (form.value("client_id"), form.value("client_secret"));
    match (authorization, in_form) {
        (Some(_), (_, Some(_))) => Err(Error::invalid("Use one way of client authentication, not two.")),
        (Some(header), (form_id, None)) => {
            let credentials = basic(header)?;
            if form_id.is_some_and(|id| id != credentials.id) {
                return Err(Error::invalid("`client_id` differs from the one of HTTP Basic."));
            }
            Ok(credentials)
        }
        (None, (Some(id), secret)) => Ok(ClientCredentials {
            id: id.to_owned(),
            secret: secret.map(str::to_owned),
        }),
        (None, _) => Err(invalid_client()),
    }
}

/// The one answer to an unknown client and to a wrong secret.
pub fn invalid_client() -> Error {
    Error::new(Kind::Unauthenticated, "Client authentication failed.")
}

/// Both parts are form-encoded inside Basic (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Result<ClientCredentials, Error> {
    let encoded = header.strip_prefix("Basic ").ok_or_else(invalid_client)?;
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| invalid_client())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid_client())?;
    let (id, secret) = text.split_once(':').ok_or_else(invalid_client)?;
    Ok(ClientCredentials {
        id: form_decoded(id)?,
        secret: Some(form_decoded(secret)?),
    })
}

fn form_decoded(text: &str) -> Result<String, Error> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| invalid_client())?;
    Ok(decoded.into_owned())
}

/// A successful answer (RFC 6749, section 5.1). It holds tokens, so it does not print itself.
#[derive(Serialize)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// What was granted.
    pub scope: String,
    /// The refresh token, where the grant gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
pub fn s256(verifier: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(digest)
}

/// 256 bits that only who has `key` can make of `text`, in base64url: HMAC-SHA-256 (RFC 2104).
pub fn keyed_digest(key: &str, text: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_counts_as_omitted_and_a_repeated_one_is_refused() {
        let form = Form::parse(b"grant_type=client_credentials&scope=&unknown=1").unwrap();
        assert_eq!(
            (form.value("grant_type"), form.value("scope")),
            (Some("client_credentials"), None)
        );
        assert_eq!(Form::parse(b"scope=a&scope=b").unwrap_err().kind, Kind::InvalidRequest);
        assert_eq!(Form::parse(b"scope=a&scope=").unwrap_err().kind, Kind::InvalidRequest);
        assert_eq!(Form::parse(&[0xff, b'=']).unwrap_err().kind, Kind::InvalidRequest);
    }

    #[test]
    fn two_ways_of_authentication_at_once_are_refused() {
        let form = Form::parse(b"client_id=a&client_secret=b").unwrap();
        let error = client_credentials(Some("Basic YTpi"), &form).err().unwrap();
        assert_eq!(error.kind, Kind::InvalidRequest);
        let other = Form::parse(b"client_id=z").unwrap();
        assert_eq!(
            client_credentials(Some("Basic YTpi"), &other).err().unwrap().kind,
            Kind::InvalidRequest
        );
    }

    #[test]
    fn basic_is_form_decoded_inside() {
        let header = format!("Basic {}", BASE64_STANDARD.encode("a%3Ab:c+d%25"));
        let credentials = client_credentials(Some(&header), &Form::default()).unwrap();
        assert_eq!(
            (credentials.id.as_str(), credentials.secret.as_deref()),
            ("a:b", Some("c d%"))
        );
    }

    #[test]
    fn no_or_malformed_credentials_are_one_and_the_same_refusal() {
        for header in [
            None,
            Some("Bearer x"),
            Some("Basic !"),
            Some("Basic YQ=="),
            Some("Basic /w=="),
            Some("basic YTpi"),
        ] {
            let error = client_credentials(header, &Form::default()).err().unwrap();
            assert_eq!(
                (error.kind, &*error.message),
                (Kind::Unauthenticated, "Client authentication failed.")
            );
        }
    }
}
