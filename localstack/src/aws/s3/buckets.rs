//! The buckets of `s3s-fs`, with uploads in parts as AWS has them: each part is checked against its SHA-256 before it counts, parts are
//! listed with what they are, and only what has come can be put together.
//!
//! Source: `UploadPart`, `ListParts` and `CompleteMultipartUpload` in the S3 API reference.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use s3s::auth::Credentials;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;

use crate::aws::ACCESS_KEY_ID;
use crate::privileges::Privileges;

use super::access::may_know_what_is_missing;
use super::uploads::{Named, Part as KnownPart, Uploads};

const MOST_LISTED: usize = 1000;

/// All buckets.
pub(super) struct Buckets {
    files: FileSystem,
    uploads: Uploads,
    privileges: Privileges,
}

type Answer<'a, O> = Pin<Box<dyn Future<Output = S3Result<S3Response<O>>> + Send + 'a>>;

/// What is `s3s-fs`'s as it is.
macro_rules! passed_on {
    ($($name:ident($input:ident) -> $output:ident;)+) => {$(
        fn $name<'s, 'a>(&'s self, request: S3Request<$input>) -> Answer<'a, $output>
        where
            's: 'a,
            Self: 'a,
        {
            self.files.$name(request)
        }
    )+};
}

/// What is done otherwise, in the methods of [`Buckets`] below.
macro_rules! done_here {
    ($($name:ident($input:ident) -> $output:ident by $own:ident;)+) => {$(
        fn $name<'s, 'a>(&'s self, request: S3Request<$input>) -> Answer<'a, $output>
        where
            's: 'a,
            Self: 'a,
        {
            Box::pin(self.$own(request))
        }
    )+};
}

impl S3 for Buckets {
    passed_on! {
        create_bucket(CreateBucketInput) -> CreateBucketOutput;
        delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
        head_bucket(HeadBucketInput) -> HeadBucketOutput;
        list_buckets(ListBucketsInput) -> ListBucketsOutput;
        get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
        put_object(PutObjectInput) -> PutObjectOutput;
        copy_object(CopyObjectInput) -> CopyObjectOutput;
        delete_object(DeleteObjectInput) -> DeleteObjectOutput;
        delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
        list_objects(ListObjectsInput) -> ListObjectsOutput;
        list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    }

    done_here! {
        get_object(GetObjectInput) -> GetObjectOutput by object;
        head_object(HeadObjectInput) -> HeadObjectOutput by head;
        create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput by begin;
        upload_part(UploadPartInput) -> UploadPartOutput by put_part;
        list_parts(ListPartsInput) -> ListPartsOutput by listed;
        complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput by complete;
        abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput by abort;
    }
}

impl Buckets {
    /// These files, with what is known of uploads in a folder of its own.
    pub(super) fn new(files: FileSystem, uploads: PathBuf, privileges: Privileges) -> Self {
        Self {
            files,
            uploads: Uploads::new(uploads),
            privileges,
        }
    }

    async fn object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (caller, bucket) = (request.credentials.clone(), request.input.bucket.clone());
        let answer = self.files.get_object(request).await;
        answer.map_err(|error| self.of_missing(error, caller.as_ref(), &bucket))
    }

    async fn head(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let (caller, bucket) = (request.credentials.clone(), request.input.bucket.clone());
        let answer = self.files.head_object(request).await;
        answer.map_err(|error| self.of_missing(error, caller.as_ref(), &bucket))
    }

    fn of_missing(&self, error: S3Error, caller: Option<&Credentials>, bucket: &str) -> S3Error {
        let is_missing = *error.code() == S3ErrorCode::NoSuchKey;
        if is_missing && !may_know_what_is_missing(&self.privileges, caller, bucket) {
            s3_error!(AccessDenied, "Access Denied")
        } else {
            error
        }
    }

    async fn begin(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let algorithm = request.input.checksum_algorithm.clone();
        let sha256 = algorithm.is_some_and(|algorithm| algorithm.as_str() == ChecksumAlgorithm::SHA256);
        let answer = self.files.create_multipart_upload(owners(request)).await?;
        let upload = answer.output.upload_id.as_deref().unwrap_or_default();
        self.uploads.begin(upload, sha256)?;
        Ok(answer)
    }

    /// The part is replaced only when all of it has come and is what it was said to be.
    async fn put_part(&self, mut request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let (upload, number) = (request.input.upload_id.clone(), request.input.part_number);
        let sha256 = request.input.checksum_sha256.clone();
        if self.uploads.has_sha256(&upload)? && sha256.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: null"
            ));
        }
        let body = request.input.body.take().ok_or_else(|| s3_error!(IncompleteBody))?;
        let (body, seen) = seen(body, sha256.clone());
        request.input.body = Some(body);
        let answer = self.files.upload_part(owners(request)).await;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_wrong {
            return Err(s3_error!(
                BadDigest,
                "The SHA256 you specified did not match the calculated checksum."
            ));
        }
        let mut answer = answer?;
        let part = KnownPart {
            number,
            size_bytes: seen.size_bytes,
            tag: answer
                .output
                .e_tag
                .as_ref()
                .map(|tag| tag.value().to_owned())
                .unwrap_or_default(),
            sha256: sha256.clone(),
        };
        self.uploads.put(&upload, &part)?;
        answer.output.checksum_sha256 = sha256;
        Ok(answer)
    }

    async fn listed(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = request.input;
        let after = input.part_number_marker.unwrap_or_default();
        let most = input.max_parts.and_then(|most| usize::try_from(most).ok());
        let most = most.unwrap_or(MOST_LISTED).min(MOST_LISTED);
        let mut parts = self.uploads.parts(&input.upload_id)?;
        parts.retain(|part| part.number > after);
        let is_truncated = parts.len() > most;
        parts.truncate(most);
        let output = ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(is_truncated),
            next_part_number_marker: parts.last().map(|part| part.number),
            parts: Some(parts.into_iter().map(shown).collect()),
            ..ListPartsOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn complete(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let upload = request.input.upload_id.clone();
        let parts = request.input.multipart_upload.as_ref();
        let parts = parts.and_then(|parts| parts.parts.as_deref()).unwrap_or_default();
        let named: Vec<_> = parts
            .iter()
            .map(|part| Named {
                number: part.part_number.unwrap_or_default(),
                tag: part.e_tag.as_ref().map(|tag| tag.value().to_owned()),
                sha256: part.checksum_sha256.clone(),
            })
            .collect();
        self.uploads.check(&upload, &named)?;
        let answer = self.files.complete_multipart_upload(owners(request)).await?;
        self.uploads.end(&upload)?;
        Ok(answer)
    }

    async fn abort(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let upload = request.input.upload_id.clone();
        self.uploads.has_sha256(&upload)?;
        let answer = self.files.abort_multipart_upload(owners(request)).await?;
        self.uploads.end(&upload)?;
        Ok(answer)
    }
}

