"""Authentication and authorization of every route and verb, with every kind of credentials."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from a3s_power_jupyter.handlers.routes import ALIASES, ROUTES
from support.servers import Server, error_code

PASSWORD = "open sesame"
EVIL = "https://evil.example"
WRITES = {"POST", "PUT", "PATCH", "DELETE"}

#: Every verb of every route, and requests that match no route or verb.
CALLS = [
    (verb, template.lstrip("/").replace("{name}", "gc").replace("{digest}", "sha256:00"))
    for _, handler, options in ROUTES
    for template in [options["template"]]
    for verb in [*handler.verbs(), "PUT", "HEAD"]
] + [(verb, "v1/no/such/route") for verb in ("GET", "POST", "DELETE", "HEAD")]

#: The same for the routes without ``v1``, which have the same handlers.
ALIAS_CALLS = [
    (verb, options["template"].removeprefix("/v1/").replace("{name}", "gc"))
    for _, handler, options in ALIASES
    for verb in handler.verbs()
]


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os, *, a:b",
}


def ask(client: httpx2.Client, verb: str, path: str, **headers: str) -> httpx2.Response:
    """Send a request and return the head of the reply, since some bodies are endless."""
    json = {} if verb == "POST" else None
    with client.stream(verb, path, json=json, headers=headers) as response:
        if response.status_code >= 400:
            response.read()
        return response


def code(response: httpx2.Response) -> str:
    assert response.headers["Content-Type"] == "application/json"
    return error_code(response)


def is_allowed(response: httpx2.Response) -> bool:
    return response.status_code not in (301, 302, 401, 403)


@pytest.fixture
def anonymous(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.client() as client:
        yield client


@pytest.fixture
def browser(fake_server: Server) -> Iterator[httpx2.Client]:
    """A client with the login cookie and the _xsrf cookie."""
    with fake_server.client() as client:
        log_in(client, fake_server.token)
        yield client


def log_in(client: httpx2.Client, password: str) -> None:
    client.get("login")
    form = {"password": password, "_xsrf": client.cookies["_xsrf"]}
    assert client.post("login", data=form).status_code == 302


def test_every_verb_is_covered() -> None:
    assert len(CALLS) > 25
    assert ("POST", "v1/models/gc/load") in CALLS


@pytest.mark.parametrize(("verb", "path"), [*CALLS, *ALIAS_CALLS])
def test_without_credentials(anonymous: httpx2.Client, verb: str, path: str) -> None:
    response = ask(anonymous, verb, path)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "Location" not in response.headers
    if verb != "HEAD":
        assert code(response) == "unauthorized"


def test_the_error_tells_a_wrong_token_from_a_missing_one(anonymous: httpx2.Client) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"x-api-key": ""}):
        message = ask(anonymous, "GET", "v1/models", **headers).json()["error"]["message"]
        assert "The token is missing" in message
        assert "'jupyter server list' prints" in message
    for headers in ({"Authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
        message = ask(anonymous, "GET", "v1/models", **headers).json()["error"]["message"]
        assert "The token is wrong" in message
    message = ask(anonymous, "POST", "v1/models/gc?token=wrong").json()["error"]["message"]
    assert "The token is wrong" in message


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_with_invalid_credentials(anonymous: httpx2.Client, verb: str, path: str) -> None:
    for scheme in ("Bearer", "token"):
        assert ask(anonymous, verb, path, Authorization=f"{scheme} wrong").status_code == 401
    assert ask(anonymous, verb, path, **{"x-api-key": "wrong"}).status_code == 401
    assert ask(anonymous, verb, f"{path}?token=wrong").status_code == 401


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_with_the_token_or_the_key(fake_server: Server, verb: str, path: str) -> None:
    for secret in (fake_server.token, fake_server.key):
        for scheme in ("Bearer", "token", "bearer"):
            with fake_server.client() as client:
                assert is_allowed(ask(client, verb, path, Authorization=f"{scheme} {secret}"))
    with fake_server.client() as client:
        assert is_allowed(ask(client, verb, f"{path}?token={fake_server.token}"))


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_with_a_cookie_and_no_xsrf_token(browser: httpx2.Client, verb: str, path: str) -> None:
    response = ask(browser, verb, path)
    if verb in WRITES:
        assert (response.status_code, code(response)) == (403, "forbidden")
    else:
        assert is_allowed(response)


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_with_a_cookie_and_the_xsrf_token(browser: httpx2.Client, verb: str, path: str) -> None:
    token = browser.cookies["_xsrf"]
    assert is_allowed(ask(browser, verb, path, **{"X-XSRFToken": token}))


@pytest.mark.parametrize(("verb", "path"), CALLS)
def test_pages_of_other_origins(browser: httpx2.Client, verb: str, path: str) -> None:
    xsrf = browser.cookies["_xsrf"]
    for origin in (EVIL, "null"):
        response = ask(browser, verb, path, Origin=origin, **{"X-XSRFToken": xsrf})
        assert response.status_code == 403
        assert "Access-Control-Allow-Origin" not in response.headers


def test_pages_of_the_same_origin(browser: httpx2.Client, fake_server: Server) -> None:
    origin = fake_server.url.rstrip("/")
    headers = {"Origin": origin, "X-XSRFToken": browser.cookies["_xsrf"]}
    assert ask(browser, "POST", "v1/models/gc/pin", **headers).status_code == 200


def test_pages_of_other_origins_cannot_read_replies(fake_server: Server) -> None:
    with fake_server.api() as api:
        for path in ("v1/models", "v1/models/nope"):
            response = ask(api, "GET", path, Origin=EVIL)
            assert "Access-Control-Allow-Origin" not in response.headers
        preflight = ask(api, "OPTIONS", "v1/models", Origin=EVIL, **PREFLIGHT)
        assert not any(name.startswith("access-control") for name in preflight.headers)


def test_the_kernel_key_is_refused_by_other_routes(
    anonymous: httpx2.Client, fake_server: Server
) -> None:
    for path in ("api/contents", "api/kernels", "api/sessions", "api/terminals", "metrics"):
        response = ask(anonymous, "GET", path, Authorization=f"Bearer {fake_server.key}")
        assert response.status_code in (302, 403), path


def test_with_an_api_key(fake_server: Server) -> None:
    for secret in (fake_server.token, fake_server.key):
        for verb, path in (("GET", "v1/models"), ("POST", "v1/models/gc/pin"), ("GET", "models")):
            with fake_server.client() as client:
                assert ask(client, verb, path, **{"x-api-key": secret}).status_code == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YTpi"])
def test_an_api_key_beside_an_authorization_without_a_token(
    anonymous: httpx2.Client, fake_server: Server, authorization: str
) -> None:
    headers = {"x-api-key": fake_server.token, "Authorization": authorization}
    assert ask(anonymous, "POST", "v1/models/gc/pin", **headers).status_code == 200


def test_one_of_two_tokens_has_to_be_right(fake_server: Server) -> None:
    """Anthropic's clients send both if both are set."""
    for verb, path in (("GET", "v1/models"), ("POST", "v1/models/gc/pin"), ("HEAD", "v1/models")):
        for right in (fake_server.token, fake_server.key):
            for key, token in ((right, "wrong"), ("wrong", right), (right, right)):
                with fake_server.client() as client:
                    headers = {"x-api-key": key, "Authorization": f"Bearer {token}"}
                    assert ask(client, verb, path, **headers).status_code == 200
        with fake_server.client() as client:
            headers = {"x-api-key": "wrong", "Authorization": "Bearer not-needed"}
            assert ask(client, verb, path, **headers).status_code == 401


