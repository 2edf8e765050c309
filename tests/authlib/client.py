"""Two programs that use Authlib, and a person's browser, which is a few lines here.

    client.py GATEWAY CLIENT_ID REDIRECT_URI SERVICE_ID SERVICE_SECRET

CLIENT_ID is a public client that people use, by way of the gateway's only provider (tests/idp/server.js); SERVICE_ID a service
account. Tells what it does as tests/idp/told.js does.
"""

import html.parser
import json
import os
import sys
import threading
import time
import urllib.parse

# A laptop's gateway is at http on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import authlib
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc8414, rfc9207
from authlib.oauth2.rfc6749.errors import MismatchingStateException
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

GATEWAY, CLIENT_ID, REDIRECT_URI, SERVICE_ID, SERVICE_SECRET = sys.argv[1:]
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TIMEOUT_SECONDS = 30


def tell(**what):
    print(json.dumps(what), flush=True)


def done(step):
    tell(step=step)


def must(holds, what):
    if not holds:
        raise AssertionError(f"it is not so that {what}")


def refused(code, call, *arguments, **fields):
    try:
        given = call(*arguments, **fields)
    except OAuthError as error:
        must(error.error == code, f"the error is {code}, and not {error.error}")
        return
    raise AssertionError(f"{code} was not told, but {given}")


class Form(html.parser.HTMLParser):
    """The form of a page: where it leads, and what stands in its fields."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields, self.options = None, {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form":
            self.action = given["action"]
        elif tag == "input":
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "option":
            self.options.append(given["value"])


class Browser:
    def __init__(self):
        self.session = requests.Session()

    def get(self, url):
        return self.session.get(url, allow_redirects=False, timeout=TIMEOUT_SECONDS)

    def submit(self, action, fields):
        return self.session.post(action, fields, allow_redirects=False, timeout=TIMEOUT_SECONDS)

    def browse(self, answer, decision="allow"):
        """Follows redirects and fills forms until it is to leave for the client (its URL), or a page has no form (its text)."""
        while True:
            if answer.is_redirect:
                url = urllib.parse.urljoin(answer.url, answer.headers["location"])
                if url.startswith(REDIRECT_URI):
                    return url
                answer = self.get(url)
                continue
            must(answer.status_code == 200, f"{answer.url} is a page, and not {answer.status_code}: {answer.text}")
            form = Form(answer.text)
            if form.action is None:
                return answer.text
            filled = {"decision": decision} if "ticket" in form.fields else {"login": "ada", "password": "any"}
            answer = self.submit(form.action, form.fields | filled)


def metadata():
    """What the issuer says of itself, looked through by Authlib. It wants https, which a gateway on loopback has not."""
    found = requests.get(f"{GATEWAY}/.well-known/oauth-authorization-server", timeout=TIMEOUT_SECONDS).json()
    secure = json.loads(json.dumps(found).replace("http://", "https://"))
    rfc8414.AuthorizationServerMetadata(secure).validate(metadata_classes=[rfc9207.AuthorizationServerMetadata])
    must(found["issuer"] == GATEWAY, "the issuer is the one that was asked")
    return found


def app(server, **fields):
    return OAuth2Session(
        CLIENT_ID,
        redirect_uri=REDIRECT_URI,
        code_challenge_method="S256",
        token_endpoint=server["token_endpoint"],
        default_timeout=TIMEOUT_SECONDS,
        **fields,
    )


def login(server, browser, decision="allow", verifier=None):
    """(the client, what it fetches its token with)."""
    client, secret = app(server), generate_token(48)
    url, state = client.create_authorization_url(server["authorization_endpoint"], code_verifier=secret)
    callback = browser.browse(browser.get(url), decision)
    given = urllib.parse.parse_qs(urllib.parse.urlsplit(callback).query)
    must(given["iss"] == [GATEWAY], "the gateway names itself (RFC 9207)")
    return client, {"authorization_response": callback, "state": state, "code_verifier": verifier or secret}


def people(server):
    browser = Browser()
    client, fields = login(server, browser)
    first = client.fetch_token(**fields)
    must(first["refresh_token"] and first["expires_in"] == 3600, "a login gives a refresh token and an hour")
    done("login with PKCE, at the provider and on the consent page")

    client, fields = login(server, browser, decision="deny")
    answer = urllib.parse.parse_qs(urllib.parse.urlsplit(fields["authorization_response"]).query)
    must(answer["error"] == ["access_denied"] and answer["state"] == [fields["state"]], "the client is told of the denial")
    done("a denied consent")

    client, fields = login(server, browser, verifier=generate_token(48))
    refused("invalid_grant", client.fetch_token, **fields)
    client, fields = login(server, browser)
    try:
        client.fetch_token(**fields | {"state": "another"})
        raise AssertionError("a state of another login was taken")
    except MismatchingStateException:
        pass
    done("a code with another verifier or another state is refused")

    client = app(server, token=first)
    second = client.refresh_token()
    must(second["refresh_token"] != first["refresh_token"], "the refresh token is rotated")
    me = client.get(f"{GATEWAY}/auth/me")
    must(me.status_code == 200 and me.json()["user"]["name"] == "ada", f"the token is ada's: {me.text}")
    done("refresh, and a call with what it gave")
    return second


def device(server):
    """Connects one, and gives what waits for its token."""
    client = app(server)
    asked = {"client_id": CLIENT_ID}
    answer = requests.post(server["device_authorization_endpoint"], asked, timeout=TIMEOUT_SECONDS).json()
    poll = {"grant_type": DEVICE_GRANT, "device_code": answer["device_code"]}
    refused("authorization_pending", client.fetch_token, **poll)
    earliest = time.monotonic() + answer["interval"]
    browser = Browser()
    form = Form(browser.get(answer["verification_uri_complete"]).text)
    typed = form.fields | {"provider": form.options[0]}
    shown = browser.browse(browser.submit(form.action, typed))
    must("Go back to your device." in shown, "the person is told to go back to the device")

    def connected():
        time.sleep(max(0, earliest - time.monotonic()))
        token = client.fetch_token(**poll)
        done("a device, pending and then connected")
        return token

    return connected


def machine(server, authentication, secret=SERVICE_SECRET, **fields):
    return OAuth2Session(
        SERVICE_ID,
        secret,
        token_endpoint_auth_method=authentication,
        revocation_endpoint_auth_method=authentication,
        token_endpoint=server["token_endpoint"],
        default_timeout=TIMEOUT_SECONDS,
        **fields,
    )


def machines(server, foreign):
    basic, post = machine(server, "client_secret_basic"), machine(server, "client_secret_post", scope="models:invoke")
    token, narrow = (client.fetch_token(grant_type="client_credentials") for client in (basic, post))
    must(narrow["scope"] == "models:invoke" and "files" in token["scope"], "a token has the scope that was asked for")
    must("refresh_token" not in token, "client credentials give no refresh token")
    wrong = machine(server, "client_secret_basic", "wrong")
    refused("invalid_client", wrong.fetch_token, grant_type="client_credentials")
    done("client credentials, by Basic and in the body")

    def introspected(client, text):
        answer = client.introspect_token(server["introspection_endpoint"], token=text)
        must(answer.status_code == 200, f"introspection answers: {answer.text}")
        return answer.json()

    told = introspected(basic, token["access_token"])
    must(told["active"] and told["client_id"] == SERVICE_ID, "a token of its own is told of")
    must(introspected(post, foreign["access_token"]) == {"active": False}, "nothing is told of another's token")
    done("introspection")

    for text in (token["access_token"], "no token at all"):
        answer = basic.revoke_token(server["revocation_endpoint"], token=text, token_type_hint="access_token")
        must(answer.status_code == 200, f"a revocation is answered by 200: {answer.text}")
    must(introspected(basic, token["access_token"]) == {"active": False}, "a revoked token is inactive")
    must(introspected(post, narrow["access_token"])["active"], "another one goes on")
    return narrow


class Validator(JWTBearerTokenValidator):
    """A resource server's."""

    def __init__(self, server, audience="tollgate"):
        super().__init__(issuer=GATEWAY, resource_server=audience)
        self.keys = requests.get(server["jwks_uri"], timeout=TIMEOUT_SECONDS).json()

    def get_jwks(self):
        return self.keys

    def check(self, token, scope):
        self.validate_token(self.authenticate_token(token), [scope], None)


