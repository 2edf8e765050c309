//! Who may do what to buckets.
//!
//! S3's operations and its actions have different names: "Required permissions for Amazon S3 API operations" in the user guide.

use std::future::Future;
use std::pin::Pin;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use crate::aws::SECRET_ACCESS_KEY;
use crate::privileges::{Asked, Caller, Privileges};

/// The secret key of every access key id that somebody here has.
pub(super) struct Keys;

impl S3Auth for Keys {
    fn get_secret_key<'s, 'k, 'a>(
        &'s self,
        id: &'k str,
    ) -> Pin<Box<dyn Future<Output = S3Result<SecretKey>> + Send + 'a>>
    where
        's: 'a,
        'k: 'a,
        Self: 'a,
    {
        let key = match Caller::of(id) {
            Some(_) => Ok(SecretKey::from(SECRET_ACCESS_KEY)),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        };
        Box::pin(std::future::ready(key))
    }
}

/// The functions' roles.
pub(super) struct Access(pub(super) Privileges);

impl S3Access for Access {
    fn check<'s, 'c, 'x, 'a>(
        &'s self,
        context: &'c mut S3AccessContext<'x>,
    ) -> Pin<Box<dyn Future<Output = S3Result<()>> + Send + 'a>>
    where
        's: 'a,
        'c: 'a,
        'x: 'a,
        Self: 'a,
    {
        let asked = Asked::new(action(context.s3_op().name()), arn(context.s3_path()));
        Box::pin(std::future::ready(allowed(&self.0, context.credentials(), &asked)))
    }
}

fn allowed(privileges: &Privileges, credentials: Option<&Credentials>, asked: &Asked) -> S3Result<()> {
    let caller = credentials.and_then(|credentials| Caller::of(&credentials.access_key));
    let Some(caller) = caller else {
        return Err(s3_error!(AccessDenied, "Signature is required"));
    };
    let denial = privileges.check(caller, asked).err();
    denial.map_or(Ok(()), |denial| Err(s3_error!(AccessDenied, "{}", denial)))
}

/// Whether whoever asks for an object is told that it is not there: who may not list is told that it is forbidden.
pub(super) fn may_know_what_is_missing(
    privileges: &Privileges,
    credentials: Option<&Credentials>,
    bucket: &str,
) -> bool {
    let caller = credentials.and_then(|credentials| Caller::of(&credentials.access_key));
    let list = Asked::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
    caller.is_some_and(|caller| privileges.may(caller, &list))
}

/// The action that an operation takes. Of an operation that the gateway does not use it is the operation's name, which no role allows.
fn action(operation: &str) -> String {
    let action = match operation {
        "HeadObject" => "GetObject",
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        "ListParts" => "ListMultipartUploadParts",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        same => same,
    };
    format!("s3:{action}")
}

fn arn(path: &S3Path) -> String {
    match path {
        S3Path::Root => "*".to_owned(),
        S3Path::Bucket { bucket } => format!("arn:aws:s3:::{bucket}"),
        S3Path::Object { bucket, key } => format!("arn:aws:s3:::{bucket}/{key}"),
    }
}
