//! The header `Range` (RFC 9110, section 14.2), as far as it is one range of bytes. Read anew here: the gateway only writes it.

/// Offset and length of what is asked for, of so many bytes. The inner `None`: nothing is there.
pub(super) fn range(text: Option<&str>, size: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = text?.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (first, last) {
        ("", count) => {
            let count: u64 = count.parse().ok()?;
            (size.saturating_sub(count), if count == 0 { 0 } else { size })
        }
        (first, "") => (first.parse().ok()?, size),
        (first, last) => (
            first.parse().ok()?,
            last.parse::<u64>().ok()?.saturating_add(1).min(size),
        ),
    };
    Some((first < last).then(|| (first, last - first)))
}
