"""The stand-in hub: what it does wrong on order, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hub_server import HubServer

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
GGUF = "gguf/model.Q4_1.gguf"
FILES: dict[str, bytes | Path] = {"config.json": b'{"model_type": "llama"}', GGUF: WEIGHTS}
REPO = "ada/model"


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, follow_redirects=True, timeout=5) as client:
        yield client


def url(hub: HubServer, path: str = GGUF) -> str:
    return f"{hub.url}/{REPO}/resolve/main/{path}"


def test_status_and_times(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(GGUF, status=429, headers={"Retry_After": "3"}, skip=1, times=2)
    replies = [client.get(url(hub)) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 429, 429, 200]
    assert replies[1].headers["Retry-After"] == "3"
    assert hub.served(GGUF) == 2 * len(WEIGHTS)


def test_faults_of_the_redirect_and_the_api(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(GGUF, stage="redirect", status=503)
    hub.fail(stage="api", status=500)
    assert [client.get(url(hub)).status_code for _ in range(2)] == [503, 200]
    api = f"{hub.url}/api/models/{REPO}"
    assert [client.get(api).status_code for _ in range(2)] == [500, 200]


def until_cut(reply: httpx2.Response) -> bytes:
    received = b""
    try:
        for piece in reply.iter_raw():
            received += piece
    except httpx2.RemoteProtocolError:
        return received
    raise AssertionError("the reply was whole")


@pytest.mark.parametrize("path", [GGUF, "config.json"])
def test_cut(hub: HubServer, client: httpx2.Client, path: str) -> None:
    hub.add(REPO, FILES)
    hub.fail(path, cut_after=9)
    with client.stream("GET", url(hub, path), headers={"Accept-Encoding": "identity"}) as reply:
        received = until_cut(reply)
    assert received == FILES[path][:9]  # type: ignore[index]
    assert client.get(url(hub, path)).content == FILES[path]


def test_silence(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(GGUF, silent_after=1000)
    with pytest.raises(httpx2.ReadTimeout):
        client.get(url(hub), timeout=0.2)
    assert hub.requests[-1].sent == 1000
    hub.fail(GGUF, silent_after=1000, silent_for=0.1)
    assert client.get(url(hub)).content == WEIGHTS


def test_delay(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(stage="redirect", delay=60)
    with pytest.raises(httpx2.ReadTimeout):
        client.get(url(hub), timeout=0.2)


def test_no_ranges(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(GGUF, ignore_ranges=True, times=None)
    reply = client.get(url(hub), headers={"Range": "bytes=5-9"})
    assert reply.status_code == 200
    assert reply.content == WEIGHTS


@pytest.mark.parametrize("on_disk", [False, True])
def test_wrong_byte(hub: HubServer, client: httpx2.Client, tmp_path: Path, on_disk: bool) -> None:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    hub.add(REPO, {GGUF: tmp_path / "weights" if on_disk else WEIGHTS})
    hub.fail(GGUF, wrong_at=1000, times=None)
    received = client.get(url(hub), headers={"Range": "bytes=990-2000"}).content
    assert [at for at, byte in enumerate(received) if byte != WEIGHTS[990 + at]] == [10]
    assert len(received) == 1011
    hub.behave()
    assert client.get(url(hub)).content == WEIGHTS


def test_other_content_and_etag(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    first = client.get(url(hub)).headers["ETag"]
    hub.fail(GGUF, content=b"short")
    changed = client.get(url(hub))
    assert changed.content == b"short"
    assert changed.headers["ETag"] != first
    hub.fail(GGUF, etag="other")
    assert client.get(url(hub)).headers["ETag"] == '"other"'


def test_slow_connection(hub: HubServer, client: httpx2.Client) -> None:
    hub.add(REPO, FILES)
    hub.fail(GGUF, rate=4 * len(WEIGHTS), times=None)
    hub.fail(GGUF, cut_after=len(WEIGHTS) // 2)
    began = time.monotonic()
    with pytest.raises(httpx2.RemoteProtocolError):  # both faults at once
        client.get(url(hub))
    assert client.get(url(hub)).content == WEIGHTS
    assert time.monotonic() - began > 0.3
