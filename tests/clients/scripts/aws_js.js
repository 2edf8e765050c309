// `@aws-sdk/client-bedrock-runtime`, AWS's SDK for JavaScript, which asks over HTTP/2.

import { anthropic, mock, run, use } from './told.js';

const aws = await use('@aws-sdk/client-bedrock-runtime/dist-cjs/index.js');
const modelId = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const prompt = mock('Hello.', { text: 'Good day to you.', output_tokens: 12, delta_tokens: 1 });
const messages = [{ role: 'user', content: [{ text: prompt }] }];
const body = JSON.stringify({
  anthropic_version: 'bedrock-2023-05-31',
  max_tokens: 64,
  messages: [{ role: 'user', content: prompt }],
});

const send = (command) => new aws.BedrockRuntimeClient().send(command);
const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));
const counts = (usage) => [
  usage.inputTokens,
  usage.outputTokens,
  usage.cacheReadInputTokens ?? 0,
  usage.cacheWriteInputTokens ?? 0,
];

async function all(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const modes = {
  async InvokeModel() {
    const answer = json((await send(new aws.InvokeModelCommand({ modelId, body }))).body);
    return [`${answer.content[0].text}; ${answer.stop_reason}`, [anthropic(answer.usage)]];
  },
  async InvokeModelWithResponseStream() {
    const answer = await send(new aws.InvokeModelWithResponseStreamCommand({ modelId, body }));
    const events = (await all(answer.body)).map((event) => json(event.chunk.bytes));
    const final = events.find((event) => event.type === 'message_delta').usage;
    return [[...new Set(events.map((event) => event.type))].join(' '), [anthropic(final)]];
  },
  async Converse() {
    const answer = await send(new aws.ConverseCommand({ modelId, messages }));
    return [`${answer.output.message.content[0].text}; ${answer.stopReason}`, [counts(answer.usage)]];
  },
  async ConverseStream() {
    const events = await all((await send(new aws.ConverseStreamCommand({ modelId, messages }))).stream);
    const { usage } = events.find((event) => event.metadata).metadata;
    return [[...new Set(events.flatMap(Object.keys))].join(' '), [counts(usage)]];
  },
};
await run('@aws-sdk/client-bedrock-runtime', '@aws-sdk/client-bedrock-runtime', modes);
