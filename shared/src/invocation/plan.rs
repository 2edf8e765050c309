//! Where a call may go: the targets of its model's route that serve the model, in the order in which they are asked, each with its
//! own model id and price.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Models;
use crate::error::Error;
use crate::model::{Catalog, Profile, ResolvedModel};
use crate::price::{PriceBook, PriceError, Quote, Rates, ServiceTier, TokenRate};
use crate::principal::{Principal, Team};
use crate::upstream::config::Order;
use crate::upstream::{Target, Upstream, preferred};

/// A target that a call may go to.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its place in the configuration.
    pub(super) target: usize,
    /// The model, as it is called there.
    pub(super) model: ResolvedModel,
    /// What it costs there.
    pub(super) quote: Quote,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Plan {
    /// At least one; the first is asked first, if it is well.
    candidates: Vec<Candidate>,
}

/// What a plan is made for.
pub(super) struct Asked<'a> {
    pub(super) principal: &'a Principal,
    pub(super) model: &'a ResolvedModel,
    pub(super) tier: ServiceTier,
    /// What a guardrail costs beside, a token.
    pub(super) surcharge: Option<TokenRate>,
    pub(super) at: Timestamp,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    /// What the call costs with a model: its price, and what a guardrail costs beside.
    fn quote(&self, book: &PriceBook, model: &ResolvedModel) -> Result<Quote, PriceError> {
        let mut quote = book.quote(&model.price_key, self.tier, self.at)?;
        if let Some(surcharge) = self.surcharge {
            quote.rates = quote.rates.dearer_by(surcharge);
        }
        Ok(quote)
    }
}

impl Plan {
    /// # Errors
    /// [`crate::error::Kind::NotFound`] for a model that has no price at any target.
    pub(super) fn of(models: &Models, book: &PriceBook, catalog: &Catalog, asked: &Asked<'_>) -> Result<Self, Error> {
        let upstream = &models.upstream;
        let route = upstream.route(&asked.model.requested, &asked.model.base);
        let (targets, order) = route.map_or((&[0][..], Order::First), |route| (&route.targets[..], route.order));
        let there = |index: &usize| {
            let target = upstream.targets.get(*index)?;
            let model = called_at(target, &models.region, asked.model, catalog)?;
            let quote = asked.quote(book, &model).ok()?;
            Some(Candidate {
                target: *index,
                model,
                quote,
            })
        };
        let mut candidates: Vec<Candidate> = targets.iter().filter_map(there).collect();
        if candidates.is_empty() {
            // Bedrock will say what is wrong with the model there, and this what is with its price.
            let quote = asked.quote(book, asked.model);
            candidates.push(Candidate {
                target: targets.first().copied().unwrap_or_default(),
                model: asked.model.clone(),
                quote: quote.map_err(|error| crate::pricing::refused(error, asked.tier))?,
            });
        }
        if order == Order::Weight && candidates.len() > 1 {
            sort(upstream, &mut candidates, &conversation(asked));
        }
        Ok(Self { candidates })
    }

    /// The one that is asked first with its target, and rates that none of all is above: by these the call is held, since it is not known
    /// yet which one answers.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`] for a plan of nothing, which is never made.
    pub(super) fn start<'a>(&'a self, upstream: &'a Upstream) -> Result<(&'a Candidate, &'a Target, Rates), Error> {
        let first = self.candidates.first();
        let target = first.and_then(|first| upstream.targets.get(first.target));
        let rates = self.candidates.iter().map(|candidate| candidate.quote.rates);
        let ceiling = rates.reduce(|all, rates| all.at_most(&rates));
        match (first, target, ceiling) {
            (Some(first), Some(target), Some(ceiling)) => Ok((first, target, ceiling)),
            _ => Err(Error::internal("a call that has no target")),
        }
    }

    /// All of them, in order.
    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }
}

/// The model as it is called at a target; nothing if it is not.
///
/// An id with a profile is a promise of where the prompt goes, so it is called by that profile alone, and only where that profile is.
/// An ARN belongs to an account and region, which are the function's own. An Anthropic name, and an id without profile, say nothing
/// of it: then the target's own profile counts.
fn called_at(target: &Target, home: &str, model: &ResolvedModel, catalog: &Catalog) -> Option<ResolvedModel> {
    if model.requested.starts_with("arn:") {
        return (target.is_ours && target.region == home).then(|| model.clone());
    }
    let is_promise = model.profile.is_some() && !model.requested.starts_with("claude-");
    match target.profile {
        None => model
            .profile
            .is_none_or(|profile| is_in(profile, &target.region))
            .then(|| model.clone()),
        Some(profile) if model.profile == Some(profile) => Some(model.clone()),
        Some(_) if is_promise => None,
        Some(profile) => {
            let there = catalog.resolve(&format!("{}.{}", profile.label(), model.base));
            match (there, model.profile) {
                (Ok(mut there), _) => {
                    there.requested.clone_from(&model.requested);
                    Some(there)
                }
                // Many models have no profiles.
                (Err(_), None) => Some(model.clone()),
                (Err(_), Some(_)) => None,
            }
        }
    }
}

