// Two programs that use openid-client (OpenID Certified), and a person's browser, which is a few lines here.
//
//     node openid_client.js MODULES GATEWAY CLIENT_ID REDIRECT_URI SERVICE_ID SERVICE_SECRET BYE_URI
//
// CLIENT_ID is a public client that people use, by way of the gateway's only provider (server.js), and that they come back to at BYE_URI
// after signing out; SERVICE_ID a service account.

import { client as named, done, end, must, refused, use } from './told.js';

const [, gateway, clientId, redirectUri, serviceId, serviceSecret, byeUri] = process.argv.slice(2);
const client = await use('openid-client/build/index.js');
named('openid-client');

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
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

// What stands in the fields that nobody sees.
const hidden = (html) =>
  Object.fromEntries(
    [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );

const field = (html, name) => new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(html)?.[1];

// Follows redirects and fills forms until the browser is to leave for the client, or a page without a form is shown.
async function browse(answer, decision = 'allow') {
  for (;;) {
    const location = answer.headers.get('location');
    if (location) {
      const next = new URL(location, answer.url);
      if ([redirectUri, byeUri].some((own) => next.href.startsWith(own))) return next;
      answer = await go(next);
      continue;
    }
    const html = await answer.text();
    const action = /<form[^>]* action="([^"]*)"/.exec(html)?.[1];
    if (answer.status !== 200) throw new Error(`${answer.status} at ${answer.url}: ${html}`);
    if (!action) return html;
    const filled = { decision, login: 'ada', password: 'any', logout: 'yes' };
    answer = await submit(action, { ...hidden(html), ...filled });
  }
}

const insecure = (algorithm) => ({ execute: [client.allowInsecureRequests], algorithm });
const openid = await client.discovery(new URL(gateway), clientId, undefined, client.None(), insecure('oidc'));
const app = await client.discovery(new URL(gateway), clientId, undefined, client.None(), insecure('oauth2'));
done('discovery, by RFC 8414 and by OpenID Connect');

async function wish() {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const url = client.buildAuthorizationUrl(app, {
    redirect_uri: redirectUri,
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  return { url, checks: { pkceCodeVerifier, expectedState } };
}

async function login() {
  const { url, checks } = await wish();
  return client.authorizationCodeGrant(app, await browse(await go(url)), checks);
}

const first = await login();
must(first.refresh_token && first.expires_in === 3600, 'a login gives a refresh token and an hour');
done('login with PKCE, at the provider and on the consent page');

{
  const { url, checks } = await wish();
  const callback = await browse(await go(url), 'deny');
  await refused(client.authorizationCodeGrant(app, callback, checks), 'access_denied');
}
done('a denied consent');

{
  const { url, checks } = await wish();
  const callback = await browse(await go(url));
  const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  const error = await refused(client.authorizationCodeGrant(app, callback, wrong), 'invalid_grant');
  must(error.status === 400 && error.error_description, 'an error of RFC 6749 has status 400 and a description');
}
done('a code with another verifier is refused');

const second = await client.refreshTokenGrant(app, first.refresh_token);
must(second.refresh_token !== first.refresh_token, 'the refresh token is rotated');
done('refresh');

cookies.clear();
const device = await client.initiateDeviceAuthorization(app, {});
const { device_code } = device;
await refused(client.genericGrantRequest(app, DEVICE_GRANT, { device_code }), 'authorization_pending');
const page = await (await go(device.verification_uri_complete)).text();
const typed = { user_code: field(page, 'user_code'), provider: /<option value="([^"]*)"/.exec(page)[1] };
const shown = await browse(await submit(/ action="([^"]*)"/.exec(page)[1], typed));
must(shown.includes('Go back to your device.'), 'the person is told to go back to the device');
// It asks for the first time when the interval of five seconds is over.
const connected = client.pollDeviceAuthorizationGrant(app, device);

const service = (authentication) =>
  client.discovery(new URL(gateway), serviceId, undefined, authentication, insecure('oauth2'));
const basic = await service(client.ClientSecretBasic(serviceSecret));
const post = await service(client.ClientSecretPost(serviceSecret));
const [machine, narrow] = [
  await client.clientCredentialsGrant(basic),
  await client.clientCredentialsGrant(post, { scope: 'models:invoke' }),
];
must(narrow.scope === 'models:invoke' && machine.scope.split(' ').length > 1, 'a token has the scope that was asked for');
must(!machine.refresh_token, 'client credentials give no refresh token');
const wrong = await service(client.ClientSecretBasic('wrong'));
await refused(client.clientCredentialsGrant(wrong), 'invalid_client');
done('client credentials, by Basic and in the body');

const told = await client.tokenIntrospection(basic, machine.access_token);
must(told.active && told.client_id === serviceId && told.iss === gateway, 'a token of its own is told of');
const foreign = await client.tokenIntrospection(basic, second.access_token);
must(JSON.stringify(foreign) === '{"active":false}', "nothing is told of another's token");
done('introspection');

await client.tokenRevocation(basic, machine.access_token, { token_type_hint: 'access_token' });
await client.tokenRevocation(basic, 'no token at all');
must((await client.tokenIntrospection(basic, machine.access_token)).active === false, 'a revoked token is inactive');
must((await client.tokenIntrospection(post, narrow.access_token)).active, 'another one goes on');

// A person's access token, by the public client that it was given to. It has been shown to nobody yet: who has seen it may take
// it for 30 seconds more.
const third = await client.refreshTokenGrant(app, second.refresh_token);
await client.tokenRevocation(app, third.access_token);
const me = client.fetchProtectedResource(app, third.access_token, new URL(`${gateway}/auth/me`), 'GET');
const challenged = await me.then(() => undefined, (error) => error);
must(challenged?.status === 401 && challenged.cause[0].scheme === 'bearer', 'the bearer of a revoked token is challenged');
done('revocation of access tokens, by either kind of client');

await client.tokenRevocation(app, third.refresh_token, { token_type_hint: 'refresh_token' });
await refused(client.refreshTokenGrant(app, third.refresh_token), 'invalid_grant');
done('revocation of a refresh token');

const fifth = await login();
const out = client.buildEndSessionUrl(openid, { post_logout_redirect_uri: byeUri, state: 'away' });
const back = await browse(await go(out), 'sign_out');
must(back.href === `${byeUri}?state=away`, `the browser comes back to the client: ${back}`);
await refused(client.refreshTokenGrant(app, fifth.refresh_token), 'invalid_grant');
done('sign-out, here and at the provider');

const fourth = await connected;
done('a device, pending and then connected');

end({ revoked: second.access_token, person: fourth.access_token, machine: narrow.access_token });
