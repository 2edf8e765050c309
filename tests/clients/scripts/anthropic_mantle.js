// `AnthropicBedrockMantle` of `@anthropic-ai/bedrock-sdk`, Bedrock's endpoint that speaks Anthropic's API, by a bearer token.

import { messages } from './messages.js';
import { run, use } from './told.js';

const { AnthropicBedrockMantle } = await use('@anthropic-ai/bedrock-sdk/index.mjs');
const modes = messages(() => new AnthropicBedrockMantle(), 'anthropic.claude-sonnet-5-5');
await run('AnthropicBedrockMantle (JavaScript)', '@anthropic-ai/bedrock-sdk', modes);
