"""Any JSON in a repository leads to the files of a model or to an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidModelDirectory
from a3s_power_jupyter.hub.resolve.directory_files import directory_files
from a3s_power_jupyter.hub.resolve.repository import RemoteFile
from support.hostile_http import as_json, mutations

INDEX = "model.safetensors.index.json"
CONTENTS: dict[str, Any] = {
    INDEX: {"metadata": {"total_size": 1}, "weight_map": {"a": "w-1.safetensors"}},
    "modules.json": [{"idx": 0, "path": ""}, {"idx": 1, "path": "1_Pooling", "type": "x.Pooling"}],
}
PATHS = [
    *CONTENTS, "w-1.safetensors", "config.json", "tokenizer.json", "1_Pooling/config.json", "x/y",
]  # fmt: skip
FILES = {path: RemoteFile(path, 1, f"http://hub/{path}", "e", blob_id="e") for path in PATHS}


def decoded(value: object) -> Iterator[Any]:
    try:
        yield msgspec.json.decode(as_json(value))
    except (msgspec.DecodeError, RecursionError):
        return  # an error of `HubApi.json`


@pytest.mark.parametrize("changed", CONTENTS)
def test_any_json(changed: str) -> None:
    outcomes = set()
    for value in mutations(CONTENTS[changed]):
        for content in decoded(value):
            contents = CONTENTS | {changed: content}
            try:
                files = directory_files("a/b", FILES, lambda file: contents[file.path])  # noqa: B023
                assert {"w-1.safetensors", "config.json"} <= {file.path for file in files}
                outcomes.add("files")
            except InvalidModelDirectory as error:
                is_clear = changed in error.message and len(error.message) < 500
                outcomes.add("error" if is_clear else error.message)
    assert outcomes == {"files", "error"}
