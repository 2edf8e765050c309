// What Anthropic's TypeScript SDK is asked to do, with any of its clients that have messages.

import { anthropic, message, mock, must } from './told.js';

const WEATHER = {
  name: 'weather',
  description: 'The weather of a city',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const ASKED = message('What is the weather?', {
  text: 'I will look.',
  tool_use: { name: 'weather', input: { city: 'Zürich' } },
  output_tokens: 20,
});
const RESULT = mock('Sunny, 21 °C.', { text: 'It is sunny in Zürich.', output_tokens: 8 });

// An answer in words, after what came before it.
export function shown(answer, ...before) {
  const parts = answer.content.map((block) => (block.type === 'text' ? block.text : `${block.name}(${block.input.city})`));
  return [...before, parts.join(' '), answer.stop_reason].join('; ');
}

// `client` makes one, which finds the gateway itself.
export function messages(client, model) {
  const common = { model, max_tokens: 64 };
  const hello = { ...common, messages: [message('Hello.', { text: 'Good day to you.', output_tokens: 12, delta_tokens: 1 })] };

  async function create() {
    const answer = await client().messages.create(hello);
    return [shown(answer), [anthropic(answer.usage)]];
  }

  async function helper() {
    const stream = client().messages.stream(hello);
    const pieces = [];
    stream.on('text', (text) => pieces.push(text));
    const answer = await stream.finalMessage();
    must(pieces.join('') === answer.content[0].text, 'the pieces are the answer');
    return [shown(answer, `${pieces.length} pieces`), [anthropic(answer.usage)]];
  }

  async function raw() {
    const events = [];
    for await (const event of await client().messages.create({ ...hello, stream: true })) events.push(event);
    const final = events.find((event) => event.type === 'message_delta').usage;
    const kinds = [...new Set(events.map((event) => event.type))];
    return [kinds.join(' '), [[events[0].message.usage.input_tokens, final.output_tokens, 0, 0]]];
  }

  // Streamed, as agents do it.
  async function tool() {
    const ask = (said) => client().messages.stream({ ...common, tools: [WEATHER], messages: said }).finalMessage();
    const first = await ask([ASKED]);
    const { id } = first.content.find((block) => block.type === 'tool_use');
    const result = { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: RESULT }] };
    const second = await ask([ASKED, { role: 'assistant', content: first.content }, result]);
    return [shown(second, shown(first)), [anthropic(first.usage), anthropic(second.usage)]];
  }

  // The SDK calls the tool, and sends its result back.
  async function runner() {
    const weather = { ...WEATHER, run: () => RESULT, parse: (input) => input };
    const answers = [];
    const asked = client().beta.messages.toolRunner({ ...common, tools: [weather], messages: [ASKED] });
    for await (const answer of asked) answers.push(answer);
    const last = answers.pop();
    const counted = [...answers, last].map((answer) => anthropic(answer.usage));
    return [shown(last, ...answers.map((answer) => shown(answer))), counted];
  }

  return {
    create,
    'stream helper': helper,
    'raw events': raw,
    'tool and its result': tool,
    'tool runner': runner,
  };
}