/// An upload is its bucket's, as on AWS: `s3s-fs` would let nobody go on with it but the access key that began it.
fn owners<T>(mut request: S3Request<T>) -> S3Request<T> {
    if let Some(credentials) = &mut request.credentials {
        ACCESS_KEY_ID.clone_into(&mut credentials.access_key);
    }
    request
}

fn shown(part: KnownPart) -> Part {
    Part {
        part_number: Some(part.number),
        size: i64::try_from(part.size_bytes).ok(),
        e_tag: Some(ETag::Strong(part.tag)),
        checksum_sha256: part.sha256,
        ..Part::default()
    }
}

/// What has come of a body.
struct Seen {
    digest: Context,
    size_bytes: u64,
    is_wrong: bool,
}

/// The same body, which fails at its end if it is not what it was said to be.
fn seen(body: StreamingBlob, sha256: Option<String>) -> (StreamingBlob, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen {
        digest: Context::new(&SHA256),
        size_bytes: 0,
        is_wrong: false,
    }));
    let (of_pieces, of_end) = (Arc::clone(&seen), Arc::clone(&seen));
    let pieces = body.map_err(io::Error::other).inspect_ok(move |piece| {
        let mut seen = of_pieces.lock().unwrap_or_else(PoisonError::into_inner);
        seen.digest.update(piece);
        seen.size_bytes += piece.len() as u64;
    });
    let end = futures_util::stream::once(async move {
        let mut seen = of_end.lock().unwrap_or_else(PoisonError::into_inner);
        let is = BASE64_STANDARD.encode(seen.digest.clone().finish());
        seen.is_wrong = sha256.is_some_and(|said| said != is);
        if seen.is_wrong {
            Err(io::Error::other("another SHA-256 than was said"))
        } else {
            Ok(Bytes::new())
        }
    });
    (StreamingBlob::wrap(pieces.chain(end)), seen)
}
