//! What each operation does to the secrets. The messages are AWS's own where they are known.

use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::store::{Secret, SecretValue, Secrets, Version};
use crate::aws::{ACCOUNT_ID, REGION};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// An error answer: its type in the model and its message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// Everything that is the caller's fault is 400 in this protocol.
    pub(super) fn status(&self) -> StatusCode {
        match self.kind {
            "InternalServiceError" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    fn not_found(what: &str) -> Self {
        Self::new(
            "ResourceNotFoundException",
            format!("Secrets Manager can't find the specified {what}."),
        )
    }
}

/// The ARN of a secret. Its end, which AWS draws, is made of the name here: so a role can be given the right to a secret before there is one.
pub fn arn_of(name: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let end: String = digest.as_ref().iter().take(6).copied().map(letter).collect();
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}-{end}")
}

/// `CreateSecret`: refused when the name is taken.
pub(super) fn create(secrets: &mut Secrets, input: &Value) -> Result<Value, Refusal> {
    let name = text(input, "Name")?;
    if secrets.contains_key(name) {
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(Refusal::new("ResourceExistsException", message));
    }
    let created = now();
    let mut secret = Secret {
        arn: arn_of(name),
        description: input["Description"].as_str().map(str::to_owned),
        created,
        changed: created,
        versions: [].into(),
    };
    let mut answer = json!({ "ARN": secret.arn, "Name": name });
    if let Some(value) = given_value(input)? {
        let id = version_id(input);
        let version = Version {
            value,
            stages: vec![CURRENT.to_owned()],
            created,
        };
        secret.versions.insert(id.clone(), version);
        answer["VersionId"] = id.into();
    }
    secrets.insert(name.to_owned(), secret);
    Ok(answer)
}

/// `PutSecretValue`: a new version. The same token with the same value is the same request again.
pub(super) fn put_value(secrets: &mut Secrets, input: &Value) -> Result<Value, Refusal> {
    let name = known_name(secrets, input)?;
    let secret = secrets.get_mut(&name).ok_or_else(|| Refusal::not_found("secret"))?;
    let value = given_value(input)?
        .ok_or_else(|| Refusal::parameter("You must provide either SecretString or SecretBinary."))?;
    let id = version_id(input);
    let stages = wanted_stages(input);
    match secret.versions.get(&id) {
        Some(version) if version.value == value => {}
        Some(_) => {
            let message = "You can't change the value of an existing version; use a new ClientRequestToken.";
            return Err(Refusal::new("ResourceExistsException", message));
        }
        None => {
            secret.versions.insert(
                id.clone(),
                Version {
                    value,
                    stages: Vec::new(),
                    created: now(),
                },
            );
            stages.iter().for_each(|stage| attach(secret, stage, &id));
            secret.changed = now();
        }
    }
    let stages = secret
        .versions
        .get(&id)
        .map(|version| version.stages.clone())
        .unwrap_or_default();
    Ok(json!({ "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": stages }))
}

/// `GetSecretValue`: by version id, by stage, or the current one.
pub(super) fn value(secrets: &Secrets, input: &Value) -> Result<Value, Refusal> {
    let name = known_name(secrets, input)?;
    let secret = &secrets[&name];
    let id = input["VersionId"].as_str();
    let stage = input["VersionStage"].as_str();
    let wanted = |(key, version): &(&String, &Version)| {
        id.is_none_or(|id| id == key.as_str())
            && (id.is_some() && stage.is_none() || has(version, stage.unwrap_or(CURRENT)))
    };
    let (id, version) = secret.versions.iter().find(wanted).ok_or_else(|| match (id, stage) {
        (Some(id), _) => Refusal::not_found(&format!("secret value for VersionId: {id}")),
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            Refusal::not_found(&format!("secret value for staging label: {stage}"))
        }
    })?;
    let mut answer = json!({
        "ARN": secret.arn, "Name": name, "VersionId": id, "VersionStages": version.stages,
        "CreatedDate": version.created,
    });
    match &version.value {
        SecretValue::Text(text) => answer["SecretString"] = text.clone().into(),
        SecretValue::Binary(base64) => answer["SecretBinary"] = base64.clone().into(),
    }
    Ok(answer)
}

/// `DescribeSecret`: everything but the values. Versions without a label are left out, as AWS does.
pub(super) fn describe(secrets: &Secrets, input: &Value) -> Result<Value, Refusal> {
    let name = known_name(secrets, input)?;
    let secret = &secrets[&name];
    let labelled = secret.versions.iter().filter(|(_, version)| !version.stages.is_empty());
    let stages: Map<String, Value> = labelled
        .map(|(id, version)| (id.clone(), json!(version.stages)))
        .collect();
    let mut answer = json!({
        "ARN": secret.arn, "Name": name, "CreatedDate": secret.created, "LastChangedDate": secret.changed,
        "VersionIdsToStages": stages,
    });
    if let Some(description) = &secret.description {
        answer["Description"] = description.clone().into();
    }
    Ok(answer)
}

