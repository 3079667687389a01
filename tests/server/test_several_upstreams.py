"""Remote models with several upstreams, which are killed and started again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.remote_requests import MESSAGES, ask, register
from support.servers import Server, events_of, run_server, written_by
from support.upstream_answers import KEY
from support.upstream_server import Upstream, run_upstream

#: Nothing listens there.
DEAD = "http://127.0.0.1:9/v1"
ALSO_DEAD = "http://127.0.0.1:10/v1"


class Machine:
    """A place for an upstream, which can be killed and started again under the same URL."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.upstream: Upstream = self._stack.enter_context(run_upstream())
        self.url = self.upstream.url

    def kill(self) -> None:
        self._stack.close()

    def start(self) -> None:
        port = urlsplit(self.url).port
        assert port
        self.upstream = self._stack.enter_context(run_upstream(port))


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    machines = [Machine() for _ in range(3)]
    yield machines
    for machine in machines:
        machine.kill()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("front")
    with run_server(folder, headless=True, environ={"UPSTREAM_KEY": KEY}) as server:
        yield server


def register_several(front: Server, model: str, *urls: str) -> None:
    upstream = {"base_url": urls, "model": model, "api_key_env": "UPSTREAM_KEY"}
    register(front, "", model, upstream=upstream, overwrite=True)


def shown(front: Server, model: str) -> dict[str, Any]:
    with front.api() as api:
        described: dict[str, Any] = api.get(f"v1/models/far/{model}").json()
        return described


def load(front: Server, model: str) -> None:
    """Check the upstreams at once."""
    with front.api() as api:
        assert api.post(f"v1/models/far/{model}/load", json={}).status_code == 200


def states(front: Server, model: str) -> list[str]:
    return [server["state"] for server in shown(front, model)["upstreams"]]


def test_the_next_upstream_answers_if_one_is_dead(front: Server, machines: list[Machine]) -> None:
    register_several(front, "echo", DEAD, machines[0].url)
    for number in range(8):
        messages = [{"role": "user", "content": f"conversation {number}"}]
        assert ask(front, "echo", messages=messages).status_code == 200
        assert "One" in ask(front, "echo", messages=messages, stream=True).text
    described = shown(front, "echo")
    dead, alive = described["upstreams"]
    assert (dead["state"], dead["error"]["code"]) == ("failed", "upstream_unreachable")
    assert (alive["state"], alive["failures"]) == ("available", 0)
    assert described["loaded"]
    assert "error" not in described
    assert described["upstream"]["base_url"] == [DEAD, machines[0].url]
    load(front, "echo")
    with front.api() as api:
        series = 'power_upstream_failures_total{code="upstream_unreachable",model="far/echo"}'
        assert not dead["failures"] or series in api.get("metrics").text


def test_the_error_names_each_upstream_if_all_are_dead(front: Server) -> None:
    register_several(front, "echo", DEAD, ALSO_DEAD)
    for stream in (False, True):
        reply = ask(front, "echo", stream=stream)
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (502, "upstream_unreachable")
        assert DEAD in error["message"]
        assert ALSO_DEAD in error["message"]
    described = shown(front, "echo")
    assert (described["state"], described["error"]["code"]) == ("failed", "upstream_unreachable")
    assert states(front, "echo") == ["failed", "failed"]
    with front.api() as api:
        assert api.post("v1/models/far/echo/load", json={}).status_code == 502
    assert KEY not in written_by(front)


@pytest.mark.parametrize(("model", "status"), [("html", 502), ("busy", 503)])
def test_an_upstream_that_fails_is_followed_by_the_others(
    front: Server, machines: list[Machine], model: str, status: int
) -> None:
    register_several(front, model, *(machine.url for machine in machines))
    assert ask(front, model).status_code == status
    # Twice if a check finds in between that the server answers.
    assert {len(machine.upstream.bodies) for machine in machines} <= {1, 2}


def test_a_stream_is_not_continued_by_another_upstream(
    front: Server, machines: list[Machine]
) -> None:
    register_several(front, "endless", *(machine.url for machine in machines))
    body = {"model": "far/endless", "messages": MESSAGES, "stream": True}
    with front.api() as api, api.stream("POST", "v1/chat/completions", json=body) as reply:
        events = events_of(reply)
        next(events)
        [used] = [machine for machine in machines if machine.upstream.bodies]
        used.kill()
        *_, last = events
    assert last["error"]["code"] == "upstream_error"  # type: ignore[index]
    assert sum(len(machine.upstream.bodies) for machine in machines) == 1
    used.start()
    load(front, "endless")
    assert states(front, "endless") == ["available"] * 3


def test_requests_at_the_same_time_are_spread(front: Server, machines: list[Machine]) -> None:
    """They are of one conversation, which would otherwise stay on one server."""
    register_several(front, "waits", *(machine.url for machine in machines))
    body = {"model": "far/waits", "messages": MESSAGES, "stream": True}
    with front.api() as api, ExitStack() as open_streams:
        streams = []
        for _ in range(6):
            reply = api.stream("POST", "v1/chat/completions", json=body)
            streams.append(events_of(open_streams.enter_context(reply)))
            next(streams[-1])
        assert [len(machine.upstream.bodies) for machine in machines] == [2, 2, 2]
        running = [server["requests_running"] for server in shown(front, "waits")["upstreams"]]
        assert running == [2, 2, 2]
        for machine in machines:
            machine.upstream.first_seen.set()
        for events in streams:
            assert "error" not in [*events][-1]
    assert shown(front, "waits")["requests_running"] == 0


def test_no_request_is_lost_while_upstreams_are_killed_and_started(
    front: Server, machines: list[Machine]
) -> None:
    """At each time, two of the three answer."""
    register_several(front, "slow", *(machine.url for machine in machines))
    answered, lock = 0, threading.Lock()

    def step(number: int) -> None:
        """Kill or start one after every sixth answer."""
        if number % 6 == 0 and number <= 36:
            machine = machines[(number - 6) // 12]
            if (number // 6) % 2:
                machine.kill()
            else:
                machine.start()

    def request(number: int) -> tuple[int, str]:
        nonlocal answered
        messages = [{"role": "user", "content": f"conversation {number}"}]
        reply = ask(front, "slow", messages=messages)
        with lock:
            answered += 1
            step(answered)
        return reply.status_code, reply.text

    with ThreadPoolExecutor(4) as pool:
        replies = [*pool.map(request, range(40))]
    assert [reply for reply in replies if reply[0] != 200] == []
    assert shown(front, "slow")["requests_running"] == 0
    load(front, "slow")
    assert states(front, "slow") == ["available"] * 3
