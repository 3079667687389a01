"""Directories of links to the files of a model."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import (
    InsufficientDisk,
    InvalidModelDirectory,
    StoreUnavailable,
)
from a3s_power_jupyter.store.staging import PREFIX, describe_staged, linked_directory
from support.model_files import model_directory


@pytest.fixture
def blobs(tmp_path: Path) -> dict[str, Path]:
    """A model with a file in a folder; no file has its own name."""
    folder = model_directory(tmp_path / "m")
    names = [path.name for path in folder.iterdir()]
    paths = {name: (folder / name).rename(tmp_path / f"sha256-{name}") for name in names}
    (tmp_path / "sha256-template").write_text("{{ messages }}")
    return paths | {"additional_chat_templates/rag.jinja": tmp_path / "sha256-template"}


@pytest.mark.parametrize("can_symlink", [True, False])
def test_a_linked_directory_has_the_files_and_nothing_else(
    blobs: dict[str, Path], can_symlink: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError

    if not can_symlink:
        monkeypatch.setattr(Path, "symlink_to", refuse)
    with linked_directory(blobs) as directory:
        found = {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file()
        }
    assert found == {name: path.read_bytes() for name, path in blobs.items()}
    assert not directory.exists()


def test_describe_staged(blobs: dict[str, Path]) -> None:
    description, paths = describe_staged("ada/m", blobs, None)
    assert description.format == "safetensors"
    assert set(paths) == set(blobs)


def test_errors_show_the_name_instead_of_the_temporary_directory(blobs: dict[str, Path]) -> None:
    del blobs["config.json"]
    with pytest.raises(InvalidModelDirectory, match=r"^ada/m has no config\.json"):
        describe_staged("ada/m", blobs, None)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary directory."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_directories_of_killed_processes_are_removed(
    temporary: Path, blobs: dict[str, Path]
) -> None:
    long_ago = 10**9
    abandoned, new, other, file = (
        temporary / name for name in (f"{PREFIX}0", f"{PREFIX}1", "other", f"{PREFIX}2")
    )
    for folder in (abandoned, new, other):
        folder.mkdir()
        (folder / "config.json").symlink_to(blobs["config.json"])
    file.touch()
    (temporary / f"{PREFIX}3").symlink_to(other)
    with linked_directory(blobs) as in_use:
        for path in (abandoned, other, file, in_use):
            os.utime(path, (long_ago, long_ago))
        with linked_directory(blobs):
            assert not abandoned.exists()
            assert all(path.exists() for path in (new, other, file, in_use))
    assert blobs["config.json"].exists()
    assert (other / "config.json").exists()
    assert not in_use.exists()


def test_a_temporary_directory_that_cannot_be_used(
    temporary: Path, blobs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary.rmdir()
    with pytest.raises(StoreUnavailable, match="TMPDIR"), linked_directory(blobs):
        pass
    temporary.mkdir()

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "symlink_to", full)
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(InsufficientDisk, match=re.escape(str(temporary))), linked_directory(blobs):
        pass
    assert list(temporary.iterdir()) == []
