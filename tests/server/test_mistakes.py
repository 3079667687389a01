"""Mistakes of users and hostile files on a real server: a clear error, and no other effect."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import a3s_power_jupyter as power
from support import model_files
from support.servers import Server

Make = Callable[[Path], Path]


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


def file(content: bytes, name: str = "model.gguf") -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def truncated(folder: Path) -> Path:
    path = folder / "cut.gguf"
    with model_files.smollm2().open("rb") as whole:
        path.write_bytes(whole.read(30_000_000))
    return path


def directory(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def pickles(folder: Path) -> Path:
    path = model_files.model_directory(folder / "pickled")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    return path


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.gguf")
    return folder / "pipe.gguf"


HEADER = b"GGUF" + struct.pack("<I", 3)
FILES: list[tuple[str, Make, str]] = [
    ("not a GGUF file", file(b"PK\x03\x04 this is a zip file"), "invalid_gguf"),
    ("empty", file(b""), "invalid_gguf"),
    ("truncated", truncated, "invalid_gguf"),
    ("absurd tensor count", file(HEADER + struct.pack("<QQ", 2**63, 1)), "invalid_gguf"),
    ("absurd key count", file(HEADER + struct.pack("<QQ", 0, 2**64 - 1)), "invalid_gguf"),
    ("absurd key length", file(HEADER + struct.pack("<QQQ", 0, 1, 2**62)), "invalid_gguf"),
    ("a directory", directory, "invalid_model_directory"),
    ("pickled weights", pickles, "invalid_model_directory"),
    ("a missing file", lambda folder: folder / "nothing.gguf", "file_not_found"),
    ("a pipe", fifo, "not_a_file"),
]


@pytest.mark.parametrize(("make", "code"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_files_that_are_not_models(
    api: httpx2.Client, tmp_path: Path, make: Make, code: str
) -> None:
    reply = api.post("v1/models", json={"name": "bad", "path": str(make(tmp_path))})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert "Traceback" not in reply.text
    assert "bad" not in [model["id"] for model in api.get("v1/models").json()["data"]]


REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("no path", {"name": "bad"}, 400, "invalid_parameter"),
    ("a path in a name", {"name": "../../etc/passwd", "path": "/x"}, 400, "invalid_model_name"),
    ("an absolute name", {"name": "/etc/passwd", "path": "/x"}, 400, "invalid_model_name"),
    ("a long name", {"name": "a" * 256, "path": "/x"}, 400, "invalid_model_name"),
    ("a relative path", {"name": "bad", "path": "model.gguf"}, 400, "invalid_parameter"),
    ("an unknown field", {"name": "bad", "path": "/x", "pth": 1}, 400, "invalid_parameter"),
    ("an unknown format", {"name": "bad", "path": "/x", "format": "onnx"}, 400, "?"),
    (
        "an unknown ISQ kind",
        {"name": "bad", "path": "/x", "default_parameters": {"isq": "Q5"}},
        400,
        "invalid_isq",
    ),
    (
        "a bad keep_alive",
        {"name": "bad", "path": "/x", "default_parameters": {"keep_alive": "soon"}},
        400,
        "invalid_keep_alive",
    ),
    (
        "a parameter out of range",
        {"name": "bad", "path": "/x", "default_parameters": {"top_p": 2}},
        400,
        "invalid_parameter",
    ),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), [r[1:] for r in REQUESTS], ids=[r[0] for r in REQUESTS]
)
def test_invalid_registrations(
    api: httpx2.Client, body: dict[str, Any], status: int, code: str
) -> None:
    reply = api.post("v1/models", json=body)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == (code if code != "?" else "unsupported_model_format")


def test_a_changed_file_is_refused_until_it_is_registered_again(
    api: httpx2.Client, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(model_files.smollm2().read_bytes())
    body = {"name": "changing", "path": str(path)}
    assert api.post("v1/models", json=body).status_code == 201
    os.utime(path)
    ask = {"model": "changing", "prompt": "x", "max_tokens": 1}
    reply = api.post("v1/completions", json=ask)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "file_changed")
    assert api.post("v1/models", json=body).status_code == 201  # same content, new times
    assert api.post("v1/completions", json=ask).status_code == 200
    path.unlink()
    api.post("v1/models/changing/unload").raise_for_status()
    reply = api.post("v1/completions", json=ask)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "file_not_found")
    assert api.delete("v1/models/changing").json()["deleted"] is True


def test_a_well_formed_file_without_weights_fails_to_load(
    api: httpx2.Client, tmp_path: Path
) -> None:
    path = tmp_path / "hollow.gguf"
    path.write_bytes(model_files.gguf())
    api.post("v1/models", json={"name": "hollow", "path": str(path)}).raise_for_status()
    reply = api.post("v1/completions", json={"model": "hollow", "prompt": "x"})
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] in ("model_load_failed", "worker_died")
    assert api.get("v1/models/hollow").json()["state"] == "failed"
    assert api.get("v1/health").json()["status"] == "ok"
    api.delete("v1/models/hollow").raise_for_status()


def test_a_model_of_an_unknown_family_fails_to_load(api: httpx2.Client, tmp_path: Path) -> None:
    """The headers are valid, but neither the converter nor transformers knows the family."""
    path = model_files.model_directory(tmp_path / "model")
    made = api.post("v1/models", json={"name": "hull", "path": str(path)})
    assert (made.status_code, made.json()["format"]) == (201, "safetensors")
    assert made.json()["default_parameters"] == {"isq": "Q8_0"}
    reply = api.post(
        "v1/chat/completions",
        json={"model": "hull", "messages": [{"role": "user", "content": "hello"}]},
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "model_load_failed")
    assert "transformers" in reply.json()["error"]["message"]
    api.delete("v1/models/hull").raise_for_status()


def test_the_same_mistakes_in_python(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(b"nothing of the kind")
    with power.connect(server.url, server.token) as client:
        with pytest.raises(power.PowerError) as caught:
            client.register("bad", path)
        assert caught.value.code == "invalid_gguf"
        with pytest.raises(power.PowerError) as caught:
            client.chat("unknown", "hello")
        assert caught.value.code == "model_not_found"


def test_a_damaged_manifest_is_reported_and_other_models_work(
    start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    with server.api() as api:
        for name in ("good", "damaged"):
            body = {"name": name, "path": str(smollm2_path)}
            api.post("v1/models", json=body).raise_for_status()
        manifest = server.home / "models" / "manifests" / "damaged.json"
        manifest.write_text("{")
        assert [m["id"] for m in api.get("v1/models").json()["data"]] == ["good"]
        reply = api.get("v1/models/damaged")
        assert (reply.status_code, reply.json()["error"]["code"]) == (500, "manifest_unreadable")
        (problem,) = api.get("v1/health").json()["problems"]
        assert problem["file"] == "damaged.json"
        assert manifest.read_text() == "{"
        assert json.loads((manifest.parent / "good.json").read_text())["name"] == "good"


def test_damage_in_the_store_is_explained(
    start_server: Callable[..., Server], smollm2_path: Path
) -> None:
    server = start_server(headless=True)
    with server.api() as api:
        body = {"name": "copied", "path": str(smollm2_path), "copy": True}
        api.post("v1/models", json=body).raise_for_status()
        changes = {"default_parameters": {"temperature": 0.3}}
        api.patch("v1/models/copied", json=changes).raise_for_status()
        [blob] = (server.home / "models/blobs").glob("sha256-*")
        size = blob.stat().st_size
        os.truncate(blob, size - 1)
        chat = {"model": "copied", "messages": [{"role": "user", "content": "Hi"}]}
        reply = api.post("v1/chat/completions", json=chat)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "file_changed")
        message = reply.json()["error"]["message"]
        assert f"has {size - 1:,} bytes, and should have {size:,}" in message
        assert f"Register 'copied' again from {smollm2_path}" in message
        restored = api.post("v1/models", json=body)
        assert (restored.status_code, restored.json()["default_parameters"]["temperature"]) == (
            201,
            0.3,
        )
        assert api.post("v1/models/copied/load", json={}).status_code == 200

        (server.home / "models/manifests/folder.json").mkdir()
        for reply in (api.get("v1/models/folder"), api.delete("v1/models/folder")):
            error = reply.json()["error"]
            assert (reply.status_code, error["code"]) == (500, "manifest_unreadable")
            assert "is a directory" in error["message"]
