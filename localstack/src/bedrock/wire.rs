//! Small things of the wire: headers and ids.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Sets a header if name and value can be one.
pub(super) fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// A request id, as AWS makes them.
pub(super) fn request_id() -> String {
    let mut bytes = [0; 16];
    fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// `prefix` and 22 random letters and digits, as in `msg_bdrk_01…`.
pub(super) fn id(prefix: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKMNPQRSTUVWXYZabcdefg23";
    let mut bytes = [0; 22];
    fill(&mut bytes);
    let random = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    prefix.chars().chain(random).collect()
}

fn fill(bytes: &mut [u8]) {
    // The system's generator does not fail on any system this runs on; if it did, ids would merely repeat.
    let _ = aws_lc_rs::rand::fill(bytes);
}
