//! Redirect URIs: which may be configured, and which of those a request names (RFC 8252, section 7).

/// Claimed https, a private scheme (which has a dot in it, section 7.1), or loopback.
pub(super) fn is_redirect_uri(uri: &str) -> bool {
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let private = scheme.contains('.')
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
        && !rest.is_empty();
    let https = uri
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    is_clean(uri) && (https || private || loopback(uri).is_some())
}

/// Character by character; on loopback the port may be any (RFC 8252, section 7.3).
pub(super) fn is_one_of(own: &[String], uri: &str) -> bool {
    let is = |own: &String| own == uri || (loopback(own).is_some() && loopback(own) == loopback(uri));
    is_clean(uri) && own.iter().any(is)
}

fn is_clean(uri: &str) -> bool {
    uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#')
}

/// A loopback URI without its port: host and the rest.
pub(super) fn loopback(uri: &str) -> Option<(&str, &str)> {
    let hosts = ["http://127.0.0.1", "http://[::1]"];
    let (host, rest) = hosts
        .into_iter()
        .find_map(|host| Some((host, uri.strip_prefix(host)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(ported) => {
            let digits = ported.bytes().take_while(u8::is_ascii_digit).count();
            (1..=5).contains(&digits).then(|| &ported[digits..])?
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_matches_exactly_and_on_loopback_at_any_port() {
        let own = ["https://app.example/cb", "http://127.0.0.1/cb"].map(str::to_owned);
        for good in [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
        ] {
            assert!(is_one_of(&own, good), "{good}");
        }
        for bad in [
            "",
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example:443/cb",
            "https://APP.example/cb",
            "https://app.example/cb#a",
            "https://app.example/%63b",
            "https://app.example/x/../cb",
            "http://127.0.0.1:1@evil.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:123456/cb",
            "http://localhost/cb",
            "http://[::1]/cb",
            "https://127.0.0.1/cb",
            "http://127.0.0.1/cb2",
        ] {
            assert!(!is_one_of(&own, bad), "{bad}");
        }
    }
}
