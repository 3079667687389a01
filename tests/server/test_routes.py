"""Routes without ``/v1``, HEAD, and requests that are not UTF-8, on a real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from a3s_power_jupyter.handlers.ollama.refused import RefusedHandler
from a3s_power_jupyter.handlers.routes import ALIASES, ROUTES
from support.servers import Server, error_code, events_of

JSON = {"Content-Type": "application/json"}
CHAT = {"model": "gc", "messages": [{"role": "user", "content": "Hi"}]}
RERANK = {"model": "gc", "query": "a", "documents": ["b"]}

TEMPLATES = sorted({options["template"].lstrip("/") for _, _, options in ROUTES})
#: Routes that read the body of a POST.
POSTS = sorted(
    options["template"].lstrip("/")
    for _, handler, options in ROUTES
    if "POST" in handler.verbs() and not issubclass(handler, RefusedHandler)
)
GETS = sorted(o["template"].lstrip("/") for _, handler, o in ROUTES if "GET" in handler.verbs())


@pytest.fixture
def api(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


def named(template: str) -> str:
    return template.replace("{name}", "gc").replace("{digest}", "sha256:00")


# ---------------------------------------------------------------- without /v1


@pytest.mark.parametrize("path", ["models", "models/gc", "models/org%2Frepo:Q4_K_M", "models/pull"])
def test_models_without_v1(api: httpx2.Client, path: str) -> None:
    assert api.get(path).json() == api.get(f"v1/{path}").json()


def test_inference_without_v1(api: httpx2.Client) -> None:
    assert api.post("chat/completions", json=CHAT).json()["object"] == "chat.completion"
    assert api.post("completions", json={"model": "gc", "prompt": "a"}).is_success
    assert api.post("embeddings", json={"model": "gc", "input": "a"}).json()["object"] == "list"
    for path in ("rerank", "reranking", "v1/reranking", "v2/rerank"):
        assert error_code(api.post(path, json=RERANK)) == "unsupported_request_fields"
    stream = api.post("chat/completions", json=CHAT | {"stream": True})
    assert next(events_of(stream))["object"] == "chat.completion.chunk"
    assert api.post("models/gc/load", json={}).json()["id"] == "gc"


def test_under_a_base_url_and_without_a_lab(start_server: Callable[..., Server]) -> None:
    server = start_server("--ServerApp.base_url=/user/ada/", fake=True, headless=True)
    with server.api() as api:
        assert api.get("models").json() == api.get("v1/models").json()
        assert api.get(f"{server.url.removesuffix('user/ada/')}models").status_code == 404


def test_no_route_of_the_notebook_server_is_hidden(fake_server: Server) -> None:
    patterns = {pattern.split("/")[1] for pattern, _, _ in ALIASES}
    tokens = {"tokenize", "detokenize", "apply-template"}
    ranking = {"rerank", "reranking"}
    others = {"chat", "completions", "embeddings", "models", "responses"}
    assert patterns == others | tokens | ranking
    with fake_server.api() as api:
        assert api.get("api/status").json()["kernels"] == 0
        for path in ("chat", "events", "health", "nope"):
            assert "text/html" in api.get(path).headers["Content-Type"]


EXTENSION = """
from jupyter_server.base.handlers import JupyterHandler
from tornado import web


class OwnModels(JupyterHandler):
    @web.authenticated
    def get(self):
        self.finish("my models")


def _load_jupyter_server_extension(serverapp):
    routes = [(path, OwnModels) for path in ("/models", "/api/tags")]
    serverapp.web_app.add_handlers(".*$", routes)


def _jupyter_server_extension_points():
    return [{"module": "zz_models"}]
