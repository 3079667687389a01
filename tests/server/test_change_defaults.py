"""Default parameters of a model, loaded or not (PATCH), and what its deletion frees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import a3s_power_jupyter as power
from a3s_power_jupyter.errors import InvalidParameter
from support import tiny_gguf
from support.servers import Server
from support.waiting import wait_until


@pytest.fixture(scope="module")
def api(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    path = tiny_gguf.gpt2(tmp_path_factory.mktemp("changes") / "m.gguf", 512, temperature=0.0)
    with server.api() as api:
        body = {"name": "changing", "path": str(path)}
        api.post("v1/models", json=body).raise_for_status()
        yield api
        api.delete("v1/models/changing?force=true").raise_for_status()


def change(api: httpx2.Client, **parameters: Any) -> httpx2.Response:
    return api.patch("v1/models/changing", json={"default_parameters": parameters})


def state(api: httpx2.Client) -> str:
    return str(api.get("v1/models/changing").json()["state"])


def texts(api: httpx2.Client) -> set[str]:
    body = {"model": "changing", "prompt": [5, 9], "max_tokens": 24, "n": 4}
    reply = api.post("v1/completions", json=body).raise_for_status()
    return {choice["text"] for choice in reply.json()["choices"]}


def test_defaults_of_requests_hold_at_once(api: httpx2.Client) -> None:
    assert len(texts(api)) == 1
    api.post("v1/models/changing/pin").raise_for_status()
    loaded_at = api.get("v1/models/changing").json()["last_used_at"]
    changed = change(api, temperature=2.0, top_k=0).raise_for_status().json()
    assert changed["default_parameters"] == {"temperature": 2.0, "top_k": 0}
    assert (changed["state"], changed["pinned"]) == ("loaded", True)
    assert changed["last_used_at"] == loaded_at
    assert len(texts(api)) > 1
    assert change(api, temperature=None).json()["default_parameters"] == {"top_k": 0}
    assert len(texts(api)) == 1


def test_keep_alive_holds_for_a_loaded_model(api: httpx2.Client) -> None:
    api.post("v1/models/changing/unpin").raise_for_status()
    api.post("v1/models/changing/load").raise_for_status()
    later = change(api, keep_alive="2h").raise_for_status().json()["expires_at"]
    assert later > time.time() + 3600
    assert "expires_at" not in change(api, keep_alive=-1).json()
    assert change(api, keep_alive=None).json()["expires_at"] < later


def test_load_parameters_hold_from_the_next_load(api: httpx2.Client) -> None:
    api.post("v1/models/changing/pin").raise_for_status()
    loaded = api.post("v1/models/changing/load").raise_for_status().json()
    assert loaded["num_ctx"] == 512
    change(api, num_ctx=256).raise_for_status()
    wait_until(lambda: state(api) == "unloaded")
    texts(api)
    model = api.get("v1/models/changing").json()
    assert (model["num_ctx"], model["pinned"]) == (256, True)


def test_a_mistake_changes_nothing(api: httpx2.Client) -> None:
    before = api.get("v1/models/changing").json()["default_parameters"]
    for parameters, param in [({"top_p": 3}, "top_p"), ({"topp": None}, "topp")]:
        refused = change(api, num_ctx=64, **parameters)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == f"default_parameters.{param}"
    for body in [{}, {"default_parameters": 3}, {"default_parameters": {}, "name": "x"}]:
        assert api.patch("v1/models/changing", json=body).status_code == 400
    assert api.patch("v1/models/nobody", json={"default_parameters": {}}).status_code == 404
    assert api.get("v1/models/changing").json()["default_parameters"] == before


def test_the_client_changes_defaults_and_reads_the_template(
    api: httpx2.Client, server: Server
) -> None:
    with power.connect(server.url, server.token) as client:
        template = "{% for m in messages %}{{ m.content }}{% endfor %}"
        changed = client.update("changing", seed=7, chat_template=template)
        assert changed.default_parameters.seed == 7
        assert "chat" in changed.capabilities
        assert client.show("changing", template=True).template == template
        changed = client.update("changing", seed=None, chat_template=None)
        assert "chat" not in changed.capabilities
        assert not client.show("changing", template=True).template
        with pytest.raises(InvalidParameter):
            client.update("changing", seed="x")


def test_a_model_says_what_its_deletion_frees(api: httpx2.Client) -> None:
    model = api.get("v1/models/changing?deletion=true").raise_for_status().json()
    (path,) = model["deletion"]["kept_paths"]
    assert path.endswith("m.gguf")
    assert (model["deletion"]["freed_bytes"], model["deletion"]["shared_with"]) == (0, [])
    assert "deletion" not in api.get("v1/models/changing").json()
