"""Reading the JSON files of models, with damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import FileNotFound, InvalidModelDirectory
from a3s_power_jupyter.store.formats.json_file import (
    read_array,
    read_object,
    read_optional_object,
)


def test_objects_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "object.json").write_text('{"a": "ä"}', encoding="utf-8")
    (tmp_path / "array.json").write_text("[1]")
    assert read_object(tmp_path / "object.json") == {"a": "ä"}
    assert read_optional_object(tmp_path / "object.json") == {"a": "ä"}
    assert read_array(tmp_path / "array.json") == [1]


def test_only_an_optional_file_may_be_missing(tmp_path: Path) -> None:
    assert read_optional_object(tmp_path / "none.json") == {}
    with pytest.raises(FileNotFound):
        read_object(tmp_path / "none.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"a":', b'{"a": "\xff"}', b"[" * 9999])
@pytest.mark.parametrize("read", [read_object, read_optional_object])
def test_damaged_objects(tmp_path: Path, content: bytes, read: object) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert callable(read)
    with pytest.raises(InvalidModelDirectory, match=r"config\.json cannot be used"):
        read(path)
