//! Whether an authorizer's policy allows a method.

use serde_json::Value;

/// What a policy says of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// No statement names it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// The verdict on a method ARN; `None` if this is no policy, or one with parts that are not evaluated here.
pub(super) fn evaluate(policy: &Value, method_arn: &str) -> Option<Verdict> {
    let mut verdict = Verdict::NotAllowed;
    for statement in list(policy.get("Statement")?) {
        let known = ["Sid", "Effect", "Action", "Resource"];
        if !statement.as_object()?.keys().all(|key| known.contains(&key.as_str())) {
            return None;
        }
        let action = matches_any(
            statement.get("Action")?,
            "execute-api:Invoke",
            str::eq_ignore_ascii_case,
        )?;
        let applies = action && matches_any(statement.get("Resource")?, method_arn, |left, right| left == right)?;
        match statement.get("Effect")?.as_str()? {
            "Deny" if applies => return Some(Verdict::Denied),
            "Allow" if applies => verdict = Verdict::Allowed,
            "Allow" | "Deny" => {}
            _ => return None,
        }
    }
    Some(verdict)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn matches_any(patterns: &Value, text: &str, same: fn(&str, &str) -> bool) -> Option<bool> {
    let mut found = false;
    for pattern in list(patterns) {
        found |= matches(pattern.as_str()?.as_bytes(), text.as_bytes(), same);
    }
    Some(found)
}

/// `*` stands for any run of characters, slashes too, and `?` for any one. Linear in space, quadratic at worst in time.
fn matches(pattern: &[u8], text: &[u8], same: fn(&str, &str) -> bool) -> bool {
    let equal = |left: u8, right: u8| {
        let (left, right) = ([left], [right]);
        match (std::str::from_utf8(&left), std::str::from_utf8(&right)) {
            (Ok(left), Ok(right)) => same(left, right),
            _ => left == right,
        }
    };
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&character) if character == b'?' || equal(character, text[position]) => {
                at += 1;
                position += 1;
            }
            _ => match star {
                // Let the last star take one character more.
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    position = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&character| character == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    const ARN: &str = "arn:aws:execute-api:us-east-1:1:api/live/GET/api/keys";

    fn verdict(statements: &Value) -> Option<Verdict> {
        evaluate(&json!({ "Version": "2012-10-17", "Statement": statements }), ARN)
    }

    fn statement(effect: &str, resource: &str) -> Value {
        json!({ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource })
    }

    #[test]
    fn a_wildcard_covers_methods_and_paths() {
        for resource in [
            "arn:aws:execute-api:us-east-1:1:api/live/*",
            "*",
            "arn:aws:execute-api:*:*:api/live/GET/api/key?",
        ] {
            assert_eq!(
                verdict(&json!([statement("Allow", resource)])),
                Some(Verdict::Allowed),
                "{resource}"
            );
        }
        for resource in [
            "arn:aws:execute-api:us-east-1:1:api/live/POST/*",
            "arn:aws:execute-api:us-east-1:1:other/*",
            "",
        ] {
            assert_eq!(
                verdict(&json!([statement("Allow", resource)])),
                Some(Verdict::NotAllowed),
                "{resource}"
            );
        }
    }

    #[test]
    fn a_denial_wins_wherever_it_stands() {
        let both = json!([statement("Deny", "*/GET/api/*"), statement("Allow", "*")]);
        assert_eq!(verdict(&both), Some(Verdict::Denied));
        let both = json!([statement("Allow", "*"), statement("Deny", "*/GET/api/*")]);
        assert_eq!(verdict(&both), Some(Verdict::Denied));
        let elsewhere = json!([statement("Allow", "*"), statement("Deny", "*/GET/health")]);
        assert_eq!(verdict(&elsewhere), Some(Verdict::Allowed));
    }

    #[test]
    fn actions_count_and_lists_may_be_single() {
        let other = json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "*" });
        assert_eq!(verdict(&other), Some(Verdict::NotAllowed));
        let single = json!({ "Effect": "Allow", "Action": ["Execute-API:*"], "Resource": ["x", "*"] });
        assert_eq!(verdict(&single), Some(Verdict::Allowed));
    }

    #[test]
    fn what_is_not_evaluated_is_not_believed() {
        let condition = json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {} });
        assert_eq!(verdict(&condition), None);
        assert_eq!(
            verdict(&json!({ "Effect": "Perhaps", "Action": "*", "Resource": "*" })),
            None
        );
        assert_eq!(evaluate(&json!({}), ARN), None);
    }
}
