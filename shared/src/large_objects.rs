//! What the storages do beyond whole objects: uploads in parts, and, of S3, URLs that open one object for a while. Parts go straight to S3,
//! and by way of the gateway to a storage service, which knows no such URLs.
//!
//! The keys are those of [`crate::objects`].

mod parts;
mod reading;
mod service;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use bytes::Bytes;

use crate::aws::Aws;
use crate::config::{ConfigError, Variables};
use crate::error::Error;
use crate::objects::service::StorageService;
use crate::objects::{Objects, key};
use crate::principal::Subject;

pub use parts::{Completion, PartUrl, StoredPart, WantedPart};
pub use reading::Stored;

/// Putting parts together can take a storage minutes; until it answers nothing comes.
const LONG_TIMEOUT: Duration = Duration::from_secs(240);
/// At least 5 MiB (S3), and few enough parts for the largest file (S3: 10,000).
const S3_PART_BYTES: u64 = 16 * 1024 * 1024;
/// What passes through a function: Lambda takes 6 MB, of which base64 leaves 4.5.
const PASSED_PART_BYTES: u64 = 4 * 1024 * 1024;

/// Where large objects are.
#[derive(Clone)]
pub enum LargeObjects {
    /// In a bucket of S3.
    S3(Bucket),
    /// At a storage service.
    Service(StorageService),
}

/// The bucket and its client.
#[derive(Clone, Debug)]
pub struct Bucket {
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

/// What became of a part that was handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartWrite {
    /// It is there, and has replaced what was there of its number.
    Done,
    /// There is no such upload: it was completed or given up.
    Gone,
    /// This storage takes parts at its own URLs alone.
    ByUrlAlone,
}

impl LargeObjects {
    /// What the storage of `objects` does beyond them.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn beside(objects: &Objects, aws: &Aws, variables: &Variables) -> Result<Self, ConfigError> {
        Ok(match objects {
            Objects::S3(_) => Self::S3(Bucket {
                client: aws.s3(),
                bucket: variables.bucket()?,
            }),
            Objects::Service(service) => Self::Service(service.clone()),
        })
    }

    /// How long each part is, but for the last.
    pub fn part_bytes(&self) -> u64 {
        match self {
            Self::S3(_) => S3_PART_BYTES,
            Self::Service(_) => PASSED_PART_BYTES,
        }
    }

    /// Begins an upload, and returns what the storage calls it: `name`, where that is left to us.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn begin(&self, place: Place<'_>, name: &str) -> Result<String, Error> {
        match self {
            Self::S3(bucket) => bucket.begin(place).await,
            Self::Service(service) => service.begin(place, name).await.map(|()| name.to_owned()),
        }
    }

    /// A URL that takes this part and no other bytes. Nothing goes out. `None`: parts come by way of the gateway ([`Self::put_part`]).
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`]
    pub async fn part_url(
        &self,
        place: Place<'_>,
        upload: &str,
        part: &WantedPart,
        lives: Duration,
    ) -> Result<Option<PartUrl>, Error> {
        match self {
            Self::S3(bucket) => bucket.part_url(place, upload, part, lives).await.map(Some),
            Self::Service(_) => Ok(None),
        }
    }

    /// Hands a part on, whose bytes are as long as it says and have its checksum.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put_part(
        &self,
        place: Place<'_>,
        upload: &str,
        part: &WantedPart,
        bytes: Bytes,
    ) -> Result<PartWrite, Error> {
        match self {
            Self::S3(_) => Ok(PartWrite::ByUrlAlone),
            Self::Service(service) => service.put_part(place, upload, part, bytes).await,
        }
    }

    /// The parts that are there, by number. `None`: there is no such upload.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn parts(&self, place: Place<'_>, upload: &str) -> Result<Option<Vec<StoredPart>>, Error> {
        match self {
            Self::S3(bucket) => bucket.parts(place, upload).await,
            Self::Service(service) => service.parts(place, upload).await,
        }
    }

    /// Puts the parts together. The storage checks that they are these ones.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn complete(&self, place: Place<'_>, upload: &str, parts: &[StoredPart]) -> Result<Completion, Error> {
        match self {
            Self::S3(bucket) => bucket.complete(place, upload, parts).await,
            Self::Service(service) => service.complete(place, upload, parts).await,
        }
    }

    /// Gives an upload up, with all its parts. To give up what is not there is no error.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn abort(&self, place: Place<'_>, upload: &str) -> Result<(), Error> {
        match self {
            Self::S3(bucket) => bucket.abort(place, upload).await,
            Self::Service(service) => service.abort(place, upload).await,
        }
    }

    /// What the storage says of an object. `None`: there is none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn stored(&self, place: Place<'_>) -> Result<Option<Stored>, Error> {
        match self {
            Self::S3(bucket) => bucket.stored(place).await,
            Self::Service(service) => service.stored(place).await,
        }
    }

    /// The SHA-256 of an object, in lower-case hexadecimal. It is read piece by piece, and no more of it is held than one piece.
    /// `None`: there is none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn sha256(&self, place: Place<'_>) -> Result<Option<String>, Error> {
        match self {
            Self::S3(bucket) => bucket.sha256(place).await,
            Self::Service(service) => service.sha256(place).await,
        }
    }

    /// Whether [`Self::url`] gives any.
    pub fn has_urls(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// A URL that gives an object to whoever has it, as something to be kept and never as a page. Nothing goes out. `None`: this storage
    /// has no such URLs.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`]
    pub async fn url(&self, place: Place<'_>, lives: Duration) -> Result<Option<String>, Error> {
        match self {
            Self::S3(bucket) => bucket.url(place, lives).await.map(Some),
            Self::Service(_) => Ok(None),
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
