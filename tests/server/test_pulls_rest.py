"""Test the routes of pulls on a server with the service of `fake_service`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from a3s_power_jupyter import connect
from a3s_power_jupyter.contract.errors import PullStateNotFound, WorkerDied
from support.servers import Server, events_of

REFERENCE = "org/repo:Q4_K_M"


@pytest.fixture
def api(fake_server: Server) -> Iterator[httpx2.Client]:
    with fake_server.api() as client:
        yield client


def error(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_events_have_the_format_of_the_contract(api: httpx2.Client) -> None:
    with api.stream("POST", "v1/models/pull", json={"name": REFERENCE}) as response:
        body = response.read().decode()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert body.startswith('data: {"status":"resolving"}\n\ndata: {')
    assert body.endswith("}\n\n")
    assert "event:" not in body
    *_, last = events_of(response)
    assert last == {"status": "success", "id": REFERENCE, "object": "model", "created": 1}


def test_a_failure_is_the_last_event(api: httpx2.Client) -> None:
    response = api.post("v1/models/pull", json={"name": "dies"})
    assert response.status_code == 200
    *_, last = events_of(response)
    assert (last["status"], last["error"]["code"]) == ("error", "worker_died")  # type: ignore[index]


def test_in_the_background(api: httpx2.Client) -> None:
    response = api.post("v1/models/pull", json={"name": REFERENCE, "background": True})
    assert response.status_code == 202
    assert response.json() == {
        "name": REFERENCE,
        "status": "pulling",
        "started_at": 1.0,
        "completed": 5,
        "total": 10,
        "phase": "downloading",
    }


@pytest.mark.parametrize(
    "body",
    [{}, {"name": 1}, {"name": REFERENCE, "force": "yes"}, {"name": REFERENCE, "tokn": "t"}],
)
def test_an_invalid_body(api: httpx2.Client, body: dict[str, Any]) -> None:
    response = api.post("v1/models/pull", json=body)
    assert error(response) == (400, "invalid_parameter")


@pytest.mark.parametrize("path", [REFERENCE, "org%2Frepo:Q4_K_M", "org%2Frepo%3AQ4_K_M"])
def test_names_in_paths(api: httpx2.Client, path: str) -> None:
    def status(response: httpx2.Response) -> Any:
        body = response.json()
        assert body["name"] == REFERENCE
        return body["status"], body["completed"]

    assert status(api.get(f"v1/models/pull/{path}/status")) == ("pulling", 5)
    assert status(api.post(f"v1/models/pull/{path}/pause")) == ("paused", 5)
    assert status(api.delete(f"v1/models/pull/{path}")) == ("cancelled", 0)
    kept = api.delete(f"v1/models/pull/{path}?keep_partial=true")
    assert status(kept) == ("cancelled", 5)


def test_unknown_pulls(api: httpx2.Client) -> None:
    calls = [
        api.get("v1/models/pull/org/other/status"),
        api.post("v1/models/pull/org/other/pause"),
        api.delete("v1/models/pull/org/other"),
    ]
    assert [error(response) for response in calls] == [(404, "pull_state_not_found")] * 3
    assert error(api.delete(f"v1/models/pull/{REFERENCE}?keep_partial=x"))[0] == 400


def test_all_pulls_and_a_model_named_pull(api: httpx2.Client) -> None:
    pulls = api.get("v1/models/pull").json()
    assert pulls["object"] == "list"
    assert [pull["name"] for pull in pulls["data"]] == [REFERENCE]
    assert api.get("v1/models/%70ull").json()["id"] == "pull"
    assert api.post("v1/models/pull/load").json()["id"] == "pull"
    assert api.delete("v1/models/pull").json()["id"] == "pull"
    assert error(api.get("v1/models/pull/x")) == (404, "model_not_found")


def test_the_client(fake_server: Server) -> None:
    with connect(fake_server.url, fake_server.token) as client:
        assert [event["status"] for event in client.pull(REFERENCE)] == ["resolving", "success"]
        assert client.pull_in_background(REFERENCE).status == "pulling"
        assert [status.name for status in client.pulls()] == [REFERENCE]
        assert client.pull_status(REFERENCE).phase == "downloading"
        assert client.pause_pull(REFERENCE).status == "paused"
        assert client.cancel_pull(REFERENCE).completed == 0
        assert client.cancel_pull(REFERENCE, keep_partial=True).completed == 5
        assert client.show("pull").id == "pull"
        with pytest.raises(WorkerDied):
            list(client.pull("dies"))
        with pytest.raises(PullStateNotFound):
            client.pull_status("org/other")
