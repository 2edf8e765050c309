//! Checksums, and bytes that are checked while they pass.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Chunks, Stored, Upload};
use crate::error::Error;
use crate::secret::hex;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The checksum of bytes that are all here.
    pub fn of(bytes: &[u8]) -> Self {
        Self::from(digest::digest(&digest::SHA256, bytes))
    }

    /// As it is written in metadata: 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// As S3 writes it.
    pub fn base64(&self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// Reads hexadecimal digits, large or small ones.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes = (0..64).step_by(2).map(byte).collect::<Option<Vec<u8>>>();
        bytes.filter(|_| is_hex)?.try_into().ok().map(Self)
    }

    /// Reads what S3 writes.
    pub fn from_base64(text: &str) -> Option<Self> {
        BASE64_STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// As the header `Repr-Digest` says it (RFC 9530, section 3).
    pub fn repr_digest(&self) -> String {
        format!("sha-256=:{}:", self.base64())
    }

    /// Reads that header; other algorithms in it are passed over.
    pub fn from_repr_digest(text: &str) -> Option<Self> {
        let mut members = text.split(',').map(str::trim);
        let value = members.find_map(|member| member.strip_prefix("sha-256="))?;
        Self::from_base64(value.strip_prefix(':')?.strip_suffix(':')?)
    }
}

impl From<digest::Digest> for Sha256 {
    fn from(digest: digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sha256({})", self.hex())
    }
}

/// An upload whose last bytes pass only if all is right.
pub(super) struct Checked {
    pub(super) size: u64,
    pub(super) sha256: Option<Sha256>,
    pub(super) chunks: Chunks,
    verdict: Verdict,
}

/// What was found out at the end of the bytes.
#[derive(Clone, Default)]
pub(super) struct Verdict(Arc<Mutex<Option<Result<Stored, Error>>>>);

impl Verdict {
    /// What became of the bytes. `None`: their end was not reached.
    pub(super) fn take(&self) -> Option<Result<Stored, Error>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is(&self, verdict: Result<Stored, Error>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }
}

impl Checked {
    /// What will be known when the bytes have passed.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    /// A client asks nothing of a body that is to have no bytes. So that is looked at before: whether something is wrong with it.
    pub(super) async fn refused_as_empty(&mut self) -> Option<Result<Stored, Error>> {
        if self.size > 0 || self.chunks.next().await.is_none() {
            return None;
        }
        self.verdict.take()
    }
}

/// What became of an upload: by what was found out of its bytes, and by what the storage answered, with the checksum that it told.
pub(super) fn concluded(answer: Result<Option<Sha256>, Error>, verdict: &Verdict) -> Result<Stored, Error> {
    match (answer, verdict.take()) {
        (_, Some(Err(error))) => Err(error),
        (_, Some(Ok(refused @ (Stored::WrongSize | Stored::WrongChecksum)))) => Ok(refused),
        (Err(error), _) => Err(error),
        (Ok(told), Some(Ok(Stored::Whole(sha256)))) if told.is_none_or(|told| told == sha256) => {
            Ok(Stored::Whole(sha256))
        }
        (Ok(_), Some(Ok(Stored::Whole(_)))) => Err(Error::unavailable(
            "the storage tells another checksum than that of the bytes",
        )),
        (Ok(_), None) => Err(Error::unavailable(
            "the storage has answered before it had all of the bytes",
        )),
    }
}

/// Checks an upload while it passes.
pub(super) fn upload(upload: Upload) -> Checked {
    let verdict = Verdict::default();
    Checked {
        size: upload.size,
        sha256: upload.sha256,
        chunks: checked(upload.chunks, upload.size, upload.sha256, verdict.clone()),
        verdict,
    }
}

/// Checks what is read, if its checksum is known: the last bytes pass only if they are those that were stored.
pub(super) fn download(chunks: Chunks, size: u64, sha256: Option<Sha256>) -> Chunks {
    checked(chunks, size, sha256, Verdict::default())
}

struct Passing {
    chunks: Chunks,
    left: u64,
    expected: Option<Sha256>,
    digest: digest::Context,
    verdict: Verdict,
    over: bool,
}

