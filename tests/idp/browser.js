// A person's browser, headless, by playwright-core: signs in, decides, connects devices, and looks at what the pages are like.
//
//     node browser.js MODULES CHROMIUM GATEWAY CLIENT_ID PORT [FOLDER]
//
// The provider's name at the gateway is "Example" (server.js), and there is another one. The client listens at PORT, and a browser may come
// back to its /bye after signing out. FOLDER takes a picture of each page.

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { client as named, done, end, must, use } from './told.js';

const [, executablePath, gateway, clientId, port, folder] = process.argv.slice(2);
const { default: playwright } = await use('playwright-core/index.js');
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

// The client, and a page of somebody's that frames what it is asked to.
const app = createServer((request, answer) => {
  const framed = new URL(request.url, 'http://app').searchParams.get('frame');
  answer.setHeader('content-type', 'text/html');
  answer.end(framed ? `<title>Frame</title><iframe src="${framed}"></iframe>` : '<title>App</title>Back at the app.');
});
await new Promise((listening) => app.listen(Number(port), '127.0.0.1', listening));
const appUrl = `http://127.0.0.1:${port}`;
const redirectUri = `${appUrl}/cb`;

// What the browser writes goes with this process, however that ends.
const home = mkdtempSync(join(tmpdir(), 'tollgate-browser-'));
process.env.TMPDIR = home;
const browser = await playwright.chromium.launch({
  executablePath,
  // No stranger's page is shown, and for root there is no sandbox.
  chromiumSandbox: false,
  args: ['--disable-gpu', '--disable-quic', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
process.on('exit', () => rmSync(home, { recursive: true, force: true, maxRetries: 10 }));
named('playwright-core');
done('Chromium starts');

// Somebody's browser. What goes wrong on the gateway's pages is in `complaints`.
async function somebody() {
  const context = await browser.newContext({ viewport: { width: 900, height: 640 } });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  const here = () => page.url().startsWith(gateway);
  page.on('console', (it) => here() && it.type() !== 'log' && complaints.push(`${it.type()}: ${it.text()}`));
  page.on('pageerror', (it) => here() && complaints.push(`an error: ${it}`));
  page.on('request', (it) => {
    if (here() && !it.isNavigationRequest()) complaints.push(`a request to ${it.url()}`);
  });
  page.on('response', (it) => {
    const isPage = it.url().startsWith(gateway) && it.headers()['content-type']?.startsWith('text/html');
    if (isPage) complaints.push(...missingHeaders(it.headers()).map((name) => `${it.url()} without ${name}`));
  });
  return { page, complaints };
}

function missingHeaders(headers) {
  const wanted = {
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  };
  const policy = headers['content-security-policy'] ?? '';
  const parts = ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"];
  return [
    ...Object.keys(wanted).filter((name) => headers[name] !== wanted[name]),
    ...parts.filter((part) => !policy.includes(part)),
  ];
}

// What everybody needs of a page: a title, a language, one heading, labels, and room on a phone.
async function mustBeUsable(page, title) {
  await page.getByRole('heading', { name: title }).waitFor();
  must((await page.title()) === title, `the page's title is ${title}, and not ${await page.title()}`);
  const size = page.viewportSize();
  if (folder) await page.screenshot({ path: `${folder}/${title.replace(/\W+/g, '-')}.png` });
  await page.setViewportSize({ width: 320, height: 568 });
  const faults = await page.evaluate(() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const fields = all('input:not([type=hidden]), select, textarea');
    return [
      document.documentElement.lang === 'en' || 'no language',
      (all('h1').length === 1 && all('main h1').length === 1) || 'not one heading in the main part',
      fields.every((it) => it.labels.length === 1 && it.labels[0].innerText.trim()) || 'a field without a label',
      all('button, a').every((it) => it.innerText.trim()) || 'a button or link without words',
      document.documentElement.scrollWidth <= innerWidth || 'wider than a phone',
    ].filter((it) => it !== true);
  });
  must(faults.length === 0, `${title} is usable: ${faults}`);
  if (folder) await page.screenshot({ path: `${folder}/${title.replace(/\W+/g, '-')}-phone.png` });
  await page.setViewportSize(size);
}

// Goes by the tabulator to what has this text, and presses it.
async function pressByKeyboard(page, text) {
  for (let steps = 0; steps < 10; steps += 1) {
    await page.keyboard.press('Tab');
    const [focused, isShown] = await page.evaluate(() => {
      const it = document.activeElement;
      return [it.innerText, getComputedStyle(it).outlineStyle !== 'none'];
    });
    if (focused !== text) continue;
    must(isShown, `it is seen that ${text} has the focus`);
    await page.keyboard.press('Enter');
    return;
  }
  must(false, `${text} can be reached by the keyboard`);
}

const s256 = (text) => createHash('sha256').update(text).digest('base64url');

function wish() {
  const [state, verifier] = [randomBytes(16).toString('base64url'), randomBytes(32).toString('base64url')];
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state,
    code_challenge: s256(verifier),
    code_challenge_method: 'S256',
  });
  return { url: `${gateway}/oauth/authorize?${query}`, state, verifier };
}

