//! What API Gateway is told: the policy, and the context by which the functions know who calls.

use gateway::context::field;
use gateway::jwt::Claims;
use gateway::scope::Scopes;
use gateway::store::ApiKey;
use gateway::trusted::Identity;
use serde_json::{Map, Value, json};

use crate::event::AuthorizerRequest;
use crate::holder::Bounds;

/// Of an API key.
pub(crate) fn of_key(key: &ApiKey) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert(field::SUBJECT.into(), key.owner.as_str().into());
    context.insert(field::SCOPES.into(), key.scopes.to_string().into());
    context.insert(field::KEY_ID.into(), key.key_id.clone().into());
    if let Some(team) = &key.team {
        context.insert(field::TEAM.into(), team.as_str().into());
    }
    if let Some(end) = key.ends_at {
        context.insert(field::EXPIRES.into(), end.as_second().to_string().into());
    }
    context
}

/// Of a token of another issuer that is trusted.
pub(crate) fn of_foreign_token(identity: &Identity) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert(field::SUBJECT.into(), identity.subject.as_str().into());
    context.insert(field::SCOPES.into(), identity.scopes.to_string().into());
    context.insert(field::EXPIRES.into(), identity.expires_at.to_string().into());
    if let Some(team) = &identity.team {
        context.insert(field::TEAM.into(), team.as_str().into());
    }
    if let Some(bound_to) = &identity.bound_to {
        context.insert(field::CONFIRMATION.into(), bound_to.thumbprint.as_str().into());
    }
    context
}

/// Of an access token of our own.
pub(crate) fn of_token(claims: Claims) -> Map<String, Value> {
    let mut context = Map::new();
    context.insert(field::SUBJECT.into(), claims.sub.into());
    context.insert(field::SCOPES.into(), claims.scope.into());
    context.insert(field::EXPIRES.into(), claims.exp.to_string().into());
    context.insert(field::CLIENT_ID.into(), claims.client_id.into());
    if let Some(session_id) = claims.sid {
        context.insert(field::SESSION_ID.into(), session_id.into());
    }
    if let Some(team) = claims.team {
        context.insert(field::TEAM.into(), team.into());
    }
    if let Some(bound_to) = &claims.cnf {
        context.insert(field::CONFIRMATION.into(), bound_to.thumbprint.as_str().into());
    }
    context
}

/// The same with no scope and no model that its holder's bounds do not allow. `None`: it has no scopes to be held to them.
pub(crate) fn within(mut context: Map<String, Value>, bounds: &Bounds) -> Option<Map<String, Value>> {
    if let Some(allowed) = &bounds.scopes {
        let shown = context.get(field::SCOPES)?.as_str()?;
        let both = Scopes::known_in(shown).intersection(allowed);
        context.insert(field::SCOPES.into(), both.to_string().into());
    }
    if let Some(models) = &bounds.models {
        context.insert(field::MODELS.into(), models.to_string().into());
    }
    Some(context)
}

/// `None` when the method's ARN has another form than API Gateway's.
pub(crate) fn allow(request: &AuthorizerRequest, context: &Map<String, Value>) -> Option<Value> {
    let resource = whole_stage(request.method_arn()?)?;
    Some(json!({
        "principalId": context.get(field::SUBJECT)?,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}],
        },
        "context": context,
    }))
}

/// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH` → the same up to the stage, and all behind it.
fn whole_stage(method_arn: &str) -> Option<String> {
    let mut parts = method_arn.splitn(4, '/');
    let (api, stage, _method) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = api.starts_with("arn:") && api.contains(":execute-api:") && !stage.is_empty() && !stage.contains('*');
    fits.then(|| format!("{api}/{stage}/*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_right_on_every_route_of_the_stage() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/POST/anthropic/v1/messages";
        assert_eq!(
            whole_stage(arn).unwrap(),
            "arn:aws:execute-api:us-east-1:123456789012:abc123/prod/*"
        );
        for bad in [
            "",
            "arn:aws:execute-api:us-east-1:1:abc",
            "arn:aws:s3:::b/k/v",
            "x/prod/GET/",
            "arn:aws:execute-api:r:1:a/*/GET/",
        ] {
            assert_eq!(whole_stage(bad), None, "{bad}");
        }
    }
}
