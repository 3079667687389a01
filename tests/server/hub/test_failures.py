"""Test downloads with network failures: they complete, or fail with a clear error."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import (
    ChecksumMismatch,
    HubError,
    HubUnauthorized,
    PowerError,
)
from a3s_power_jupyter.hub.transfer.exceptions import ContentChanged
from a3s_power_jupyter.hub.transfer.partial_state import bytes_on_disk
from a3s_power_jupyter.hub.transfer.policy import Policy
from support.hub_fetching import (
    MIB,
    PATH,
    POLICY,
    REPO,
    SIZE,
    Fetching,
    data_requests,
    listed,
    publish,
    random_bytes,
)
from support.hub_server import HubServer, run_hub

CONTENT = random_bytes(SIZE)
TOKEN = "hf_of-the-tests"


#: Failures that a download recovers from, and the bytes that may be sent in addition to the file.
RECOVERABLE: dict[str, tuple[dict[str, Any], int]] = {
    "cut at once": ({"cut_after": 0, "times": 3}, 0),
    "cut in the middle": ({"cut_after": MIB, "times": 3}, 0),
    "cut repeatedly": ({"cut_after": MIB // 2, "times": None}, 0),
    "stalled": ({"stall_after": MIB // 2, "stall_for": 60.0, "times": 2}, 0),
    "stalled before the first byte": ({"delay": 60.0, "times": 1}, 0),
    "one 403": ({"status": 403}, 0),
    "416": ({"status": 416, "times": 2}, 0),
    "429": ({"status": 429, "headers": {"Retry_After": "0"}, "times": 3}, 0),
    "500": ({"status": 500, "times": 3}, 0),
    "503": ({"status": 503, "times": 3}, 0),
    "an unexpected status": ({"status": 204, "times": 2}, 0),
    "no ranges": ({"ignore_ranges": True, "times": None}, SIZE),
    "no ranges, initially": ({"ignore_ranges": True, "times": 2}, SIZE),
    "no ranges, and cut": ({"ignore_ranges": True, "cut_after": 7 * MIB, "times": 1}, SIZE),
    "too short, once": ({"content": CONTENT[: SIZE // 2], "times": 1}, SIZE),
    "another ETag of the other host": ({"etag": "another", "times": 2}, 0),
    "one slow connection": ({"rate": MIB / 4, "times": 1}, MIB),
    "a wrong byte, once": ({"wrong_at": 5 * MIB, "times": 1}, SIZE),
}


@pytest.mark.parametrize("case", RECOVERABLE)
def test_recoverable_failures(fetching: Fetching, hub: HubServer, case: str) -> None:
    failure, more = RECOVERABLE[case]
    file = publish(hub, CONTENT)
    hub.fail(PATH, **failure)
    fetching.check(file, CONTENT)
    buffers = 4 * (128 << 10) if more else 0
    assert SIZE <= hub.served(PATH) <= SIZE + more + buffers


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500, "times": 3},
        {"status": 429, "headers": {"Retry_After": "0"}, "times": 2},
        {"delay": 60.0, "times": 1},
    ],
)
def test_recoverable_failures_of_the_redirect(
    fetching: Fetching, hub: HubServer, failure: dict[str, Any]
) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, stage="head", **failure)
    fetching.check(file, CONTENT)


def test_an_expired_link_is_replaced(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.link_seconds = 0.2
    hub.fail(PATH, rate=6 * MIB, times=None)
    fetching.check(file, CONTENT)
    refused = [record for record in hub.requests if record.status == 403]
    assert refused
    assert hub.served(PATH) == SIZE
    assert fetching.throttle.connections == 4  # an expired link does not mean overload


def test_fewer_connections_if_the_host_is_overloaded(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, status=429, times=2)
    fetching.check(file, CONTENT)
    assert fetching.throttle.connections == 2


def test_one_connection_if_ranges_are_not_supported(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, ignore_ranges=True, times=None)
    fetching.check(file, CONTENT)
    assert fetching.throttle.connections == 1


def test_retry_after_is_respected(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, status=429, headers={"Retry_After": "1"})
    fetching.check(file, CONTENT)
    assert 0 < fetching.throttle.not_before <= time.monotonic()


def test_a_long_retry_after_is_reported(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, status=503, headers={"Retry_After": "7200"}, times=None)
    with pytest.raises(HubError) as caught:
        fetching.fetch(file)
    assert caught.value.retry_after == 3600  # as much as is passed on to clients
    assert "asks to wait 3600 seconds" in caught.value.message


def test_a_failed_download_keeps_its_bytes(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, cut_after=MIB, times=4)
    hub.fail(PATH, status=500, skip=4, times=None)
    with pytest.raises(HubError, match="pull again") as caught:
        fetching.fetch(file)
    present = bytes_on_disk(fetching.home, file.url)
    assert present == 4 * MIB
    assert f"{present:,} of {SIZE:,} bytes" in caught.value.message
    hub.clear_failures()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE - present


def test_connection_refused(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    with run_hub() as gone:
        address = gone.url
    unreachable = msgspec.structs.replace(file, url=file.url.replace(hub.url, address))
    with pytest.raises(HubError, match="refused"):
        fetching.fetch(unreachable)


# ---------------------------------------------------------------- wrong content


@pytest.mark.parametrize("failure", [{"wrong_at": 9 * MIB}, {"content": random_bytes(SIZE, 2)}])
def test_wrong_bytes_each_time(fetching: Fetching, hub: HubServer, failure: dict[str, Any]) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, times=None, **failure)
    with pytest.raises(ChecksumMismatch, match="twice"):
        fetching.fetch(file)
    assert SIZE * 2 <= hub.served(PATH) <= SIZE * 2 + MIB
    assert bytes_on_disk(fetching.home, file.url) == 0
    assert not fetching.store.blobs.path(str(file.sha256)).exists()
    hub.clear_failures()
    fetching.check(file, CONTENT)


def test_a_wrong_small_file(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, b'{"a": 1}', "config.json")
    hub.fail("config.json", wrong_at=3)
    fetching.check(file, b'{"a": 1}')


@pytest.mark.parametrize("size", [SIZE - 1, SIZE + 1])
def test_a_wrong_length_each_time(fetching: Fetching, hub: HubServer, size: int) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, content=random_bytes(size), times=None)
    with pytest.raises(HubError):
        fetching.fetch(file)


def test_a_changed_hash_at_the_hub(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, stage="head", etag="f" * 64, times=None)
    with pytest.raises(ContentChanged):
        fetching.fetch(file)
    assert not data_requests(hub)


def test_an_etag_that_is_not_a_hash_is_ignored(fetching: Fetching, hub: HubServer) -> None:
    """For example from a mirror with its own ETags."""
    file = publish(hub, CONTENT)
    hub.fail(PATH, stage="head", etag="5f3-62a1b2c3", times=None)
    fetching.check(file, CONTENT)


# ---------------------------------------------------------------- tokens


def requests_with_token(hub: HubServer) -> tuple[set[str | None], set[str | None]]:
    return (
        {r.authorization for r in hub.requests if r.host == "hub"},
        {r.authorization for r in hub.requests if r.host == "cdn"},
    )


@pytest.mark.parametrize("path", [PATH, "config.json"])
def test_the_token_is_only_sent_to_the_hub(hub: HubServer, fetching: Fetching, path: str) -> None:
    content = CONTENT if path == PATH else b"{}"
    hub.add(REPO, {path: content}, private=True, readers=(TOKEN,))
    fetching.token = TOKEN
    file = listed(hub, path, token=TOKEN)
    hub.requests.clear()
    fetching.check(file, content)
    at_hub, elsewhere = requests_with_token(hub)
    assert at_hub == {f"Bearer {TOKEN}"}
    assert elsewhere == ({None} if path == PATH else set())
    for path in fetching.home.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_revoked_access(hub: HubServer, fetching: Fetching) -> None:
    hub.add(REPO, {PATH: CONTENT}, private=True, readers=(TOKEN,))
    file = listed(hub, token=TOKEN)
    fetching.token = "hf_another"
    with pytest.raises(HubUnauthorized) as caught:
        fetching.fetch(file)
    assert "hf_another" not in str(caught.value)


def test_a_redirect_to_another_origin_gets_no_token(hub: HubServer, fetching: Fetching) -> None:
    """Another port of the same host is another origin."""
    hub.cdn_url = hub.cdn_url.replace("localhost", "127.0.0.1")
    hub.add(REPO, {PATH: CONTENT}, private=True, readers=(TOKEN,))
    fetching.token = TOKEN
    fetching.check(listed(hub, token=TOKEN), CONTENT)
    assert requests_with_token(hub)[1] == {None}


def test_errors_contain_no_signed_link(hub: HubServer, fetching: Fetching) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, status=403, times=None)
    with pytest.raises(PowerError) as caught:
        fetching.fetch(file)
    assert "Signature" not in str(caught.value)
    for path in fetching.home.rglob("*"):
        assert not path.is_file() or b"Signature" not in path.read_bytes()


def test_waits_double_with_jitter() -> None:
    policy = Policy(first_wait=1.0, longest_wait=10.0)
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10)):
        waits = {policy.wait(failures) for _ in range(50)}
        assert len(waits) > 10
        assert all(most / 2 <= wait <= most for wait in waits)


def test_retries_are_unlimited_while_bytes_arrive(fetching: Fetching, hub: HubServer) -> None:
    """Many more failures than `attempts`, each after some bytes."""
    fetching.policy = replace(POLICY, attempts=2)
    file = publish(hub, CONTENT)
    hub.fail(PATH, cut_after=MIB // 4, times=None)
    fetching.check(file, CONTENT)
    assert len(data_requests(hub)) > 20
