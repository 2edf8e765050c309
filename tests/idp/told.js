// How a program here tells the test that started it: one JSON object a line, a step that is done or what came of it all.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules] = process.argv.slice(2);

// Whoever started this is gone.
process.stdin.on('end', () => process.exit(1)).resume();

// A module of the folder that tools/setup filled.
export const use = (file) => import(pathToFileURL(`${modules}/node_modules/${file}`).href);

const tell = (it) => console.log(JSON.stringify(it));

// Names the client, with the version that is installed.
export function client(name) {
  const { version } = JSON.parse(readFileSync(`${modules}/node_modules/${name}/package.json`, 'utf8'));
  tell({ client: `${name} ${version}` });
}

export const done = (step) => tell({ step });

export function end(result) {
  tell({ result });
  process.exit(0);
}

export function must(holds, what) {
  if (!holds) throw new Error(`it is not so that ${what}`);
}

// The error that a promise ends with, which must be told by this code.
export async function refused(promise, code) {
  const error = await promise.then(
    () => new Error('nothing was refused'),
    (error) => error,
  );
  if (error.error !== code) throw new Error(`not ${code}, but: ${error.error ?? error}`, { cause: error });
  return error;
}
