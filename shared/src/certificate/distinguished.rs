//! Distinguished names, compared as X.501 wants it: by their parts, whatever kind of ASN.1 string a part is written in, and however it
//! is spelled in capitals and spaces (RFC 5280, section 7.1; RFC 4517, section 4.2.15; RFC 4518).

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Tag, Tagged as _};
use x509_cert::name::Name;

/// A distinguished name in the form in which two are compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distinguished(Vec<Vec<(String, Value)>>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    /// What is no text, or has no prepared form, equals the same bytes and nothing else.
    Bytes(Tag, Vec<u8>),
}

impl Distinguished {
    /// Reads the string form of RFC 4514: `CN=build,OU=ci,O=Example`, the most special part first.
    ///
    /// Refused too is what the library takes for something else than is meant: three backslashes in a row, where it may see a comma
    /// that is none, and one at the end. An empty name is none: every certificate that names its owner otherwise has it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let ambiguous = text.contains(r"\\\") || (text.ends_with('\\') && !text.ends_with(r"\\"));
        if ambiguous || text.is_empty() {
            return None;
        }
        let name: Name = text.parse().ok()?;
        let has_empty_value = name.iter().any(|part| part.value.value().is_empty());
        (!has_empty_value).then(|| Self::of(&name))
    }

    /// The name in a certificate.
    pub(super) fn of(name: &Name) -> Self {
        let parts = name.iter_rdn().map(|part| {
            // A part is a set: the order in it means nothing.
            let mut part: Vec<_> = part.iter().map(|it| (it.oid.to_string(), value(it))).collect();
            part.sort();
            part
        });
        Self(parts.collect())
    }
}

fn value(attribute: &AttributeTypeAndValue) -> Value {
    match text(attribute).as_deref().and_then(prepared) {
        Some(text) => Value::Text(text),
        None => Value::Bytes(attribute.value.tag(), attribute.value.value().to_vec()),
    }
}

fn text(attribute: &AttributeTypeAndValue) -> Option<Cow<'_, str>> {
    let value = &attribute.value;
    match value.tag() {
        Tag::Utf8String => Some(Utf8StringRef::try_from(value).ok()?.as_str().into()),
        Tag::PrintableString => Some(PrintableStringRef::try_from(value).ok()?.as_str().into()),
        Tag::Ia5String => Some(Ia5StringRef::try_from(value).ok()?.as_str().into()),
        Tag::TeletexString => Some(TeletexStringRef::try_from(value).ok()?.as_str().into()),
        Tag::BmpString => Some(BmpString::from_ucs2(value.value().to_vec()).ok()?.to_string().into()),
        _ => None,
    }
}

/// Folded, normalised (RFC 4518, sections 2.2 to 2.4), and with one space for each row of spaces between words (section 2.6.1). The
/// library folds for NFKC, and leaves that itself to its caller.
fn prepared(text: &str) -> Option<String> {
    let prepared: String = stringprep::x520prep(text, true).ok()?.nfkc().collect();
    let words: Vec<&str> = prepared.split(' ').filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
