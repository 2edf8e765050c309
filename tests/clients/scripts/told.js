// What every program here has in common: the modes come in by standard input, what came of them goes out, a JSON object a line.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules] = process.argv.slice(2);
const installed = (file) => `${modules}/node_modules/${file}`;
const tell = (line) => console.log(JSON.stringify(line));

// A module of the folder that tools/setup filled.
export const use = (file) => import(pathToFileURL(installed(file)).href);

// A prompt that tells the Bedrock mock how to answer.
export const mock = (text, directive) => `${text} mock:${JSON.stringify(directive)}`;
export const message = (text, directive) => ({ role: 'user', content: mock(text, directive) });

export function must(holds, what) {
  if (!holds) throw new Error(`it is not so that ${what}`);
}

// The counts of a message's usage: input, output, cache read, cache written.
export const anthropic = (usage) => [
  usage.input_tokens,
  usage.output_tokens,
  usage.cache_read_input_tokens ?? 0,
  usage.cache_creation_input_tokens ?? 0,
];

// Does what is asked for, each with the environment that comes with it. A mode gives what came back, and the counts of each call.
export async function run(client, name, modes) {
  const { version } = JSON.parse(readFileSync(installed(`${name}/package.json`), 'utf8'));
  tell({ client, version });
  for (const [mode, environment] of Object.entries(JSON.parse(readFileSync(0, 'utf8')))) {
    Object.assign(process.env, environment);
    const [came, counted] = await modes[mode]();
    for (const variable of Object.keys(environment)) delete process.env[variable];
    const sum = (kind) => counted.reduce((total, counts) => total + counts[kind], 0);
    tell({ mode, came, counted: counted && [0, 1, 2, 3].map(sum) });
  }
}