/// Whether a profile can be called in a region (Amazon Bedrock user guide, "Supported Regions and models for inference profiles").
fn is_in(profile: Profile, region: &str) -> bool {
    let starts: &[&str] = match profile {
        Profile::Global => return !region.starts_with("us-gov-"),
        Profile::Us => &["us-", "ca-"],
        Profile::Eu => &["eu-"],
        Profile::Jp => &["ap-northeast-"],
        Profile::Au => &["ap-southeast-"],
        Profile::Apac => &["ap-"],
        Profile::In => &["ap-south-"],
        Profile::UsGov => &["us-gov-"],
    };
    let is_gov = region.starts_with("us-gov-");
    is_gov == (profile == Profile::UsGov) && starts.iter().any(|start| region.starts_with(start))
}

fn sort(upstream: &Upstream, candidates: &mut [Candidate], conversation: &[u8]) {
    let weighed: Vec<(&str, u32)> = candidates
        .iter()
        .filter_map(|candidate| upstream.targets.get(candidate.target))
        .map(|target| (target.name.as_str(), target.weight))
        .collect();
    let order = preferred(conversation, &weighed);
    let sorted: Vec<Candidate> = order
        .into_iter()
        .filter_map(|index| candidates.get(index).cloned())
        .collect();
    candidates.clone_from_slice(&sorted);
}

/// What stays the same of a conversation from turn to turn, and is no other tenant's: the tenant, the model, the system prompt and the
/// first message. Marks of what is to be cached move on from turn to turn, and so does the line of Claude Code's that is no prompt.
fn conversation(asked: &Asked<'_>) -> Vec<u8> {
    #[derive(Deserialize, Default)]
    struct Prompt<'a> {
        #[serde(borrow, default)]
        system: Option<&'a RawValue>,
        #[serde(borrow, default)]
        messages: Vec<&'a RawValue>,
    }
    let prompt: Prompt<'_> = serde_json::from_slice(asked.body).unwrap_or_default();
    let stable = |raw: Option<&RawValue>| {
        let mut value: Value = raw
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        strip(&mut value);
        value.to_string()
    };
    let principal = asked.principal;
    let tenant = principal.team.as_ref().map_or(principal.subject.as_str(), Team::as_str);
    let parts = [
        tenant.to_owned(),
        asked.model.base.clone(),
        stable(prompt.system),
        stable(prompt.messages.first().copied()),
    ];
    let all = serde_json::to_vec(&parts).unwrap_or_default();
    digest(&SHA256, &all).as_ref().to_vec()
}

/// What Claude Code puts in front of its system prompt, with something else in it each time.
const NO_PROMPT: &str = "x-anthropic-billing-header";

fn strip(value: &mut Value) {
    let moves = |value: &Value| {
        value.get("cachePoint").is_some()
            || value
                .get("text")
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(NO_PROMPT))
    };
    match value {
        Value::Array(items) => {
            items.retain(|item| !moves(item));
            items.iter_mut().for_each(strip);
        }
        Value::Object(members) => {
            members.remove("cache_control");
            members.values_mut().for_each(strip);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::price::PriceList;
    use crate::scope::Scopes;

    fn principal(subject: &str) -> Principal {
        Principal {
            subject: subject.parse().unwrap(),
            scopes: Scopes::of_a_user(),
            team: None,
            models: None,
            key_id: None,
            session_id: None,
            expires_at: None,
        }
    }

    fn catalog() -> Catalog {
        Catalog::new(&PriceList::embedded().unwrap())
    }

    fn key(subject: &str, body: &Value) -> Vec<u8> {
        let model = catalog().resolve("claude-sonnet-4-5").unwrap();
        conversation(&Asked {
            principal: &principal(subject),
            model: &model,
            tier: ServiceTier::Default,
            surcharge: None,
            at: Timestamp::UNIX_EPOCH,
            body: body.to_string().as_bytes(),
        })
    }

    #[test]
    fn a_conversation_is_the_same_at_every_turn_and_for_one_tenant_alone() {
        let block = |text: &str, cached: bool| match cached {
            true => json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}),
            false => json!({"type": "text", "text": text}),
        };
        let turn = |billing: &str, messages: Value| json!({"system": [block(billing, false), block("be kind", true)], "messages": messages});
        let first = turn(
            "x-anthropic-billing-header: cch=1",
            json!([{"role": "user", "content": [block("hi", true)]}]),
        );
        let second = turn(
            "x-anthropic-billing-header: cch=2",
            json!([{"role": "user", "content": [block("hi", false)]}, {"role": "assistant", "content": "a"},
                {"role": "user", "content": [block("more", true)]}]),
        );
        assert_eq!(key("user:a", &first), key("user:a", &second));
        assert_ne!(key("user:a", &first), key("user:b", &first));
        let other = turn("x", json!([{"role": "user", "content": [block("hi", true)]}]));
        assert_ne!(key("user:a", &first), key("user:a", &other));
    }

    #[test]
    fn a_profile_is_called_where_it_is() {
        for (profile, region, there) in [
            (Profile::Global, "eu-west-1", true),
            (Profile::Us, "us-west-2", true),
            (Profile::Us, "us-gov-west-1", false),
            (Profile::Us, "eu-west-1", false),
            (Profile::Eu, "eu-central-1", true),
            (Profile::Apac, "ap-south-1", true),
            (Profile::Jp, "ap-south-1", false),
            (Profile::UsGov, "us-gov-west-1", true),
        ] {
            assert_eq!(is_in(profile, region), there, "{profile:?} {region}");
        }
    }
}
