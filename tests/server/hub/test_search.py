"""Search the test hub through a server."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from a3s_power_jupyter.client import connect
from a3s_power_jupyter.contract.errors import HubUnauthorized
from support.hub_repository import Card
from support.hub_server import HubServer, run_hub
from support.servers import Server, error_code, error_message, run_server, written_by
from support.waiting import wait_until

REPO = "ada/SmolLM2-GGUF"


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub() as running:
        running.add_many(10_000)
        card = Card(downloads=50_000, likes=7, license="mit", parameters=135_000_000)
        files: dict[str, bytes | Path] = {"SmolLM2-Q4_1.gguf": smollm2_path}
        running.add(REPO, files, card=card)
        running.add("ada/gated", files, gated=True, readers=("hf_good",))
        running.add("ada/private", files, private=True, readers=("hf_good",))
        yield running


@pytest.fixture(autouse=True)
def _no_failures(hub: HubServer) -> Iterator[None]:
    yield
    hub.clear_failures()


@pytest.fixture(scope="module")
def server(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("search")
    environ = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HOME": str(folder / "hf")}
    with run_server(folder, environ=environ) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


def search(api: httpx2.Client, words: str, **parameters: Any) -> dict[str, Any]:
    reply = api.get("v1/hub/search", params={"query": words, **parameters})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def asked(hub: HubServer, path: str = "/api/models") -> int:
    return sum(record.path == path for record in hub.requests)


def test_pages_of_ten_thousand_repositories(hub: HubServer, api: httpx2.Client) -> None:
    first = search(api, "many/", limit=100)
    assert [model["id"] for model in first["data"][:2]] == ["many/model-00000", "many/model-00001"]
    second = search(api, "many/", limit=100, cursor=first["next"])
    assert second["data"][0]["id"] == "many/model-00100"
    before = asked(hub)
    assert search(api, "many/", limit=100) == first
    assert asked(hub) == before
    assert search(api, "model-09999") == {
        "object": "list",
        "next": None,
        "data": [
            {
                "id": "many/model-09999",
                "formats": ["gguf"],
                "task": "text-generation",
                "downloads": 1,
                "likes": 99,
                "license": "apache-2.0",
                "gated": False,
                "updated_at": 1767225600,
                "parameter_count": 10**9,
                "installed": False,
            }
        ],
    }


def test_the_address_of_a_page_finds_its_repository(api: httpx2.Client) -> None:
    found = search(api, f"https://huggingface.co/{REPO}/tree/main")
    assert [model["id"] for model in found["data"]] == [REPO]


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"format": "onnx"}, "format"),
        ({"sort": "name"}, "sort"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"query": "x" * 201}, "query"),
        ({"query": "a\u202eb"}, "query"),
        ({"cursor": "http://169.254.169.254/latest"}, "cursor"),
        ({"cursor": "a b"}, "cursor"),
    ],
)
def test_invalid_searches(api: httpx2.Client, parameters: dict[str, str], param: str) -> None:
    reply = api.get("v1/hub/search", params=parameters)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, "invalid_parameter", param)


def test_the_memory_is_that_of_a_load(
    server: Server, api: httpx2.Client, hub: HubServer, smollm2_path: Path
) -> None:
    """The header of the remote file gives the same estimate as the file on disk."""
    looked = api.get(f"v1/hub/models/{REPO}", params={"num_ctx": 2048}).json()
    [variant] = looked["variants"]
    size = smollm2_path.stat().st_size
    assert {name: variant[name] for name in ("reference", "label", "format", "size_bytes")} == {
        "reference": f"{REPO}:Q4_1",
        "label": "Q4_1",
        "format": "gguf",
        "size_bytes": size,
    }
    assert (variant["recommended"], variant["installed"]) == (True, None)
    assert variant["fit"] in ("memory", "gpu")
    assert looked["num_ctx"] == 2048
    assert looked["license"] == "mit"
    served = hub.served()
    assert served < size / 2
    larger = api.get(f"v1/hub/models/{REPO}", params={"num_ctx": 8192}).json()
    assert larger["variants"][0]["memory_bytes"] > variant["memory_bytes"]
    assert hub.served() == served
    api.post("v1/models", json={"name": "here", "path": str(smollm2_path)}).raise_for_status()
    estimate = api.post("v1/models/here/estimate", json={"num_ctx": 2048}).json()
    # The file also has its header, and llama.cpp computes some buffers exactly.
    assert variant["memory_bytes"] == pytest.approx(estimate["total"], rel=0.1)
    again = api.get(f"v1/hub/models/{quote(REPO, safe='')}").json()
    assert again["variants"][0]["installed"] == "here"
    api.delete("v1/models/here").raise_for_status()


def test_gated_private_and_missing_repositories(api: httpx2.Client) -> None:
    gated = api.get("v1/hub/models/ada/gated").json()
    assert gated["gated"] == "auto"
    assert "Request access" in gated["note"]
    assert gated["variants"][0]["fit"] == "unknown"
    for name in ("ada/private", "ada/missing"):
        reply = api.get(f"v1/hub/models/{name}")
        assert (reply.status_code, error_code(reply)) == (401, "hub_unauthorized")
        assert reply.json()["error"]["reason"] == "not_found"
    reply = api.get(f"v1/hub/models/{REPO}:Q4_1")
    assert (reply.status_code, error_code(reply)) == (400, "invalid_reference")
    assert REPO in error_message(reply)


def test_the_token_is_checked_stored_used_and_removed(server: Server, api: httpx2.Client) -> None:
    assert api.get("v1/hub/token").json() == {"present": False, "source": None}
    reply = api.put("v1/hub/token", json={"token": "hf_wrong"})
    assert (reply.status_code, reply.json()["error"]["reason"]) == (401, "bad_token")
    for token in ("", "  ", "a b", "api_org_x"):
        reply = api.put("v1/hub/token", json={"token": token})
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "token")
    stored = api.put("v1/hub/token", json={"token": " hf_good\n"})
    assert stored.json() == {"present": True, "source": "file", "user": "ada"}
    path = Path(server.environ["HF_HOME"]) / "token"
    assert path.read_text() == "hf_good"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert api.get("v1/hub/token").json() == {"present": True, "source": "file"}
    private = api.get("v1/hub/models/ada/private").json()
    assert private["variants"][0]["memory_bytes"] > 0
    assert "note" not in api.get("v1/hub/models/ada/gated").json()
    assert api.delete("v1/hub/token").json() == {"present": False, "source": None}
    assert not path.exists()
    assert api.delete("v1/hub/token").json() == {"present": False, "source": None}
    assert "hf_good" not in written_by(server)
    assert "hf_wrong" not in written_by(server)


def test_the_token_is_for_users_only(server: Server) -> None:
    with server.client() as stranger:
        for verb in ("GET", "PUT", "DELETE"):
            assert stranger.request(verb, "v1/hub/token", json={}).status_code == 401


def test_a_rate_limited_hub_says_when_to_try_again(hub: HubServer, api: httpx2.Client) -> None:
    hub.fail("/api/models", stage="api", status=429, headers={"Retry-After": "77"}, times=None)
    reply = api.get("v1/hub/search", params={"query": "limited"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (502, "77")
    assert reply.json()["error"]["reason"] == "rate_limited"
    hub.clear_failures()
    assert search(api, "limited")["data"] == []


def test_a_slow_hub_keeps_nothing_else_waiting(hub: HubServer, server: Server) -> None:
    """Other searches are answered meanwhile, and a client that leaves cancels its search."""
    hub.fail("/api/models", stage="api", delay=30.0)
    before = asked(hub)
    address = urlsplit(server.url)
    request = (
        f"GET {address.path}v1/hub/search?query=slow HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n"
    )
    with socket.create_connection((str(address.hostname), address.port or 80)) as connection:
        connection.sendall(request.encode())
        wait_until(lambda: asked(hub) > before, 30)
        with server.api() as api:
            started = time.monotonic()
            assert search(api, "model-00001")["data"]
            assert api.get("v1/models").is_success
            assert time.monotonic() - started < 20
    wait_until(lambda: counted(server, 'path="/v1/hub/search",status="499"'), 30)


def counted(server: Server, labels: str) -> bool:
    """Return whether the server has counted a request with these labels."""
    with server.api() as api:
        return labels in api.get("metrics").text


# ---------------------------------------------------------------- in Python


def test_the_client_shows_what_it_finds(server: Server) -> None:
    with connect(server.url, server.token) as client:
        found = client.search("many/model", limit=150)
        assert [len(found), found[149].id] == [150, "many/model-00149"]
        assert "many/model-00000" in found[:1]._repr_html_()
        assert repr(found[0]).startswith("<HubModel many/model-00000: ")
        assert "many/model-00000" in found[0]._repr_html_()
        assert client.search(REPO, format="safetensors") == []
        repository = client.repository(REPO, num_ctx=2048)
        assert repository.num_ctx == 2048
        assert f"{REPO}:Q4_1" in repr(repository)
        with pytest.raises(HubUnauthorized) as caught:
            client.repository("ada/missing")
        assert caught.value.reason == "not_found"
