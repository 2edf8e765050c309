//! Which issuers are trusted, for whom, and what their tokens allow.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys;
use crate::config::{ConfigError, Variables};
use crate::jwt::KeyAlgorithm;
use crate::principal::Team;
use crate::scope::Scopes;

const NAME: &str = "TOLLGATE_TRUSTED_ISSUERS";
pub(crate) const EXPECTED: &str = "a JSON list of {issuer, label, audience, algorithms, grants_claim, grants, team_claim?, teams?}, each issuer an \
                        https URL, each label 1 to 32 of a-z 0-9 - and its own, each algorithm EdDSA, ES256 or RS256";

/// An issuer that is trusted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustedIssuer {
    /// Its identifier, as it stands in tokens.
    pub(super) issuer: String,
    /// What its people's subjects begin with here.
    pub(super) label: String,
    /// For whom its tokens must be.
    pub(super) audience: String,
    /// By what they may be signed.
    pub(super) algorithms: Vec<KeyAlgorithm>,
    /// The claim (a text or a list of texts) that says what its bearer is.
    grants_claim: String,
    /// What each value of it allows.
    grants: BTreeMap<String, Scopes>,
    /// The claim that says which team its bearer works for.
    #[serde(default)]
    team_claim: Option<String>,
    /// The team of each value of it.
    #[serde(default)]
    teams: BTreeMap<String, Team>,
}

/// Whether a text is a right list, where issuers may be on this machine.
pub(crate) fn is_right(text: &str) -> bool {
    read(&Variables::Given(vec![(NAME, text.to_owned())]), true).is_ok()
}

/// # Errors
/// [`ConfigError`]
pub(super) fn read(variables: &Variables, loopback: bool) -> Result<Vec<TrustedIssuer>, ConfigError> {
    let Some(text) = variables.text(NAME) else {
        return Ok(Vec::new());
    };
    let wrong = ConfigError::Wrong {
        name: NAME,
        expected: EXPECTED,
    };
    let Ok(issuers) = serde_json::from_str::<Vec<TrustedIssuer>>(&text) else {
        return Err(wrong);
    };
    let own = variables.text("TOLLGATE_ISSUER");
    let distinct = issuers.iter().enumerate().all(|(index, it)| {
        let same = |other: &TrustedIssuer| other.issuer == it.issuer || other.label == it.label;
        !issuers[..index].iter().any(same) && own.as_ref() != Some(&it.issuer)
    });
    if distinct && issuers.iter().all(|it| it.is_right(loopback)) {
        Ok(issuers)
    } else {
        Err(wrong)
    }
}

impl TrustedIssuer {
    fn is_right(&self, loopback: bool) -> bool {
        let label = (1..=32).contains(&self.label.len())
            && self
                .label
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
        let algorithms = !self.algorithms.is_empty() && !self.algorithms.contains(&KeyAlgorithm::Hs256);
        label && algorithms && !self.audience.is_empty() && keys::endpoint(&self.issuer, loopback).is_some()
    }

    /// What the values of the claim allow together; one that is not known allows nothing.
    pub(super) fn scopes(&self, claims: &Map<String, Value>) -> Scopes {
        let granted = values(claims, &self.grants_claim).filter_map(|value| self.grants.get(value));
        granted.fold(Scopes::default(), |all, more| all.union(more))
    }

    /// The team of the first value of the claim that is given one.
    pub(super) fn team(&self, claims: &Map<String, Value>) -> Option<Team> {
        let claim = self.team_claim.as_ref()?;
        values(claims, claim).find_map(|value| self.teams.get(value)).cloned()
    }
}

/// The texts of a claim: its own, or those in its list.
fn values<'a>(claims: &'a Map<String, Value>, claim: &str) -> impl Iterator<Item = &'a str> {
    let (one, several) = match claims.get(claim) {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Array(texts)) => (None, Some(texts.iter().filter_map(Value::as_str))),
        _ => (None, None),
    };
    one.into_iter().chain(several.into_iter().flatten())
}
