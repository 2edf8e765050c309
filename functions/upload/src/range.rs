//! Which bytes of a file a request asks for (RFC 9110, section 14).

use http::{HeaderMap, header};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// All of it, since `If-Range` names other bytes.
    Changed,
    /// From the first to the last, both included.
    Part(u64, u64),
    /// What there is not.
    Nothing,
}

/// What a request wants of `size` bytes, at least one, whose entity tag is `tag`. Several ranges at once are not served, and a `Range`
/// that cannot be read is ignored: both get the whole, as the RFC has it.
pub(crate) fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let range = text(header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some(part) = range.and_then(|range| part(range.trim(), size)) else {
        return Wanted::Whole;
    };
    match text(header::IF_RANGE) {
        Some(condition) if condition.trim() != tag => Wanted::Changed,
        _ => part,
    }
}

fn part(range: &str, size: u64) -> Option<Wanted> {
    let (first, last) = range.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // What no number holds is beyond every file.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let last_bytes = number(last)?;
        return Some(match last_bytes {
            0 => Wanted::Nothing,
            count => Wanted::Part(size.saturating_sub(count), size - 1),
        });
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < first {
        None
    } else if first >= size {
        Some(Wanted::Nothing)
    } else {
        Some(Wanted::Part(first, last.min(size - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"t\"";

    fn of(range: &str) -> Wanted {
        wanted(
            &HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]),
            TAG,
            100,
        )
    }

    /// B-14
    #[test]
    fn a_range_is_read_as_rfc_9110_has_it() {
        let cases = [
            ("bytes=0-0", Wanted::Part(0, 0)),
            ("bytes=10-19", Wanted::Part(10, 19)),
            ("bytes=10-", Wanted::Part(10, 99)),
            ("bytes=90-200", Wanted::Part(90, 99)),
            ("bytes=-1", Wanted::Part(99, 99)),
            ("bytes=-1000", Wanted::Part(0, 99)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0, 99)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
        ];
        for (range, wanted) in cases {
            assert_eq!(of(range), wanted, "{range}");
        }
        for ignored in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-1",
            "bytes=a-b",
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=+1-2",
            "bytes 0-1",
        ] {
            assert_eq!(of(ignored), Wanted::Whole, "{ignored}");
        }
    }

    /// B-14
    #[test]
    fn a_range_of_other_bytes_gets_the_whole() {
        let with = |condition: &str| {
            let headers = [
                (header::RANGE, "bytes=1-2".parse().unwrap()),
                (header::IF_RANGE, condition.parse().unwrap()),
            ];
            wanted(&HeaderMap::from_iter(headers), TAG, 100)
        };
        assert_eq!(with(TAG), Wanted::Part(1, 2));
        for other in ["\"u\"", "W/\"t\"", "Wed, 25 Nov 2026 12:00:00 GMT"] {
            assert_eq!(with(other), Wanted::Changed, "{other}");
        }
    }
}
