//! The bytes of files, in S3. An object's key is made of owner and file id, never of what a caller calls a file.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use crate::error::Error;
use crate::principal::Subject;

/// The bucket and its client.
#[derive(Clone, Debug)]
pub struct Objects {
    client: Client,
    bucket: String,
}

impl Objects {
    /// The bucket of this name.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// Stores a file's bytes.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn put(&self, owner: &Subject, file_id: &str, bytes: Bytes) -> Result<(), Error> {
        let put = self.client.put_object().bucket(&self.bucket).key(key(owner, file_id));
        put.body(ByteStream::from(bytes))
            .send()
            .await
            .map(drop)
            .map_err(Error::unavailable)
    }

    /// A file's bytes, whole. `None`: there is no such object.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn read(&self, owner: &Subject, file_id: &str) -> Result<Option<Bytes>, Error> {
        let answer = match self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key(owner, file_id))
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::unavailable(error)),
        };
        answer
            .body
            .collect()
            .await
            .map(|body| Some(body.into_bytes()))
            .map_err(Error::unavailable)
    }

    /// Removes a file's bytes. Removing what is not there is no error.
    ///
    /// # Errors
    /// [`crate::error::Kind::Unavailable`]
    pub async fn delete(&self, owner: &Subject, file_id: &str) -> Result<(), Error> {
        let delete = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key(owner, file_id));
        delete.send().await.map(drop).map_err(Error::unavailable)
    }
}

fn key(owner: &Subject, file_id: &str) -> String {
    format!("files/{owner}/{file_id}")
}
