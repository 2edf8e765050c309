// The running gateway that the tests of this folder talk to (`tools/with_local` starts one and names it), and the clients as
// `tools/setup js` installed them.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

export const ready = JSON.parse(readFileSync(process.env.TOLLGATE_READY_FILE, 'utf8'));

// An alias of Anthropic's, and an id of Bedrock's.
export const ALIAS = 'claude-sonnet-5-5';
export const BEDROCK_ID = 'us.anthropic.claude-haiku-4-5-20251001-v1:0';

const modules = new URL('../../.tools/js/node_modules/', import.meta.url);

// A module of the folder that `tools/setup` filled.
export const use = (file) => import(new URL(file, modules));

export const version = (name) => JSON.parse(readFileSync(new URL(`${name}/package.json`, modules), 'utf8')).version;

// A user's message that tells the Bedrock mock how to answer. No two are alike, so that no cache knows them.
export function mock(directive = {}, text = 'hello') {
  return { role: 'user', content: `${text} ${randomBytes(8).toString('hex')} mock:${JSON.stringify(directive)}` };
}

async function json(url, key) {
  const answer = await fetch(url, key && { headers: { authorization: `Bearer ${key}` } });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// The row of a request of the user's, and what the mock billed for it.
export async function billed(requestId) {
  const { records } = await json(`${ready.gateway}/api/usage/records?limit=500`, ready.api_key);
  const row = records.find((it) => it.request_id === requestId);
  const { calls } = await json(`${ready.bedrock}/_mock/ledger`);
  return { row, call: calls.find((it) => it.request_id === row?.upstream_request_id) };
}

// The bodies of all requests at the mock with this marker in them.
export async function arrived(marker) {
  const requests = await json(`${ready.bedrock}/_mock/requests`);
  return requests.filter((it) => it.body.includes(marker)).map((it) => JSON.parse(it.body));
}
