//! Who may sign in, by which providers, and for which clients: the JSON of `TOLLGATE_LOGIN`.
//!
//! Clients are configured too. There is no route that registers one, so nobody from outside names a redirect URI.

mod client;
mod directory;
mod provider;
mod redirect_uri;
mod rules;

use serde::Deserialize;

use crate::config::{ConfigError, Variables};

pub use client::{ConsentRule, PublicClient};
pub use directory::DirectoryConfig;
pub use provider::{GithubUrls, Make, Provider};
pub use rules::{Given, Rules};

const NAME: &str = "TOLLGATE_LOGIN";

/// All of it. Without the variable nobody can sign in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoginConfig {
    /// The programs that people sign in for.
    pub clients: Vec<PublicClient>,
    /// Where people are known.
    pub providers: Vec<Provider>,
    /// Whether a first login makes a person.
    pub users: Users,
    /// The company's directory, if one tells of people by SCIM.
    pub directory: Option<DirectoryConfig>,
}

/// Whether a first login makes a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Users {
    /// It does, if the provider's rules give them a role; their roles and team are what the rules say at each login.
    #[default]
    FirstLogin,
    /// It does not. Their roles and team are what an administrator gave them.
    MustExist,
}

impl LoginConfig {
    /// Reads `TOLLGATE_LOGIN`.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`], with what it must hold.
    pub fn read(variables: &Variables) -> Result<Self, ConfigError> {
        match variables.text(NAME) {
            None => Ok(Self::default()),
            Some(text) => Self::of(&text).map_err(|expected| ConfigError::Wrong { name: NAME, expected }),
        }
    }

    /// Reads its JSON.
    ///
    /// # Errors
    /// What it must hold.
    pub fn of(text: &str) -> Result<Self, &'static str> {
        let expected = "JSON with `clients`, `providers`, `users` and `directory`, with known members and known roles";
        let mut read: Self = serde_json::from_str(text).map_err(|_| expected)?;
        read.check()?;
        read.tell_providers_of_the_directory();
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
        if let Some(directory) = &self.directory {
            directory.check(self.provider(&directory.provider))?;
        }
        self.clients.iter().try_for_each(PublicClient::check)
    }

    /// The client of this id.
    pub fn client(&self, client_id: &str) -> Option<&PublicClient> {
        self.clients.iter().find(|client| client.client_id == client_id)
    }

    /// The provider of this id.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A-42
    #[test]
    fn a_configuration_that_could_let_in_too_many_is_refused() {
        let read = |text: &str| LoginConfig::read(&Variables::Given(vec![(NAME, text.to_owned())]));
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
        for bad in [
            r#"{"provider":"b"}"#,
            r#"{"provider":"a","claim":"email"}"#,
            r#"{"provider":"a","claim":"o id"}"#,
            r#"{"provider":"a","claim":""}"#,
            r#"{"claim":"sub"}"#,
        ] {
            let providers = r#"[{"id":"a","client_id":"x","secret":"s","kind":"google"}]"#;
            let with = |directory: &str| read(&format!(r#"{{"providers":{providers},"directory":{directory}}}"#));
            assert!(
                with(bad).is_err() && with(r#"{"provider":"a","claim":"oid"}"#).is_ok(),
                "{bad}"
            );
        }
        for uri in [
            "http://app.example/cb",
            "javascript:alert(1)",
            "https://a/#b",
            "/cb",
            "data:text/html,x",
        ] {
            for list in ["redirect_uris", "post_logout_redirect_uris"] {
                let text = format!(r#"{{"clients":[{{"client_id":"a","name":"A","{list}":["{uri}"]}}]}}"#);
                assert!(read(&text).is_err(), "{list}: {uri}");
            }
        }
    }
}
