"""Downloads that make no progress say why, give up after some attempts, and keep their bytes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import HubError
from a3s_power_jupyter.hub.http.retries import Stopped
from a3s_power_jupyter.hub.transfer.partial_state import bytes_on_disk
from a3s_power_jupyter.hub.transfer.policy import Policy
from support.hub_fetching import (
    MIB,
    PATH,
    POLICY,
    SIZE,
    Fetching,
    data_requests,
    publish,
    random_bytes,
)
from support.hub_server import HubServer

CONTENT = random_bytes(SIZE)

#: Failures that never end, and the reason that is given for them.
LASTING: dict[str, tuple[dict[str, Any], str]] = {
    "416": ({"status": 416}, "answers with status 416"),
    "429": ({"status": 429, "headers": {"Retry_After": "0"}}, "answers with status 429"),
    "429, and a date": (
        {"status": 429, "headers": {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}},
        "answers with status 429",
    ),
    "429, and garbage": (
        {"status": 429, "headers": {"Retry_After": "-" + "9" * 5000}},
        "answers with status 429",
    ),
    "500": ({"status": 500}, "answers with status 500"),
    "a redirect to itself": ({"status": 302, "headers": {"Location": "#"}}, "redirects in a loop"),
    "a head that never ends": ({"drip": 0.02}, r"No reply began within 0\.5 seconds"),
    "no reply": ({"hang_up": True}, "connection failed"),
}
#: The same for the host with the files.
LASTING_BYTES: dict[str, tuple[dict[str, Any], str]] = {
    "closed before the first byte": ({"cut_after": 0}, "closed early"),
    "stalled before the first byte": ({"stall_after": 0, "stall_for": 60.0}, "stalled"),
    "no range": ({"status": 206}, "another range"),
    "another range": (
        {"status": 206, "headers": {"Content_Range": f"bytes 5-6/{SIZE}"}},
        "another range",
    ),
    "a range of 5,000 digits": (
        {"status": 206, "headers": {"Content_Range": f"bytes 0-{'9' * 5000}/{SIZE}"}},
        "another range",
    ),
    "a negative length": (
        {"status": 200, "headers": {"Content_Length": "-5"}},
        "another size than listed",
    ),
    "a length of 5,000 digits": (
        {"status": 200, "headers": {"Content_Length": "9" * 5000}},
        "another size than listed",
    ),
    "compressed": ({"status": 200, "headers": {"Content_Encoding": "gzip"}}, "compresses the file"),
}


@pytest.mark.parametrize(
    ("stage", "case"),
    [("head", case) for case in LASTING] + [("bytes", case) for case in LASTING | LASTING_BYTES],
)
def test_a_download_gives_up_and_says_why(
    fetching: Fetching, hub: HubServer, stage: str, case: str
) -> None:
    failure, reason = (LASTING | LASTING_BYTES)[case]
    file = publish(hub, CONTENT)
    fetching.policy = replace(POLICY, attempts=3)
    if "drip" in failure:
        fetching.policy = replace(fetching.policy, head=0.5)
    hub.fail(PATH, cut_after=MIB, times=4)  # keeps 4 MiB
    hub.fail(PATH, stage=stage, skip=0 if stage == "head" else 4, times=None, **failure)
    with pytest.raises(HubError, match=reason) as caught:
        fetching.fetch(file)
    message = caught.value.message
    assert "attempt 3 of 3" in message
    assert len(message) < 400
    present = bytes_on_disk(fetching.home, file.url)
    assert present == (0 if stage == "head" else 4 * MIB)
    assert f"{present:,} of {SIZE:,} bytes" in message
    assert any(retry.reason in message for retry in fetching.retries)
    assert {retry.attempts for retry in fetching.retries} == {3}
    assert {retry.attempt for retry in fetching.retries} == {2, 3}
    hub.clear_failures()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE - present


def test_a_download_gives_up_after_some_time_without_a_byte(
    fetching: Fetching, hub: HubServer
) -> None:
    fetching.policy = replace(POLICY, attempts=10**6, patience=1.5)
    file = publish(hub, CONTENT)
    hub.fail(PATH, status=429, headers={"Retry_After": "1"}, times=None)
    with pytest.raises(HubError, match="asks to wait 1 seconds"):
        fetching.fetch(file)
    assert len(data_requests(hub)) == 0
    assert len(fetching.retries) <= 8  # the first wait of each connection, and few more


@pytest.mark.parametrize(
    ("stage", "failure"),
    [
        ("head", {"status": 429, "headers": {"Retry_After": "200"}}),
        ("head", {"status": 503}),
        ("head", {"drip": 0.05}),
        ("head", {"delay": 60.0}),
        ("bytes", {"status": 429, "headers": {"Retry_After": "200"}}),
        ("bytes", {"status": 503}),
        ("bytes", {"drip": 0.05}),
        ("bytes", {"stall_after": 0, "stall_for": 60.0}),
    ],
)
def test_a_pause_ends_every_wait(
    fetching: Fetching, hub: HubServer, stage: str, failure: dict[str, Any]
) -> None:
    fetching.policy = Policy(first_wait=60.0, longest_wait=60.0)
    file = publish(hub, CONTENT)
    hub.fail(PATH, stage=stage, times=None, **failure)
    timer = threading.Timer(0.5, fetching.stop.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        fetching.fetch(file)
    assert time.monotonic() - started < 15
    timer.join()
