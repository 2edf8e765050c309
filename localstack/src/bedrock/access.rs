//! Who may call which model.
//!
//! A call by an inference profile must be allowed on the profile and on the model behind it in every region that the profile may choose
//! ("Prerequisites for inference profiles" in the user guide). Here that is the model in the caller's own region, and without a region for
//! a global profile. `Converse` takes the action of `InvokeModel`, and `ConverseStream` that of its stream.

use super::count::PROFILES;
use super::error::Refusal;
use super::{State, lock};
use crate::aws::ACCOUNT_ID;
use crate::privileges::{Asked, Caller};

/// Refuses a call that the caller's role does not allow.
///
/// # Errors
/// An `AccessDeniedException`.
pub(super) fn check(state: &State, caller: Caller<'_>, action: &str, region: &str, model: &str) -> Result<(), Refusal> {
    for resource in resources(state, region, model) {
        let denial = state.privileges.check(caller, &Asked::new(action, resource)).err();
        if let Some(denial) = denial {
            return Err(Refusal::new(403, "AccessDeniedException", denial.to_string()));
        }
    }
    Ok(())
}

/// The ARNs of all that a call by this id reaches.
fn resources(state: &State, region: &str, id: &str) -> Vec<String> {
    let Some((_, last)) = id.starts_with("arn:").then(|| id.split_once('/')).flatten() else {
        return of_name(region, id);
    };
    if id.contains(":foundation-model/") {
        return vec![id.to_owned()];
    }
    let behind = if id.contains(":application-inference-profile/") {
        let profiles = lock(&state.profiles);
        profiles.get(id).or_else(|| profiles.get(last)).cloned()
    } else {
        Some(last.to_owned())
    };
    let mut all = vec![id.to_owned()];
    // The profile's own model or models, not the profile that it was made of.
    let models = behind.map(|behind| of_name(region, &behind)).unwrap_or_default();
    all.extend(models.into_iter().filter(|arn| arn.contains(":foundation-model/")));
    all
}

/// Of a model's or a system profile's bare id.
fn of_name(region: &str, id: &str) -> Vec<String> {
    let model = |region: &str, model: &str| format!("arn:aws:bedrock:{region}::foundation-model/{model}");
    let Some(prefix) = PROFILES.into_iter().find(|prefix| id.starts_with(prefix)) else {
        return vec![model(region, id)];
    };
    let behind = &id[prefix.len()..];
    let mut all = vec![format!("arn:aws:bedrock:{region}:{ACCOUNT_ID}:inference-profile/{id}")];
    all.push(model(region, behind));
    all.extend((prefix == "global.").then(|| model("", behind)));
    all
}
