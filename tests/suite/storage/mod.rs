//! Where the bytes of files are: the same promises of S3 and of a storage service behind mutual TLS.

mod service;
mod sessions;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gateway::aws::Aws;
use gateway::error::{Error, Kind};
use gateway::objects::{ByteRange, Chunks, Object, ObjectInfo, Objects, Opened, Sha256, Stored, Upload};
use gateway::principal::Subject;
use tests::backing::Backing;
use tests::fixtures::held_clock;
use tests::storage_service::Services;

/// One of the two storages, and what it stands on.
struct Storage {
    objects: Objects,
    _backing: Backing,
    _services: Option<Services>,
}

impl Storage {
    async fn s3() -> Self {
        let backing = Backing::start().await;
        let variables = || backing.variables("upload", &[]);
        let aws = Aws::from_environment(variables()).unwrap();
        let objects = Objects::read_from(&aws, &variables(), &held_clock()).unwrap();
        assert!(matches!(objects, Objects::S3(_)));
        Self {
            objects,
            _backing: backing,
            _services: None,
        }
    }

    async fn service() -> Self {
        let backing = Backing::start().await;
        let services = Services::start(&backing).await;
        let objects = service::objects(&backing, &services);
        assert!(matches!(objects, Objects::Service(_)));
        Self {
            objects,
            _backing: backing,
            _services: Some(services),
        }
    }
}

/// Each of these is asked of both storages.
macro_rules! of_both_storages {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn of_s3() {
                super::$name(&super::Storage::s3().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn of_the_storage_service() {
                super::$name(&super::Storage::service().await).await;
            }
        }
    )+};
}

of_both_storages!(
    what_is_stored_is_read_back_to_the_byte,
    a_range_is_read_as_http_says_it,
    an_upload_of_another_checksum_leaves_nothing,
    an_upload_of_another_length_leaves_nothing,
    an_upload_whose_bytes_break_off_leaves_nothing,
    what_is_removed_is_gone_and_may_be_removed_again,
    nobody_reads_what_is_anothers,
);

const ID: &str = "file_storage";

fn owner() -> Subject {
    "user:stora.ge+1@example".parse().unwrap()
}

/// So many bytes that are not all the same, in chunks of an odd size.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

fn chunks(bytes: &[u8]) -> Chunks {
    let chunks: Vec<_> = bytes.chunks(70_001).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
    stream::iter(chunks).boxed()
}

fn upload(bytes: &[u8], sha256: Option<Sha256>) -> Upload {
    Upload {
        size: bytes.len() as u64,
        sha256,
        chunks: chunks(bytes),
    }
}

async fn rest(object: Object) -> Result<Vec<u8>, Error> {
    let chunks: Vec<_> = object.chunks.collect().await;
    let chunks: Result<Vec<_>, _> = chunks.into_iter().collect();
    chunks.map(|chunks| chunks.concat())
}

async fn found(objects: &Objects, range: Option<ByteRange>) -> Object {
    match objects.open(&owner(), ID, range).await.unwrap() {
        Opened::Found(object) => object,
        Opened::Missing => panic!("it is missing"),
        Opened::Unsatisfiable { size } => panic!("nothing is there of {size:?}"),
    }
}

/// B-12, B-13
async fn what_is_stored_is_read_back_to_the_byte(stack: &Storage) {
    let objects = &stack.objects;
    for size in [0, 1, 34, 5_000_000] {
        let bytes = bytes(size);
        let sum = Sha256::of(&bytes);
        for told in [None, Some(sum)] {
            let stored = objects.store(&owner(), ID, upload(&bytes, told)).await.unwrap();
            assert_eq!(stored, Stored::Whole(sum), "{size} {told:?}");
            let info = objects.info(&owner(), ID).await.unwrap();
            let size = size as u64;
            assert_eq!(
                info,
                Some(ObjectInfo {
                    size,
                    sha256: Some(sum)
                }),
                "{told:?}"
            );
            let object = found(objects, None).await;
            assert_eq!((object.size, object.offset, object.length), (size, 0, size));
            assert!(rest(object).await.unwrap() == bytes, "{size}");
        }
        objects.put(&owner(), ID, bytes.clone().into()).await.unwrap();
        assert!(objects.read(&owner(), ID).await.unwrap().unwrap() == bytes);
    }
}

