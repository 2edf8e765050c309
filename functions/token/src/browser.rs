//! What a browser sees of a login: one cookie, and pages that nothing can frame or script.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use gateway::config::Issuer;
use gateway::error::{Error, Kind};
use gateway::oauth::s256;
use gateway::secret::{Secret, SecretKind};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::session::SESSION_SECONDS;

/// A login takes no longer (A-24).
pub(crate) const LOGIN_SECONDS: i64 = 600;

const COOKIE_SECONDS: i64 = LOGIN_SECONDS + SESSION_SECONDS;

/// Where a form may lead to that ends at a provider, wherever that is.
pub(crate) const TO_A_PROVIDER: &str = " https: http://127.0.0.1:*";

/// The cookie that ties the steps of a login to one browser. `__Host-` keeps other hosts of a domain from setting it; browsers want
/// https for that, which a gateway on loopback has not.
fn cookie_name(issuer: &Issuer) -> &'static str {
    if is_secure(issuer) {
        "__Host-tollgate-login"
    } else {
        "tollgate-login"
    }
}

fn is_secure(issuer: &Issuer) -> bool {
    issuer.as_str().starts_with("https://")
}

/// The browser's cookie, if it has one of ours.
pub(crate) fn cookie(headers: &HeaderMap, issuer: &Issuer) -> Option<Secret> {
    let name = cookie_name(issuer);
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name);
    let (_, value) = values.next()?;
    let secret: Secret = value.parse().ok()?;
    // Two cookies of one name come from two places, one of which is not ours.
    (secret.kind() == SecretKind::Login && values.next().is_none()).then_some(secret)
}

/// Sets the cookie, for as long as the sessions may live that are begun by it: by it the browser ends them.
pub(crate) fn set_cookie(response: &mut Response, issuer: &Issuer, cookie: &Secret) -> Result<(), Error> {
    let secure = if is_secure(issuer) { "; Secure" } else { "" };
    let (name, value) = (cookie_name(issuer), cookie.expose());
    let text = format!("{name}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}");
    let value = HeaderValue::from_str(&text).map_err(Error::internal)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// Takes the cookie away.
pub(crate) fn drop_cookie(response: &mut Response, issuer: &Issuer) -> Result<(), Error> {
    let secure = if is_secure(issuer) { "; Secure" } else { "" };
    let text = format!(
        "{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}",
        cookie_name(issuer)
    );
    let value = HeaderValue::from_str(&text).map_err(Error::internal)?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// 303, so that a form's body is never sent on (RFC 9700, section 2.1).
pub(crate) fn see_other(location: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(location).map_err(Error::internal)?;
    Ok((
        StatusCode::SEE_OTHER,
        [
            (header::LOCATION, location),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ],
    )
        .into_response())
}

/// How pages look: the system's own letters and colours, light or dark. It is the one style that the policy lets in.
const STYLE: &str = "\
    :root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
    body{margin:0;padding:1rem}\
    main{max-width:28rem;margin:8vh auto 0;overflow-wrap:anywhere}\
    h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}\
    ul{padding-left:1.25rem}\
    label{display:block;margin:1rem 0}\
    input,select{display:block;width:100%;margin-top:.25rem}\
    input,select,button{box-sizing:border-box;font:inherit;padding:.5rem .75rem}\
    button{margin:1rem .5rem 0 0;cursor:pointer}\
    nav a{display:block;margin:.5rem 0;padding:.5rem .75rem;border:1px solid;border-radius:.25rem}\
    :focus-visible{outline:3px solid Highlight;outline-offset:2px}";

/// A page. `body` is HTML, in which everything that is not ours went through [`escaped`]; `form_to` is where its form may lead, by way
/// of redirects too.
pub(crate) fn page(status: StatusCode, title: &str, body: &str, form_to: &str) -> Result<Response, Error> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main><h1>{title}</h1>\n{body}\n</main></body></html>\n"
    );
    // Browsers take a digest in base64url too (Content Security Policy, level 3, section 2.3.1), but not without its padding.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}='; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{form_to}",
        s256(STYLE),
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy).map_err(Error::internal)?,
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What went wrong, for a person. An error of ours stays one, and is logged as such.
pub(crate) fn error_page(error: Error) -> Result<Response, Error> {
    match error.kind {
        Kind::Internal | Kind::Unavailable => Err(error),
        Kind::RateLimited => told(StatusCode::TOO_MANY_REQUESTS, &error),
        _ => told(StatusCode::BAD_REQUEST, &error),
    }
}

fn told(status: StatusCode, error: &Error) -> Result<Response, Error> {
    let text = format!("<p>{}</p>", escaped(&error.message));
    page(status, "This did not work", &text, "")
}

/// Text for HTML, in elements and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, character| {
            match character {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                other => out.push(other),
            }
            out
        })
}

/// A redirect URI's scheme, host and port, as `form-action` takes them.
pub(crate) fn origin(uri: &str) -> String {
    let end = uri.find("://").map_or(0, |at| at + 3);
    let rest = &uri[end..];
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_clean = |host: &str| {
        host.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte))
    };
    match uri.split_once(':') {
        Some((scheme, _)) if !uri.starts_with("http") => format!(" {scheme}:"),
        // Content Security Policy (level 3, section 2.3.1) knows no IPv6 addresses.
        _ if host.starts_with('[') => " http:".to_owned(),
        _ if is_clean(host) => format!(" {}{host}", &uri[..end]),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A-20
    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(escaped(r#"<a b="c">&'"#), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
        assert_eq!(origin("https://app.example/cb;script-src *"), " https://app.example");
        assert_eq!(origin("com.example.app:/cb"), " com.example.app:");
        assert_eq!(origin("http://127.0.0.1:5/cb"), " http://127.0.0.1:5");
        assert_eq!(origin("http://[::1]:5/cb"), " http:");
    }

    #[test]
    fn the_cookie_is_ours_alone_or_none() {
        let issuer: Issuer = "https://gate.example".parse().unwrap();
        let secret = Secret::mint(SecretKind::Login).unwrap();
        let with = |text: String| HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&text).unwrap())]);
        let name = "__Host-tollgate-login";
        let good = format!("a=b; {name}={}", secret.expose());
        assert_eq!(cookie(&with(good.clone()), &issuer), Some(secret.clone()));
        let twice = format!("{good}; {name}={}", Secret::mint(SecretKind::Login).unwrap().expose());
        let key = Secret::mint(SecretKind::ApiKey).unwrap();
        for bad in [
            twice,
            format!("{name}=x"),
            format!("{name}={}", key.expose()),
            format!("tollgate-login={}", secret.expose()),
        ] {
            assert_eq!(cookie(&with(bad), &issuer), None);
        }
    }
}
