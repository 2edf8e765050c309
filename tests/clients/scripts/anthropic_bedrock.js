// `@anthropic-ai/bedrock-sdk`, by a bearer token.

import { messages } from './messages.js';
import { run, use } from './told.js';

const { AnthropicBedrock } = await use('@anthropic-ai/bedrock-sdk/index.mjs');
const modes = messages(() => new AnthropicBedrock(), 'us.anthropic.claude-haiku-4-5-20251001-v1:0');
await run('@anthropic-ai/bedrock-sdk', '@anthropic-ai/bedrock-sdk', modes);
