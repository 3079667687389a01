"""Directories of links to the files of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.store.staging import describe_staged, linked_directory
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
