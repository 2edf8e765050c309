//! Objects in a bucket of S3.

use std::error::Error as StdError;
use std::fmt;
use std::sync::OnceLock;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::body::Sized;
use super::checked::{self, Checked, Sha256};
use super::range::{ByteRange, content_range};
use super::{Chunks, Object, ObjectInfo, Opened, Stored};
use crate::aws::Aws;
use crate::aws::signed::{Answer, Reads};
use crate::error::Error;

/// A bucket. It is read from without the SDK's client, which only functions have in them that write.
pub struct Bucket {
    aws: Aws,
    client: OnceLock<Client>,
    reads: Reads,
    bucket: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Bucket({})", self.bucket)
    }
}

impl Bucket {
    pub(super) fn new(aws: &Aws, bucket: String) -> Self {
        Self {
            aws: aws.clone(),
            client: OnceLock::new(),
            reads: aws.reads(&bucket),
            bucket,
        }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| self.aws.s3())
    }

    pub(super) async fn check(&self) -> Result<(), Error> {
        // It is looked at, not fought for.
        let once = aws_sdk_s3::config::Builder::new().retry_config(RetryConfig::disabled());
        let head = self.client().head_bucket().bucket(&self.bucket);
        let answer = head.customize().config_override(once).send().await;
        answer.map(drop).map_err(Error::unavailable)
    }

    /// Bytes that are all here can be sent again by the SDK.
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let put = self.client().put_object().bucket(&self.bucket).key(key);
        let put = put.checksum_sha256(Sha256::of(&bytes).base64());
        put.body(ByteStream::from(bytes))
            .send()
            .await
            .map(drop)
            .map_err(Error::unavailable)
    }

    /// S3 computes the checksum too, and refuses bytes of another one. An object of a broken upload is none.
    pub(super) async fn store(&self, key: &str, upload: Checked) -> Result<Stored, Error> {
        let verdict = upload.verdict();
        let length = i64::try_from(upload.size).map_err(|_| Error::invalid("The file is too large."))?;
        let put = self.client().put_object().bucket(&self.bucket).key(key);
        let put = match upload.sha256 {
            Some(sha256) => put.checksum_sha256(sha256.base64()),
            None => put.checksum_algorithm(ChecksumAlgorithm::Sha256),
        };
        let body = SdkBody::from_body_1_x(Sized::new(upload.chunks, upload.size));
        let put = put.content_length(length).body(ByteStream::new(body));
        // However long the bytes take: a transfer that stands still is given up by the SDK's protection against stalled streams.
        let patient = aws_sdk_s3::config::Builder::new().timeout_config(without_end());
        let answer = put.customize().config_override(patient).send().await;
        let told = answer
            .map_err(Error::unavailable)
            .and_then(|answer| checksum(answer.checksum_sha256()));
        checked::concluded(told, &verdict)
    }

    pub(super) async fn open(&self, key: &str, range: Option<ByteRange>) -> Result<Opened, Error> {
        let mut headers = vec![("x-amz-checksum-mode", "ENABLED".to_owned())];
        headers.extend(range.map(|range| ("range", range.to_string())));
        match self.reads.get(key, headers).await {
            Ok(answer) => found(answer).map(Opened::Found),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("NoSuchKey") => Ok(Opened::Missing),
                Some("InvalidRange") => Ok(Opened::Unsatisfiable { size: None }),
                _ => Err(Error::unavailable(error)),
            },
        }
    }

    pub(super) async fn info(&self, key: &str) -> Result<Option<ObjectInfo>, Error> {
        let head = self.client().head_object().bucket(&self.bucket).key(key);
        match head.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(answer) => Ok(Some(ObjectInfo {
                size: length(answer.content_length())?,
                sha256: checksum(answer.checksum_sha256())?,
            })),
            Err(SdkError::ServiceError(error)) if matches!(error.err(), HeadObjectError::NotFound(_)) => Ok(None),
            Err(error) => Err(Error::unavailable(error)),
        }
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = self.client().delete_object().bucket(&self.bucket).key(key);
        delete.send().await.map(drop).map_err(Error::unavailable)
    }
}

fn without_end() -> TimeoutConfig {
    TimeoutConfig::builder()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build()
}

fn found(answer: Answer) -> Result<Object, Error> {
    let length = length(answer.header("content-length").and_then(|text| text.parse().ok()))?;
    let (offset, size) = match answer.header("content-range") {
        None => (0, length),
        Some(text) => content_range(text).ok_or_else(|| Error::unavailable("S3 tells a range that is none"))?,
    };
    let sha256 = checksum(answer.header("x-amz-checksum-sha256"))?;
    // The checksum is of the whole, which a part cannot be told by.
    let sha256 = sha256.filter(|_| length == size);
    Ok(Object {
        size,
        offset,
        length,
        chunks: checked::download(chunks(answer.body), length, sha256),
    })
}

/// What S3 tells of the whole. An object put in parts has a checksum of its parts' checksums, `…-<number of parts>`, which says nothing
/// of its bytes.
fn checksum(told: Option<&str>) -> Result<Option<Sha256>, Error> {
    match told.filter(|told| !told.contains('-')) {
        None => Ok(None),
        Some(told) => match Sha256::from_base64(told) {
            None => Err(Error::unavailable("S3 tells a checksum that is none")),
            sha256 => Ok(sha256),
        },
    }
}

fn length(told: Option<i64>) -> Result<u64, Error> {
    told.and_then(|length| u64::try_from(length).ok())
        .ok_or_else(|| Error::unavailable("S3 tells no length"))
}

fn chunks(body: ByteStream) -> Chunks {
    let next = |mut body: ByteStream| async move {
        let chunk = body.next().await?;
        let chunk = chunk.map_err(|error| Error::unavailable(Box::<dyn StdError + Send + Sync>::from(error)));
        Some((chunk, body))
    };
    stream::unfold(body, next).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_of_the_whole_or_of_parts_or_the_answer_is_at_fault() {
        let whole = Sha256::of(b"whole");
        assert_eq!(checksum(Some(&whole.base64())).unwrap(), Some(whole));
        assert_eq!(checksum(Some(&format!("{}-3", whole.base64()))).unwrap(), None);
        assert_eq!(checksum(None).unwrap(), None);
        for bad in ["", "none", "AAAA"] {
            assert!(checksum(Some(bad)).is_err(), "{bad}");
        }
    }
}
