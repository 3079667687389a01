"""Files from the stand-in hub: whole, in ranges, taken up again, taken from this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from a3s_power_jupyter.hub.transfer.discard import discard
from a3s_power_jupyter.hub.transfer.exceptions import Stopped
from a3s_power_jupyter.hub.transfer.partial import (
    PartialPaths,
    bytes_on_disk,
    content_lock,
    read_state,
)
from a3s_power_jupyter.store.garbage import PULLS
from support.hub_fetching import (
    MIB,
    PATH,
    POLICY,
    SIZE,
    Fetching,
    data_requests,
    listed,
    publish,
    random_bytes,
)
from support.hub_server import HubServer, run_hub

CONTENT = random_bytes(SIZE)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with run_hub(send_buffer=64 << 10) as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fetching(hub: HubServer, tmp_path: Path, cache: Path) -> Fetching:
    return Fetching(hub, tmp_path / "home")


def stopped_at(fetching: Fetching, file: object, number: int) -> None:
    """Fetch until `number` bytes are here."""

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


def test_small_files_are_checked_with_the_id_of_their_git_blob(
    fetching: Fetching, hub: HubServer
) -> None:
    content = b'{"model_type": "llama"}'
    file = publish(hub, content, "config.json")
    assert not isinstance(file.sha256, str)
    fetching.check(file, content)


def test_what_is_verified_is_not_fetched_again(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert not data_requests(hub)


def test_bytes_that_were_touched_are_verified_again(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    with fetching.partial(file).open("r+b") as partial:
        partial.seek(5 * MIB)
        partial.write(b"not what was downloaded")
    fetching.check(file, CONTENT)


def test_a_pause_keeps_what_is_there(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    stopped_at(fetching, file, 3 * MIB)
    here = bytes_on_disk(fetching.home, file.url)
    assert here >= 3 * MIB
    hub.behave()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE - here


def test_a_loss_of_power_takes_only_what_was_not_synced(fetching: Fetching, hub: HubServer) -> None:
    """The ranges file of another boot is not believed, and the JSON is."""
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    stopped_at(fetching, file, 3 * MIB)
    paths = PartialPaths(fetching.home, file.url)
    state = read_state(paths.state)
    assert state is not None
    synced = sum(end - start for start, end in state.ranges)
    assert synced >= 3 * MIB
    paths.ranges.write_bytes(b"\0" * 16 + SIZE.to_bytes(8, "little") * 2 + b"torn")
    with paths.bytes.open("r+b") as partial:  # what was written and not synced
        partial.truncate(SIZE)
    assert bytes_on_disk(fetching.home, file.url) == synced
    hub.behave()
    fetching.check(file, CONTENT)


@pytest.mark.parametrize("damage", ["", "{", '{"kind": "pull"}', "[]", "\0\0"])
def test_a_damaged_state_means_to_start_over(
    fetching: Fetching, hub: HubServer, damage: str
) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    stopped_at(fetching, file, MIB)
    PartialPaths(fetching.home, file.url).state.write_text(damage)
    hub.behave()
    hub.requests.clear()
    fetching.check(file, CONTENT)
    assert hub.served(PATH) == SIZE


def test_a_partial_that_became_shorter(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    stopped_at(fetching, file, 3 * MIB)
    with fetching.partial(file).open("r+b") as partial:
        partial.truncate(MIB // 2)
    assert bytes_on_disk(fetching.home, file.url) <= MIB // 2
    hub.behave()
    fetching.check(file, CONTENT)


def test_other_content_at_the_same_url_starts_over(fetching: Fetching, hub: HubServer) -> None:
    """As where a mirror does not keep to commits."""
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=4 * MIB, times=None)
    stopped_at(fetching, file, MIB)
    hub.behave()
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


# ---------------------------------------------------------------- what is here already


def blob(fetching: Fetching, content: bytes) -> Path:
    path = fetching.store.blobs.path(hashlib.sha256(content).hexdigest())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_blob_of_the_store_is_not_fetched(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    blob(fetching, CONTENT)
    assert fetching.fetch(file) == file.sha256
    assert not data_requests(hub)
    assert not fetching.partial(file).exists()


def test_force_hashes_the_blob_and_fetches_a_bad_one(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    blob(fetching, CONTENT)
    fetching.force = True
    assert fetching.fetch(file) == file.sha256
    assert not data_requests(hub)
    blob(fetching, CONTENT).write_bytes(b"x" * SIZE)
    fetching.check(file, CONTENT)


def in_cache(cache: Path, etag: str, content: bytes) -> Path:
    """As huggingface_hub keeps a file: a blob named after its ETag, and links to it."""
    path = cache / "models--bob--copy" / "blobs" / etag
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", [PATH, "config.json"])
def test_a_file_of_the_hugging_face_cache_is_not_fetched(
    fetching: Fetching, hub: HubServer, cache: Path, path: str
) -> None:
    content = CONTENT if path == PATH else b"{}"
    file = publish(hub, content, path)
    cached = in_cache(cache, file.etag, content)
    fetching.check(file, content)
    assert not data_requests(hub, path)
    assert cached.read_bytes() == content


def test_a_wrong_file_of_the_cache_is_left_alone(
    fetching: Fetching, hub: HubServer, cache: Path
) -> None:
    file = publish(hub, CONTENT)
    wrong = b"x" * SIZE
    cached = in_cache(cache, file.etag, wrong)
    fetching.check(file, CONTENT)
    assert cached.read_bytes() == wrong


def test_a_file_of_the_cache_that_was_cut_later_is_left_alone(
    fetching: Fetching, hub: HubServer, cache: Path
) -> None:
    file = publish(hub, CONTENT)
    cached = in_cache(cache, file.etag, CONTENT)
    fetching.check(file, CONTENT)
    cached.write_bytes(b"cut")
    fetching.check(file, CONTENT)
    assert cached.read_bytes() == b"cut"


def test_a_cache_on_another_volume_is_copied(
    fetching: Fetching, hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path("/dev/shm")  # noqa: S108
    if not other.is_dir() or other.stat().st_dev == fetching.home.parent.stat().st_dev:
        pytest.skip("there is no second volume here")
    folder = other / f"a3s-power-test-{os.getpid()}"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    try:
        file = publish(hub, CONTENT)
        cached = in_cache(folder, file.etag, CONTENT)
        fetching.check(file, CONTENT)
        assert not data_requests(hub)
        assert cached.stat().st_ino != fetching.partial(file).stat().st_ino
    finally:
        shutil.rmtree(folder)


def test_a_file_of_another_pull_is_not_fetched(fetching: Fetching, hub: HubServer) -> None:
    fetching.check(publish(hub, CONTENT), CONTENT)
    other = publish(hub, CONTENT, "copy.gguf", repo="bob/copy")
    fetching.check(other, CONTENT)
    assert not data_requests(hub, "copy.gguf")


# ---------------------------------------------------------------- two that want the same


def test_two_at_once_fetch_once(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=8 * MIB, times=None)
    others = [Fetching(hub, fetching.home, name=f"model-{n}", policy=POLICY) for n in range(3)]
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: results.append(one.fetch(file))) for one in others
    ]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        waiting = [one for one in others if hasattr(one, "progress")]
        seen = max(
            [seen, *(o.progress.completed for o in waiting if o.progress.phase == "waiting")]
        )
        threads[0].join(0.01)
    assert results == [file.sha256] * 3
    assert hub.served(PATH) == SIZE
    assert seen > 0  # who waits shows how far the other one is
    state = read_state(PartialPaths(fetching.home, file.url).state)
    assert state is not None
    assert set(state.names) == {"model-0", "model-1", "model-2"}


def test_discard_removes_what_nobody_else_wants(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    other = Fetching(hub, fetching.home, name="other")
    other.check(file, CONTENT)
    assert discard(fetching.home, "other") == 0
    assert fetching.partial(file).exists()
    assert discard(fetching.home, "nobody") == 0
    lock = content_lock(fetching.home, file.url, file.sha256)
    assert lock.acquire()
    assert discard(fetching.home, "a-model") == 0  # somebody is at it
    lock.release()
    assert discard(fetching.home, "a-model") == SIZE
    assert not list((fetching.home / PULLS).iterdir())
    assert not fetching.partial(file).exists()
