"""Test files that are not downloaded: blobs, the Hugging Face cache, and files of other pulls."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from pathlib import Path

import pytest

from a3s_power_jupyter.hub.transfer.partial_state import (
    PartialPaths,
    content_lock,
    discard,
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
    publish,
    random_bytes,
)
from support.hub_server import HubServer

CONTENT = random_bytes(SIZE)


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


def in_cache(hf_cache: Path, etag: str, content: bytes) -> Path:
    """Write a file as huggingface_hub does: as a blob named after its ETag."""
    path = hf_cache / "models--bob--copy" / "blobs" / etag
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", [PATH, "config.json"])
def test_a_file_of_the_hugging_face_cache_is_not_fetched(
    fetching: Fetching, hub: HubServer, hf_cache: Path, path: str
) -> None:
    content = CONTENT if path == PATH else b"{}"
    file = publish(hub, content, path)
    cached = in_cache(hf_cache, file.etag, content)
    fetching.check(file, content)
    assert not data_requests(hub, path)
    assert cached.read_bytes() == content


def test_a_wrong_file_of_the_cache_is_not_changed(
    fetching: Fetching, hub: HubServer, hf_cache: Path
) -> None:
    file = publish(hub, CONTENT)
    wrong = b"x" * SIZE
    cached = in_cache(hf_cache, file.etag, wrong)
    fetching.check(file, CONTENT)
    assert cached.read_bytes() == wrong


def test_a_file_of_the_cache_that_is_truncated_later_is_not_changed(
    fetching: Fetching, hub: HubServer, hf_cache: Path
) -> None:
    file = publish(hub, CONTENT)
    cached = in_cache(hf_cache, file.etag, CONTENT)
    fetching.check(file, CONTENT)
    cached.write_bytes(b"truncated")
    fetching.check(file, CONTENT)
    assert cached.read_bytes() == b"truncated"


def test_a_cache_on_another_volume_is_copied(
    fetching: Fetching, hub: HubServer, hf_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path("/dev/shm")  # noqa: S108
    if not other.is_dir() or other.stat().st_dev == fetching.home.parent.stat().st_dev:
        pytest.skip("This machine has no second volume.")
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


# ---------------------------------------------------------------- shared files


def test_simultaneous_pulls_download_a_file_once(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    hub.fail(PATH, rate=8 * MIB, times=None)
    pulls = [Fetching(hub, fetching.home, name=f"model-{n}", policy=POLICY) for n in range(3)]
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: results.append(one.fetch(file))) for one in pulls
    ]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        waiting = [one for one in pulls if hasattr(one, "progress")]
        seen = max(
            [seen, *(o.progress.completed for o in waiting if o.progress.phase == "waiting")]
        )
        threads[0].join(0.01)
    assert results == [file.sha256] * 3
    assert hub.served(PATH) == SIZE
    assert seen > 0  # a waiting pull shows the progress of the other one
    state = read_state(PartialPaths.of(fetching.home, file.url).state)
    assert state is not None
    assert set(state.names) == {"model-0", "model-1", "model-2"}


def test_discard_keeps_files_of_other_models(fetching: Fetching, hub: HubServer) -> None:
    file = publish(hub, CONTENT)
    fetching.check(file, CONTENT)
    other = Fetching(hub, fetching.home, name="other")
    other.check(file, CONTENT)
    assert discard(fetching.home, "other") == 0
    assert fetching.partial(file).exists()
    assert discard(fetching.home, "unknown") == 0
    lock = content_lock(fetching.home, file.url, file.sha256)
    assert lock.acquire()
    assert discard(fetching.home, "a-model") == 0  # it is being fetched
    lock.release()
    assert discard(fetching.home, "a-model") == SIZE
    assert not list((fetching.home / PULLS).iterdir())
    assert not fetching.partial(file).exists()
