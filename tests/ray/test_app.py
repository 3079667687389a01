"""Test the application on two nodes: all APIs, conversations, cancellation and killed replicas."""

from __future__ import annotations

import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import yaml

from a3s_power_jupyter.store import ModelStore
from support import pages
from support.hub_server import HubServer
from support.ray_cluster import TOKEN, RayCluster
from support.registering import register
from support.servers import run_server
from support.waiting import wait_until

#: Prompts shorter than some hundred tokens are not kept beside others.
LONG = "Tell a story about a fox. " * 60


#: A request with an answer that does not end by itself within a test.
ENDLESS = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "Count"}],
    "max_tokens": 4000,
    "ignore_eos": True,
    "stream": True,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Path:
    home = tmp_path_factory.mktemp("shared")
    register(ModelStore(home), "smollm2", smollm2_path)
    return home


@pytest.fixture(scope="module")
def app(
    cluster: RayCluster, store: Path, smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> RayCluster:
    """The cluster with two replicas, from the configuration file of the documentation."""
    folder = tmp_path_factory.mktemp("app")
    config = yaml.safe_load((pages.EXAMPLES / "ray-serve.yaml").read_text(encoding="utf-8"))
    (application,) = config["applications"]
    application["name"] = "default"
    application["args"] |= {
        "shared_homes": [str(store)],
        "home": str(folder / "home"),
        "min_replicas": 2,
        "num_cpus": 0.5,
        "memory_mb": 3000,
        "models": {
            "on-disk": str(smollm2_path),
            "pulled": "tests/Chat-GGUF:Q4_1",
            "wrong": "/none",
            "not a name": "tests/Chat-GGUF:Q4_1",
        },
        "pull_wait_s": 120,
    }
    run(cluster, config, folder / "serve.yaml")
    return cluster


def run(cluster: RayCluster, config: dict[str, Any], path: Path) -> None:
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    cluster.command("serve", "deploy", "--address", cluster.dashboard, str(path))
    wait_until(lambda: len(cluster.replicas("Replica")) == 2, 120)


@pytest.fixture
def client(app: RayCluster) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=app.url, headers=headers, timeout=120, trust_env=False) as found:
        yield found


def chat(client: httpx2.Client, *messages: str, **more: Any) -> httpx2.Response:
    roles = ("user", "assistant")
    body = {
        "model": "smollm2",
        "messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(messages)],
        "max_tokens": 8,
        "temperature": 0,
    }
    return client.post("v1/chat/completions", json=body | more)


def children(pid: int) -> set[int]:
    return {child.pid for child in psutil.Process(pid).children(recursive=True)}


def test_every_dialect_answers(client: httpx2.Client) -> None:
    text = chat(client, "Hello").raise_for_status().json()["choices"][0]["message"]["content"]
    messages = [{"role": "user", "content": "Hello"}]
    body = {"model": "smollm2", "messages": messages, "max_tokens": 8, "temperature": 0}
    anthropic = client.post("v1/messages", json=body).raise_for_status().json()
    assert anthropic["content"][0]["text"] == text
    options = {"num_predict": 8, "temperature": 0}
    ollama = client.post(
        "api/chat",
        json={"model": "smollm2", "messages": messages, "options": options, "stream": False},
    )
    assert ollama.raise_for_status().json()["message"]["content"] == text
    streamed = ""
    with client.stream("POST", "v1/chat/completions", json=body | {"stream": True}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    streamed += choice["delta"].get("content") or ""
    assert streamed == text
    assert client.get("v1/health").json()["memory"]["limit"] == 3000 * 2**20
    tokens = client.post("v1/tokenize", json={"model": "smollm2", "content": "Hello"})
    assert tokens.raise_for_status().json()["tokens"]
    assert client.head("v1/models").status_code == 200
    assert "smollm2" in {model["id"] for model in client.get("v1/models").json()["data"]}


def test_models_are_brought_on_first_use(client: httpx2.Client, hub: HubServer) -> None:
    assert chat(client, "Hello", model="on-disk").status_code == 200
    for _ in range(6):  # one of two replicas has loaded it
        models = client.get("v1/models").raise_for_status().json()["data"]
        states = {model["id"]: model["state"] for model in models}
        assert states["on-disk"] in ("loaded", "busy")
        assert client.get("v1/models/on-disk").json()["state"] in ("loaded", "busy")
        for path in ("api/ps", "api/tags"):
            listed = client.get(path).raise_for_status().json()["models"]
            assert [model["name"] for model in listed].count("on-disk:latest") == 1, path
    assert client.get("v1/models/nothing").json()["error"]["code"] == "model_not_found"
    headers = {"anthropic-version": "2023-06-01"}
    page = client.get("v1/models", headers=headers, params={"limit": 1}).raise_for_status().json()
    assert (len(page["data"]), page["has_more"]) == (1, True)
    with ThreadPoolExecutor(2) as pool:
        ask = partial(chat, client, "Hello", model="pulled")
        for reply in [future.result() for future in [pool.submit(ask), pool.submit(ask)]]:
            assert reply.status_code == 200, reply.text
    refused = chat(client, "Hello", model="not a name")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_model_name")
    missing = chat(client, "Hello", model="wrong")
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "file_not_found")


