//! Entries in Redis are sealed: with their name, the time at which they were read, and a code by a key that Redis does not know
//! (HMAC-SHA-256). So whoever can write there can make us forget, and not believe.

use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::Name;
use super::memory::Held;

/// What sealed entries begin with: the form of the seal.
const FORM: u8 = 1;
const CODE: usize = 32;
const TIME: usize = 8;
/// The shortest secret that a seal is made of.
pub(super) const LEAST_CHARACTERS: usize = 32;

pub(super) struct Seal(hmac::Key);

impl Seal {
    /// `None`: the secret is too short.
    pub(super) fn new(secret: &str) -> Option<Self> {
        (secret.len() >= LEAST_CHARACTERS).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    pub(super) fn seal(&self, space: &str, name: &Name, held: &Held) -> Vec<u8> {
        let time = held.read_at.as_millisecond().to_be_bytes();
        let code = hmac::sign(&self.0, &said(space, name, &time, &held.bytes));
        let mut sealed = Vec::with_capacity(1 + CODE + TIME + held.bytes.len());
        sealed.push(FORM);
        sealed.extend_from_slice(code.as_ref());
        sealed.extend_from_slice(&time);
        sealed.extend_from_slice(&held.bytes);
        sealed
    }

    /// What was sealed under this name. `None`: it was not.
    pub(super) fn opened(&self, space: &str, name: &Name, sealed: &[u8], seen_at: Timestamp) -> Option<Held> {
        let (form, rest) = sealed.split_first()?;
        let (code, rest) = rest.split_at_checked(CODE)?;
        let (time, bytes) = rest.split_at_checked(TIME)?;
        if *form != FORM {
            return None;
        }
        hmac::verify(&self.0, &said(space, name, time, bytes), code).ok()?;
        let millis = i64::from_be_bytes(time.try_into().ok()?);
        Some(Held {
            read_at: Timestamp::from_millisecond(millis).ok()?,
            seen_at,
            bytes: bytes.to_vec(),
        })
    }
}

/// Each part behind its length, so that no two are one text.
fn said(space: &str, name: &Name, time: &[u8], bytes: &[u8]) -> Vec<u8> {
    let parts = [space.as_bytes(), name.as_str().as_bytes(), time, bytes];
    let mut all = Vec::with_capacity(64 + bytes.len());
    for part in parts {
        all.extend_from_slice(&part.len().to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}