// Signs in at the provider, if it asks.
async function signIn(page, who = 'ada') {
  await page.locator('input[name=login]').fill(who);
  await page.locator('input[name=password]').fill('any');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Continue' }).click();
}

async function post(path, fields) {
  const answer = await fetch(`${gateway}${path}`, { method: 'POST', body: new URLSearchParams(fields) });
  return answer.json();
}

function redeem(callback, { verifier }) {
  const code = callback.searchParams.get('code');
  const fields = { code, client_id: clientId, redirect_uri: redirectUri, code_verifier: verifier };
  return post('/oauth/token', { grant_type: 'authorization_code', ...fields });
}

async function arrived(page, { state }) {
  await page.waitForURL(`${redirectUri}?*`);
  const url = new URL(page.url());
  must(url.searchParams.get('state') === state && url.searchParams.get('iss') === gateway, 'state and issuer come back');
  return url;
}

const { page, complaints } = await somebody();

const first = wish();
await page.goto(first.url);
await mustBeUsable(page, 'Sign in with');
await pressByKeyboard(page, 'Example');
await signIn(page);
await page.waitForURL(`${gateway}/**`);
await mustBeUsable(page, 'Allow access?');
const words = await page.locator('main').innerText();
must(words.includes('You are ada') && words.includes('The <i>App</i>'), `who asks whom is told: ${words}`);
must(words.includes('models:invoke') && words.includes(redirectUri), `what for, and who hears of it: ${words}`);
await pressByKeyboard(page, 'Allow');
const person = await redeem(await arrived(page, first), first);
must(person.access_token, `the code is good: ${JSON.stringify(person)}`);
done('login by the keyboard: choice of a provider, the provider, consent');

const second = wish();
await page.goto(`${second.url}&provider=idp`);
await page.getByRole('button', { name: 'Deny' }).click();
const denied = await arrived(page, second);
must(denied.searchParams.get('error') === 'access_denied' && !denied.searchParams.has('code'), 'a denial is told');
done('a denied consent');

// A device's page: its code is typed, and the person decides.
async function device(decision) {
  const asked = await post('/oauth/device_authorization', { client_id: clientId });
  await page.goto(asked.verification_uri);
  await mustBeUsable(page, 'Connect a device');
  await page.getByLabel('Code').fill(asked.user_code.toLowerCase());
  await page.getByLabel('Sign in with').selectOption({ label: 'Example' });
  await pressByKeyboard(page, 'Go on');
  await mustBeUsable(page, 'Allow access?');
  await pressByKeyboard(page, decision);
  await page.getByText('Go back to your device.').waitFor();
  await mustBeUsable(page, 'Done');
  const { device_code } = asked;
  return post('/oauth/token', { grant_type: DEVICE_GRANT, client_id: clientId, device_code });
}

const connected = await device('Allow');
must(connected.access_token, `the device is connected: ${JSON.stringify(connected)}`);
const refused = await device('Deny');
must(refused.error === 'access_denied', `the device hears of a denial: ${JSON.stringify(refused)}`);
done('the page for devices: a code is typed, and allowed or denied');

// Signs out here and at the provider. What another browser has signed in to, and the device, go on.
const other = await somebody();
const elsewhere = wish();
await other.page.goto(`${elsewhere.url}&provider=idp`);
await signIn(other.page);
await other.page.getByRole('button', { name: 'Allow' }).click();
const others = await redeem(await arrived(other.page, elsewhere), elsewhere);

