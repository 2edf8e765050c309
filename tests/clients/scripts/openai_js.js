// `openai` for JavaScript.

import { message, mock, must, run, use } from './told.js';

const { default: OpenAI } = await use('openai/index.mjs');
const common = { model: 'claude-sonnet-5-5', max_completion_tokens: 64 };
const BEDROCK_ID = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';
const said = [message('Hello.', { text: 'Good day to you.', output_tokens: 12, delta_tokens: 1 })];
const usage = { stream_options: { include_usage: true } };
const WEATHER = {
  name: 'weather',
  description: 'The weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const ASKED = message('What is the weather?', {
  text: 'I will look.',
  tool_use: { name: 'weather', input: { city: 'Zürich' } },
  output_tokens: 20,
});
const RESULT = mock('Sunny, 21 °C.', { text: 'It is sunny in Zürich.', output_tokens: 8 });

const completions = () => new OpenAI().chat.completions;

// What is written to a cache is not told apart.
const counts = ({ prompt_tokens, completion_tokens, prompt_tokens_details: { cached_tokens } }) => [
  prompt_tokens - cached_tokens,
  completion_tokens,
  cached_tokens,
  0,
];

function shown({ choices: [{ message: answer, finish_reason }] }, ...before) {
  const calls = (answer.tool_calls ?? []).map((it) => `${it.function.name}(${JSON.parse(it.function.arguments).city})`);
  return [...before, [answer.content ?? '', ...calls].join(' ').trim(), finish_reason].join('; ');
}

async function create() {
  const completion = await completions().create({ ...common, messages: said });
  return [shown(completion), [counts(completion.usage)]];
}

async function raw() {
  const chunks = [];
  for await (const chunk of await completions().create({ ...common, ...usage, messages: said, stream: true })) chunks.push(chunk);
  const pieces = chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean);
  return [`${pieces.length} pieces; ${pieces.join('')}`, [counts(chunks.at(-1).usage)]];
}

async function helper() {
  const stream = completions().stream({ ...common, ...usage, messages: said });
  const pieces = [];
  stream.on('content', (piece) => pieces.push(piece));
  const completion = await stream.finalChatCompletion();
  must(pieces.join('') === completion.choices[0].message.content, 'the pieces are the answer');
  return [shown(completion, `${pieces.length} pieces`), [counts(completion.usage)]];
}

// The SDK calls the tool, and sends its result back.
async function runner() {
  const weather = { ...WEATHER, function: () => RESULT, parse: JSON.parse };
  const tools = [{ type: 'function', function: weather }];
  const ran = completions().runTools({ ...common, messages: [ASKED], tools });
  const last = await ran.finalChatCompletion();
  const all = ran.allChatCompletions();
  return [shown(last, ...all.slice(0, -1).map((it) => shown(it))), all.map((it) => counts(it.usage))];
}

async function models() {
  const client = new OpenAI();
  const names = [];
  for await (const it of client.models.list()) names.push(it.id);
  must(names.includes(BEDROCK_ID), 'the list holds the model');
  return [`it is among them; ${(await client.models.retrieve(BEDROCK_ID)).object}`, []];
}

const modes = { create, 'raw chunks': raw, 'stream helper': helper, 'tool runner': runner, models };
await run('openai (JavaScript)', 'openai', modes);