def validate(server, token):
    Validator(server).check(token, "models:invoke")
    header, payload, signature = token.split(".")
    tampered = f"{header}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    for what, validator, text in [("tampered", Validator(server), tampered), ("for others", Validator(server, "gate"), token)]:
        try:
            validator.check(text, "models:invoke")
        except InvalidTokenError:
            continue
        raise AssertionError(f"a token that is {what} was accepted")
    done("the access token, by RFC 9068; a tampered one is refused")


def revoke(server, token):
    """What a person's client has: the access token (which nobody has seen yet), and then all that came of the login."""
    client = app(server, token=token)
    third = client.refresh_token()

    def revoked(kind):
        answer = client.revoke_token(server["revocation_endpoint"], token=third[kind], token_type_hint=kind)
        must(answer.status_code == 200, f"a revocation is answered by 200: {answer.text}")

    revoked("access_token")
    must(client.get(f"{GATEWAY}/auth/me").status_code == 401, "a revoked token is refused")
    done("revocation of access tokens, by either kind of client")
    revoked("refresh_token")
    refused("invalid_grant", client.refresh_token, refresh_token=third["refresh_token"])
    done("revocation of a refresh token")


def main():
    # Whoever started this is gone when standard input ends.
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
    tell(client=f"Authlib {authlib.__version__}")
    server = metadata()
    done("discovery, by RFC 8414")
    person = people(server)
    connected = device(server)
    service = machines(server, person)
    validate(server, service["access_token"])
    revoke(server, person)
    third = connected()
    result = {"revoked": person, "person": third, "machine": service}
    tell(result={name: token["access_token"] for name, token in result.items()})


if __name__ == "__main__":
    main()
