"""Test that errors of the operating system say what is wrong, with the right code."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import (
    FileNotFound,
    InsufficientDisk,
    PathUnreadable,
    PowerError,
    ServerBusy,
    StoreUnavailable,
)
from a3s_power_jupyter.store.os_errors import obstacle, reading, reading_store, writing

#: Error, its code when the user's file is read, when the store is written, and its explanation.
CASES = [
    (errno.ENOENT, FileNotFound, StoreUnavailable, ""),
    (errno.ENOTDIR, FileNotFound, StoreUnavailable, ""),
    (errno.EISDIR, PathUnreadable, StoreUnavailable, "directory"),
    (errno.ELOOP, PathUnreadable, StoreUnavailable, "circle"),
    (errno.ENAMETOOLONG, PathUnreadable, StoreUnavailable, "255 bytes"),
    (errno.EACCES, PathUnreadable, StoreUnavailable, "permissions"),
    (errno.EPERM, PathUnreadable, StoreUnavailable, "permissions"),
    (errno.EROFS, PathUnreadable, StoreUnavailable, "read-only"),
    (errno.EIO, PathUnreadable, StoreUnavailable, "damaged"),
    (errno.ESTALE, PathUnreadable, StoreUnavailable, "mounted"),
    (errno.ETIMEDOUT, PathUnreadable, StoreUnavailable, "network disk"),
    (errno.ETXTBSY, PathUnreadable, StoreUnavailable, "running"),
    (errno.EFBIG, PathUnreadable, StoreUnavailable, "size"),
    (errno.EMFILE, ServerBusy, ServerBusy, "ulimit"),
    (errno.ENFILE, ServerBusy, ServerBusy, "too many open files"),
    (errno.ENOMEM, ServerBusy, ServerBusy, "memory"),
]


@pytest.mark.parametrize(("number", "read", "written", "why"), CASES)
def test_the_reason_is_named_and_no_other(
    tmp_path: Path, number: int, read: type[PowerError], written: type[PowerError], why: str
) -> None:
    path = tmp_path / "file"
    caught = []
    for context, kind in [
        (reading(path), read),
        (reading_store(tmp_path), written),
        (writing(tmp_path), written),
    ]:
        with pytest.raises(kind) as raised, context:
            raise OSError(number, os.strerror(number), str(path))
        assert type(raised.value) is kind
        caught.append(raised.value)
    for error in caught:
        assert why in error.message
        assert ("permissions" in error.message) == (why == "permissions")
        assert str(tmp_path) in error.message
        assert error.status < 500 or error.status == 503
    if caught[1].code == "store_unavailable":
        assert "A3S_POWER_HOME" in caught[1].message


def test_a_full_disk_and_a_used_up_quota(tmp_path: Path) -> None:
    for number, why in [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota")]:
        with pytest.raises(InsufficientDisk, match=why), writing(tmp_path):
            raise OSError(number, os.strerror(number))


def test_the_part_of_a_path_that_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert obstacle(tmp_path) is None
    assert obstacle(tmp_path / "a" / "b") is None
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "b"):
        assert obstacle(path) == f"{tmp_path / 'file'} is a file, not a directory"
    for path in (tmp_path / "link", tmp_path / "link" / "a"):
        assert obstacle(path) == f"{tmp_path / 'link'} is a link to nowhere, which does not exist"
    for path, number, why in [
        (tmp_path / "file" / "a", errno.ENOTDIR, "file is a file"),
        (tmp_path / "link" / "a", errno.ENOENT, "link to nowhere"),
    ]:
        for context in (reading(path), reading_store(path)):
            with pytest.raises(PowerError, match=why), context:
                raise OSError(number, "", str(path))
