// The official OpenAI client in JavaScript against the running gateway.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ALIAS, BEDROCK_ID, arrived, billed, mock, ready, use } from './gateway.js';

const { default: OpenAI } = await use('openai/index.mjs');

const MODEL = { model: ALIAS, max_completion_tokens: 64 };
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

// Without retries, so that a test counts the calls that it made.
const client = new OpenAI({ apiKey: ready.api_key, baseURL: `${ready.gateway}/openai/v1`, maxRetries: 0, timeout: 30_000 });
const completions = client.chat.completions;

// The row, the usage that the client was told, and the mock's ledger say the same.
async function agrees(completion, usage, streamed) {
  const { row, call } = await billed(completion.id.replace('chatcmpl-', ''));
  assert.deepEqual([row.dialect, row.streamed, row.outcome, row.estimated], ['openai', streamed, 'success', false]);
  assert.deepEqual(row.usage, call.usage);
  assert.equal(row.cost_picodollars, call.cost_picodollars);
  assert.equal(usage.prompt_tokens, row.usage.input_tokens + row.usage.cache_read_input_tokens);
  assert.equal(usage.completion_tokens, row.usage.output_tokens);
}

test('a completion is answered and priced', async () => {
  const completion = await completions.create({
    ...MODEL,
    messages: [{ role: 'system', content: 'Be brief.' }, mock({ output_tokens: 12 })],
  });
  const [choice] = completion.choices;
  assert.deepEqual([choice.message.role, choice.finish_reason], ['assistant', 'stop']);
  assert.ok(choice.message.content);
  assert.equal(completion.id, `chatcmpl-${completion._request_id}`);
  await agrees(completion, completion.usage, false);
});

test('a stream is the same completion in pieces', async () => {
  const chunks = [];
  const messages = [mock({ output_tokens: 40 })];
  for await (const chunk of await completions.create({
    ...MODEL,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  })) {
    chunks.push(chunk);
  }
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(chunks.filter((chunk) => chunk.choices[0].delta.content).length > 1);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  await agrees(last, last.usage, true);
});

test('the stream helper puts a completion together', async () => {
  const stream = completions.stream({ ...MODEL, messages: [mock({ output_tokens: 40 })] });
  let text = '';
  stream.on('content', (delta) => (text += delta));
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].message.content, text);
});

test('a tool is called and its result is answered', async () => {
  const question = mock({ tool_use: { name: 'weather', input: { city: 'Zürich' } } });
  const stream = completions.stream({ ...MODEL, tools: [WEATHER], messages: [question] });
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
  const [call] = message.tool_calls;
  assert.deepEqual([finish_reason, call.function.name], ['tool_calls', 'weather']);
  assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Zürich' });
  const result = { role: 'tool', tool_call_id: call.id, content: mock({ output_tokens: 9 }, 'blue').content };
  const completion = await completions.create({ ...MODEL, tools: [WEATHER], messages: [question, message, result] });
  assert.deepEqual([completion.choices[0].finish_reason, completion.usage.completion_tokens], ['stop', 9]);
});

test('a helper runs tools to the end', async () => {
  const asked = [];
  const tool = {
    ...WEATHER,
    function: {
      ...WEATHER.function,
      parse: JSON.parse,
      function: (input) => {
        asked.push(input);
        return mock({ output_tokens: 9 }, 'blue').content;
      },
    },
  };
  const question = mock({ tool_use: { name: 'weather', input: { city: 'Zürich' } } });
  const answer = await completions.runTools({ ...MODEL, tools: [tool], messages: [question] }).finalContent();
  assert.deepEqual(asked, [{ city: 'Zürich' }]);
  assert.ok(answer);
});

test('an answer has the form that was asked for, by every means', async () => {
  const city = { name: 'Zürich' };
  const text = JSON.stringify(city);
  const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'], additionalProperties: false };
  const response_format = { type: 'json_schema', json_schema: { name: 'city', strict: true, schema } };
  for (const [model, directive] of [
    [BEDROCK_ID, { text }],
    ['anthropic.claude-opus-4-7', { tool_use: { name: 'answer_in_json', input: city } }],
    ['amazon.nova-pro-v1:0', { tool_use: { name: 'answer_in_json', input: city } }],
    ['meta.llama3-1-8b-instruct-v1:0', { text: `\`\`\`json\n${text}\n\`\`\`` }],
  ]) {
    const body = { model, response_format };
    const whole = await completions.parse({ ...body, messages: [mock(directive)] });
    assert.deepEqual(whole.choices[0].message.parsed, city, model);
    const stream = completions.stream({ ...body, messages: [mock(directive)] });
    assert.deepEqual((await stream.finalChatCompletion()).choices[0].message.parsed, city, model);
  }
});

test('an image arrives by its bytes, and an address is refused', async () => {
  const send = (url) => {
    const text = mock().content;
    const content = [{ type: 'text', text }, { type: 'image_url', image_url: { url } }];
    return [text.split(' ')[1], completions.create({ model: BEDROCK_ID, messages: [{ role: 'user', content }] })];
  };
  const [marker, done] = send(`data:image/png;base64,${PNG}`);
  await done;
  const [body] = await arrived(marker);
  assert.deepEqual(body.messages[0].content[1], { image: { format: 'png', source: { bytes: PNG } } });
  const [, refused] = send('https://example.com/cat.png');
  await assert.rejects(refused, (error) => error instanceof OpenAI.BadRequestError && error.param.endsWith('image_url.url'));
});

test('models are listed and found', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes(BEDROCK_ID));
  assert.equal((await client.models.retrieve(BEDROCK_ID)).owned_by, 'anthropic');
});

test('a stream that breaks is an error and never a short answer', async () => {
  for (const directive of [
    { exception_after: { events: 4, type: 'throttlingException' } },
    { cut_after: 4 },
    { end_after: 4 },
  ]) {
    const stream = await completions.create({ ...MODEL, messages: [mock({ output_tokens: 40, ...directive })], stream: true });
    const read = async () => {
      for await (const chunk of stream) void chunk;
    };
    await assert.rejects(read, OpenAI.APIError);
  }
});
