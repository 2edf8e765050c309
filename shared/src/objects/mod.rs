//! The bytes of files: in S3, or at a storage service over mutual TLS ([`service`], `docs/storage-service.md`). Both keep the same
//! promises, which one test suite asks of both. An object's key is made of owner and file id, never of what a caller calls a file.
//!
//! Bytes stream both ways. An object is there whole or not at all: the last bytes of an upload leave only when its length and checksum
//! are right.

mod body;
mod checked;
mod range;
mod s3;
pub mod service;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::{ConfigError, Settings, Variables};
use crate::error::Error;
use crate::principal::Subject;

pub use checked::Sha256;
pub use range::ByteRange;
use s3::Bucket;
use service::StorageService;

/// Bytes as they come.
pub type Chunks = BoxStream<'static, Result<Bytes, Error>>;

/// What is to be stored.
pub struct Upload {
    /// How many bytes there are.
    pub size: u64,
    /// Their checksum, if it is known in advance.
    pub sha256: Option<Sha256>,
    /// The bytes.
    pub chunks: Chunks,
}

/// What becomes of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is there, with this checksum.
    Whole(Sha256),
    /// There were more or fewer bytes than it was to have. Nothing of it is there.
    WrongSize,
    /// The bytes have another checksum. Nothing of it is there.
    WrongChecksum,
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// How many bytes it has.
    pub size: u64,
    /// Their checksum, if the storage tells.
    pub sha256: Option<Sha256>,
}

/// An object, or a part of one.
pub struct Object {
    /// How many bytes all of it has.
    pub size: u64,
    /// Where what follows begins.
    pub offset: u64,
    /// How many bytes follow.
    pub length: u64,
    /// The bytes. They end in an error if they are cut short, or are not those that were stored.
    pub chunks: Chunks,
}

/// What is read.
pub enum Opened {
    /// The object, or the part of it.
    Found(Object),
    /// There is no such object.
    Missing,
    /// It has no bytes there.
    Unsatisfiable {
        /// How many it has, if the storage tells.
        size: Option<u64>,
    },
}

/// Where the bytes of files are.
#[derive(Clone)]
pub enum Objects {
    /// A bucket of S3.
    S3(Arc<Bucket>),
    /// A storage service.
    Service(StorageService),
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::S3(_) => "S3",
            Self::Service(_) => "Service",
        })
    }
}

impl Objects {
    /// The bucket of this name.
    pub fn new(aws: &Aws, bucket: String) -> Self {
        Self::S3(Arc::new(Bucket::new(aws, bucket)))
    }

    /// The storage service, if one is configured (`storage.service.base_url`, `TOLLGATE_STORAGE_SERVICE_BASE_URL`), else the bucket.
    /// Nothing goes out before the first object.
    ///
    /// # Errors
    /// [`ConfigError`], naming what is wrong.
    pub fn read_from(aws: &Aws, variables: &Variables, clock: &Clock) -> Result<Self, ConfigError> {
        let settings = Settings::read(variables)?;
        let section = settings.section("storage.service", "TOLLGATE_STORAGE_SERVICE");
        match StorageService::read(&section, aws, clock)? {
            Some(service) => Ok(Self::Service(service)),
            None => Ok(Self::new(aws, variables.bucket()?)),
        }
    }

    /// Stores a file's bytes as they come. What was there is replaced, once all is right.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`], or the error of the bytes; nothing of the upload is there then.
    pub async fn store(&self, owner: &Subject, file_id: &str, upload: Upload) -> Result<Stored, Error> {
        let mut checked = checked::upload(upload);
        if let Some(refused) = checked.refused_as_empty().await {
            return refused;
        }
        match self {
            Self::S3(bucket) => bucket.store(&key(owner, file_id), checked).await,
            Self::Service(service) => service.store(owner, file_id, checked).await,
        }
    }

    /// Opens a file's bytes, or a range of them.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn open(&self, owner: &Subject, file_id: &str, range: Option<ByteRange>) -> Result<Opened, Error> {
        match self {
            Self::S3(bucket) => bucket.open(&key(owner, file_id), range).await,
            Self::Service(service) => service.open(owner, file_id, range).await,
        }
    }

    /// What is known of a file's bytes. `None`: there is no such object.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn info(&self, owner: &Subject, file_id: &str) -> Result<Option<ObjectInfo>, Error> {
        match self {
            Self::S3(bucket) => bucket.info(&key(owner, file_id)).await,
            Self::Service(service) => service.info(owner, file_id).await,
        }
    }

    /// Removes a file's bytes. Removing what is not there is no error.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete(&self, owner: &Subject, file_id: &str) -> Result<(), Error> {
        match self {
            Self::S3(bucket) => bucket.delete(&key(owner, file_id)).await,
            Self::Service(service) => service.delete(owner, file_id).await,
        }
    }

    /// Whether the storage answers, for health: a bucket to who may list it, a service by an object that there is not.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::S3(bucket) => bucket.check().await,
            Self::Service(service) => {
                let nobody: Subject = "user:health".parse().map_err(Error::internal)?;
                service.info(&nobody, "health").await.map(drop)
            }
        }
    }

    /// Stores bytes that are all here, so a fault of a moment costs a repetition and no more.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put(&self, owner: &Subject, file_id: &str, bytes: Bytes) -> Result<(), Error> {
        match self {
            Self::S3(bucket) => bucket.put(&key(owner, file_id), bytes).await,
            Self::Service(service) => service.put(owner, file_id, bytes).await,
        }
    }

    /// A file's bytes, whole. `None`: there is no such object.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn read(&self, owner: &Subject, file_id: &str) -> Result<Option<Bytes>, Error> {
        let Opened::Found(mut object) = self.open(owner, file_id, None).await? else {
            return Ok(None);
        };
        let mut bytes = BytesMut::new();
        while let Some(chunk) = object.chunks.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        Ok(Some(bytes.freeze()))
    }
}

/// Where the bytes of a file are.
pub(crate) fn key(owner: &Subject, file_id: &str) -> String {
    format!("files/{owner}/{file_id}")
}
