//! The bucket of Bedrock's invocation log. On AWS it is the account's own and the template is only told of it; here it is
//! made, filled by the mock, and told to the template in the same way.

use crate::bedrock::{LogOptions, LogSettings};

/// The bucket's name.
pub const BUCKET: &str = "tollgate-invocation-log";
/// What the log's keys begin with.
pub const PREFIX: &str = "bedrock";
/// The template's parameters that name both, if it has them, with their values here.
pub const PARAMETERS: [(&str, &str); 2] = [("InvocationLogBucket", BUCKET), ("InvocationLogPrefix", PREFIX)];

/// A log in the bucket of this S3.
#[must_use]
pub fn options(s3: &str) -> LogOptions {
    LogOptions {
        s3: s3.to_owned(),
        bucket: BUCKET.to_owned(),
        prefix: PREFIX.to_owned(),
        settings: LogSettings::default(),
    }
}

/// [`PARAMETERS`] as the values of a template.
pub(crate) fn parameters() -> impl Iterator<Item = (String, String)> {
    PARAMETERS
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}
