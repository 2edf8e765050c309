//! The list of models, as OpenAI's API gives it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// A list of the models with these ids.
pub fn models<'a>(ids: impl Iterator<Item = &'a str>) -> Value {
    json!({"object": "list", "data": ids.map(model).collect::<Vec<_>>()})
}

/// A model. Whose it is, and when it came, is told by its id; where that has no date, `created` is 0.
pub fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": created(id).unwrap_or_default(), "owned_by": owner(id)})
}

fn created(id: &str) -> Option<i64> {
    let date = id
        .split(['-', '.', ':'])
        .find(|part| part.len() == 8 && part.bytes().all(|it| it.is_ascii_digit()))?;
    let date = Date::strptime("%Y%m%d", date).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The last name before the model's own: `us.anthropic.claude-…` is Anthropic's.
fn owner(id: &str) -> &str {
    let profiled = ["global", "us", "eu", "jp", "au", "apac", "in", "us-gov"];
    let mut names = id.split('.');
    let first = names.next().unwrap_or_default();
    match names.next() {
        Some(second) if profiled.contains(&first) => second,
        Some(_) => first,
        None if id.starts_with("claude-") => "anthropic",
        None => "bedrock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_by_its_id() {
        assert_eq!(
            model("us.anthropic.claude-haiku-4-5-20251001-v1:0"),
            json!({"id": "us.anthropic.claude-haiku-4-5-20251001-v1:0", "object": "model", "created": 1_759_276_800, "owned_by": "anthropic"})
        );
        assert_eq!(model("deepseek.v3.2")["owned_by"], "deepseek");
        assert_eq!(model("claude-sonnet-5-5")["owned_by"], "anthropic");
        assert_eq!(model("qwen.qwen3-235b-a22b-2507-v1:0")["created"], 0);
        assert_eq!(models(["a.b"].into_iter())["data"][0]["id"], "a.b");
    }
}
