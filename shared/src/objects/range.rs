//! Ranges of bytes (RFC 9110, section 14.1.2).

use std::fmt;

/// One range of an object's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From this one, to the end.
    From(u64),
    /// From the first to the second, both included.
    Between(u64, u64),
    /// The last so many.
    Last(u64),
}

impl fmt::Display for ByteRange {
    /// As the header `Range` says it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(first) => write!(out, "bytes={first}-"),
            Self::Between(first, last) => write!(out, "bytes={first}-{last}"),
            Self::Last(count) => write!(out, "bytes=-{count}"),
        }
    }
}

/// What `Content-Range` says: the offset, and how many bytes the whole has (RFC 9110, section 14.4).
pub(super) fn content_range(text: &str) -> Option<(u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, size.parse().ok()?))
}

/// The size in a `Content-Range` that says that there is nothing there: `bytes */SIZE`.
pub(super) fn unsatisfied_size(text: &str) -> Option<u64> {
    text.strip_prefix("bytes */")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_written_and_read_as_http_says_them() {
        assert_eq!(ByteRange::From(7).to_string(), "bytes=7-");
        assert_eq!(ByteRange::Between(0, 0).to_string(), "bytes=0-0");
        assert_eq!(ByteRange::Last(5).to_string(), "bytes=-5");
        assert_eq!(content_range("bytes 7-9/10"), Some((7, 10)));
        assert_eq!(unsatisfied_size("bytes */10"), Some(10));
        for bad in ["", "bytes */10", "bytes 7-9/*", "7-9/10", "bytes a-9/10"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}