/// `UpdateSecretVersionStage`: moves a label. Taking one from a version needs that version named, so that two
/// rotations at once cannot undo each other.
pub(super) fn move_stage(secrets: &mut Secrets, input: &Value) -> Result<Value, Refusal> {
    let stage = text(input, "VersionStage")?;
    let name = known_name(secrets, input)?;
    let secret = secrets.get_mut(&name).ok_or_else(|| Refusal::not_found("secret"))?;
    let (from, to) = (input["RemoveFromVersionId"].as_str(), input["MoveToVersionId"].as_str());
    let holder = secret
        .versions
        .iter()
        .find(|(_, version)| has(version, stage))
        .map(|(id, _)| id.clone());
    if let Some(unknown) = [from, to]
        .into_iter()
        .flatten()
        .find(|id| !secret.versions.contains_key(*id))
    {
        return Err(Refusal::not_found(&format!("secret value for VersionId: {unknown}")));
    }
    if holder
        .as_deref()
        .is_some_and(|holder| from != Some(holder) && to != Some(holder))
    {
        let holder = holder.unwrap_or_default();
        return Err(Refusal::parameter(format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version \
             {holder}, so you must explicitly reference that version in RemoveFromVersionId."
        )));
    }
    match (from, to) {
        (_, Some(to)) => attach(secret, stage, to),
        (Some(_), None) if stage == CURRENT => {
            return Err(Refusal::parameter(format!(
                "You can only move staging label {CURRENT} to a different version."
            )));
        }
        (Some(_), None) => detach(secret, stage),
        (None, None) => {
            return Err(Refusal::parameter(
                "MoveToVersionId and RemoveFromVersionId are both missing.",
            ));
        }
    }
    secret.changed = now();
    Ok(json!({ "ARN": secret.arn, "Name": name }))
}

/// Gives `stage` to version `id` alone. The version that loses `AWSCURRENT` becomes the one `AWSPREVIOUS`.
fn attach(secret: &mut Secret, stage: &str, id: &str) {
    let holder = secret
        .versions
        .iter()
        .find(|(_, version)| has(version, stage))
        .map(|(id, _)| id.clone());
    if holder.as_deref() == Some(id) {
        return;
    }
    detach(secret, stage);
    if let Some(version) = secret.versions.get_mut(id) {
        version.stages.push(stage.to_owned());
    }
    if let (CURRENT, Some(holder)) = (stage, holder) {
        attach(secret, PREVIOUS, &holder);
    }
}

fn detach(secret: &mut Secret, stage: &str) {
    secret
        .versions
        .values_mut()
        .for_each(|version| version.stages.retain(|label| label != stage));
}

fn has(version: &Version, stage: &str) -> bool {
    version.stages.iter().any(|label| label == stage)
}

fn wanted_stages(input: &Value) -> Vec<String> {
    match input["VersionStages"].as_array() {
        Some(stages) => stages
            .iter()
            .filter_map(|stage| stage.as_str().map(str::to_owned))
            .collect(),
        None => vec![CURRENT.to_owned()],
    }
}

fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    let given = input[field].as_str().filter(|text| !text.is_empty());
    given.ok_or_else(|| Refusal::parameter(format!("{field} is missing.")))
}

fn given_value(input: &Value) -> Result<Option<SecretValue>, Refusal> {
    match (input["SecretString"].as_str(), input["SecretBinary"].as_str()) {
        (Some(_), Some(_)) => Err(Refusal::parameter(
            "You can't specify both SecretString and SecretBinary.",
        )),
        (Some(text), None) => Ok(Some(SecretValue::Text(text.to_owned()))),
        (None, Some(base64)) => Ok(Some(SecretValue::Binary(base64.to_owned()))),
        (None, None) => Ok(None),
    }
}

fn version_id(input: &Value) -> String {
    input["ClientRequestToken"]
        .as_str()
        .map_or_else(|| random(32), str::to_owned)
}

/// The ARN of the secret that a request is about; of one that is not there, as far as its name gives it.
pub(super) fn arn(secrets: &Secrets, input: &Value) -> String {
    let id = input["SecretId"].as_str().or_else(|| input["Name"].as_str());
    match known_name(secrets, input) {
        Ok(name) => secrets[&name].arn.clone(),
        Err(_) => match id.unwrap_or("*") {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            name => format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{name}"),
        },
    }
}

/// The name of the secret that `SecretId` means.
fn known_name(secrets: &Secrets, input: &Value) -> Result<String, Refusal> {
    let id = text(input, "SecretId")?;
    let is_meant = |(name, secret): &(&String, &Secret)| {
        *name == id || secret.arn == id || secret.arn.rsplit_once('-').is_some_and(|(partial, _)| partial == id)
    };
    let found = secrets.iter().find(is_meant).map(|(name, _)| name.clone());
    found.ok_or_else(|| Refusal::not_found("secret"))
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// `length` random letters and digits.
fn random(length: usize) -> String {
    let mut bytes = vec![0; length];
    // The system's generator does not fail on any system this runs on; if it did, ids would merely repeat.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes.into_iter().map(letter).collect()
}

fn letter(byte: u8) -> char {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzABCDEFGH2";
    char::from(ALPHABET[usize::from(byte % 32)])
}
