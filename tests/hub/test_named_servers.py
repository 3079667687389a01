"""Test two servers of one user at once, which share the home of the user."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import Browser, expect

from a3s_power_jupyter.fsck.check import check_store
from a3s_power_jupyter.store import ModelStore
from support.hub_pages import open_lab, open_panel
from support.hub_server import HubServer
from support.jupyterhub import Hub
from support.kernel_cells import Kernel
from support.lab_page import PULL, REPO, SECONDS, row
from support.model_files import smollm2

#: The server without a name, and the named one.
NAMES = ("", "second")
CHAT = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Count to one hundred."}],
    "max_tokens": 40,
}


@pytest.fixture
def second(hub: Hub) -> str:
    """The name of a second server of ada, which the culler may have stopped."""
    if not hub.is_ready("ada", NAMES[1]):
        hub.start("ada", NAMES[1])
    return NAMES[1]


@pytest.fixture
def size(huggingface: HubServer) -> int:
    """The size of the model to pull, which nothing of it was served of yet."""
    content = smollm2().read_bytes()
    huggingface.add(REPO, {"model-Q4_1.gguf": content})
    huggingface.requests.clear()
    return len(content)


def test_kernels_find_the_server_that_started_them(hub: Hub, second: str) -> None:
    code = "import a3s_power_jupyter as power\nprint(power.connect().server.url)"
    with Kernel(hub.server("ada")) as first, Kernel(hub.server("ada", second)) as other:
        assert first.run(code).stdout.strip().endswith("/user/ada/")
        assert other.run(code).stdout.strip().endswith(f"/user/ada/{second}/")
        assert first.run("%load_ext a3s_power_jupyter\n%power list").errors == []


def test_models_of_the_home_are_in_both_servers(
    hub: Hub, second: str, browser: Browser, huggingface: HubServer, size: int
) -> None:
    page = open_lab(hub, browser, "ada", name=second)
    panel = open_panel(page)
    with hub.as_user("ada") as first, hub.as_user("ada", name=second) as other:
        # Both pull the same model at once. It is downloaded once.
        replies: list[str] = []
        threads = [
            threading.Thread(
                target=lambda api=api: replies.append(
                    api.post("v1/models/pull", json={"name": PULL}).text
                )
            )
            for api in (first, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ['"success"' in reply for reply in replies] == [True, True], replies
        assert huggingface.served("model-Q4_1.gguf") == size
        expect(row(panel, PULL)).to_be_visible(timeout=30 * SECONDS)
        assert check_store(ModelStore(hub.home("ada") / "power"), contents=True) == []

        # Each server has its own models in memory.
        first.post("v1/models/smollm2/unload")
        row(panel, PULL).get_by_role("button", name=f"Load {PULL}").click()
        expect(row(panel, PULL)).to_contain_text("min left", timeout=60 * SECONDS)
        assert first.get(f"v1/models/{PULL}").json()["loaded"] is False
        assert other.get(f"v1/models/{PULL}").json()["loaded"] is True

        # A deletion in one ends it in the other.
        first.delete(f"v1/models/{PULL}").raise_for_status()
        expect(row(panel, PULL)).to_have_count(0, timeout=30 * SECONDS)
        assert check_store(ModelStore(hub.home("ada") / "power"), contents=True) == []
    page.context.close()


def test_a_pull_of_one_server_is_seen_in_the_other(
    hub: Hub, second: str, browser: Browser, huggingface: HubServer, size: int
) -> None:
    page = open_lab(hub, browser, "ada", name=second)
    panel = open_panel(page)
    huggingface.fail("model-Q4_1.gguf", times=None, rate=20_000_000)
    try:
        with hub.as_user("ada") as first, hub.as_user("ada", name=second) as other:
            body = {"name": PULL, "background": True}
            first.post("v1/models/pull", json=body).raise_for_status()
            assert [pull["name"] for pull in other.get("v1/models/pull").json()["data"]] == [PULL]
            huggingface.clear_failures()
            expect(row(panel, PULL)).to_be_visible(timeout=60 * SECONDS)
            assert huggingface.served("model-Q4_1.gguf") == size
            other.delete(f"v1/models/{PULL}").raise_for_status()
            assert first.get(f"v1/models/{PULL}").status_code == 404
    finally:
        huggingface.clear_failures()
    page.context.close()


def test_both_servers_answer_at_once(hub: Hub, second: str) -> None:
    statuses: list[int] = []

    def ask(name: str) -> None:
        with hub.as_user("ada", name=name) as api:
            statuses.append(api.post("v1/chat/completions", json=CHAT).status_code)

    threads = [threading.Thread(target=ask, args=(name,)) for name in NAMES * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 4
    # They also write the chats and presets of the user at once.
    with hub.as_user("ada") as first, hub.as_user("ada", name=second) as other:
        made = first.post("v1/assistant/chats", json={"title": "Of the first"}).json()
        path = f"v1/assistant/chats/{made['id']}"
        assert other.get(path).json()["title"] == "Of the first"
        other.patch(path, json={"title": "Of the second"}).raise_for_status()
        assert first.get(path).json()["title"] == "Of the second"
        first.delete(path).raise_for_status()
