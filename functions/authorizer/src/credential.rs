//! Finds the one credential of a request (RFC 6750, section 2.1, and the header `x-api-key` of the Anthropic SDKs).
//!
//! An API key or a JWT may stand in either header: they are told apart by their shape. Two different credentials in one
//! request are refused, since nobody can say which of them was meant. (A client that sends one value in both is fine.)

use gateway::jwt::looks_like_jwt;
use gateway::secret::{Secret, SecretKind};

use crate::event::AuthorizerRequest;

/// What was shown. It does not print itself.
pub(crate) enum Credential {
    /// An API key with a right checksum.
    ApiKey(Secret),
    /// Something of a JWT's shape.
    Jwt(String),
}

/// There is no credential, or what there is cannot be one. Which of them is not told.
#[derive(Debug)]
pub(crate) struct NoCredential;

/// The credential of a request.
pub(crate) fn from_headers(request: &AuthorizerRequest) -> Result<Credential, NoCredential> {
    let (authorization, api_key) = (
        request.header_values("authorization"),
        request.header_values("x-api-key"),
    );
    if authorization.len() > 1 || api_key.len() > 1 {
        return Err(NoCredential);
    }
    let bearer = match authorization.first() {
        Some(value) => Some(value.strip_prefix("Bearer ").ok_or(NoCredential)?),
        None => None,
    };
    match (bearer, api_key.first().copied()) {
        (Some(bearer), Some(key)) if bearer != key => Err(NoCredential),
        (Some(text), _) | (None, Some(text)) => shaped(text),
        (None, None) => Err(NoCredential),
    }
}

fn shaped(text: &str) -> Result<Credential, NoCredential> {
    if looks_like_jwt(text) {
        return Ok(Credential::Jwt(text.to_owned()));
    }
    let secret: Secret = text.parse().map_err(|_| NoCredential)?;
    match secret.kind() {
        SecretKind::ApiKey => Ok(Credential::ApiKey(secret)),
        _ => Err(NoCredential),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> AuthorizerRequest {
        let mut all = serde_json::Map::new();
        for (name, value) in headers {
            let values = all.entry(*name).or_insert_with(|| serde_json::json!([]));
            values.as_array_mut().unwrap().push((*value).into());
        }
        serde_json::from_value(serde_json::json!({"multiValueHeaders": all})).unwrap()
    }

    fn key() -> String {
        Secret::mint(SecretKind::ApiKey).unwrap().expose().to_owned()
    }

    ///
    #[test]
    fn a_key_and_a_jwt_are_told_apart_by_shape_in_either_header() {
        let key = key();
        let jwt = "eyJhbGciOiJFZERTQSJ9.e30.AA";
        for (name, prefix) in [("Authorization", "Bearer "), ("X-API-Key", ""), ("x-api-key", "")] {
            let shown = from_headers(&request(&[(name, &format!("{prefix}{key}"))]));
            assert!(matches!(shown, Ok(Credential::ApiKey(_))), "{name}");
            let shown = from_headers(&request(&[(name, &format!("{prefix}{jwt}"))]));
            assert!(matches!(shown, Ok(Credential::Jwt(_))), "{name}");
        }
    }

    #[test]
    fn the_same_value_in_both_headers_is_one_credential_and_two_values_are_none() {
        let (one, other) = (key(), key());
        let bearer = format!("Bearer {one}");
        assert!(from_headers(&request(&[("Authorization", &bearer), ("x-api-key", &one)])).is_ok());
        assert!(from_headers(&request(&[("Authorization", &bearer), ("x-api-key", &other)])).is_err());
        assert!(from_headers(&request(&[("Authorization", &bearer), ("Authorization", &bearer)])).is_err());
        assert!(from_headers(&request(&[("Authorization", "Basic YTpi"), ("x-api-key", &one)])).is_err());
    }

    ///
    #[test]
    fn anything_but_exactly_one_bearer_token_is_refused() {
        let key = key();
        for bad in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            key.clone(),
            format!("bearer {key}"),
            format!("BEARER {key}"),
            format!("Bearer  {key}"),
            format!("Bearer\t{key}"),
            format!("Bearer{key}"),
            format!("Bearer {key} "),
            format!("Bearer {key},{key}"),
            format!("Bearer {key}, Bearer {key}"),
            format!("Basic {key}"),
            "Bearer {\"S\":\"x\"}".to_owned(),
            "Bearer *".to_owned(),
            "Bearer %00".to_owned(),
            "Bearer ' OR 1=1".to_owned(),
            "Bearer é".to_owned(),
            "AWS4-HMAC-SHA256 Credential=x".to_owned(),
        ] {
            assert!(from_headers(&request(&[("Authorization", &bad)])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_secret_is_no_api_key() {
        let secret = Secret::mint(SecretKind::ClientSecret).unwrap();
        assert!(from_headers(&request(&[("x-api-key", secret.expose())])).is_err());
    }
}
