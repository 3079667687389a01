"""Requests from a page of another origin, as the ``openai`` package sends them in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from support.servers import Server

pytestmark = pytest.mark.browser

#: Fetches each path, and returns the status and the header that only CORS makes readable.
FETCH = """async ([url, token, paths]) => {
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    "x-stainless-os": "Linux",
    "x-stainless-retry-count": "0",
  };
  const chat = {model: "gc", messages: [{role: "user", content: "Hi"}], foo: 1};
  const fetched = async ([method, path]) => {
    const body = method === "POST" ? JSON.stringify(chat) : undefined;
    const reply = await fetch(url + path, {method, headers, body}).catch(() => null);
    return reply && [reply.status, reply.headers.get("x-power-ignored")];
  };
  return Promise.all(paths.map(fetched));
}"""
PATHS = [["GET", "v1/models"], ["POST", "chat/completions"], ["DELETE", "v1/models/nope"]]


@pytest.fixture
def origin() -> Iterator[str]:
    """The origin of another web server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(origin)
        yield page


def fetch(page: Page, server: Server, token: str) -> list[Any]:
    found: list[Any] = page.evaluate(FETCH, [server.url, token, PATHS])
    return found


@pytest.mark.parametrize("option", ["allow_origin={}", "allow_origin_pat={}"])
def test_a_page_of_an_allowed_origin(
    start_server: Callable[..., Server], page: Page, origin: str, option: str
) -> None:
    server = start_server(f"--ServerApp.{option.format(origin)}", fake=True)
    assert fetch(page, server, server.token) == [[200, None], [200, "foo"], [404, None]]
    assert fetch(page, server, "wrong") == [[401, None]] * 3


@pytest.mark.parametrize("option", ["allow_origin=*", "allow_origin=https://lab.example"])
def test_a_page_of_another_origin(
    start_server: Callable[..., Server], page: Page, option: str
) -> None:
    server = start_server(f"--ServerApp.{option}", fake=True)
    assert fetch(page, server, server.token) == [None] * 3
