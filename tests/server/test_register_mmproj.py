"""GGUF models with an mmproj file: registration, copies, requests and mistakes."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import gguf
import pytest

from support import tiny_mtmd
from support.servers import Server
from support.tiny_vision import encode, random_image


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    _, model, mmproj = tiny_mtmd.make(tmp_path_factory.mktemp("mmproj"))
    return model, mmproj


def register(api: Any, path: Path, **more: Any) -> Any:
    return api.post("v1/models", json={"name": "sees", "path": str(path), **more})


def logprob(api: Any, name: str, seed: int) -> float:
    image = base64.b64encode(encode(random_image(seed))).decode()
    message = {"role": "user", "content": "What?", "images": [image]}
    body = {"model": name, "messages": [message], "max_tokens": 1, "logprobs": True}
    reply = api.post("v1/chat/completions", json={**body, "temperature": 0}, timeout=120)
    assert reply.status_code == 200, reply.text
    value: float = reply.json()["choices"][0]["logprobs"]["content"][0]["logprob"]
    return value


@pytest.mark.parametrize("how", ["named", "automatic", "copied"])
def test_register_and_send_an_image(server: Server, files: tuple[Path, Path], how: str) -> None:
    model, mmproj = files
    given: dict[str, Any] = {
        "named": {"mmproj": str(mmproj)},
        "automatic": {"format": "vision"},
        "copied": {"mmproj": str(mmproj), "copy": True},
    }[how]
    with server.api() as api:
        made = register(api, model, **given)
        assert made.status_code == 201, made.text
        assert made.json()["format"] == "gguf"
        assert "vision" in made.json()["capabilities"]
        assert made.json()["size_bytes"] == model.stat().st_size + mmproj.stat().st_size
        assert logprob(api, "sees", 1) != logprob(api, "sees", 2)
        api.delete("v1/models/sees").raise_for_status()


def test_a_missing_mmproj_file(server: Server, files: tuple[Path, Path]) -> None:
    """Loading fails as if the weights were missing, and works again once the file is back."""
    model, mmproj = files
    away = mmproj.with_suffix(".away")
    with server.api() as api:
        register(api, model, mmproj=str(mmproj)).raise_for_status()
        mmproj.rename(away)
        reply = api.post("v1/models/sees/load", json={})
        assert reply.status_code >= 400
        assert mmproj.name in reply.json()["error"]["message"]
        away.rename(mmproj)
        assert logprob(api, "sees", 1)
        api.delete("v1/models/sees").raise_for_status()


def test_mistakes(server: Server, files: tuple[Path, Path], tmp_path: Path) -> None:
    model, mmproj = files
    alone, both = tmp_path / "alone", tmp_path / "both"
    for folder in (alone, both):
        folder.mkdir()
        shutil.copy(model, folder / "m.gguf")
    for name in ("mmproj-a.gguf", "m-mmproj.gguf"):
        shutil.copy(mmproj, both / name)
    audio = tmp_path / "mmproj-audio.gguf"
    writer = gguf.GGUFWriter(audio, "clip")
    writer.add_bool("clip.has_vision_encoder", False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    cases: list[tuple[Path, dict[str, Any], str, str]] = [
        (alone / "m.gguf", {"format": "vision"}, "file_not_found", "no mmproj file next to"),
        (both / "m.gguf", {"format": "vision"}, "invalid_parameter", "2 mmproj files"),
        (model, {"mmproj": str(model)}, "unsupported_model_format", "not a multimodal projector"),
        (model, {"mmproj": str(audio)}, "unsupported_model_format", "not a multimodal projector"),
        (model, {"mmproj": "relative.gguf"}, "invalid_parameter", "relative"),
        (model, {"mmproj": str(tmp_path / "no.gguf")}, "file_not_found", "no.gguf"),
        (tmp_path, {"mmproj": str(mmproj)}, "invalid_parameter", "Only a GGUF"),
        (mmproj, {}, "unsupported_model_format", "as its mmproj"),
    ]
    with server.api() as api:
        for path, given, code, message in cases:
            error = register(api, path, **given).json()["error"]
            assert (error["code"], message in error["message"]) == (code, True), error
