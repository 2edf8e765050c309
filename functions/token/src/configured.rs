//! Who may sign in, by which providers, and for which clients: the JSON of `TOLLGATE_LOGIN`.
//!
//! Clients are configured too. There is no route that registers one, so nobody from outside names a redirect URI.

use std::collections::BTreeMap;

use gateway::config::{ConfigError, Variables};
use gateway::principal::Team;
use gateway::role::Role;
use gateway::scope::Scopes;
use serde::Deserialize;

const NAME: &str = "TOLLGATE_LOGIN";

/// All of it. Without the variable nobody can sign in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Configured {
    pub(crate) clients: Vec<PublicClient>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) users: Users,
}

/// Whether a first login makes a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Users {
    /// It does, if the provider's rules give them a role; their roles and team are what the rules say at each login.
    #[default]
    FirstLogin,
    /// It does not. Their roles and team are what an administrator gave them.
    MustExist,
}

/// A client without a secret (RFC 6749, section 2.1): a program on somebody's machine, or in their browser.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicClient {
    pub(crate) client_id: String,
    /// As the consent page shows it.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    /// What its tokens may allow at the most.
    #[serde(default = "Scopes::of_a_user")]
    pub(crate) scopes: Scopes,
    #[serde(default)]
    pub(crate) consent: ConsentRule,
}

/// Whether a person is asked before a client gets a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConsentRule {
    /// Each time.
    #[default]
    Ask,
    /// Not for this client: it is the company's own, and nobody else can receive at its redirect URIs.
    Implied,
}

/// A provider's make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Make {
    Google,
    Github,
    Microsoft,
    Gitlab,
    Auth0,
    Okta,
    Oidc,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// Its name in paths.
    pub(crate) id: String,
    pub(crate) kind: Make,
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// What the provider calls us.
    pub(crate) client_id: String,
    /// The name or ARN in Secrets Manager of the secret that the provider gave us.
    pub(crate) secret: String,
    /// The issuer, where the make does not tell.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
    /// The directory of Microsoft's that may sign in: its id.
    #[serde(default)]
    pub(crate) tenant: Option<String>,
    /// The claim that lists groups.
    #[serde(default = "groups")]
    pub(crate) groups_claim: String,
    /// More scopes to ask the provider for, as some need for groups.
    #[serde(default)]
    pub(crate) extra_scopes: Vec<String>,
    /// What a GitHub of one's own is at.
    #[serde(default)]
    pub(crate) github: GithubUrls,
    /// Who may come, and as what.
    #[serde(default)]
    pub(crate) rules: Rules,
}

fn groups() -> String {
    "groups".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GithubUrls {
    pub(crate) site: String,
    pub(crate) api: String,
}

impl Default for GithubUrls {
    fn default() -> Self {
        Self {
            site: "https://github.com".into(),
            api: "https://api.github.com".into(),
        }
    }
}

/// What groups and domains give. What nothing names gives nothing, and who is given no role does not come in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// Whoever the provider lets in.
    pub(crate) everyone: Given,
    /// By the domain of a verified address, in lower case.
    pub(crate) domains: BTreeMap<String, Given>,
    /// By the provider's name of a group, exactly.
    pub(crate) groups: BTreeMap<String, Given>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Given {
    pub(crate) team: Option<Team>,
    pub(crate) roles: Vec<Role>,
}

impl Configured {
    pub(crate) fn read(variables: &Variables) -> Result<Self, ConfigError> {
        let Some(text) = variables.text(NAME) else {
            return Ok(Self::default());
        };
        let wrong = |expected| ConfigError::Wrong { name: NAME, expected };
        let read: Self = serde_json::from_str(&text)
            .map_err(|_| wrong("JSON with `clients`, `providers` and `users`, with known members and known roles"))?;
        read.check().map_err(wrong)?;
        Ok(read)
    }

    fn check(&self) -> Result<(), &'static str> {
        let ids: Vec<_> = self.providers.iter().map(|provider| &*provider.id).collect();
        let client_ids: Vec<_> = self.clients.iter().map(|client| &*client.client_id).collect();
        if !are_names(&ids) || !are_names(&client_ids) {
            return Err("ids of a-z, 0-9 and -, each once");
        }
        for provider in &self.providers {
            provider.check()?;
        }
        let uris = self.clients.iter().flat_map(|client| &client.redirect_uris);
        if !uris.into_iter().all(|uri| is_redirect_uri(uri)) {
            return Err(
                "absolute redirect URIs without fragment: https, http on 127.0.0.1 or [::1], or a scheme of one's own with a dot",
            );
        }
        Ok(())
    }

    pub(crate) fn client(&self, client_id: &str) -> Option<&PublicClient> {
        self.clients.iter().find(|client| client.client_id == client_id)
    }

    pub(crate) fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id == id)
    }
}

