// A resource server that believes nobody: oauth4webapi takes our access tokens as RFC 9068 says, or does not.
//
//     node access_tokens.js MODULES GATEWAY AUDIENCE ALGORITHM TOKEN...
//
// Each token must be signed by ALGORITHM, with a key that the gateway publishes.

import { client, done, end, must, use } from './told.js';

const [, gateway, audience, algorithm, ...tokens] = process.argv.slice(2);
const oauth = await use('oauth4webapi/build/index.js');
client('oauth4webapi');

const issuer = new URL(gateway);
const options = { [oauth.allowInsecureRequests]: true, signingAlgorithms: [algorithm] };
const answer = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' });
const server = await oauth.processDiscoveryResponse(issuer, answer);

function validated(token, by = options, meant = audience, from = server) {
  const request = new Request(gateway, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(from, request, meant, by);
}

async function mustBeRefused(what, promise) {
  const error = await promise.then(() => new Error(`${what} was accepted`), () => undefined);
  if (error) throw error;
}

const part = (text) => JSON.parse(Buffer.from(text, 'base64url'));
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const [other] = ['EdDSA', 'ES256', 'RS256'].filter((name) => name !== algorithm);

const subjects = [];
for (const token of tokens) {
  const claims = await validated(token);
  subjects.push(claims.sub);
  done(`${algorithm}: the token of ${claims.sub.split(':')[0] === 'user' ? 'a person' : 'a service account'}`);
  const [header, payload, signature] = token.split('.');
  const raised = encoded({ ...part(payload), scope: 'admin' });
  await mustBeRefused('a changed payload', validated([header, raised, signature].join('.')));
  await mustBeRefused('a changed signature', validated([header, payload, signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))].join('.')));
  const unsigned = encoded({ ...part(header), alg: 'none' });
  await mustBeRefused('an unsigned token', validated(`${unsigned}.${payload}.`));
  await mustBeRefused('another audience', validated(token, options, `${audience}2`));
  await mustBeRefused('another issuer', validated(token, options, audience, { ...server, issuer: 'https://other.example' }));
  await mustBeRefused('another algorithm', validated(token, { ...options, signingAlgorithms: [other] }));
  must(part(header).typ === 'at+jwt', 'the type is at+jwt');
}
done(`${algorithm}: tampered tokens are refused`);
end(subjects);
