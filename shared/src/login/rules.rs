//! What groups and domains of a provider give.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::principal::Team;
use crate::role::Role;

/// What groups and domains give. What nothing names gives nothing, and who is given no role does not come in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Whoever the provider lets in.
    pub everyone: Given,
    /// By the domain of a verified address, in lower case.
    pub domains: BTreeMap<String, Given>,
    /// By the provider's name of a group, exactly.
    pub groups: BTreeMap<String, Given>,
}

/// What a rule gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// The team on whose account a person works.
    pub team: Option<Team>,
    /// What a person is.
    pub roles: Vec<Role>,
}

impl Rules {
    /// What a person is given. The domain counts only where the provider has verified the address.
    pub fn give(&self, verified_email: Option<&str>, groups: &[String]) -> Given {
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
}
