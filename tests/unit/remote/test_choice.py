"""Test which of several upstreams gets a request."""

from __future__ import annotations

from collections import Counter

from a3s_power_jupyter.contract.errors import ServerBusy, UpstreamError
from a3s_power_jupyter.remote.choice import best
from a3s_power_jupyter.remote.health import ServerHealth

URLS = [f"http://host-{number}/v1" for number in range(4)]


def servers(*urls: str) -> list[ServerHealth]:
    return [ServerHealth(url, answers=True) for url in urls]


def chosen(
    among: list[ServerHealth], key: str = "", load: dict[str, int] | None = None, now: float = 0.0
) -> str:
    server = best(among, load or {}, key, now)
    assert server is not None
    return server.base_url


def test_without_servers() -> None:
    assert best([], {}, "key", 0.0) is None


def test_the_server_with_the_fewest_requests() -> None:
    load = {URLS[0]: 2, URLS[1]: 1, URLS[2]: 3}
    assert chosen(servers(*URLS[:3]), "key", load) == URLS[1]
    assert chosen(servers(*URLS), "key", load) == URLS[3]


def test_a_conversation_stays_on_its_server() -> None:
    keys = [f"conversation {number}" for number in range(200)]
    before = {key: chosen(servers(*URLS), key) for key in keys}
    assert before == {key: chosen(servers(*reversed(URLS)), key) for key in keys}
    assert min(Counter(before.values()).values()) > 25
    without = {key: chosen(servers(*URLS[:3]), key) for key in keys}
    moved = {key for key in keys if before[key] != without[key]}
    assert moved == {key for key in keys if before[key] == URLS[3]}


def test_requests_without_a_conversation_are_spread() -> None:
    assert len({chosen(servers(*URLS)) for _ in range(200)}) == 4


def test_a_server_that_failed_is_the_last_and_a_busy_one_before_it() -> None:
    failed = ServerHealth(URLS[0], answers=False, error=UpstreamError("Broken."))
    busy = ServerHealth(URLS[1], answers=False, error=ServerBusy("Full."), busy_until=10.0)
    idle = ServerHealth(URLS[2])
    load = {URLS[2]: 99}
    assert chosen([failed, busy, idle], load=load) == URLS[2]
    assert chosen([failed, busy]) == URLS[1]
    assert chosen([failed]) == URLS[0]
    assert chosen([busy, idle], load=load, now=10.0) == URLS[1]
