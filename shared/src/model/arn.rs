//! ARNs of Bedrock models, taken apart.

use super::ModelError;

/// What kind of thing an ARN names, as far as this gateway serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArnResource<'a> {
    /// `foundation-model/ID`.
    FoundationModel(&'a str),
    /// `inference-profile/ID`, of AWS's own profiles.
    InferenceProfile(&'a str),
    /// `application-inference-profile/ID`: what it runs cannot be seen from the ARN, and must be configured.
    ApplicationProfile,
    /// Anything else: provisioned, imported and custom models, prompt routers. They are not priced by the token, or not
    /// by one price.
    Other,
}

/// Reads `arn:PARTITION:bedrock:REGION:ACCOUNT:KIND/ID`. Region and account are checked for their form alone, and go no further: where a
/// call goes is never chosen by its caller.
pub(super) fn parse_arn(arn: &str) -> Result<ArnResource<'_>, ModelError> {
    let mut parts = arn.splitn(6, ':');
    let mut part = || parts.next().ok_or(ModelError::Malformed);
    let [scheme, partition, service, region, account, resource] =
        [part()?, part()?, part()?, part()?, part()?, part()?];
    let (kind, id) = resource.split_once('/').ok_or(ModelError::Malformed)?;
    if scheme != "arn" || service != "bedrock" || !is_region(partition, region) || id.is_empty() {
        return Err(ModelError::Malformed);
    }
    match (kind, account.is_empty()) {
        ("foundation-model", true) => Ok(ArnResource::FoundationModel(id)),
        ("foundation-model", false) => Err(ModelError::Malformed),
        _ if !is_account(account) => Err(ModelError::Malformed),
        ("inference-profile", _) => Ok(ArnResource::InferenceProfile(id)),
        ("application-inference-profile", _) => Ok(ArnResource::ApplicationProfile),
        _ => Ok(ArnResource::Other),
    }
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a region has the form of one of its partition: `eu-central-1`, `us-gov-west-1`.
fn is_region(partition: &str, region: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_place = |place: &str| {
        place
            .split_once('-')
            .is_some_and(|(word, number)| is_word(word) && is_number(number))
    };
    match (partition, region.split_once('-')) {
        ("aws", Some((area, place))) => area.len() == 2 && is_word(area) && is_place(place),
        ("aws-us-gov", Some(("us", rest))) => rest.strip_prefix("gov-").is_some_and(is_place),
        _ => false,
    }
}
