"""Test downloads from the test hub: sizes, ranges, resuming, and damaged states."""

from __future__ import annotations

import threading

import pytest

from a3s_power_jupyter.hub.http.retries import Stopped
from a3s_power_jupyter.hub.transfer.partial_state import PartialPaths, bytes_on_disk, read_state
from support.hub_fetching import (
    MIB,
    PATH,
    SIZE,
    Fetching,
    data_requests,
    listed,
    publish,
    random_bytes,
)
from support.hub_server import HubServer

CONTENT = random_bytes(SIZE)


def fetch_until(fetching: Fetching, file: object, number: int) -> None:
    """Fetch until `number` bytes are on disk."""

    def watch() -> None:
        while not hasattr(fetching, "progress") or fetching.progress.completed < number:
            if over.wait(0.001):
                return
        fetching.stop.set()

    over = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(Stopped):
            fetching.fetch(file)  # type: ignore[arg-type]
    finally:
        over.set()
        watcher.join()
        fetching.stop.clear()


@pytest.mark.parametrize("size", [0, 1, MIB, 4 * MIB, SIZE])
def test_a_file_of_any_size(fetching: Fetching, hub: HubServer, size: int) -> None:
    content = CONTENT[:size]
    file = publish(hub, content)
    fetching.check(file, content)
    assert hub.served(PATH) == size
    assert not list(fetching.home.glob("pulls/*.lock"))


def test_connections_share_a_file(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=20 * MIB, times=None)
    fetching.check(file, CONTENT)
    requests = data_requests(hub)
    assert len(requests) >= 4
    assert sum(sent for _, sent in requests) == SIZE
    assert len([r for r in hub.requests if r.method == "HEAD"]) == 1  # the hub is asked once


def test_small_files_are_verified_by_the_id_of_their_git_blob(
    fetching: Fetching, hub: HubServer
) -> None:
    content = b'{"model_type": "llama"}'
    file = publish(hub, content, "config.json")
    assert not isinstance(file.sha256, str)
    fetching.check(file, content)


def test_a_verified_file_is_not_fetched_again(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert not data_requests(hub)


def test_modified_bytes_are_verified_again(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    with fetching.partial(file).open("r+b") as partial:
        partial.seek(5 * MIB)
        partial.write(b"not what was downloaded")
    fetching.check(file, CONTENT)


def test_a_pause_keeps_the_bytes(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    fetch_until(fetching, file, 3 * MIB)
    present = bytes_on_disk(fetching.home, file.url)
    assert present >= 3 * MIB
    hub.clear_failures()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE - present


def test_a_power_failure_only_loses_unsynced_bytes(fetching: Fetching, hub: HubServer) -> None:
    """The ranges file of another boot is ignored, but the JSON is used."""
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    fetch_until(fetching, file, 3 * MIB)
    paths = PartialPaths.of(fetching.home, file.url)
    state = read_state(paths.state)
    assert state is not None
    synced = sum(end - start for start, end in state.ranges)
    assert synced >= 3 * MIB
    paths.ranges.write_bytes(b"\0" * 16 + SIZE.to_bytes(8, "little") * 2 + b"torn")
    with paths.bytes.open("r+b") as partial:  # written but not synced
        partial.truncate(SIZE)
    assert bytes_on_disk(fetching.home, file.url) == synced
    hub.clear_failures()
    fetching.check(file, CONTENT)


@pytest.mark.parametrize("damage", ["", "{", '{"kind": "pull"}', "[]", "\0\0"])
def test_a_damaged_state_starts_over(fetching: Fetching, hub: HubServer, damage: str) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    fetch_until(fetching, file, MIB)
    PartialPaths.of(fetching.home, file.url).state.write_text(damage)
    hub.clear_failures()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE


def test_a_truncated_partial(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    fetch_until(fetching, file, 3 * MIB)
    with fetching.partial(file).open("r+b") as partial:
        partial.truncate(MIB // 2)
    assert bytes_on_disk(fetching.home, file.url) <= MIB // 2
    hub.clear_failures()
    fetching.check(file, CONTENT)


def test_other_content_at_the_same_url_starts_over(fetching: Fetching, hub: HubServer) -> None:
    """For example from a mirror that ignores commits."""
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    fetch_until(fetching, file, MIB)
    hub.clear_failures()
    other = random_bytes(SIZE, seed=2)
    changed = publish(hub, other, repo="ada/other")
    hub.requests.clear()
    hub.repositories["ada/model"].commits = dict.fromkeys(
        hub.repositories["ada/model"].commits,
        next(iter(hub.repositories["ada/other"].commits.values())),
    )
    again = listed(hub)
    assert again.url == file.url
    assert again.etag == changed.etag
    fetching.check(again, other)
    assert hub.served(PATH) == SIZE