fn are_names(names: &[&str]) -> bool {
    let is_name = |name: &&str| {
        (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let twice = |(at, name): (usize, &&str)| names[..at].contains(name);
    names.iter().all(is_name) && !names.iter().enumerate().any(twice)
}

/// RFC 8252, section 7: claimed https, a private scheme (which has a dot in it, section 7.1), or loopback.
fn is_redirect_uri(uri: &str) -> bool {
    let clean = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let private = scheme.contains('.')
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
        && !rest.is_empty();
    let https = uri
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    clean && (https || private || loopback(uri).is_some())
}

/// A loopback URI without its port: host and the rest.
fn loopback(uri: &str) -> Option<(&str, &str)> {
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

impl PublicClient {
    /// Character by character; on loopback the port may be any (RFC 8252, section 7.3).
    pub(crate) fn owns(&self, uri: &str) -> bool {
        let clean = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
        let is = |own: &String| own == uri || (loopback(own).is_some() && loopback(own) == loopback(uri));
        clean && self.redirect_uris.iter().any(is)
    }
}

impl Provider {
    pub(crate) fn shown_name(&self) -> &str {
        let make = match self.kind {
            Make::Google => "Google",
            Make::Github => "GitHub",
            Make::Microsoft => "Microsoft",
            Make::Gitlab => "GitLab",
            Make::Auth0 => "Auth0",
            Make::Okta => "Okta",
            Make::Oidc => &self.id,
        };
        self.name.as_deref().unwrap_or(make)
    }

    /// The issuer, exactly as its tokens name it.
    pub(crate) fn issuer(&self) -> Option<String> {
        match (self.kind, &self.issuer) {
            (Make::Github, _) => Some(self.github.site.clone()),
            (_, Some(issuer)) => Some(issuer.clone()),
            (Make::Google, None) => Some("https://accounts.google.com".into()),
            (Make::Gitlab, None) => Some("https://gitlab.com".into()),
            (Make::Microsoft, None) => {
                let tenant = self.tenant.as_deref()?;
                Some(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
            }
            (Make::Auth0 | Make::Okta | Make::Oidc, None) => None,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        // Of `common` and its like the tokens name many issuers: whoever has a directory at Microsoft could come.
        let many = ["common", "organizations", "consumers"];
        if self.tenant.as_deref().is_some_and(|tenant| many.contains(&tenant)) {
            return Err("a `tenant` that is one directory's id");
        }
        let issuer = self
            .issuer()
            .ok_or("an `issuer` (Microsoft: a `tenant`) of each provider")?;
        let urls = [&issuer, &self.github.site, &self.github.api];
        if !urls.into_iter().all(|url| is_base(url)) {
            return Err("URLs of providers by https (http on loopback)");
        }
        Ok(())
    }
}

fn is_base(url: &str) -> bool {
    let loopback = loopback(url).is_some();
    let https = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['?', '#', '@']) && (https || loopback)
}

impl Rules {
    /// What a person is given. The domain counts only where the provider has verified the address.
    pub(crate) fn give(&self, verified_email: Option<&str>, groups: &[String]) -> Given {
        let domain = verified_email
            .and_then(|email| email.rsplit_once('@'))
            .map(|(_, domain)| domain);
        let by_domain = domain.and_then(|domain| self.domains.get(&domain.to_ascii_lowercase()));
        let by_group = self
            .groups
            .iter()
            .filter(|(name, _)| groups.contains(name))
            .map(|(_, given)| given);
        let mut all = Given::default();
        for given in by_group.chain(by_domain).chain([&self.everyone]) {
            // The narrowest rule that names a team decides it: a group, then the domain, then everyone.
            all.team = all.team.or_else(|| given.team.clone());
            all.roles.extend(&given.roles);
        }
        all.roles.sort_unstable();
        all.roles.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str]) -> PublicClient {
        serde_json::from_value(serde_json::json!({"client_id": "app", "name": "App", "redirect_uris": uris})).unwrap()
    }

    #[test]
    fn a_redirect_uri_matches_exactly_and_on_loopback_at_any_port() {
        let client = client(&["https://app.example/cb", "http://127.0.0.1/cb"]);
        for good in [
            "https://app.example/cb",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:49152/cb",
        ] {
            assert!(client.owns(good), "{good}");
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
            assert!(!client.owns(bad), "{bad}");
        }
    }

    #[test]
    fn groups_and_verified_domains_give_what_the_rules_name_and_nothing_else_does() {
        let rules: Rules = serde_json::from_value(serde_json::json!({
            "domains": {"example.com": {"team": "all", "roles": ["user"]}},
            "groups": {"ml": {"team": "ml", "roles": ["team_admin"]}},
        }))
        .unwrap();
        let given = rules.give(Some("a@Example.com"), &["ml".into(), "ADMIN".into(), "admin".into()]);
        assert_eq!(given.roles, [Role::User, Role::TeamAdmin]);
        assert_eq!(given.team.unwrap().as_str(), "ml");
        assert_eq!(rules.give(None, &["admin".into()]), Given::default());
        assert_eq!(rules.give(Some("a@example.com.evil.example"), &[]), Given::default());
    }

    /// A-42
    #[test]
    fn a_configuration_that_could_let_in_too_many_is_refused() {
        let read = |text: &str| Configured::read(&Variables::Given(vec![(NAME, text.to_owned())]));
        assert!(read("").is_ok());
        let provider = |more: &str| format!(r#"{{"providers":[{{"id":"a","client_id":"x","secret":"s",{more}}}]}}"#);
        assert!(read(&provider(r#""kind":"google""#)).is_ok());
        for bad in [
            r#""kind":"oidc""#,
            r#""kind":"okta","issuer":"http://okta.example""#,
            r#""kind":"microsoft""#,
            r#""kind":"microsoft","tenant":"common""#,
            r#""kind":"myspace""#,
            r#""kind":"google","rules":{"everyone":{"roles":["ADMIN"]}}"#,
            r#""kind":"google","rules":{"everybody":{"roles":["user"]}}"#,
        ] {
            let error = read(&provider(bad)).unwrap_err().to_string();
            assert!(error.contains(NAME), "{error}");
        }
        for uri in [
            "http://app.example/cb",
            "javascript:alert(1)",
            "https://a/#b",
            "/cb",
            "data:text/html,x",
        ] {
            let text = format!(r#"{{"clients":[{{"client_id":"a","name":"A","redirect_uris":["{uri}"]}}]}}"#);
            assert!(read(&text).is_err(), "{uri}");
        }
    }
}
