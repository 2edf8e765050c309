//! Patterns and conditions.

use super::Asked;
use crate::template::{Condition, Operator, Quantifier};

const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// Whether a pattern, where `*` stands for any text and `?` for one character, stands for this text.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: one character further in the text.
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star_at, star_read)) = star else { return false };
                at = star_at + 1;
                read = star_read + 1;
                star = Some((star_at, read));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Whether a request fulfils a condition. A key that is not known here is one that the request lacks.
pub(super) fn fulfils(condition: &Condition, asked: &Asked) -> bool {
    let values: &[String] = match condition.key.as_str() {
        LEADING_KEYS => &asked.leading_keys,
        _ => &[],
    };
    let fits = |value: &String| match condition.operator {
        Operator::Equals => condition.values.contains(value),
        Operator::Like => condition.values.iter().any(|pattern| matches(pattern, value)),
        Operator::Null => false,
    };
    if condition.operator == Operator::Null {
        let wanted = condition.values.iter().any(|value| value == "true");
        return values.is_empty() == wanted;
    }
    match condition.quantifier {
        Quantifier::One => values.first().is_some_and(fits),
        Quantifier::Any => values.iter().any(fits),
        Quantifier::All => values.iter().all(fits),
    }
}