const bye = new URLSearchParams({ client_id: clientId, post_logout_redirect_uri: `${appUrl}/bye`, state: 'out & away' });
await page.goto(`${gateway}/oauth/logout?${bye}`);
await mustBeUsable(page, 'Sign out?');
await pressByKeyboard(page, 'Sign out');
await page.getByRole('button', { name: 'Yes, sign me out' }).click();
await page.waitForURL(`${appUrl}/bye?*`);
must(new URL(page.url()).searchParams.get('state') === 'out & away', `the client's state comes back: ${page.url()}`);
const refreshed = await post('/oauth/token', {
  grant_type: 'refresh_token',
  client_id: clientId,
  refresh_token: person.refresh_token,
});
must(refreshed.error === 'invalid_grant', `the session has ended: ${JSON.stringify(refreshed)}`);
await page.goto(`${gateway}/oauth/logout`);
await pressByKeyboard(page, 'Sign out');
await mustBeUsable(page, 'Signed out');
done('sign-out by the keyboard: here, at the provider, and back to the client');

// The consent page of another login, which the provider asks for anew.
const third = wish();
await page.goto(`${third.url}&provider=idp`);
await signIn(page);
await mustBeUsable(page, 'Allow access?');
done('after signing out the provider asks who it is');

must(complaints.length === 0, `the pages have their headers, the console is silent, nothing is loaded: ${complaints}`);
done('headers on every page, a silent console, nothing loaded from anywhere');

// Somebody's script would like to run there.
const expected = ['base-uri', 'connect-src', 'form-action', 'frame-src', 'img-src', 'script-src-elem', 'style-src-elem'];
const broken = await page.evaluate(async ([elsewhere, count]) => {
  const directives = new Set();
  const all = new Promise((seen) => {
    document.addEventListener('securitypolicyviolation', (it) => directives.add(it.effectiveDirective).size === count && seen());
    setTimeout(seen, 10_000);
  });
  const add = (name, fields) => document.body.appendChild(Object.assign(document.createElement(name), fields));
  add('script', { textContent: 'window.ran = true' });
  add('script', { src: `${elsewhere}/x.js` });
  add('style', { textContent: 'body { display: none }' });
  add('img', { src: `${elsewhere}/x.png` });
  add('iframe', { src: elsewhere });
  add('base', { href: elsewhere });
  await fetch(`${elsewhere}/x`).catch(() => undefined);
  add('form', { action: 'http://127.0.0.1:9/stolen', method: 'post' }).submit();
  await all;
  if (window.ran || getComputedStyle(document.body).display === 'none') directives.add('but it ran');
  return [...directives].sort();
}, [appUrl, expected.length]);
must(broken.join() === expected.join(), `the policy holds: ${broken}`);
done('the content security policy holds: no script, style, image, frame or form of another');

await page.goto(`${appUrl}/?frame=${encodeURIComponent(`${gateway}/oauth/device`)}`);
const frame = page.frames()[1];
must(frame && !frame.url().startsWith(gateway), `no page can be framed: ${frame?.url()}`);
done('no page can be framed');

// The provider's answer with a changed state, and with the right one in another's browser.
async function mustShowError(page, answer, text) {
  must(answer.status() === 400 && page.url().startsWith(gateway), `it is an error, and goes nowhere: ${page.url()}`);
  await mustBeUsable(page, 'This did not work');
  must((await page.locator('main').innerText()).includes(text), `the page says: ${text}`);
}

// Of the same browser's login, as far as the provider sends it: it has signed in there already.
let callback = `${wish().url}&provider=idp`;
while (!callback.startsWith(`${gateway}/auth/callback/`)) {
  const answer = await page.request.get(callback, { maxRedirects: 0 });
  callback = new URL(answer.headers().location, callback).href;
}
const changed = callback.replace(/state=tgl_./, (it) => it.slice(0, -1) + (it.endsWith('A') ? 'B' : 'A'));
must(changed !== callback, 'the state was changed');
const notHere = 'This login was not begun in this browser';
await mustShowError(page, await page.goto(changed), notHere);
await mustShowError(other.page, await other.page.goto(callback), notHere);
done('a changed state, and a state of another browser, are told on a page');

await page.goto(`${gateway}/oauth/device`);
await page.getByLabel('Code').fill('BCDF-GHJK');
const [answer] = await Promise.all([page.waitForResponse(`${gateway}/oauth/device`), page.keyboard.press('Enter')]);
await mustShowError(page, answer, 'There is no such code');
done('a code that is none is told on a page');

const astray = new URLSearchParams({ client_id: clientId, post_logout_redirect_uri: `${appUrl}/stolen` });
await mustShowError(page, await page.goto(`${gateway}/oauth/logout?${astray}`), "not one of the client's");
done("an address after signing out that is not the client's is told on a page");

await browser.close();
end({ signed_out: person.access_token, device: connected.access_token, other: others.access_token });
