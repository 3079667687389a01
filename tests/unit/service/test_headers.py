"""What the headers of models' files say, for clients that ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from a3s_power_jupyter.contract.errors import FileChanged
from a3s_power_jupyter.contract.types import Manifest, RegisterRequest
from a3s_power_jupyter.service import headers
from a3s_power_jupyter.service.service import PowerService
from support.model_files import LLAMA, gguf


def write(path: Path, **keys: object) -> None:
    path.write_bytes(gguf(LLAMA | keys))


async def read(service: PowerService, path: Path, **keys: object) -> dict[str, object]:
    write(path, **keys)
    await service.catalog.register(RegisterRequest("m", str(path), overwrite=True))
    return {**await service.headers.read(await service.catalog.manifest("m"))}


async def test_the_header_of_a_model(service: PowerService, tmp_path: Path) -> None:
    tokens = ["<s>", "a"]
    found = await read(service, tmp_path / "m.gguf", **{"tokenizer.ggml.tokens": tokens})
    assert found["general.architecture"] == "llama"
    assert found["llama.context_length"] == LLAMA["llama.context_length"]
    assert "tokenizer.ggml.tokens" not in found


async def test_a_header_that_is_too_large(
    service: PowerService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headers, "MAX_SIZE", 1000)
    keys = {"a.long": "x" * 2000, "z.short": "y"}
    found = await read(service, tmp_path / "m.gguf", **keys)
    assert found["general.architecture"] == "llama"
    assert not {*keys} & {*found}


async def test_a_file_that_has_changed(service: PowerService, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    await read(service, path)
    write(path, more="x")
    with pytest.raises(FileChanged):
        await service.headers.read(await service.catalog.manifest("m"))


async def test_other_formats_have_none(service: PowerService) -> None:
    assert await service.headers.read(Manifest("m", "remote", created=1)) == {}
