"""Test the servers of users behind a real JupyterHub and its proxy."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from support.hub_server import HubServer
from support.jupyterhub import CULL_TIMEOUT, PASSWORD, Hub, wait_until
from support.kernel_cells import Kernel
from support.model_files import smollm2

REPO = "tests/Chat-GGUF"
LONG: dict[str, Any] = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Count to one thousand."}],
    "ignore_eos": True,
    "stream": True,
}


def models(client: httpx2.Client) -> int:
    return client.get("v1/models").status_code


def test_who_may_use_a_server(hub: Hub) -> None:
    tokens = hub.tokens
    with hub.as_user("ada") as ada:
        assert [model["id"] for model in ada.get("v1/models").json()["data"]] == ["smollm2"]
    with hub.as_user("ada", tokens["batch"]) as batch:
        assert models(batch) == 200
    for token in (tokens["stranger"], tokens["bob"]):
        with hub.as_user("ada", token) as other:
            for method, path in (
                ("GET", "v1/models"),
                ("GET", "v1/events"),
                ("GET", "v1/models/pull"),
                ("DELETE", "v1/models/smollm2"),
                ("POST", "v1/chat/completions"),
                ("GET", "metrics"),
            ):
                reply = other.request(method, path, json={} if method == "POST" else None)
                assert reply.status_code in (401, 403), path
    with hub.client("no-token") as nobody:
        reply = nobody.get("user/ada/v1/models")
        assert reply.status_code in (401, 403)
        assert reply.json()["error"]["code"] in ("unauthorized", "forbidden")


def test_a_stream_passes_the_proxy_as_it_is_generated(hub: Hub) -> None:
    with hub.as_user("ada") as ada:
        times = []
        with ada.stream("POST", "v1/chat/completions", json=LONG | {"max_tokens": 100}) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    times.append(time.monotonic())
        assert len(times) > 50
        # Buffered, all would come at the same moment.
        assert times[len(times) // 4] < times[-1] - (times[-1] - times[0]) / 3


def test_a_kernel_finds_its_server_without_a_token(hub: Hub) -> None:
    with Kernel(hub.server("ada")) as kernel:
        cell = kernel.run(
            "import a3s_power_jupyter as power\n"
            "client = power.connect()\n"
            "print([model.id for model in client.models()], client.server.url)\n"
            "print(client.chat('smollm2', 'Hi', max_tokens=3))"
        )
        assert cell.errors == []
        assert "['smollm2']" in cell.stdout
        assert re.search(r"http://127\.0\.0\.1:\d+/user/ada/", cell.stdout)
        assert hub.tokens["ada"] not in cell.stdout


def log_in(hub: Hub, client: httpx2.Client, user: str) -> None:
    """Get the cookies of a browser in which the user is logged in."""
    client.follow_redirects = True
    page = client.get("hub/login")
    xsrf = page.cookies.get("_xsrf") or client.cookies.get("_xsrf", path="/hub/")
    form = {"username": user, "password": PASSWORD, "_xsrf": xsrf or ""}
    client.post("hub/login", data=form).raise_for_status()
    client.get(f"user/{user}/lab").raise_for_status()
    client.base_url = f"{hub.url}user/{user}/"


def test_requests_of_a_page_need_its_xsrf_token(hub: Hub) -> None:
    with hub.client() as page:
        log_in(hub, page, "ada")
        assert models(page) == 200
        body = {"model": "smollm2", "prompt": "a", "max_tokens": 1}
        refused = page.post("v1/completions", json=body)
        assert refused.status_code == 403
        assert "X-XSRFToken" in refused.json()["error"]["message"]
        [token] = [c.value for c in page.cookies.jar if c.name == "_xsrf" and "ada" in c.path]
        headers = {"X-XSRFToken": str(token)}
        assert page.post("v1/completions", json=body, headers=headers).status_code == 200
        page.base_url = f"{hub.url}user/bob/"
        assert page.get("v1/models").status_code in (401, 403)


def test_users_share_one_copy_of_the_weights(hub: Hub) -> None:
    paths = set()
    for user in ("ada", "bob"):
        with hub.as_user(user) as client:
            model = client.get("v1/models/smollm2").json()
            paths.add(model["source"]["shared_home"])
            assert client.delete("v1/models/smollm2").status_code == 403
        assert [*hub.home(user).glob("power/models/blobs/*")] == []
    assert paths == {str(hub.folder / "shared")}


def test_a_pull_belongs_to_its_user(hub: Hub, huggingface: HubServer) -> None:
    huggingface.add(REPO, {"model-Q4_1.gguf": smollm2()})
    with hub.as_user("ada") as ada, hub.as_user("bob") as bob:
        reply = ada.post("v1/models/pull", json={"name": f"{REPO}:Q4_1"})
        assert '"success"' in reply.text
        assert len(ada.get("v1/models").json()["data"]) == 2
        assert len(bob.get("v1/models").json()["data"]) == 1
        assert bob.get("v1/models/pull").json()["data"] == []
        ada.delete(f"v1/models/{REPO}:Q4_1").raise_for_status()


def test_a_token_that_is_revoked(hub: Hub) -> None:
    with hub.api() as api:
        made = api.post("users/ada/tokens", json={"note": "short"}).raise_for_status().json()
    with hub.as_user("ada", made["token"]) as ada:
        with ada.stream("POST", "v1/chat/completions", json=LONG | {"max_tokens": 200}) as reply:
            lines = reply.iter_lines()
            next(lines)
            with hub.api() as api:
                api.delete(f"users/ada/tokens/{made['id']}").raise_for_status()
            assert [line for line in lines if line][-1] == "data: [DONE]"
        # The server of the user keeps the answers of the hub for HubAuth.cache_max_age seconds.
        wait_until(lambda: models(ada) in (401, 403), 60, "the token is refused")


def test_a_server_that_is_restarted_during_a_stream(hub: Hub) -> None:
    """The hub's local spawners interrupt servers, and its proxy then leaves the client waiting."""
    with hub.as_user("bob") as bob:
        bob.timeout = httpx2.Timeout(20)  # the server sends something every 15 seconds
        lines: list[str] = []
        stop = threading.Thread(target=hub.stop, args=("bob",))
        body = LONG | {"max_tokens": 4000}
        with (
            suppress(httpx2.TransportError),
            bob.stream("POST", "v1/chat/completions", json=body) as reply,
        ):
            for line in reply.iter_lines():
                lines.append(line)
                if len(lines) == 20:
                    stop.start()
        stop.join()
        assert "data: [DONE]" not in lines
        hub.start("bob")
        assert bob.post("v1/chat/completions", json=LONG | {"max_tokens": 2}).status_code == 200


