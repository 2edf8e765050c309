//! What a model can do of what callers ask for, as far as it must be known to ask it in the right way.
//!
//! Sources: Amazon Bedrock User Guide, "Get validated JSON results from models", "Adaptive thinking", "Extended thinking", "Supported models
//! and model features"; Amazon Nova 2 User Guide, "Extended thinking"; OpenAI models on Bedrock, "Inference request"; Anthropic, "What's new
//! in Claude Opus 5.5". Bedrock has the last word: what it refuses comes back in its own words.

/// What a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Abilities {
    pub(super) reasoning: Reasoning,
    /// It keeps to a schema by `outputConfig.textFormat`, and to those of tools that are `strict`.
    pub(super) schemas: bool,
    /// It can be made to call a certain tool.
    pub(super) forced_tools: bool,
    /// It is one of Anthropic's.
    pub(super) claude: bool,
}

/// How a model is told how hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reasoning {
    /// It is not: it never reasons, or always.
    Unasked,
    /// `thinking` with a number of tokens.
    Budget,
    /// `thinking` that is `adaptive`, and `outputConfig.effort`.
    Adaptive {
        /// It thinks unless it is told not to.
        unasked: bool,
    },
    /// `reasoningConfig` of Amazon's Nova 2.
    Nova,
    /// `reasoning_effort`, as OpenAI's open models and DeepSeek's V3 have it.
    Word,
    /// `reasoning.effort`, as OpenAI's own models have it.
    Object,
}

/// Claude models that keep to a schema, by the beginnings of their names.
const CLAUDE_SCHEMAS: [&str; 9] = [
    "haiku-4-5",
    "sonnet-4-5",
    "opus-4-5",
    "sonnet-4-6",
    "opus-4-6",
    "opus-4-8",
    "sonnet-5",
    "haiku-5",
    "mythos-5",
];
/// Claude models that refuse to be made to call a tool.
const CLAUDE_UNFORCED: [&str; 3] = ["opus-5-5", "sonnet-5-5", "fable-5-1"];
/// Claude models that think so many tokens as they are told.
const CLAUDE_BUDGET: [&str; 7] = [
    "3-7-sonnet",
    "opus-4-2",
    "sonnet-4-2",
    "opus-4-1",
    "haiku-4-5",
    "sonnet-4-5",
    "opus-4-5",
];
/// Claude models that think when they are told to, and otherwise do not.
const CLAUDE_ASKED: [&str; 4] = ["opus-4-6", "sonnet-4-6", "opus-4-7", "opus-4-8"];
/// Other models that keep to a schema.
const OTHER_SCHEMAS: [&str; 11] = [
    "deepseek.v3",
    "qwen.qwen3-2",
    "qwen.qwen3-3",
    "qwen.qwen3-coder-",
    "qwen.qwen3-next-",
    "qwen.qwen3-vl-",
    "mistral.ministral-3-",
    "mistral.mistral-large-3-",
    "nvidia.nemotron-nano-3-",
    "moonshot.kimi-k2-thinking",
    "zai.glm-5",
];

impl Abilities {
    /// Of a model by its id without profile.
    pub(super) fn of(base: &str) -> Self {
        match base.strip_prefix("anthropic.claude-") {
            Some(name) => Self::of_claude(name),
            None => Self::of_other(base),
        }
    }

    fn of_claude(name: &str) -> Self {
        let any = |list: &[&str]| list.iter().any(|start| name.starts_with(start));
        let generation_3 = name.starts_with("3-");
        let first = ["v1", "v2", "instant"].iter().any(|start| name.starts_with(start));
        let reasoning = if any(&CLAUDE_BUDGET) {
            Reasoning::Budget
        } else if first || generation_3 {
            Reasoning::Unasked
        } else {
            Reasoning::Adaptive {
                unasked: !any(&CLAUDE_ASKED),
            }
        };
        Self {
            reasoning,
            schemas: any(&CLAUDE_SCHEMAS),
            forced_tools: !first && !any(&CLAUDE_UNFORCED),
            claude: true,
        }
    }

    fn of_other(base: &str) -> Self {
        let reasoning = if base.starts_with("amazon.nova-2-") {
            Reasoning::Nova
        } else if base.starts_with("openai.gpt-oss-") || base.starts_with("deepseek.v3") {
            Reasoning::Word
        } else if base.starts_with("openai.") {
            Reasoning::Object
        } else {
            Reasoning::Unasked
        };
        Self {
            reasoning,
            schemas: base != "qwen.qwen3-coder-next" && OTHER_SCHEMAS.iter().any(|start| base.starts_with(start)),
            forced_tools: base.starts_with("amazon.nova-"),
            claude: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::PriceList;

    #[test]
    fn models_are_known_by_their_names() {
        let cases = [
            ("anthropic.claude-v2:1", Reasoning::Unasked, false, false),
            (
                "anthropic.claude-3-5-haiku-20241022-v1:0",
                Reasoning::Unasked,
                false,
                true,
            ),
            (
                "anthropic.claude-3-7-sonnet-20250219-v1:0",
                Reasoning::Budget,
                false,
                true,
            ),
            ("anthropic.claude-opus-4-20250514-v1:0", Reasoning::Budget, false, true),
            (
                "anthropic.claude-haiku-4-5-20251001-v1:0",
                Reasoning::Budget,
                true,
                true,
            ),
            (
                "anthropic.claude-opus-4-7",
                Reasoning::Adaptive { unasked: false },
                false,
                true,
            ),
            (
                "anthropic.claude-opus-5",
                Reasoning::Adaptive { unasked: true },
                false,
                true,
            ),
            (
                "anthropic.claude-opus-5-5",
                Reasoning::Adaptive { unasked: true },
                false,
                false,
            ),
            (
                "anthropic.claude-sonnet-5-5",
                Reasoning::Adaptive { unasked: true },
                true,
                false,
            ),
            ("amazon.nova-2-lite-v1:0", Reasoning::Nova, false, true),
            ("amazon.nova-pro-v1:0", Reasoning::Unasked, false, true),
            ("openai.gpt-oss-120b-1:0", Reasoning::Word, false, false),
            ("openai.gpt-6-sol", Reasoning::Object, false, false),
            ("qwen.qwen3-32b-v1:0", Reasoning::Unasked, true, false),
            ("qwen.qwen3-coder-next", Reasoning::Unasked, false, false),
            ("meta.llama3-1-8b-instruct-v1:0", Reasoning::Unasked, false, false),
        ];
        for (base, reasoning, schemas, forced_tools) in cases {
            let abilities = Abilities::of(base);
            assert_eq!(
                (abilities.reasoning, abilities.schemas, abilities.forced_tools),
                (reasoning, schemas, forced_tools),
                "{base}"
            );
        }
    }

    #[test]
    fn every_name_in_the_lists_is_of_a_model_that_has_a_price() {
        let prices = PriceList::embedded().unwrap();
        let lists = [&CLAUDE_SCHEMAS[..], &CLAUDE_UNFORCED, &CLAUDE_BUDGET, &CLAUDE_ASKED];
        for start in lists.concat() {
            let start = format!("anthropic.claude-{start}");
            assert!(prices.models().any(|id| id.contains(&start)), "{start}");
        }
        for start in OTHER_SCHEMAS {
            assert!(prices.models().any(|id| id.contains(start)), "{start}");
        }
    }
}