/// B-13, B-14
async fn a_range_is_read_as_http_says_it(stack: &Storage) {
    let bytes = bytes(200_000);
    stack.objects.put(&owner(), ID, bytes.clone().into()).await.unwrap();
    for (range, from, to) in [
        (ByteRange::Between(0, 0), 0, 1),
        (ByteRange::Between(70_000, 140_000), 70_000, 140_001),
        (ByteRange::Between(199_999, 900_000), 199_999, 200_000),
        (ByteRange::From(199_000), 199_000, 200_000),
        (ByteRange::Last(7), 199_993, 200_000),
        (ByteRange::From(0), 0, 200_000),
    ] {
        let object = found(&stack.objects, Some(range)).await;
        let told = (object.size, object.offset, object.length);
        assert_eq!(told, (200_000, from as u64, (to - from) as u64), "{range}");
        assert!(rest(object).await.unwrap() == bytes[from..to], "{range}");
    }
    let nothing = stack.objects.open(&owner(), ID, Some(ByteRange::From(200_000))).await;
    assert!(matches!(nothing.unwrap(), Opened::Unsatisfiable { .. }));
}

/// B-11, B-13: nothing half-stored
async fn an_upload_of_another_checksum_leaves_nothing(stack: &Storage) {
    let (bytes, other) = (bytes(150_000), Sha256::of(b"other"));
    let stored = stack
        .objects
        .store(&owner(), ID, upload(&bytes, Some(other)))
        .await
        .unwrap();
    assert_eq!(stored, Stored::WrongChecksum);
    assert_eq!(stack.objects.info(&owner(), ID).await.unwrap(), None);
    // What was there before stays.
    stack
        .objects
        .put(&owner(), ID, Bytes::from_static(b"before"))
        .await
        .unwrap();
    for wrong in [&bytes[..], b""] {
        let stored = stack
            .objects
            .store(&owner(), ID, upload(wrong, Some(other)))
            .await
            .unwrap();
        assert_eq!(stored, Stored::WrongChecksum);
    }
    assert_eq!(stack.objects.read(&owner(), ID).await.unwrap().unwrap(), "before");
}

/// B-11, B-13: nothing half-stored
async fn an_upload_of_another_length_leaves_nothing(stack: &Storage) {
    let bytes = bytes(150_000);
    for size in [0, 149_999, 150_001, 70_001, 400_000] {
        let upload = Upload {
            size,
            ..upload(&bytes, None)
        };
        let stored = stack.objects.store(&owner(), ID, upload).await.unwrap();
        assert_eq!(stored, Stored::WrongSize, "{size}");
        assert_eq!(stack.objects.info(&owner(), ID).await.unwrap(), None, "{size}");
    }
}

/// B-11, B-13: nothing half-stored
async fn an_upload_whose_bytes_break_off_leaves_nothing(stack: &Storage) {
    let bytes = bytes(150_000);
    for whole in [false, true] {
        let given = if whole { &bytes[..] } else { &bytes[..100_000] };
        let cut = stream::iter([Err(Error::invalid("The client has left."))]);
        let upload = Upload {
            chunks: chunks(given).chain(cut).boxed(),
            ..upload(&bytes, None)
        };
        let error = stack.objects.store(&owner(), ID, upload).await.unwrap_err();
        assert_eq!(
            (error.kind, &*error.message),
            (Kind::InvalidRequest, "The client has left.")
        );
        assert_eq!(stack.objects.info(&owner(), ID).await.unwrap(), None);
    }
}

/// B-13, B-14
async fn what_is_removed_is_gone_and_may_be_removed_again(stack: &Storage) {
    stack.objects.put(&owner(), ID, Bytes::from_static(b"x")).await.unwrap();
    for _ in 0..2 {
        stack.objects.delete(&owner(), ID).await.unwrap();
        assert_eq!(stack.objects.info(&owner(), ID).await.unwrap(), None);
        assert_eq!(stack.objects.read(&owner(), ID).await.unwrap(), None);
        let ranged = stack
            .objects
            .open(&owner(), ID, Some(ByteRange::Last(1)))
            .await
            .unwrap();
        assert!(matches!(ranged, Opened::Missing));
    }
}

/// B-13
async fn nobody_reads_what_is_anothers(stack: &Storage) {
    stack.objects.put(&owner(), ID, Bytes::from_static(b"x")).await.unwrap();
    for other in [
        "user:stora.ge+1",
        "client:stora.ge+1@example",
        "user:stora.ge_1@example",
    ] {
        let other = other.parse().unwrap();
        assert_eq!(stack.objects.read(&other, ID).await.unwrap(), None);
        stack.objects.delete(&other, ID).await.unwrap();
    }
    assert_eq!(stack.objects.read(&owner(), ID).await.unwrap().unwrap(), "x");
}
