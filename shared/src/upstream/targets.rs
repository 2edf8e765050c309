//! The targets of model calls, with a client each.

use super::Bedrock;
use super::config::{Quota, Route, TargetConfig, UpstreamConfig};
use super::health::Health;
use crate::aws::{Aws, BedrockPlace};
use crate::model::Profile;

/// Where a call may go.
#[derive(Debug)]
pub struct Target {
    /// Its name, as in the configuration.
    pub name: String,
    /// The region.
    pub region: String,
    /// The geographic profile by which models are called there; without one, that of the model's id.
    pub profile: Option<Profile>,
    /// Its share of conversations.
    pub weight: u32,
    /// Whether it is in the function's own account.
    pub is_ours: bool,
    /// What it may do in a minute.
    pub quota: Quota,
    /// Its client.
    pub bedrock: Bedrock,
}

/// All of them, and what is known of them.
#[derive(Debug)]
pub struct Upstream {
    /// At least one.
    pub targets: Vec<Target>,
    /// Which of them are well.
    pub health: Health,
    /// What was configured besides.
    pub config: UpstreamConfig,
}

impl Upstream {
    /// A client for each target. Nothing goes out before the first call; a role is assumed when its target is first asked.
    pub fn new(aws: &Aws, config: UpstreamConfig) -> Self {
        let target = |target: &TargetConfig| {
            let place = BedrockPlace {
                region: &target.region,
                role: target.role.as_deref(),
                external_id: target.external_id.as_deref(),
                endpoint: target.endpoint.as_deref(),
                connect_timeout: config.connect_timeout,
            };
            Target {
                name: target.name.clone(),
                region: target.region.clone(),
                profile: target.profile,
                weight: target.weight,
                is_ours: target.role.is_none(),
                quota: target.quota,
                bedrock: Bedrock::new(aws.bedrockruntime_at(&place)),
            }
        };
        Self {
            targets: config.targets.iter().map(target).collect(),
            health: Health::new(config.targets.len(), config.rests),
            config,
        }
    }

    /// The route of a model: the first that is for it.
    pub fn route(&self, requested: &str, base: &str) -> Option<&Route> {
        self.config.routes.iter().find(|route| route.is_for(requested, base))
    }
}
