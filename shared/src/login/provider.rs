//! Identity providers.

use serde::Deserialize;

use super::redirect_uri::loopback;
use super::rules::Rules;

/// A provider's make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Make {
    /// accounts.google.com
    Google,
    /// github.com, or a GitHub of one's own. It speaks OAuth 2.0, and no OpenID Connect.
    Github,
    /// One directory of Microsoft Entra.
    Microsoft,
    /// gitlab.com, or a GitLab of one's own.
    Gitlab,
    /// A tenant of Auth0.
    Auth0,
    /// An authorization server of Okta.
    Okta,
    /// Any other issuer of OpenID Connect.
    Oidc,
}

/// A provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name in paths.
    pub id: String,
    /// Its make.
    pub kind: Make,
    /// What people see, if not the make's name.
    #[serde(default)]
    pub name: Option<String>,
    /// What the provider calls us.
    pub client_id: String,
    /// The name or ARN in Secrets Manager of the secret that the provider gave us.
    pub secret: String,
    /// The issuer, where the make does not tell.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The directory of Microsoft's that may sign in: its id.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The claim that lists groups.
    #[serde(default = "groups")]
    pub groups_claim: String,
    /// More scopes to ask the provider for, as some need for groups.
    #[serde(default)]
    pub extra_scopes: Vec<String>,
    /// What a GitHub of one's own is at.
    #[serde(default)]
    pub github: GithubUrls,
    /// Who may come, and as what.
    #[serde(default)]
    pub rules: Rules,
    /// The claim by which a directory knows its people, if that is another than `sub`. It follows from the rest.
    #[serde(skip)]
    pub directory_claim: Option<String>,
}

fn groups() -> String {
    "groups".to_owned()
}

/// Where a GitHub is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GithubUrls {
    /// Its pages.
    pub site: String,
    /// Its API.
    pub api: String,
}

impl Default for GithubUrls {
    fn default() -> Self {
        Self {
            site: "https://github.com".into(),
            api: "https://api.github.com".into(),
        }
    }
}

impl Provider {
    /// What people see.
    pub fn shown_name(&self) -> &str {
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
    pub fn issuer(&self) -> Option<String> {
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

    pub(super) fn check(&self) -> Result<(), &'static str> {
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
