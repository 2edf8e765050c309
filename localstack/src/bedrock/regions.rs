//! What the mock does in a whole region, and of a whole list of beta flags, whichever call it is.
//!
//! The region of a call is the one that its signature names, as AWS's endpoints have it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directive::Directive;
use super::error::Refusal;
use super::{lock, signature};
use crate::aws::REGION;

/// How a region answers every call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionScript {
    /// An error instead of the head: its status.
    pub status: Option<u16>,
    /// Its type in the service's model; type and status complete each other.
    pub error_type: Option<String>,
    /// Its `retry-after`.
    pub retry_after: Option<Value>,
    /// Milliseconds before the head, beside those of a call's own directive.
    pub delay_ms: u64,
}

/// Which beta flags are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BetaScript {
    /// Flags.
    pub refused: Vec<String>,
    /// Members of the outer object that are not permitted.
    pub members: Vec<String>,
    /// Which of the refused flags a refusal names. The real service mostly names none.
    pub naming: Naming,
}

/// What a refusal says of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// That one is wrong.
    #[default]
    None,
    /// The first that is wrong.
    One,
    /// All that are wrong.
    All,
}

/// Both.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    regions: Mutex<BTreeMap<String, RegionScript>>,
    betas: Mutex<BetaScript>,
}

/// The region that a call is signed for.
pub(super) fn region_of(parts: &Parts) -> String {
    signature::region(parts).unwrap_or_else(|| REGION.to_owned())
}

impl Scripts {
    pub(super) fn regions(&self) -> BTreeMap<String, RegionScript> {
        lock(&self.regions).clone()
    }

    pub(super) fn set_regions(&self, regions: BTreeMap<String, RegionScript>) {
        *lock(&self.regions) = regions;
    }

    pub(super) fn set_region(&self, region: &str, script: Option<RegionScript>) {
        let mut regions = lock(&self.regions);
        match script {
            Some(script) => regions.insert(region.to_owned(), script),
            None => regions.remove(region),
        };
    }

    pub(super) fn betas(&self) -> BetaScript {
        lock(&self.betas).clone()
    }

    pub(super) fn set_betas(&self, script: BetaScript) {
        *lock(&self.betas) = script;
    }

    pub(super) fn reset(&self) {
        self.set_regions(BTreeMap::new());
        self.set_betas(BetaScript::default());
    }

    /// What a call's directive is in this region.
    pub(super) fn in_region(&self, region: &str, directive: Directive) -> Directive {
        let Some(script) = lock(&self.regions).get(region).cloned() else {
            return directive;
        };
        Directive {
            status: script.status.or(directive.status),
            error_type: script.error_type.or(directive.error_type),
            retry_after: script.retry_after.or(directive.retry_after),
            delay_ms: directive.delay_ms + script.delay_ms,
            ..directive
        }
    }

    /// Refuses a body for its flags and their members, in the service's words. `fields` is the object that they stand in.
    ///
    /// # Errors
    /// A `ValidationException`.
    pub(super) fn check_betas(&self, fields: &Value) -> Result<(), Refusal> {
        let script = lock(&self.betas);
        let flags = fields["anthropic_beta"].as_array().into_iter().flatten();
        let flags = flags.filter_map(Value::as_str);
        let wrong: Vec<_> = flags
            .filter(|flag| script.refused.iter().any(|it| it == flag))
            .collect();
        let told = |flags: &[&str]| {
            format!(
                "Unexpected value(s) `{}` for the `anthropic-beta` header.",
                flags.join("`, `")
            )
        };
        if let Some(first) = wrong.first() {
            return Err(Refusal::validation(match script.naming {
                Naming::None => "invalid beta flag".to_owned(),
                Naming::One => told(&[*first]),
                Naming::All => told(&wrong),
            }));
        }
        match script.members.iter().find(|member| !fields[member.as_str()].is_null()) {
            Some(member) => Err(Refusal::validation(format!("{member}: Extra inputs are not permitted"))),
            None => Ok(()),
        }
    }
}
