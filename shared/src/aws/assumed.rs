//! Credentials of a role, by way of STS. `aws-config` has such a provider, which without a configuration looks for one, and so has every other
//! source of credentials in it: profiles, containers, instances, web identities. Here the function's own credentials are the only source.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_config::identity::IdentityCache;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use aws_sdk_sts::Client;
use aws_sdk_sts::error::ProvideErrorMetadata as _;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;

/// A role to assume. Nothing is kept: each client remembers what it is given until shortly before it ends.
#[derive(Debug)]
pub(super) struct Assumed(AssumeRoleFluentBuilder);

impl Assumed {
    /// STS is asked as `sts` says, when somebody wants the credentials.
    pub(super) fn new(sts: &SdkConfig, role: &str, external_id: Option<&str>) -> Self {
        let sts = sts.to_builder().identity_cache(IdentityCache::no_cache()).build();
        let request = Client::new(&sts).assume_role().role_arn(role);
        let request = request.role_session_name("tollgate");
        Self(request.set_external_id(external_id.map(str::to_owned)))
    }

    async fn credentials(&self) -> provider::Result {
        let answer = self.0.clone().send().await.map_err(|error| {
            tracing::warn!(code = error.code(), "a role cannot be assumed");
            CredentialsError::provider_error(error)
        })?;
        let given = answer.credentials;
        let given = given.ok_or_else(|| CredentialsError::unhandled("STS gives no credentials"))?;
        let ends = SystemTime::try_from(given.expiration).map_err(CredentialsError::unhandled)?;
        let (id, key, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        Ok(Credentials::new(id, key, Some(token), Some(ends), "STS"))
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
