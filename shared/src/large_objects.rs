//! What S3 does beyond whole objects: uploads in parts that go straight to it, ranges, and URLs that open one object for a while.
//!
//! The keys are those of [`crate::objects`].

mod parts;
mod reading;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;

use crate::aws::Aws;
use crate::config::{ConfigError, Variables};
use crate::objects::{Objects, key};
use crate::principal::Subject;

pub use parts::{Completion, PartUrl, StoredPart, WantedPart};
pub use reading::Stored;

/// Putting parts together can take S3 minutes; until it answers nothing comes.
const LONG_TIMEOUT: Duration = Duration::from_secs(240);

/// The bucket and its client.
#[derive(Clone, Debug)]
pub struct LargeObjects {
    client: Client,
    bucket: String,
}

/// Which object.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose.
    pub owner: &'a Subject,
    /// The file's id.
    pub file_id: &'a str,
}

impl Place<'_> {
    fn key(self) -> String {
        key(self.owner, self.file_id)
    }
}

impl LargeObjects {
    /// The bucket of this name.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// The bucket in which `objects` are. `None`: they are in none.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn beside(objects: &Objects, aws: &Aws, variables: &Variables) -> Result<Option<Self>, ConfigError> {
        match objects {
            Objects::S3(_) => Ok(Some(Self::new(aws.s3(), variables.bucket()?))),
            Objects::Service(_) => Ok(None),
        }
    }
}

/// For calls that take long.
fn patient() -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(LONG_TIMEOUT)
        .operation_timeout(LONG_TIMEOUT)
        .read_timeout(LONG_TIMEOUT)
        .build();
    aws_sdk_s3::config::Builder::new().timeout_config(timeouts)
}
