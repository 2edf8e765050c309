//! S3: `s3s` with `s3s-fs`, whose objects are files.
//!
//! Its limits, as far as they can surprise: attributes of an object lie in a file whose name encodes the key, so keys
//! longer than about 140 bytes are refused by the file system; there are no versions, no lifecycle rules and no
//! bucket policies. What it lacks of uploads in parts is added in `buckets` and `uploads`.

mod access;
mod buckets;
mod uploads;

use std::path::Path;

use axum::Router;
use axum::error_handling::HandleError;
use http::StatusCode;
use s3s::HttpError;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;

use access::{Access, Keys};
use buckets::Buckets;

use super::Error;
use super::server::Server;
use crate::privileges::Privileges;

/// Serves the buckets in `directory`, which is made if it is not there.
///
/// # Errors
/// When the directory cannot be used or no port be bound.
pub(super) async fn start(directory: &Path, privileges: Privileges) -> Result<Server, Error> {
    let what = format!("cannot make {}", directory.display());
    std::fs::create_dir_all(directory).map_err(Error::io(what))?;
    let files = FileSystem::new(directory).map_err(|error| Error::Embedded {
        service: "S3",
        reason: format!("{error:?}"),
    })?;
    let buckets = Buckets::new(files, directory.join(".uploads"), privileges.clone());
    let mut builder = S3ServiceBuilder::new(buckets);
    builder.set_auth(Keys);
    builder.set_access(Access(privileges));
    let router = Router::new().fallback_service(HandleError::new(builder.build(), internal_error));
    Server::start(router, 0).await.map_err(Error::io("cannot bind S3"))
}

async fn internal_error(error: HttpError) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}"))
}