fn checked(chunks: Chunks, size: u64, expected: Option<Sha256>, verdict: Verdict) -> Chunks {
    let passing = Passing {
        chunks,
        left: size,
        expected,
        digest: digest::Context::new(&digest::SHA256),
        verdict,
        over: false,
    };
    stream::unfold(passing, |mut passing| async move {
        let next = passing.next().await?;
        passing.over |= next.is_err();
        Some((next, passing))
    })
    // A client may ask again after the end.
    .fuse()
    .boxed()
}

impl Passing {
    /// The next bytes. The last ones are held until the end was seen and the checksum found right.
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.over {
            return None;
        }
        loop {
            let chunk = match self.chunks.next().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return Some(Err(self.broken(error))),
                None if self.left == 0 => return self.end(Bytes::new()),
                None => return Some(Err(self.refused(Stored::WrongSize))),
            };
            let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
                return Some(Err(self.refused(Stored::WrongSize)));
            };
            self.digest.update(&chunk);
            self.left = left;
            match (left, chunk.is_empty()) {
                (_, true) => {}
                (0, false) => return self.last(chunk).await,
                (_, false) => return Some(Ok(chunk)),
            }
        }
    }

    async fn last(&mut self, chunk: Bytes) -> Option<Result<Bytes, Error>> {
        loop {
            match self.chunks.next().await {
                None => return self.end(chunk),
                Some(Ok(more)) if more.is_empty() => {}
                Some(Ok(_)) => return Some(Err(self.refused(Stored::WrongSize))),
                Some(Err(error)) => return Some(Err(self.broken(error))),
            }
        }
    }

    fn end(&mut self, chunk: Bytes) -> Option<Result<Bytes, Error>> {
        let sha256 = Sha256::from(self.digest.clone().finish());
        if self.expected.is_some_and(|expected| expected != sha256) {
            return Some(Err(self.refused(Stored::WrongChecksum)));
        }
        self.over = true;
        self.verdict.is(Ok(Stored::Whole(sha256)));
        (!chunk.is_empty()).then_some(Ok(chunk))
    }

    /// The error that breaks the transfer off; what it means is in the verdict.
    fn refused(&self, why: Stored) -> Error {
        let error = Error::unavailable(format!("bytes were broken off: {why:?}"));
        self.verdict.is(Ok(why));
        error
    }

    /// The error of the bytes themselves goes to the one who gave them; the transfer is told that there was one.
    fn broken(&self, error: Error) -> Error {
        let told = Error::new(error.kind, error.message.clone());
        self.verdict.is(Err(error));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &[u8] = b"abcdef";

    fn given(chunks: &[&'static str]) -> Chunks {
        let chunks: Vec<_> = chunks.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect();
        stream::iter(chunks).boxed()
    }

    async fn passed(chunks: Chunks, size: u64, sha256: Option<Sha256>) -> (String, bool, Option<Stored>) {
        let checked = upload(Upload { size, sha256, chunks });
        let verdict = checked.verdict();
        let (mut text, mut failed, mut chunks) = (String::new(), false, checked.chunks);
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
                Err(_) => failed = true,
            }
        }
        (text, failed, verdict.take().map(Result::unwrap))
    }

    #[tokio::test]
    async fn right_bytes_pass_and_their_checksum_is_told() {
        let right = Sha256::of(ABC);
        let whole = Some(Stored::Whole(right));
        for sha256 in [None, Some(right)] {
            assert_eq!(
                passed(given(&["abc", "", "def", ""]), 6, sha256).await,
                ("abcdef".into(), false, whole.clone())
            );
        }
        let nothing = Some(Stored::Whole(Sha256::of(b"")));
        assert_eq!(
            passed(given(&[]), 0, None).await,
            (String::new(), false, nothing.clone())
        );
        assert_eq!(passed(given(&["", ""]), 0, None).await, (String::new(), false, nothing));
    }

    #[tokio::test]
    async fn the_last_bytes_of_what_is_wrong_do_not_pass() {
        let wrong = Some(Sha256::of(b"other"));
        assert_eq!(
            passed(given(&["abc", "def"]), 6, wrong).await,
            ("abc".into(), true, Some(Stored::WrongChecksum))
        );
        assert_eq!(
            passed(given(&["abc", "d"]), 6, None).await,
            ("abcd".into(), true, Some(Stored::WrongSize))
        );
        assert_eq!(
            passed(given(&["abc", "def"]), 5, None).await,
            ("abc".into(), true, Some(Stored::WrongSize))
        );
        assert_eq!(
            passed(given(&["abc", "def", "", "g"]), 6, None).await,
            ("abc".into(), true, Some(Stored::WrongSize))
        );
        assert_eq!(
            passed(given(&["a"]), 0, None).await,
            (String::new(), true, Some(Stored::WrongSize))
        );
        assert_eq!(
            passed(given(&[]), 0, wrong).await,
            (String::new(), true, Some(Stored::WrongChecksum))
        );
    }

    #[tokio::test]
    async fn an_error_of_the_bytes_is_told_to_the_one_who_gave_them() {
        for first in ["abc", "abcdef"] {
            let chunks = given(&[first])
                .chain(stream::iter([Err(Error::invalid("cut"))]))
                .boxed();
            let checked = upload(Upload {
                size: 6,
                sha256: None,
                chunks,
            });
            let verdict = checked.verdict();
            assert!(verdict.take().is_none());
            let passed: Vec<_> = checked.chunks.collect().await;
            assert!(passed.last().unwrap().is_err());
            assert!(matches!(verdict.take(), Some(Err(error)) if error.message == "cut"));
        }
    }

    #[tokio::test]
    async fn an_upload_of_no_bytes_is_looked_at_before_it_goes_out() {
        let wrong = Some(Sha256::of(ABC));
        let of = |chunks, size, sha256| upload(Upload { size, sha256, chunks });
        assert!(of(given(&["a"]), 1, None).refused_as_empty().await.is_none());
        assert!(of(given(&[]), 0, None).refused_as_empty().await.is_none());
        let refused = of(given(&["a"]), 0, None).refused_as_empty().await;
        assert!(matches!(refused, Some(Ok(Stored::WrongSize))));
        let refused = of(given(&[]), 0, wrong).refused_as_empty().await;
        assert!(matches!(refused, Some(Ok(Stored::WrongChecksum))));
    }

    #[test]
    fn an_answer_counts_only_if_all_bytes_passed_and_the_storage_tells_no_other_checksum() {
        let right = Sha256::of(ABC);
        let whole = || {
            let verdict = Verdict::default();
            verdict.is(Ok(Stored::Whole(right)));
            verdict
        };
        assert_eq!(concluded(Ok(None), &whole()).unwrap(), Stored::Whole(right));
        assert_eq!(concluded(Ok(Some(right)), &whole()).unwrap(), Stored::Whole(right));
        concluded(Ok(Some(Sha256::of(b""))), &whole()).unwrap_err();
        concluded(Err(Error::unavailable("down")), &whole()).unwrap_err();
        concluded(Ok(Some(right)), &Verdict::default()).unwrap_err();
    }

    #[test]
    fn a_checksum_is_written_and_read_in_each_of_its_ways() {
        let sum = Sha256::of(ABC);
        assert_eq!(
            sum.hex(),
            "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
        );
        assert_eq!(Sha256::from_base64(&sum.base64()), Some(sum));
        assert_eq!(Sha256::from_hex(&sum.hex().to_uppercase()), Some(sum));
        for bad in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"+1".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(Sha256::from_hex(bad), None, "{bad}");
        }
        assert_eq!(Sha256::from_repr_digest(&sum.repr_digest()), Some(sum));
        assert_eq!(
            Sha256::from_repr_digest(&format!("md5=:AA==:, {}", sum.repr_digest())),
            Some(sum)
        );
        for bad in [
            "",
            "sha-256=",
            "sha-256=::",
            "sha-256=:AA==:",
            "sha-512=:AA==:",
            "sha-256=abc",
        ] {
            assert_eq!(Sha256::from_repr_digest(bad), None, "{bad}");
        }
    }
}
