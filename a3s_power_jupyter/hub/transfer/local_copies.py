"""Files on this machine that may be the one that is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from ...store.garbage import PULLS
from ..resolve.plan import RemoteFile
from .partial import PartialPaths, read_state

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def donors(home: Path, file: RemoteFile) -> Iterator[Path]:
    """Whole files that should have the content of `file`; their hash is still to be taken.

    They are those of the Hugging Face cache, which are named after the hub's hash
    (``models--owner--repo/blobs/<hash>``), and files of other pulls that are not registered yet.
    """
    yield from filter(lambda path: _fits(path, file), (*_cached(file), *_pulled(home, file)))


def _cached(file: RemoteFile) -> Iterator[Path]:
    if _HASH.fullmatch(file.etag):
        yield from Path(constants.HF_HUB_CACHE).glob(f"models--*/blobs/{file.etag}")


def _pulled(home: Path, file: RemoteFile) -> Iterator[Path]:
    for state in filter(None, map(read_state, (home / PULLS).glob("*.json"))):
        same = isinstance(state.verified, str) and state.verified == file.sha256
        if same and state.url != file.url:
            yield PartialPaths(home, state.url).bytes


def _fits(path: Path, file: RemoteFile) -> bool:
    try:
        return path.is_file() and path.stat().st_size == file.size
    except OSError:  # of another user, or just gone
        return False
