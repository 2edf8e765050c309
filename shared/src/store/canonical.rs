//! Items as bytes: the same of equal ones, whatever the order of their members.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::Item;

/// The same bytes of the same value, and other bytes of any other.
pub(super) fn members(item: &Item, bytes: &mut Vec<u8>) {
    let sorted: std::collections::BTreeMap<_, _> = item.iter().collect();
    bytes.extend(sorted.len().to_be_bytes());
    for (name, value) in sorted {
        text(b'#', name.as_bytes(), bytes);
        canonical(Some(value), bytes);
    }
}

fn text(kind: u8, content: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(kind);
    bytes.extend(content.len().to_be_bytes());
    bytes.extend(content);
}

/// The same of one value, or of none.
pub(super) fn canonical(value: Option<&AttributeValue>, bytes: &mut Vec<u8>) {
    match value {
        Some(AttributeValue::S(it)) => text(b'S', it.as_bytes(), bytes),
        Some(AttributeValue::N(it)) => text(b'N', it.as_bytes(), bytes),
        Some(AttributeValue::B(it)) => text(b'B', it.as_ref(), bytes),
        Some(AttributeValue::Bool(it)) => text(b'?', &[u8::from(*it)], bytes),
        Some(AttributeValue::M(it)) => {
            bytes.push(b'M');
            members(it, bytes);
        }
        Some(AttributeValue::L(it)) => {
            bytes.push(b'L');
            bytes.extend(it.len().to_be_bytes());
            it.iter().for_each(|value| canonical(Some(value), bytes));
        }
        Some(AttributeValue::Ss(it)) => set(b's', it.iter().map(String::as_bytes), bytes),
        Some(AttributeValue::Ns(it)) => set(b'n', it.iter().map(String::as_bytes), bytes),
        Some(AttributeValue::Bs(it)) => set(b'b', it.iter().map(Blob::as_ref), bytes),
        // Null, or what DynamoDB has not had yet.
        Some(_) => bytes.push(b'0'),
        None => bytes.push(b'-'),
    }
}

fn set<'v>(kind: u8, values: impl Iterator<Item = &'v [u8]>, bytes: &mut Vec<u8>) {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    bytes.push(kind);
    bytes.extend(sorted.len().to_be_bytes());
    sorted.into_iter().for_each(|value| text(b'.', value, bytes));
}