def test_a_response_is_continued_where_it_is(client: httpx2.Client) -> None:
    for question in ("Hello", "Good day", "Who are you?", "Why?"):
        body = {"model": "smollm2", "input": question, "max_output_tokens": 16}
        first = client.post("v1/responses", json=body).raise_for_status().json()
        assert client.get(f"v1/responses/{first['id']}").status_code == 200
        body = {"previous_response_id": first["id"], "model": "smollm2", "input": "And then?"}
        more = client.post("v1/responses", json=body | {"max_output_tokens": 16})
        assert more.raise_for_status().json()["previous_response_id"] == first["id"]
        assert client.delete(f"v1/responses/{first['id']}").status_code == 200


def test_errors_have_the_form_of_their_api(app: RayCluster, client: httpx2.Client) -> None:
    assert client.get("v1/models").status_code == 200  # nobody else is logged in by this
    with httpx2.Client(base_url=app.url, trust_env=False, timeout=60) as nobody:
        assert {nobody.get("v1/models").status_code for _ in range(6)} == {401}
        message = nobody.get("v1/models").json()["error"]["message"]
        assert "Send the JUPYTER_TOKEN of the Ray application" in message
        refused = chat(nobody, "Hello")
        assert refused.status_code == 401, refused.text
        assert nobody.post("v1/models", content=b"x" * 5_000_000).status_code == 401
        wrong = {"x-api-key": "wrong"}
        assert nobody.get("v1/models", headers=wrong).status_code == 401
        assert nobody.get("v1/models", headers={"x-api-key": TOKEN}).status_code == 200
    missing = chat(client, "Hello", model="none")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    refused = client.post("v1/models", json={"name": "x", "path": "/x.gguf"})
    assert refused.status_code == 403
    assert "replicas" in refused.json()["error"]["message"]
    assert client.post("v1/models/smollm2/unload").status_code == 403
    assert client.post("api/shutdown").status_code == 403
    large = client.post("v1/messages", content=b" " * (33 * 2**20))
    assert (large.status_code, large.json()["type"]) == (413, "error")
    assert "Ray" in client.get("metrics").json()["error"]["message"]


def test_conversations_stay_on_their_replica(client: httpx2.Client) -> None:
    first: dict[int, tuple[str, str]] = {}
    replicas: set[str] = set()
    while len(first) < 8 or len(replicas) < 2:
        i = len(first)
        assert i < 64
        reply = chat(client, f"{i}. {LONG}").raise_for_status()
        answer = reply.json()["choices"][0]["message"]["content"]
        first[i] = (reply.headers["x-power-replica"], answer)
        replicas.add(first[i][0])
    for i, (replica, answer) in first.items():
        reply = chat(client, f"{i}. {LONG}", answer, "Go on.").raise_for_status()
        assert reply.headers["x-power-replica"] == replica
        assert reply.json()["usage"]["prompt_tokens_details"]["cached_tokens"] > 100


