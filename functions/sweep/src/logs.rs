//! The invocation logs of all targets. Bedrock writes one for each account and region.

use std::collections::HashMap;

use gateway::aws::{Aws, AwsError};
use gateway::config::{ConfigError, Variables, tree};
use gateway::invocation_log::InvocationLog;
use gateway::store::OpenCall;
use gateway::upstream::config::{TargetConfig, UpstreamConfig};

/// The logs that there are.
pub(crate) struct Logs {
    /// The function's own region and account.
    own: Option<InvocationLog>,
    region: String,
    /// Of targets that have one of their own, or none.
    targets: HashMap<String, Option<InvocationLog>>,
}

impl Logs {
    /// Reads where they are.
    pub(crate) fn read(aws: &Aws, variables: &Variables) -> Result<Self, AwsError> {
        let region = tree::AWS_REGION.get(variables)?.to_string();
        let config = UpstreamConfig::read(variables, &region)?;
        let targets = config.targets.iter().map(|target| {
            let log = of_target(aws, variables, target)?;
            Ok((target, log))
        });
        let targets: Vec<(&TargetConfig, Option<InvocationLog>)> = targets.collect::<Result<_, AwsError>>()?;
        // A target at home without a log of its own has the function's.
        let is_apart = |target: &TargetConfig, log: &Option<InvocationLog>| {
            log.is_some() || target.role.is_some() || target.region != region
        };
        let targets = targets.into_iter().filter(|(target, log)| is_apart(target, log));
        Ok(Self {
            own: own(aws, variables, &region)?,
            targets: targets.map(|(target, log)| (target.name.clone(), log)).collect(),
            region,
        })
    }

    /// The log that a call is in, and its name; none where there is none.
    pub(crate) fn of<'a>(&'a self, call: &'a OpenCall) -> Option<(&'a str, &'a InvocationLog)> {
        let target = call.target.as_deref().unwrap_or_default();
        match self.targets.get(target) {
            Some(log) => log.as_ref().map(|log| (target, log)),
            None if call.region == self.region => self.own.as_ref().map(|log| ("", log)),
            None => None,
        }
    }
}

fn own(aws: &Aws, variables: &Variables, region: &str) -> Result<Option<InvocationLog>, ConfigError> {
    let Some(bucket) = tree::INVOCATION_LOG_BUCKET.find(variables)? else {
        return Ok(None);
    };
    let prefix = tree::INVOCATION_LOG_PREFIX.find(variables)?.unwrap_or_default();
    let (account, region) = (tree::ACCOUNT.get(variables)?, region.to_owned());
    Ok(Some(InvocationLog::new(aws.s3(), bucket, &prefix, account, region)))
}

fn of_target(aws: &Aws, variables: &Variables, target: &TargetConfig) -> Result<Option<InvocationLog>, AwsError> {
    let Some(place) = &target.log else {
        return Ok(None);
    };
    let account = match &place.account {
        Some(account) => account.clone(),
        None => tree::ACCOUNT.get(variables)?,
    };
    let client = aws.s3_at(&target.region, target.role.as_deref(), target.external_id.as_deref());
    let (bucket, region) = (place.bucket.clone(), target.region.clone());
    Ok(Some(InvocationLog::new(client, bucket, &place.prefix, account, region)))
}