def test_two_useless_tokens_beside_a_cookie(browser: httpx2.Client, fake_server: Server) -> None:
    headers = {"x-api-key": "wrong", "Authorization": "Bearer not-needed"}
    assert ask(browser, "GET", "v1/models", **headers).status_code == 200
    assert code(ask(browser, "POST", "v1/models/gc/pin", **headers)) == "forbidden"
    headers["x-api-key"] = fake_server.token
    assert ask(browser, "POST", "v1/models/gc/pin", **headers).status_code == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer not-needed"])
def test_a_useless_token_beside_a_cookie(browser: httpx2.Client, authorization: str) -> None:
    """The cookie counts, and requests that change something still need the XSRF token."""
    headers = {"Authorization": authorization}
    assert ask(browser, "GET", "v1/models", **headers).status_code == 200
    assert code(ask(browser, "POST", "v1/models/gc/pin", **headers)) == "forbidden"
    headers["X-XSRFToken"] = browser.cookies["_xsrf"]
    assert ask(browser, "POST", "v1/models/gc/pin", **headers).status_code == 200


def test_the_kernel_key_is_refused_in_urls(anonymous: httpx2.Client, fake_server: Server) -> None:
    assert ask(anonymous, "GET", f"v1/models?token={fake_server.key}").status_code == 401


