// `@anthropic-ai/sdk`, as a client of Anthropic's API.

import { messages, shown } from './messages.js';
import { anthropic, message, mock, must, run, use } from './told.js';

const { default: Anthropic, toFile } = await use('@anthropic-ai/sdk/index.mjs');
const model = 'claude-sonnet-5-5';
// Of text that no other row sends, so that the first call is the one that writes.
const text = '@anthropic-ai/sdk '.repeat(400);
const system = [
  // The longer lifetime first, as Anthropic demands.
  { type: 'text', text, cache_control: { type: 'ephemeral', ttl: '1h' } },
  { type: 'text', text, cache_control: { type: 'ephemeral' } },
];

async function cache() {
  const counted = [];
  const kinds = [];
  for (let call = 0; call < 2; call += 1) {
    const asked = { model, max_tokens: 64, system, messages: [message('Hello.', { output_tokens: 5 })] };
    const { usage } = await new Anthropic().messages.create(asked);
    counted.push(anthropic(usage));
    if (usage.cache_read_input_tokens) kinds.push('read');
    if (usage.cache_creation.ephemeral_1h_input_tokens) kinds.push('written for an hour');
    if (usage.cache_creation.ephemeral_5m_input_tokens) kinds.push('for five minutes');
  }
  return [kinds.join(', '), counted];
}

async function files() {
  const client = new Anthropic();
  const note = await toFile(Buffer.from('The word is heron.'), 'note.txt', { type: 'text/plain' });
  const file = await client.beta.files.upload({ file: note });
  const listed = [];
  for await (const it of client.beta.files.list()) listed.push(it.id);
  must(listed.join() === file.id, 'the list holds the file');
  const document = { type: 'document', source: { type: 'file', file_id: file.id } };
  const words = { type: 'text', text: mock('Read it.', { text: 'It says heron.', output_tokens: 4 }) };
  const answer = await client.beta.messages.create({
    model,
    max_tokens: 64,
    betas: ['files-api-2025-04-14'],
    messages: [{ role: 'user', content: [document, words] }],
  });
  const deleted = await client.beta.files.delete(file.id);
  const came = [`${file.size_bytes} bytes of ${file.mime_type}`, 'listed', shown(answer), deleted.type];
  return [came.join('; '), [anthropic(answer.usage)]];
}

async function countTokens() {
  const asked = { model, messages: [message('Hello.', { text: 'Good day to you.', output_tokens: 12 })] };
  return [`${(await new Anthropic().messages.countTokens(asked)).input_tokens} tokens`, []];
}

async function models() {
  const client = new Anthropic();
  const names = [];
  for await (const it of client.models.list({ limit: 1000 })) names.push(it.id);
  must(names.includes(model), 'the list holds the model');
  return [`it is among them; ${(await client.models.retrieve(model)).display_name}`, []];
}

const modes = messages(() => new Anthropic(), model);
await run('@anthropic-ai/sdk', '@anthropic-ai/sdk', { ...modes, 'prompt cache': cache, files, 'count tokens': countTokens, models });
