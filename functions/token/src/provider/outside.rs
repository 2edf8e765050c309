//! Requests to providers: https, no redirects, little time, bounded answers.

use std::pin::Pin;
use std::time::Duration;

use gateway::error::Error;
use http::header;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, RequestBuilder, Response, Url};
use serde_json::Value;
use tokio::sync::OnceCell;

/// The most that a provider's document holds.
const MAX_BYTES: usize = 256 * 1024;

/// The HTTP client, built when it is first needed: most calls of this function need none.
pub(crate) struct Outside(OnceCell<Client>);

/// A provider's answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Outside {
    pub(crate) fn new() -> Self {
        Self(OnceCell::new())
    }

    async fn client(&self) -> Result<&Client, Error> {
        let build = async || {
            Client::builder()
                .redirect(Policy::none())
                .connect_timeout(Duration::from_secs(2))
                .timeout(Duration::from_secs(5))
                .no_proxy()
                .user_agent("tollgate")
                .build()
                .map_err(Error::unavailable)
        };
        self.0.get_or_try_init(build).await
    }

    /// For the library's requests to the provider with this issuer.
    pub(super) fn asking<'a>(&'a self, issuer: &'a str) -> Asking<'a> {
        Asking { outside: self, issuer }
    }

    pub(super) async fn get(&self, url: &Url, bearer: Option<&str>) -> Result<Answer, Error> {
        let mut request = self.client().await?.get(url.clone());
        if let Some(token) = bearer {
            request = request.bearer_auth(token);
        }
        answer(request).await
    }

    pub(super) async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, Error> {
        let body = serde_urlencoded::to_string(form).map_err(Error::internal)?;
        let request = self.client().await?.post(url.clone());
        let form_type = "application/x-www-form-urlencoded";
        answer(request.header(header::CONTENT_TYPE, form_type).body(body)).await
    }
}

/// The HTTP client that `openidconnect` is given.
pub(super) struct Asking<'a> {
    outside: &'a Outside,
    issuer: &'a str,
}

impl Asking<'_> {
    /// Goes nowhere that [`endpoint`] refuses. A provider that fails is unavailable, whatever it says besides.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let mut request = Request::try_from(request).map_err(Error::internal)?;
        *request.url_mut() = endpoint(Some(request.url().as_str()), self.issuer)?;
        let client = self.outside.client().await?;
        let response = client.execute(request).await.map_err(Error::unavailable)?;
        if response.status().is_server_error() {
            return Err(Error::unavailable("a provider fails"));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = HttpResponse::new(bounded(response).await?);
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Asking<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer, Error> {
    let request = request.header(header::ACCEPT, "application/json");
    // What reqwest says of an error names the URL, which holds no secret here.
    let response = request.send().await.map_err(Error::unavailable)?;
    let status = response.status().as_u16();
    let body = bounded(response).await?;
    let json = serde_json::from_slice(&body).map_err(|_| Error::unavailable("a provider's answer is not JSON"))?;
    Ok(Answer { status, json })
}

async fn bounded(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Error::unavailable)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(Error::unavailable("a provider's answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A URL that a provider names. Only a provider on loopback (in tests) may name one there.
pub(super) fn endpoint(text: Option<&str>, issuer: &str) -> Result<Url, Error> {
    let refused = || Error::unavailable("a provider names an endpoint that is none");
    let url: Url = text.and_then(|text| text.parse().ok()).ok_or_else(refused)?;
    let host = url.host_str().unwrap_or_default();
    let is_loopback = |host: &str| host == "127.0.0.1" || host == "[::1]";
    let issuer: Url = issuer.parse().map_err(|_| refused())?;
    let at_home = issuer.scheme() == "http" && is_loopback(issuer.host_str().unwrap_or_default());
    let clean = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let outside = url.scheme() == "https" && url.domain().is_some_and(|domain| domain.contains('.'));
    let fits = clean
        && if at_home {
            url.scheme() == "http" && is_loopback(host)
        } else {
            outside
        };
    if fits { Ok(url) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_cannot_send_us_to_addresses_of_our_own() {
        let at = |url| endpoint(Some(url), "https://idp.example").is_ok();
        assert!(at("https://idp.example/token") && at("https://oauth2.other.example/token"));
        for bad in [
            "http://idp.example/token",
            "https://169.254.169.254/latest",
            "https://[fd00:ec2::254]/",
            "https://127.0.0.1/",
            "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
            "https://localhost/",
            "https://user:pass@idp.example/",
            "file:///etc/passwd",
            "https://idp.example/#a",
            "token",
            "",
        ] {
            assert!(!at(bad), "{bad}");
        }
        assert!(endpoint(Some("http://127.0.0.1:2/t"), "http://127.0.0.1:1").is_ok());
        assert!(endpoint(Some("https://idp.example/t"), "http://127.0.0.1:1").is_err());
    }
}