def test_another_host_name(anonymous: httpx2.Client, fake_server: Server) -> None:
    """DNS rebinding: a foreign host name that resolves to this machine."""
    authorization = f"Bearer {fake_server.token}"
    response = ask(anonymous, "GET", "v1/models", Host="evil.example", Authorization=authorization)
    assert (response.status_code, code(response)) == (403, "forbidden")


def test_an_allowed_origin(start_server: Callable[..., Server]) -> None:
    lab = "https://lab.example"
    server = start_server(f"--ServerApp.allow_origin={lab}", fake=True)
    with server.api() as api:
        good = ask(api, "GET", "v1/models", Origin=lab)
        assert good.headers["Access-Control-Allow-Origin"] == lab
        missing = ask(api, "GET", "v1/models/nope", Origin=lab)
        assert missing.headers["Access-Control-Allow-Origin"] == lab
        assert (
            "Access-Control-Allow-Origin" not in ask(api, "GET", "v1/models", Origin=EVIL).headers
        )
    with server.client() as anonymous:
        preflight = ask(anonymous, "OPTIONS", "v1/models", Origin=lab, **PREFLIGHT)
        assert preflight.status_code == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == lab
        methods = preflight.headers["Access-Control-Allow-Methods"].split(", ")
        assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} == {*methods}
        headers = preflight.headers["Access-Control-Allow-Headers"]
        assert headers == "authorization, content-type, x-stainless-os"
        refused = ask(anonymous, "GET", "v1/models", Origin=lab)
        assert refused.status_code == 401
        assert refused.headers["Access-Control-Allow-Origin"] == lab
        other = ask(anonymous, "OPTIONS", "v1/models", Origin=EVIL, **PREFLIGHT)
        assert not any(name.startswith("access-control") for name in other.headers)


def test_allowed_origins_by_pattern(start_server: Callable[..., Server]) -> None:
    server = start_server(r"--ServerApp.allow_origin_pat=https://.*\.lab\.example", fake=True)
    with server.api() as api:
        good = ask(api, "OPTIONS", "chat/completions", Origin="https://a.lab.example", **PREFLIGHT)
        assert good.headers["Access-Control-Allow-Origin"] == "https://a.lab.example"
        assert "authorization" in good.headers["Access-Control-Allow-Headers"]
        for origin in (EVIL, "https://a.lab.example.evil.example", "null"):
            other = ask(api, "OPTIONS", "chat/completions", Origin=origin, **PREFLIGHT)
            assert not any(name.startswith("access-control") for name in other.headers)


def test_a_wildcard_origin_is_ignored(start_server: Callable[..., Server]) -> None:
    server = start_server("--ServerApp.allow_origin=*", fake=True)
    with server.api() as api:
        response = ask(api, "GET", "v1/models", Origin=EVIL)
        assert "Access-Control-Allow-Origin" not in response.headers
        preflight = ask(api, "OPTIONS", "v1/models", Origin=EVIL, **PREFLIGHT)
        assert not any(name.startswith("access-control") for name in preflight.headers)
    with server.client() as browser:
        log_in(browser, server.token)
        headers = {"Origin": EVIL, "X-XSRFToken": browser.cookies["_xsrf"]}
        assert ask(browser, "POST", "v1/models/gc/pin", **headers).status_code == 403


