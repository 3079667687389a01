"""Listings that are made to take long are processed in a short time."""

from __future__ import annotations

import pytest

from a3s_power_jupyter.contract.errors import (
    AmbiguousReference,
    InvalidModelDirectory,
    InvalidReference,
)
from a3s_power_jupyter.hub.resolve import gguf_files
from a3s_power_jupyter.hub.resolve.directory_files import directory_files
from a3s_power_jupyter.hub.resolve.reference import parse
from a3s_power_jupyter.hub.resolve.repository import RemoteFile

REFERENCE = parse("a/b")


pytestmark = pytest.mark.timeout(60)  # quadratic time would take far longer


def listed(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, 1, f"http://hub/{path}", "e", blob_id="e") for path in paths]


def test_shards_of_sets_that_are_not_complete() -> None:
    files = listed(*(f"m{i}-00001-of-99999.gguf" for i in range(50_000)))
    assert gguf_files.models(files) == []


def test_many_quantizations_and_projectors() -> None:
    files = listed(*(f"{i}/m-Q{i % 9}_0.gguf" for i in range(10_000)))
    files += listed(*(f"{i}/mmproj-m.gguf" for i in range(10_000)))
    with pytest.raises(AmbiguousReference, match="has 20,000 GGUF files") as caught:
        gguf_files.best(REFERENCE, files, None)
    assert len(caught.value.message) < 10_000


def test_similar_names_of_a_file_that_does_not_exist() -> None:
    path = "ab" * 400 + ".gguf"
    files = listed(*("ab" * 300 + f"{i}.gguf" for i in range(5_000)))
    with pytest.raises(InvalidReference, match="has no file"):
        gguf_files.by_path(REFERENCE, path, files)
    files = listed(*("ab" * 80 + f"{i}.gguf" for i in range(5_000)))
    with pytest.raises(InvalidReference, match="Did you mean"):
        gguf_files.by_path(REFERENCE, path, files)


def test_modules_without_end() -> None:
    paths = ["modules.json", "config.json", "tokenizer.json", "model.safetensors"]
    files = {file.path: file for file in listed(*paths, *(f"f{i}/x" for i in range(1000)))}
    modules = [{"path": f"f{i}"} for i in range(1_000_000)]
    with pytest.raises(InvalidModelDirectory, match="1,000,000 modules"):
        directory_files("a/b", files, lambda file: modules)
