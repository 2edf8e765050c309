//! Reading objects that are too large to be held: what one is, its SHA-256, and a URL that gives it.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::presigning::PresigningConfig;

use super::{Bucket, Place};
use crate::error::Error;
use crate::secret::hex;

/// What the storage says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How long it is.
    pub size_bytes: u64,
    /// What it calls these bytes, with the quotes of an entity tag.
    pub tag: Option<String>,
}

impl Bucket {
    /// What the storage says of an object. `None`: there is none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn stored(&self, place: Place<'_>) -> Result<Option<Stored>, Error> {
        let answer = self.client.head_object().bucket(&self.bucket).key(place.key());
        match answer.send().await {
            Ok(answer) => Ok(Some(Stored {
                size_bytes: answer
                    .content_length
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
                tag: answer.e_tag,
            })),
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => Ok(None),
            Err(error) => Err(Error::unavailable(error)),
        }
    }

    /// The SHA-256 of an object, in lower-case hexadecimal. It is read piece by piece, and no more of it is held than one piece.
    /// `None`: there is none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub(super) async fn sha256(&self, place: Place<'_>) -> Result<Option<String>, Error> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(place.key())
            .send()
            .await;
        let mut body = match answer {
            Ok(answer) => answer.body,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => return Ok(None),
            Err(error) => return Err(Error::unavailable(error)),
        };
        let mut digest = Context::new(&SHA256);
        while let Some(piece) = body.try_next().await.map_err(Error::unavailable)? {
            digest.update(&piece);
        }
        Ok(Some(hex(digest.finish().as_ref())))
    }

    /// A URL that gives an object to whoever has it, as something to be kept and never as a page. Nothing goes out.
    ///
    /// # Errors
    /// [`crate::error::Kind::Internal`]
    pub(super) async fn url(&self, place: Place<'_>, lives: Duration) -> Result<String, Error> {
        let config = PresigningConfig::expires_in(lives).map_err(Error::internal)?;
        let request = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(place.key())
            .response_content_type("application/octet-stream")
            .response_content_disposition("attachment")
            .presigned(config)
            .await
            .map_err(Error::internal)?;
        Ok(request.uri().to_owned())
    }
}