def test_under_a_base_url(start_server: Callable[..., Server]) -> None:
    server = start_server("--ServerApp.base_url=/user/ada/", fake=True)
    assert server.url.endswith("/user/ada/")
    with server.client() as anonymous:
        assert code(ask(anonymous, "GET", "v1/models")) == "unauthorized"
        assert code(ask(anonymous, "POST", "v1/models/gc/pin")) == "unauthorized"
        for secret in (server.token, server.key):
            headers = {"Authorization": f"Bearer {secret}"}
            assert ask(anonymous, "POST", "v1/models/gc/pin", **headers).status_code == 200
    with server.client() as browser:
        log_in(browser, server.token)
        assert ask(browser, "GET", "v1/models").status_code == 200
        assert code(ask(browser, "POST", "v1/models/gc/pin")) == "forbidden"


def test_with_a_password(start_server: Callable[..., Server]) -> None:
    from jupyter_server.auth import passwd

    hashed = passwd(PASSWORD)
    server = start_server(
        f"--PasswordIdentityProvider.hashed_password={hashed}",
        "--IdentityProvider.token=",
        fake=True,
        token="",
    )
    with server.client() as client:
        refused = ask(client, "GET", "v1/models")
        assert code(refused) == "unauthorized"
        assert "server list" not in refused.text  # it prints no token
        assert code(ask(client, "GET", "v1/models", Authorization="Bearer")) == "unauthorized"
        key = f"Bearer {server.key}"
        assert ask(client, "POST", "v1/models/gc/pin", Authorization=key).status_code == 200
        log_in(client, PASSWORD)
        assert ask(client, "GET", "v1/models").status_code == 200
        assert code(ask(client, "POST", "v1/models/gc/pin")) == "forbidden"
        xsrf = {"X-XSRFToken": client.cookies["_xsrf"]}
        assert ask(client, "POST", "v1/models/gc/pin", **xsrf).status_code == 200


def test_with_authentication_disabled(start_server: Callable[..., Server]) -> None:
    """Plain curl works, and pages of other origins are still refused."""
    server = start_server("--IdentityProvider.token=", fake=True, token="")
    with server.client() as client:
        assert ask(client, "POST", "v1/models/gc/pin").status_code == 200
        assert ask(client, "GET", "v1/models").status_code == 200
        for verb, path in (("POST", "v1/models/gc/pin"), ("GET", "v1/models")):
            assert code(ask(client, verb, path, Origin=EVIL)) == "forbidden"


HUB = '''
from pathlib import Path

from jupyter_server.auth import Authorizer, IdentityProvider, User
from tornado import web


class DenyingProvider(IdentityProvider):
    """Knows no user, like JupyterHub's provider for a request without its cookies."""

    async def get_user(self, handler):
        handler.get_login_url = lambda: "https://hub.example/login"
        return None


class RefusingProvider(IdentityProvider):
    """Knows ada, who may not use this server, and a token that it does not accept."""

    async def get_user(self, handler):
        if self.get_token(handler) == "adas":
            raise web.HTTPError(403, "ada may not use %s, at 100%%", "this server")
        raise web.HTTPError(401, "Your token has expired.")


class RememberingProvider(IdentityProvider):
    """Asks once for each request, like JupyterHub's provider, and knows one token."""

    async def get_user(self, handler):
        if not hasattr(handler, "_remembered"):
            token = self.get_token(handler)
            with open(Path.home() / "asked", "a") as file:
                file.write(token + "\\n")
            handler._remembered = User("ada") if token == "adas" else None
            handler._token_authenticated = token == "adas"
        return handler._remembered


class CheckingProvider(IdentityProvider):
    """Accepts a cookie only after the check of the XSRF token, like JupyterHub's provider."""

    async def get_user(self, handler):
        try:
            handler.check_xsrf_cookie()
        except web.HTTPError:
            return None
        return User("ada")


class OneAction(Authorizer):
    """Allows an action if the home directory has a file named after it."""

    def is_authorized(self, handler, user, action, resource):
        if resource != "a3s_power":
            return False
        return (Path.home() / f"allow-{action}").exists()
'''


def write_hub(folder: Path) -> dict[str, str]:
    (folder / "hub_of_the_tests.py").write_text(HUB)
    return {"PYTHONPATH": str(folder)}