"""


def test_other_extensions_keep_their_routes(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    (tmp_path / "zz_models.py").write_text(EXTENSION)
    server = start_server(
        "--ServerApp.jpserver_extensions=zz_models=True",
        fake=True,
        environ={"PYTHONPATH": str(tmp_path)},
    )
    with server.api() as api:
        assert api.get("models").text == api.get("api/tags").text == "my models"
        assert api.get("v1/models").json()["object"] == "list"
        assert api.get("api/ps").json() == {"models": []}
        assert api.get("models/gc").json()["id"] == "gc"


# ---------------------------------------------------------------- HEAD


@pytest.mark.parametrize("template", GETS)
def test_head_answers_like_get(api: httpx2.Client, template: str) -> None:
    head = api.head(named(template))
    assert head.content == b""
    with api.stream("GET", named(template)) as get:
        assert (head.status_code, head.headers["Content-Type"]) == (
            get.status_code,
            get.headers["Content-Type"],
        )
        if template not in ("v1/events", "v1/health"):
            assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_without_get(api: httpx2.Client) -> None:
    reply = api.head("v1/chat/completions")
    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")
    assert api.head("v1/models/nope").status_code == 404
    assert api.head("v1/nope").status_code == 404


# ---------------------------------------------------------------- not UTF-8


@pytest.mark.parametrize("template", POSTS)
@pytest.mark.parametrize(
    "content",
    [b'{"model": "\xff"}', b'{"\xc3": 1}', b"\xff\xfe{\0}\0", b'{"name": "\xed\xa0\x80"}'],
)
def test_bodies_in_another_encoding(api: httpx2.Client, template: str, content: bytes) -> None:
    reply = api.post(named(template), content=content, headers=JSON)
    assert (reply.status_code, error_code(reply)) == (400, "invalid_json")


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "HEAD"])
def test_urls_in_another_encoding(api: httpx2.Client, verb: str, template: str) -> None:
    paths = [f"{named(template)}?{query}" for query in ("x=%ff", "token=%FF", "force=%c3")]
    if "{name}" in template:
        paths.append(template.replace("{name}", "%ff"))
    for path in paths:
        reply = api.request(verb, path)
        assert reply.status_code == 400
        assert verb == "HEAD" or error_code(reply) == "bad_request"


def send_large_body(server: Server, verb: str, path: str) -> httpx2.Response:
    """Send a request before reading the reply, as simple clients do; return the reply.

    The body is more than operating systems buffer, so a server that does not read it resets the
    connection.
    """
    url = urlsplit(server.url + path)
    with closing(HTTPConnection(url.netloc, timeout=60)) as connection:
        headers = JSON | {"Authorization": f"Bearer {server.token}"}
        connection.request(verb, f"{url.path}?{url.query}", b" " * 20_000_000, headers)
        with connection.getresponse() as reply:
            return httpx2.Response(
                reply.status, headers=reply.headers.items(), content=reply.read()
            )


@pytest.mark.parametrize("template", [name for name in TEMPLATES if "}" in name])
@pytest.mark.parametrize("verb", ["POST", "PUT", "PROPFIND"])
def test_a_url_in_another_encoding_with_a_large_body(
    fake_server: Server, verb: str, template: str
) -> None:
    path = re.sub("{[a-z_]+}", "%ff", template)
    reply = send_large_body(fake_server, verb, path)
    assert (reply.status_code, error_code(reply)) == (400, "bad_request")


def test_an_unknown_method_with_a_large_body(fake_server: Server) -> None:
    reply = send_large_body(fake_server, "PROPFIND", "v1/chat/completions")
    assert (reply.status_code, error_code(reply)) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "POST"


@pytest.mark.parametrize("template", ["v1/models/gc/unload", "v1/models/gc/pin"])
def test_routes_without_fields_refuse_them(api: httpx2.Client, template: str) -> None:
    for content in (b"", b"{}", b"\xef\xbb\xbf{}"):
        assert api.post(template, content=content, headers=JSON).status_code == 200
    body: dict[str, Any] = {"force": True}
    error = api.post(template, json=body).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_parameter", "force")
