// The certified OpenID provider that the tests sign in at, on loopback.
//
//     node server.js MODULES CLIENT_ID CLIENT_SECRET REDIRECT_URI
//
// MODULES is the folder with `node_modules`. Prints its issuer as soon as it listens, and ends when its standard input does. Whoever signs
// in is whoever they say; any password does.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Nobody reads standard output after the issuer.
console.info = console.error;

const [modules, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const path = createRequire(`${modules}/package.json`).resolve('oidc-provider');
const { default: Provider } = await import(pathToFileURL(path).href);

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [new URL('/oauth/logout/done', redirectUri).href],
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  cookies: { keys: ['of this test alone'] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, email: `${id}@example.com`, email_verified: true, groups: ['everybody'] }),
  }),
});
server.on('request', provider.callback());
process.stdin.on('end', () => process.exit()).resume();
console.log(issuer);
