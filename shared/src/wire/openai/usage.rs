//! Usage, from Bedrock's counts to OpenAI's: there the tokens of the cache are part of the prompt's, here they stand beside them.

use serde::{Deserialize, Serialize};

/// Bedrock Runtime API, `TokenUsage`. What is not there is nought.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConverseUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

/// OpenAI's `CompletionUsage`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CompletionUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

impl From<ConverseUsage> for CompletionUsage {
    fn from(usage: ConverseUsage) -> Self {
        let completion_tokens = usage.output_tokens.unwrap_or_default();
        let cached_tokens = usage.cache_read_input_tokens.unwrap_or_default();
        let cache_write_tokens = usage.cache_write_input_tokens.unwrap_or_default();
        let prompt_tokens = [cached_tokens, cache_write_tokens]
            .into_iter()
            .fold(usage.input_tokens.unwrap_or_default(), u64::saturating_add);
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens,
                cache_write_tokens,
            },
        }
    }
}