def test_a_client_that_leaves_stops_the_generation(client: httpx2.Client) -> None:
    session = {"x-session-id": "leaving"}
    with client.stream("POST", "v1/chat/completions", json=ENDLESS, headers=session) as reply:
        next(reply.iter_lines())

    def running() -> int:
        model = client.get("v1/models/smollm2", headers=session).json()
        return int(model["requests_running"])

    wait_until(lambda: running() == 0, 20)


def test_a_killed_replica_breaks_its_streams_only(app: RayCluster, client: httpx2.Client) -> None:
    before = app.replicas("Replica")
    started = {pid: children(pid) for pid in before}
    with client.stream("POST", "v1/chat/completions", json=ENDLESS) as reply:
        lines = reply.iter_lines()
        next(lines)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(httpx2.TransportError):
            list(lines)
    for pids in started.values():
        assert pids
        wait_until(lambda pids=pids: not any(map(psutil.pid_exists, pids)), 30)
    assert chat(client, "Hello").status_code == 200
    wait_until(lambda: len(app.replicas("Replica").keys() - before.keys()) == 2, 120)


def test_a_notebook_server_uses_the_cluster(app: RayCluster, tmp_path: Path) -> None:
    upstream = {"base_url": f"{app.url}v1", "model": "smollm2", "api_key_env": "CLUSTER_TOKEN"}
    with (
        run_server(tmp_path, headless=True, environ={"CLUSTER_TOKEN": TOKEN}) as server,
        server.api() as api,
    ):
        body = {"name": "far", "format": "remote", "upstream": upstream}
        api.post("v1/models", json=body).raise_for_status()
        assert chat(api, "Hello", model="far").raise_for_status().json()["model"] == "far"
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": "far", "messages": messages, "max_tokens": 8}
        reply = api.post("v1/messages", json=body).raise_for_status().json()
        assert reply["usage"]["output_tokens"] > 0
        long = chat(api, "word " * 20_000, model="far").json()
        assert long["error"]["code"] == "context_length_exceeded"


def test_an_update_loses_no_request_and_the_load_decides_on_replicas(
    app: RayCluster, client: httpx2.Client, store: Path, tmp_path: Path
) -> None:
    """The command of the documentation, with one replica, while clients send requests."""
    before = app.replicas("Replica").keys()
    stop = threading.Event()
    statuses: list[int] = []

    def keep_asking(number: int) -> None:
        while not stop.is_set():
            statuses.append(chat(client, f"{number}. Hello", max_tokens=64).status_code)

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(keep_asking, i) for i in range(2)]
        try:
            replaced = {"/srv/power": str(store), "max_replicas=4": "max_replicas=2"}
            # There is no GPU here.
            command = pages.command("ray", "^serve run", replaced | {"num_gpus=1": "num_gpus=0"})
            more = ["num_cpus=0.5", "target_ongoing_requests=2", f"home={tmp_path}"]
            delays = ["upscale_delay_s=1", "downscale_delay_s=5"]
            options = ["--non-blocking", "--address", app.address]
            app.command(*shlex.split(command), *more, *delays, *options)
            wait_until(lambda: len(app.replicas("Replica").keys() - before) == 1, 120)
            wait_until(lambda: not app.replicas("Replica").keys() & before, 120)
            asking += [pool.submit(keep_asking, i) for i in range(2, 8)]
            wait_until(lambda: len(app.replicas("Replica")) == 2, 120)
        finally:
            stop.set()
        for future in asking:
            future.result()
    wait_until(lambda: len(app.replicas("Replica")) == 1, 120)
    assert set(statuses) == {200}


def test_the_other_node_answers_when_a_node_is_removed(
    app: RayCluster, client: httpx2.Client
) -> None:
    removed = app.remove_node()
    wait_until(lambda: removed not in app.replicas("Replica").values(), 120)

    def answers() -> bool:
        try:
            return chat(client, "Hello").status_code == 200
        except httpx2.TransportError:  # Ray has not noticed yet
            return False

    wait_until(answers, 120)