def test_the_culler_stops_idle_servers_only(hub: Hub) -> None:
    """ada generates, and bob does nothing."""
    stop = threading.Event()

    def generate() -> None:
        with hub.as_user("ada") as ada:
            body = LONG | {"max_tokens": 1_000_000, "context_overflow": "shift"}
            while not stop.is_set():
                with ada.stream("POST", "v1/chat/completions", json=body) as reply:
                    for _ in reply.iter_lines():
                        if stop.is_set():
                            break

    thread = threading.Thread(target=generate)
    thread.start()
    later = time.monotonic() + CULL_TIMEOUT + 10
    try:
        wait_until(lambda: not hub.is_running("bob"), 4 * CULL_TIMEOUT, "bob's server is culled")
        wait_until(lambda: time.monotonic() > later, 2 * CULL_TIMEOUT, "ada's would be culled")
        assert hub.is_ready("ada")
    finally:
        stop.set()
        thread.join()
    wait_until(lambda: not hub.is_running("ada"), 4 * CULL_TIMEOUT, "ada's server is culled")


def test_events_pass_the_proxy(hub: Hub) -> None:
    with hub.as_user("bob") as bob, bob.stream("GET", "v1/events") as reply:
        lines = reply.iter_lines()
        event = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
        assert event
        with hub.as_user("bob") as other:
            other.post("v1/models/smollm2/load").raise_for_status()
        assert any("smollm2" in line for line in lines)


@pytest.mark.parametrize("user", ["ada"])
def test_a_server_says_where_the_metrics_are(hub: Hub, user: str) -> None:
    with hub.as_user(user, hub.tokens["batch"]) as prometheus:
        assert "power_models_loaded" in prometheus.get("metrics").text
