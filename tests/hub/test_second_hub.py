"""Test a hub with a prefix, and with a proxy that ends silent connections after 20 seconds.

This is the last file, because the culler of the first hub stops its servers meanwhile.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from a3s_power_jupyter.store import ModelStore
from support import servers
from support.hub_pages import ask, open_lab
from support.hub_server import HubServer
from support.jupyterhub import Hub, run_jupyterhub
from support.lab_page import (
    SECONDS,
    open_assistant,
    row,
    run_cell,
    run_command,
    wait_for_kernel,
    write_notebook,
)
from support.registering import register
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

BASE = "/hubs/"
HOUR = 3600
#: Seconds of silence, more than the timeouts of the proxy.
SILENCE = 23
QUESTION = "What is the capital city of France? Answer in one short English sentence."
MESSAGES = [{"role": "user", "content": "Hi"}]
CELLS = [
    "%load_ext a3s_power_jupyter\nimport a3s_power_jupyter as power\n"
    "client = power.connect()\nprint(client.server.url)\nclient.table()",
    f"%%power smollm2 --temperature 0\n{QUESTION}",
    "client.chat_widget('smollm2')",
]


@pytest.fixture(scope="module")
def prefixed(
    tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path, huggingface: HubServer
) -> Iterator[Hub]:
    """A hub at /hubs/ with the server of ada."""
    folder = tmp_path_factory.mktemp("hubs")
    register(ModelStore(folder / "shared"), "smollm2", smollm2_path)
    environ = {"HF_ENDPOINT": huggingface.url, "GPU_BOX_TOKEN": KEY}
    with run_jupyterhub(
        folder,
        environ,
        cull_timeout=HOUR,
        base_url=BASE,
        proxy_options="--timeout=20000 --proxy-timeout=20000",
    ) as running:
        running.start("ada")
        servers.link_lab_extension(running.home("ada") / "data")
        yield running


class Stream(threading.Thread):
    """A request, whose reply is read in a thread.

    Attributes
    ----------
    text : str
        The lines of the reply.
    failure : str
        Why there is no whole reply; '' if there is.
    """

    def __init__(self, client: httpx2.Client, path: str, body: dict[str, Any]) -> None:
        super().__init__()
        self._client = client
        self._path = path
        self._body = body
        self.text = ""
        self.failure = ""

    def __repr__(self) -> str:
        return f"{self._path} {self._body}: {self.failure} {self.text}"

    def run(self) -> None:
        try:
            with (
                self._client,
                self._client.stream("POST", self._path, json=self._body) as reply,
            ):
                self.text = "\n".join(filter(None, reply.iter_lines()))
                reply.raise_for_status()
        except httpx2.HTTPError as error:
            self.failure = repr(error)


@pytest.fixture(scope="module")
def upstream(prefixed: Hub) -> Iterator[Upstream]:
    """The models "waits" and "late" are silent until told, the second one from the start."""
    with run_upstream() as running, prefixed.as_user("ada") as api:
        for model in ("waits", "late"):
            target = {"base_url": running.url, "model": model, "api_key_env": "GPU_BOX_TOKEN"}
            body = {"name": model, "format": "remote", "upstream": target}
            api.post("v1/models", json=body).raise_for_status()
        yield running


def conversation(model: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": model, "messages": MESSAGES, "max_tokens": 50, "stream": stream}


@pytest.fixture(scope="module")
def silent(prefixed: Hub, upstream: Upstream) -> Iterator[list[Stream]]:
    """Streams of silent models, in all APIs, which go on while the test runs."""
    requests: list[tuple[str, dict[str, Any]]] = [
        ("v1/chat/completions", conversation("waits")),
        ("v1/chat/completions", conversation("late")),
        ("v1/messages", conversation("waits")),
        ("v1/responses", {"model": "waits", "input": "Hi", "stream": True}),
        ("api/chat", conversation("waits")),
        ("api/chat", conversation("late")),
        ("v1/chat/completions", conversation("late", stream=False)),
    ]
    streams = [Stream(prefixed.as_user("ada"), path, body) for path, body in requests]
    for stream in streams:
        stream.start()
    yield streams
    for stream in streams:
        stream.join()


def test_the_page_and_its_kernels_while_streams_are_silent(
    prefixed: Hub, browser: Browser, silent: list[Stream], upstream: Upstream
) -> None:
    notebook = write_notebook(prefixed.home("ada") / "behind.ipynb", *CELLS)
    page = open_lab(prefixed, browser, "ada", path=f"lab/tree/{notebook.name}")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    wait_for_kernel(page)
    assistant = open_assistant(page)
    said = ask(assistant, "Hi", "waits")
    expect(said).to_contain_text("first", timeout=30 * SECONDS)
    end = time.monotonic() + SILENCE

    table = run_cell(page, 0)
    expect(row(table.locator(".a3s-models"), "smollm2")).to_be_visible(timeout=60 * SECONDS)
    url = re.compile(r"http://127\.0\.0\.1:\d+/hubs/user/ada/")
    expect(page.locator(".jp-CodeCell").nth(0)).to_contain_text(url)
    answer = run_cell(page, 1)
    expect(answer.locator("small")).to_have_text(re.compile(r"tokens/s"), timeout=60 * SECONDS)
    expect(answer).to_contain_text("Paris")
    chat = run_cell(page, 2).locator(".a3s-chat")
    expect(chat).to_be_visible(timeout=60 * SECONDS)
    chat.get_by_label("Message").fill(QUESTION)
    chat.get_by_role("button", name="Send").click()
    expect(chat.get_by_role("log")).to_contain_text("Paris", timeout=60 * SECONDS)

    run_command(page, "Local Models")
    panel = page.locator(".a3s-panel")
    model = row(panel, "smollm2")
    expect(model).to_contain_text("min left", timeout=30 * SECONDS)
    model.get_by_role("button", name="Unload smollm2").click()
    expect(model).to_contain_text("unloaded", timeout=30 * SECONDS)

    page.wait_for_timeout(max(0.0, end - time.monotonic()) * SECONDS)
    upstream.first_seen.set()
    expect(said).to_contain_text("second", timeout=30 * SECONDS)
    expect(panel.get_by_role("status").first).to_contain_text("3 models")
    assert [url for url in requests if url.startswith("http") and BASE not in url] == []
    page.context.close()

    *streams, answered = silent
    for stream in streams:
        stream.join()
        assert stream.failure == "", stream
        assert "second" in stream.text or "One" in stream.text, stream
    # An answer that is not streamed is cut off, so the timeouts of this proxy are real.
    answered.join()
    assert answered.failure != ""
