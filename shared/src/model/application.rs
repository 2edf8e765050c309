//! What application inference profiles run, as the settings tell it.

use std::str::FromStr;

use super::arn::{ArnResource, parse_arn};
use super::{ModelError, ModelId};

/// ARNs of application inference profiles, each with the Bedrock id of what it runs: `ARN=MODEL`, parted by commas.
///
/// What a profile runs cannot be seen from its ARN, and does not change while it is there. One that is not told here is not called, so
/// nothing without a price is, and nothing on another account than its operator meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationProfiles(Vec<(String, String)>);

impl ApplicationProfiles {
    /// ARNs and what they run.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(arn, model)| (arn.as_str(), model.as_str()))
    }
}

impl FromStr for ApplicationProfiles {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(entry).collect::<Result<_, _>>().map(Self)
    }
}

fn entry(text: &str) -> Result<(String, String), ModelError> {
    let (arn, model) = text.split_once('=').ok_or(ModelError::Malformed)?;
    let (arn, model): (ModelId, ModelId) = (arn.trim().parse()?, model.trim().parse()?);
    if parse_arn(arn.as_str())? != ArnResource::ApplicationProfile || model.as_str().starts_with("arn:") {
        return Err(ModelError::Malformed);
    }
    Ok((arn.as_str().to_owned(), model.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_arns_with_ids_and_nothing_else() {
        let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
        let read = |text: &str| text.parse::<ApplicationProfiles>();
        let one = read(&format!(" {arn} = us.anthropic.claude-opus-5 ,")).unwrap();
        assert_eq!(one.iter().collect::<Vec<_>>(), [(arn, "us.anthropic.claude-opus-5")]);
        assert_eq!(read("").unwrap(), ApplicationProfiles::default());
        for bad in [
            arn.to_owned(),
            format!("{arn}="),
            format!("{arn}={arn}"),
            "us.anthropic.claude-opus-5=us.anthropic.claude-opus-5".to_owned(),
            format!("{}=a.b", arn.replace("application-", "")),
        ] {
            assert_eq!(read(&bad), Err(ModelError::Malformed), "{bad}");
        }
    }
}