def test_the_key_needs_no_identity_provider(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(
        "--ServerApp.identity_provider_class=hub_of_the_tests.DenyingProvider",
        "--ServerApp.allow_unauthenticated_access=False",
        fake=True,
        environ=write_hub(tmp_path),
    )
    with server.client() as client:
        for headers in ({}, {"Authorization": f"Bearer {server.token}"}):
            response = ask(client, "GET", "v1/models", **headers)
            assert (response.status_code, code(response)) == (401, "unauthorized")
        key = {"Authorization": f"Bearer {server.key}"}
        assert ask(client, "GET", "v1/models", **key).status_code == 200
        assert ask(client, "POST", "v1/models/gc/pin", **key).status_code == 200


def test_errors_of_an_identity_provider(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(
        "--ServerApp.identity_provider_class=hub_of_the_tests.RefusingProvider",
        fake=True,
        environ=write_hub(tmp_path),
    )
    with server.client() as client:
        for headers in ({"Authorization": "Bearer adas"}, {"x-api-key": "adas"}):
            refused = ask(client, "POST", "v1/models/gc/pin", **headers)
            assert (refused.status_code, code(refused)) == (403, "forbidden")
            assert refused.json()["error"]["message"] == "ada may not use this server, at 100%"
            assert "WWW-Authenticate" not in refused.headers
        expired = ask(client, "GET", "v1/models", Authorization="Bearer old")
        assert (expired.status_code, code(expired)) == (401, "unauthorized")
        assert expired.headers["WWW-Authenticate"] == "Bearer"


def test_an_identity_provider_that_checks_the_xsrf_token(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(
        "--ServerApp.identity_provider_class=hub_of_the_tests.CheckingProvider",
        fake=True,
        environ=write_hub(tmp_path),
    )
    with server.client() as client:
        refused = client.post("v1/models/gc/pin")
        assert (refused.status_code, code(refused)) == (403, "forbidden")
        assert "X-XSRFToken" in refused.json()["error"]["message"]
        client.cookies.set("_xsrf", "of-the-page")
        accepted = client.post("v1/models/gc/pin", headers={"X-XSRFToken": "of-the-page"})
        assert is_allowed(accepted)


def test_an_identity_provider_sees_one_token_after_the_other(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(
        "--ServerApp.identity_provider_class=hub_of_the_tests.RememberingProvider",
        fake=True,
        environ=write_hub(tmp_path),
    )
    asked = Path(server.environ["HOME"]) / "asked"
    cases = [
        ({"Authorization": "Bearer adas", "x-api-key": "other"}, 200, ["adas"]),
        ({"Authorization": "Bearer other", "x-api-key": "adas"}, 200, ["other", "adas"]),
        ({"Authorization": "token adas", "x-api-key": "adas"}, 200, ["adas"]),
        ({"Authorization": "Bearer other", "x-api-key": "third"}, 401, ["other", "third"]),
        ({"x-api-key": "other"}, 401, ["other"]),
    ]
    with server.client() as client:
        for headers, status, tokens in cases:
            for verb, path in (("GET", "v1/models"), ("POST", "v1/models/gc/pin")):
                asked.unlink(missing_ok=True)
                assert ask(client, verb, path, **headers).status_code == status
                assert asked.read_text().split() == tokens


@pytest.mark.parametrize("allowed", ["read", "write", "execute"])
def test_the_authorizer_decides(
    start_server: Callable[..., Server], tmp_path: Path, allowed: str
) -> None:
    server = start_server(
        "--ServerApp.authorizer_class=hub_of_the_tests.OneAction",
        fake=True,
        environ=write_hub(tmp_path),
    )
    (Path(server.environ["HOME"]) / f"allow-{allowed}").touch()
    actions = {
        "read": ("GET", "v1/models"),
        "write": ("POST", "v1/models/gc/unload"),
        "execute": ("POST", "v1/completions"),
    }
    for secret in (server.token, server.key):
        with server.client(Authorization=f"Bearer {secret}") as client:
            for action, (verb, path) in actions.items():
                response = ask(client, verb, path)
                if action == allowed:
                    assert is_allowed(response)
                else:
                    assert (response.status_code, code(response)) == (403, "forbidden")
