//! Uploads in parts. S3 checks each part against the SHA-256 that its URL is bound to, and puts the parts together.
//!
//! Source: "Uploading and copying objects using multipart upload" and "Checking object integrity" in the S3 user guide.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};

use super::{Bucket, Place, patient};
use crate::error::Error;

/// A part that is to come.
#[derive(Clone, Debug)]
pub struct WantedPart {
    /// From 1.
    pub number: i32,
    /// How long it is.
    pub size_bytes: i64,
    /// Its SHA-256, in base64 as S3 has it.
    pub sha256: String,
}

/// Where a part is to be PUT, and what is to go along.
#[derive(Clone, Debug)]
pub struct PartUrl {
    /// The URL.
    pub url: String,
    /// Headers that the signature covers: each is to be sent exactly so.
    pub headers: Vec<(String, String)>,
}

/// A part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// From 1.
    pub number: i32,
    /// How long it is.
    pub size_bytes: i64,
    /// Its SHA-256, in base64.
    pub sha256: Option<String>,
    /// What S3 calls it.
    pub tag: String,
}

/// What became of putting parts together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// They are one object.
    Done,
    /// There is no such upload: it was completed or aborted before.
    Gone,
    /// S3 refuses the parts, in these words.
    Refused(String),
}

impl Bucket {
    /// Begins an upload, and returns what S3 calls it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn begin(&self, place: Place<'_>) -> Result<String, Error> {
        let begin = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(place.key());
        let answer = begin.checksum_algorithm(ChecksumAlgorithm::Sha256).send().await;
        let answer = answer.map_err(Error::unavailable)?;
        answer
            .upload_id
            .ok_or_else(|| Error::unavailable("an upload without an id"))
    }

    /// A URL that takes this part and no other bytes. Nothing goes out.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`]
    pub(super) async fn part_url(
        &self,
        place: Place<'_>,
        upload: &str,
        part: &WantedPart,
        lives: Duration,
    ) -> Result<PartUrl, Error> {
        let config = PresigningConfig::expires_in(lives).map_err(Error::internal)?;
        let request = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(place.key())
            .upload_id(upload)
            .part_number(part.number)
            .content_length(part.size_bytes)
            .checksum_sha256(&part.sha256)
            .presigned(config)
            .await
            .map_err(Error::internal)?;
        let headers = request
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(PartUrl {
            url: request.uri().to_owned(),
            headers: headers.collect(),
        })
    }

    /// The parts that are there, by number. `None`: there is no such upload.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn parts(&self, place: Place<'_>, upload: &str) -> Result<Option<Vec<StoredPart>>, Error> {
        let mut parts = Vec::new();
        let mut after = None;
        loop {
            let list = self.client.list_parts().bucket(&self.bucket).key(place.key());
            let answer = list.upload_id(upload).set_part_number_marker(after).send().await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("NoSuchUpload") => return Ok(None),
                Err(error) => return Err(Error::unavailable(error)),
            };
            for part in answer.parts.unwrap_or_default() {
                parts.push(StoredPart {
                    number: part.part_number.unwrap_or_default(),
                    size_bytes: part.size.unwrap_or_default(),
                    sha256: part.checksum_sha256,
                    tag: part.e_tag.unwrap_or_default(),
                });
            }
            after = answer.next_part_number_marker;
            if answer.is_truncated != Some(true) || after.is_none() {
                parts.sort_by_key(|part| part.number);
                return Ok(Some(parts));
            }
        }
    }

    /// Puts the parts together. S3 checks that they are these ones.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn complete(
        &self,
        place: Place<'_>,
        upload: &str,
        parts: &[StoredPart],
    ) -> Result<Completion, Error> {
        let parts = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(&part.tag)
                .set_checksum_sha256(part.sha256.clone())
                .build()
        });
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(place.key())
            .upload_id(upload)
            .multipart_upload(parts)
            .customize()
            .config_override(patient())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Completion::Done),
            Err(error) => match error.code() {
                Some("NoSuchUpload") => Ok(Completion::Gone),
                Some(
                    code @ ("InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "BadDigest" | "InvalidRequest"),
                ) => Ok(Completion::Refused(code.to_owned())),
                _ => Err(Error::unavailable(error)),
            },
        }
    }

    /// Gives an upload up, with all its parts. To give up what is not there is no error.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn abort(&self, place: Place<'_>, upload: &str) -> Result<(), Error> {
        let abort = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(place.key());
        match abort.upload_id(upload).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(Error::unavailable(error)),
        }
    }
}
