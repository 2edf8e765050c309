//! The company's directory, which tells of people and groups by SCIM: whose people they are, and what their groups give.

use serde::Deserialize;

use super::{Given, LoginConfig, Make, Provider};

/// Microsoft's name for a person, the same for all programs of a directory; `sub` is another for each.
const MICROSOFTS_CLAIM: &str = "oid";
const SUB: &str = "sub";
/// An address can be another person's later, and some providers let people write their own.
const ADDRESSES: [&str; 6] = ["email", "preferred_username", "upn", "unique_name", "name", "nickname"];

/// Whose people a directory tells of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// The provider's id by which they sign in.
    pub provider: String,
    /// The claim of their id tokens that the directory sends as `externalId`.
    #[serde(default = "sub")]
    pub claim: String,
}

fn sub() -> String {
    SUB.to_owned()
}

impl DirectoryConfig {
    pub(super) fn check(&self, provider: Option<&Provider>) -> Result<(), &'static str> {
        let provider = provider.ok_or("a `directory` whose `provider` is one of `providers`")?;
        let fits = (1..=100).contains(&self.claim.len())
            && self.claim.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
            && !ADDRESSES.contains(&&*self.claim)
            // GitHub gives no id token.
            && (provider.kind != Make::Github || self.claim == SUB);
        match fits {
            true => Ok(()),
            false => Err("a `directory` whose `claim` names a person for good, as `sub` or `oid`, and is no address"),
        }
    }
}

impl LoginConfig {
    /// A provider's people are remembered by the claim that a directory will know them by, also before there is one.
    pub(super) fn tell_providers_of_the_directory(&mut self) {
        for provider in &mut self.providers {
            let configured = self.directory.as_ref().filter(|it| it.provider == provider.id);
            let claim = match (configured, provider.kind) {
                (Some(directory), _) => &*directory.claim,
                (None, Make::Microsoft) => MICROSOFTS_CLAIM,
                (None, _) => SUB,
            };
            provider.directory_claim = (claim != SUB).then(|| claim.to_owned());
        }
    }

    /// The provider whose people the directory tells of.
    pub fn directory_provider(&self) -> Option<&Provider> {
        self.provider(&self.directory.as_ref()?.provider)
    }

    /// What groups of the directory give, by the rules of its provider. A group is named by people and by the directory; a rule may
    /// name it either way. A domain gives nothing here: nobody has verified an address.
    pub fn given_by_groups(&self, names: &[String]) -> Given {
        let provider = self.directory_provider();
        provider.map(|it| it.rules.give(None, names)).unwrap_or_default()
    }
}
