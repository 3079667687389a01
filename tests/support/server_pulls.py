"""Pull models of the test hub through a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.servers import Server, events_of
from support.waiting import wait_until


def name_of(repository: str) -> str:
    return f"tests/{repository}-GGUF:Q4_1"


def pull(server: Server, name: str, **fields: Any) -> list[dict[str, Any]]:
    body = {"name": name, **fields}
    with server.api() as api, api.stream("POST", "v1/models/pull", json=body) as response:
        assert response.status_code == 200, response.read()
        return list(events_of(response))


def status_of(server: Server, name: str) -> dict[str, Any]:
    with server.api() as api:
        status: dict[str, Any] = api.get(f"v1/models/pull/{name}/status").json()
        return status


def start(server: Server, name: str, at_least: int = 1, **fields: Any) -> None:
    """Pull in the background until `at_least` bytes are on disk."""
    with server.api() as api:
        body = {"name": name, "background": True, **fields}
        assert api.post("v1/models/pull", json=body).status_code == 202
    wait_until(lambda: status_of(server, name)["completed"] >= at_least, 60)
    assert status_of(server, name)["status"] == "pulling"


def partials(server: Server) -> list[Path]:
    return [*(server.home / "models" / "blobs").glob("partial-*")]
