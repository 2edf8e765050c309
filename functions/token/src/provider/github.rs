//! GitHub: OAuth without OpenID. Errors come with HTTP 200, the id is a number, and the address is a request of its own.

use gateway::error::{Error, Kind};
use gateway::login::Provider;
use gateway::store::Identity;
use reqwest::Url;
use serde_json::Value;

use super::outside::{Outside, endpoint};
use super::{Attempt, Person};

/// So many organisations are looked at.
const ORGANISATIONS: &str = "/user/orgs?per_page=100";

/// Where the browser is to go.
pub(super) fn authorization_url(provider: &Provider, attempt: &Attempt) -> Result<Url, Error> {
    let mut url = at(&provider.github.site, "/login/oauth/authorize", provider)?;
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &provider.client_id)
        .append_pair("redirect_uri", &attempt.callback)
        .append_pair("scope", &scope(provider))
        .append_pair("state", &attempt.state)
        .append_pair("code_challenge", &attempt.challenge())
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

/// Organisations are asked for only where they give something.
fn scope(provider: &Provider) -> String {
    let basic = "read:user user:email";
    if provider.rules.groups.is_empty() {
        basic.to_owned()
    } else {
        format!("{basic} read:org")
    }
}

fn at(base: &str, path: &str, provider: &Provider) -> Result<Url, Error> {
    endpoint(
        Some(&format!("{}{path}", base.trim_end_matches('/'))),
        &provider.github.site,
    )
}

pub(super) async fn person(
    outside: &Outside,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    secret: &str,
) -> Result<Person, Error> {
    let token = exchange(outside, provider, attempt, code, secret).await?;
    let get = async |path: &str| {
        outside
            .get(&at(&provider.github.api, path, provider)?, Some(&token))
            .await
    };
    let user = get("/user").await?;
    let id = match (user.status, user.json.get("id").and_then(Value::as_u64)) {
        (200, Some(id)) => id,
        _ => return Err(Error::unavailable("GitHub does not say who it was")),
    };
    let emails = get("/user/emails").await?;
    let email = (emails.status == 200).then(|| verified_primary(&emails.json)).flatten();
    let groups = if provider.rules.groups.is_empty() {
        Vec::new()
    } else {
        logins(&get(ORGANISATIONS).await?.json)
    };
    let name = ["name", "login"].iter().find_map(|name| user.json.get(name)?.as_str());
    Ok(Person {
        identity: Identity::of_subject(provider.github.site.clone(), id.to_string()),
        directory_identity: None,
        name: name.map(|name| name.chars().take(256).collect()),
        email_verified: email.is_some(),
        email,
        groups,
    })
}

async fn exchange(
    outside: &Outside,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    secret: &str,
) -> Result<String, Error> {
    let form = [
        ("client_id", &*provider.client_id),
        ("client_secret", secret),
        ("code", code),
        ("redirect_uri", &*attempt.callback),
        ("code_verifier", &*attempt.verifier),
    ];
    let url = at(&provider.github.site, "/login/oauth/access_token", provider)?;
    let answer = outside.post(&url, &form).await?;
    let denied = || Error::new(Kind::AccessDenied, "The identity provider did not accept the login.");
    // The status says nothing: a refused code is a 200 with `error`.
    if answer.json.get("error").is_some() {
        return Err(denied());
    }
    let token = answer.json.get("access_token").and_then(Value::as_str);
    token
        .filter(|token| !token.is_empty())
        .map(str::to_owned)
        .ok_or_else(denied)
}

/// The address in the profile may be empty, or anybody's: only the list says which one was verified.
fn verified_primary(list: &Value) -> Option<String> {
    let is = |entry: &&Value| {
        entry.get("primary") == Some(&Value::Bool(true)) && entry.get("verified") == Some(&Value::Bool(true))
    };
    let found = list.as_array()?.iter().find(is)?;
    Some(found.get("email")?.as_str()?.to_owned())
}

fn logins(list: &Value) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    let logins = entries.filter_map(|entry| entry.get("login")?.as_str());
    logins.map(str::to_owned).collect()
}
