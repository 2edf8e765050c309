//! The signing keys: their rotation, looked at in every run.

use gateway::aws::Aws;
use gateway::config::{ConfigError, Variables};
use gateway::jwt::Rotation;
use gateway::secrets::Secrets;
use gateway::signing;
use jiff::Timestamp;

use crate::report::Report;

/// Where the keys are, and how they are rotated.
pub(crate) struct Keys {
    secrets: Secrets,
    secret_id: String,
    rotation: Rotation,
}

impl Keys {
    pub(crate) fn new(aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        Ok(Self {
            secrets: Secrets::new(aws),
            secret_id: variables.signing_secret()?,
            rotation: signing::rotation(variables)?,
        })
    }

    /// Rotates what is due. A failure is told and left to the next run: a new key is published hours before it is needed, and
    /// calls are settled whatever becomes of keys.
    pub(crate) async fn look(&self, now: Timestamp, report: &mut Report) {
        match signing::rotate(&self.secrets, &self.secret_id, &self.rotation, now).await {
            Ok(changed) => report.keys_changed += u64::from(changed),
            Err(error) => {
                tracing::error!(error = ?error, "the signing keys could not be looked at");
                report.keys_failed += 1;
            }
        }
    }
}
