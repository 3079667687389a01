"""Test what a page may do behind a real JupyterHub: its XSRF token, and the servers of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from support.hub_pages import log_in, new_page, open_lab, open_panel
from support.hub_server import HubServer
from support.jupyterhub import Hub
from support.lab_page import PULL, REPO, SECONDS, row
from support.model_files import smollm2
from support.secrets_of_hub import token_of_page

#: Send a request as scripts of the page can, and return its status and the beginning of its text.
_FETCH = """async ([url, method, body, headers]) => {
    const sent = body === null ? undefined : JSON.stringify(body);
    const control = new AbortController();
    const reply = await fetch(url, {method, headers, body: sent, signal: control.signal});
    const reader = reply.body.getReader();
    const {value} = await reader.read();
    control.abort();
    return [reply.status, new TextDecoder().decode(value)];
}"""


def fetch(
    page: Page, url: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, str]:
    headers["Content-Type"] = "application/json"
    status, text = page.evaluate(_FETCH, [url, method, body, headers])
    return status, text


def xsrf_of(page: Page, path: str) -> str:
    """Return the XSRF cookie that requests to a path carry."""
    [value] = [
        cookie["value"]
        for cookie in page.context.cookies()
        if cookie["name"] == "_xsrf" and cookie["path"] == path
    ]
    return value


def test_requests_of_the_page_carry_its_xsrf_token(hub: Hub, browser: Browser) -> None:
    page = new_page(browser)
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if "/v1/" in request.url else None)
    log_in(hub, page, "ada")
    panel = open_panel(page)
    with hub.as_user("ada") as api:
        api.post("v1/models/smollm2/unload")
    model = row(panel, "smollm2")
    model.get_by_role("button", name="Load smollm2").click()
    expect(model).to_contain_text("min left", timeout=60 * SECONDS)
    token = xsrf_of(page, "/user/ada/")
    assert {request.method for request in sent} >= {"GET", "POST"}
    assert {request.header_value("x-xsrftoken") for request in sent} == {token}
    # JupyterHub gives the page a token of the login, which JupyterLab sends too.
    login = f"token {token_of_page(page)}"
    assert {request.header_value("authorization") for request in sent} == {login}

    url = hub.url_of("ada")
    for headers in ({}, {"X-XSRFToken": "2|a|b|1"}, {"X-XSRFToken": xsrf_of(page, "/hub/")}):
        status, text = fetch(page, f"{url}v1/models/smollm2/unload", "POST", {}, **headers)
        assert (status, "XSRF" in text or "_xsrf" in text) == (403, True), text
        status, _text = fetch(page, f"{url}v1/models/smollm2", "DELETE", **headers)
        assert status == 403
        preset = f"{url}v1/assistant/presets/Brief"
        status, _text = fetch(page, preset, "PUT", {"parameters": {}}, **headers)
        assert status == 403
    with hub.as_user("ada") as api:
        assert api.get("v1/models/smollm2").json()["loaded"] is True
        assert api.get("v1/assistant/presets").json()["data"] == []
    status, _text = fetch(
        page, f"{url}v1/models/smollm2/unload", "POST", {}, **{"X-XSRFToken": token}
    )
    assert status == 200
    expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)
    page.context.close()


@pytest.fixture
def chat_of_ada(hub: Hub, huggingface: HubServer) -> Iterator[str]:
    """The path of a chat of ada, who also has a model, a preset and a pull under way."""
    huggingface.add(REPO, {"model-Q4_1.gguf": smollm2().read_bytes()})
    huggingface.fail("model-Q4_1.gguf", times=None, rate=100_000)
    with hub.as_user("ada") as api:
        body: dict[str, Any] = {"name": "of-ada", "path": str(smollm2())}
        api.post("v1/models", json=body).raise_for_status()
        body = {"name": PULL, "background": True}
        api.post("v1/models/pull", json=body).raise_for_status()
        preset = "v1/assistant/presets/Preset of ada"
        api.put(preset, json={"parameters": {}}).raise_for_status()
        made = api.post("v1/assistant/chats", json={"title": "Chat of ada"}).raise_for_status()
        chat = f"v1/assistant/chats/{made.json()['id']}"
        yield chat
        huggingface.clear_failures()
        for path in ("v1/models/of-ada", f"v1/models/{PULL}?force=true", chat, preset):
            api.delete(path).raise_for_status()


def test_the_page_of_another_user(hub: Hub, browser: Browser, chat_of_ada: str) -> None:
    page = open_lab(hub, browser, "bob")
    panel = open_panel(page)
    expect(row(panel, "smollm2")).to_be_visible()
    assert panel.get_by_role("row").filter(has_text="of-ada").count() == 0
    url, token = hub.url_of("ada"), xsrf_of(page, "/user/bob/")
    own = hub.url_of("bob")
    assert fetch(page, f"{own}v1/models", **{"X-XSRFToken": token})[0] == 200
    for method, path in (
        ("GET", "v1/models"),
        ("GET", "v1/models/of-ada"),
        ("GET", "v1/events"),
        ("GET", "v1/models/pull"),
        ("GET", "v1/assistant/chats"),
        ("GET", chat_of_ada),
        ("GET", f"{chat_of_ada}/export"),
        ("GET", "v1/assistant/presets"),
        ("GET", "v1/hub/token"),
        ("GET", "metrics"),
        ("GET", "api/tags"),
        ("POST", "v1/chat/completions"),
        ("POST", "v1/models/of-ada/load"),
        ("POST", "v1/models/pull"),
        ("POST", "v1/assistant/chats"),
        ("DELETE", chat_of_ada),
        ("DELETE", "v1/models/of-ada"),
        ("DELETE", f"v1/models/{PULL}"),
    ):
        for headers in ({}, {"X-XSRFToken": token}):
            body = {} if method == "POST" else None
            status, text = fetch(page, url + path, method, body, **headers)
            assert status in (401, 403), (method, path, text)
            assert all(name not in text for name in ("of-ada", "Chat of", "Preset of", PULL))
    with hub.as_user("bob") as api:
        for path in ("v1/models", "v1/models/pull", "v1/assistant/chats", "v1/assistant/presets"):
            text = api.get(path).raise_for_status().text
            assert all(name not in text for name in ("of-ada", "Chat of", "Preset of", PULL))

    # The hub does not log bob in on the server of ada either.
    reply = page.goto(f"{url}lab")
    assert reply is not None
    assert reply.status in (403, 404)
    assert fetch(page, f"{url}v1/models")[0] in (401, 403)
    with hub.as_user("ada") as api:
        assert api.get("v1/models/of-ada").json()["loaded"] is False
        (pull,) = api.get("v1/models/pull").json()["data"]
        assert pull["status"] in ("pulling", "queued")
    page.context.close()
