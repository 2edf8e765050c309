// What becomes of errors in the official clients in JavaScript: `tests/python/test_errors.py` starts this, writes a list of cases to its
// standard input, and reads a list of results: {client, name, kind, text, requests}.

import { readFileSync } from 'node:fs';

import { ready, use, version } from './gateway.js';

const { default: OpenAI } = await use('openai/index.mjs');
const { default: Anthropic } = await use('@anthropic-ai/sdk/index.mjs');

const clients = {
  '@anthropic-ai/sdk': {
    base: '/anthropic',
    make: (settings) => new Anthropic({ ...settings, authToken: null }),
    call: (client, body) => client.messages.create({ max_tokens: 64, ...body }),
  },
  openai: {
    base: '/openai/v1',
    make: (settings) => new OpenAI(settings),
    call: (client, body) => client.chat.completions.create(body),
  },
};

// With the retries that a client makes unless told otherwise.
async function provoke(name, { kind, key, model, content, stream, retries }) {
  let requests = 0;
  const counted = (...it) => {
    requests += 1;
    return fetch(...it);
  };
  const { base, make, call } = clients[name];
  const settings = { apiKey: key, baseURL: ready.gateway + base, fetch: counted, timeout: 60_000 };
  const client = make(retries === null ? settings : { ...settings, maxRetries: retries });
  try {
    const answer = await call(client, { model, stream, messages: [{ role: 'user', content }] });
    if (stream) for await (const event of answer) void event;
    throw new Error('nothing was refused');
  } catch (error) {
    return { client: `${name} ${version(name)}`, name, kind, raised: error.constructor.name, text: error.message, requests };
  }
}

const cases = JSON.parse(readFileSync(0, 'utf8'));
const all = Object.keys(clients).flatMap((name) => cases.map((it) => provoke(name, it)));
console.log(JSON.stringify(await Promise.all(all)));
