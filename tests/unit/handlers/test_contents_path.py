"""Paths of JupyterLab's file browser become paths on the server, below its root."""

from __future__ import annotations

from pathlib import Path

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.contents.manager import ContentsManager

from a3s_power_jupyter.contract.errors import InvalidParameter
from a3s_power_jupyter.handlers.local_models import file_path


@pytest.mark.parametrize("path", ["a/m.gguf", "/a/m.gguf", "a/m.gguf/"])
def test_the_root_is_that_of_the_file_browser(tmp_path: Path, path: str) -> None:
    manager = AsyncLargeFileManager(root_dir=str(tmp_path))
    assert file_path(path, manager) == str(tmp_path / "a" / "m.gguf")


@pytest.mark.parametrize("path", ["", "/", "//"])
def test_the_root_itself_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidParameter, match="is the root of the file browser"):
        file_path(path, AsyncLargeFileManager(root_dir=str(tmp_path)))


@pytest.mark.parametrize("path", ["..", "a/../b", "./a", "a//b", "a/\0"])
def test_other_paths_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidParameter, match="not a path of the file browser"):
        file_path(path, AsyncLargeFileManager(root_dir=str(tmp_path)))


def test_a_file_browser_of_other_things_than_files_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="does not show files of this machine"):
        file_path("a.gguf", ContentsManager())
