// A person at a machine: openid-client (OpenID Certified) is the client, and a few lines here are the browser.
//
//     node client.js MODULES GATEWAY CLIENT_ID REDIRECT_URI
//
// Signs in by way of the gateway's only provider (server.js), refreshes, and connects a device; prints what it was given, as JSON.

import { pathToFileURL } from 'node:url';

const [modules, gateway, clientId, redirectUri] = process.argv.slice(2);
const client = await import(pathToFileURL(`${modules}/node_modules/openid-client/build/index.js`).href);

const cookies = new Map();

async function go(url, init = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    cookies.set(name, value);
  }
  return answer;
}

function submit(action, fields) {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return go(action, { method: 'POST', headers, body: new URLSearchParams(fields) });
}

const field = (html, name) => new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(html)?.[1];

// Follows redirects and fills forms until the browser is to leave for `end`, or a page without a form is shown.
async function browse(answer, end) {
  for (;;) {
    const location = answer.headers.get('location');
    if (location) {
      const next = new URL(location, answer.url);
      if (end && next.href.startsWith(end)) return next;
      answer = await go(next);
      continue;
    }
    const html = await answer.text();
    const action = /<form[^>]* action="([^"]*)"/.exec(html)?.[1];
    if (answer.status !== 200) throw new Error(`${answer.status} at ${answer.url}: ${html}`);
    if (!action) return html;
    const prompt = field(html, 'prompt');
    const ticket = field(html, 'ticket');
    answer = ticket
      ? await submit(action, { ticket, decision: 'allow' })
      : await submit(action, { prompt, login: 'ada', password: 'any' });
  }
}

const insecure = { execute: [client.allowInsecureRequests], algorithm: 'oauth2' };
const configuration = await client.discovery(new URL(gateway), clientId, undefined, client.None(), insecure);

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const wish = client.buildAuthorizationUrl(configuration, {
  redirect_uri: redirectUri,
  state: expectedState,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
});
const callback = await browse(await go(wish), redirectUri);
const first = await client.authorizationCodeGrant(configuration, callback, { pkceCodeVerifier, expectedState });
const second = await client.refreshTokenGrant(configuration, first.refresh_token);

cookies.clear();
const device = await client.initiateDeviceAuthorization(configuration, {});
const page = await (await go(device.verification_uri_complete)).text();
const typed = { user_code: field(page, 'user_code'), provider: /<option value="([^"]*)"/.exec(page)[1] };
const done = await browse(await submit(/ action="([^"]*)"/.exec(page)[1], typed));
const third = await client.pollDeviceAuthorizationGrant(configuration, device);

console.log(JSON.stringify({ first, second, third, done }));
