"""Real models are registered from the folders of other programs and from the file browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.model_files import gguf, smollm2
from support.servers import Server, error_code, error_message, run_server

HEX = "ab" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a user with the cache of the hub and Ollama, and with notebooks."""
    folder = tmp_path_factory.mktemp("sources")
    with run_server(folder, environ={"HF_HOME": "", "HF_HUB_CACHE": "", "OLLAMA_MODELS": ""}) as s:
        yield s


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


@pytest.fixture(scope="module")
def folder(server: Server) -> Path:
    """The home of the user."""
    home = server.home.parent
    ollama = home / ".ollama" / "models"
    manifest = ollama / "manifests" / "registry.ollama.ai" / "library" / "smollm2" / "135m"
    manifest.parent.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{HEX}"}
    manifest.write_text(json.dumps({"layers": [layer]}))
    (ollama / "blobs").mkdir()
    (ollama / "blobs" / f"sha256-{HEX}").symlink_to(smollm2())
    snapshot = home / ".cache/huggingface/hub/models--org--tiny-GGUF/snapshots/1"
    snapshot.mkdir(parents=True)
    blob = snapshot.parents[1] / "blobs" / HEX
    blob.parent.mkdir()
    blob.write_bytes(gguf())
    (snapshot / "tiny-Q4_0.gguf").symlink_to(f"../../blobs/{HEX}")
    return home


def test_an_empty_name_is_refused(api: httpx2.Client, folder: Path) -> None:
    reply = api.post("v1/models", json={"name": "", "path": str(smollm2())})
    assert (reply.status_code, error_code(reply)) == (400, "invalid_model_name")
    assert "The name is empty" in error_message(reply)


def test_what_is_found_can_be_registered_and_answers(api: httpx2.Client, folder: Path) -> None:
    listed = {m["name"]: m for m in api.get("v1/local-models").json()["data"]}
    assert {name: m["source"] for name, m in listed.items()} == {
        "org/tiny-GGUF:Q4_0": "huggingface",
        "smollm2:135m": "ollama",
    }
    for name, model in listed.items():
        reply = api.post("v1/models", json={"name": name, "path": model["path"]})
        assert reply.status_code == 201, reply.text
    again = api.get("v1/local-models").json()["data"]
    assert [m["installed"] for m in again] == [m["name"] for m in again]
    chat = {
        "model": "smollm2:135m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 3,
    }
    assert api.post("v1/chat/completions", json=chat, timeout=120).status_code == 200
    (folder / ".cache/huggingface/hub/models--org--tiny-GGUF/blobs" / HEX).unlink()
    failed = api.post("v1/models/org/tiny-GGUF:Q4_0/load", json={})
    assert error_code(failed) == "file_not_found"
    assert "moved or deleted since" in error_message(failed)


def test_paths_of_the_file_browser_are_registered(api: httpx2.Client, server: Server) -> None:
    root = server.home.parent / "notebooks"
    (root / "my models").mkdir(parents=True)
    path = root / "my models" / "Tiny Q4_0.gguf"
    path.write_bytes(gguf(fill=b"\1"))
    body = {"contents_path": "my models/Tiny Q4_0.gguf"}
    model = api.post("v1/models", json=body).json()
    assert (model["id"], model["source"]) == ("Tiny-Q4_0", {"path": str(path)})
    assert api.post("v1/models", json=body).json()["id"] == "Tiny-Q4_0"
    assert api.post("v1/models", json={"path": str(path)}).json()["id"] == "Tiny-Q4_0"
    other = root / "Tiny Q4_0.gguf"
    other.write_bytes(gguf(fill=b"\2"))
    named = api.post("v1/models", json={"contents_path": "/Tiny Q4_0.gguf"}).json()["id"]
    assert named == "Tiny-Q4_0-2"
    taken = api.post("v1/models", json={"contents_path": "Tiny Q4_0.gguf", "name": "Tiny-Q4_0"})
    assert error_code(taken) == "model_already_exists"


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        ({"contents_path": "../x.gguf"}, "invalid_parameter", "contents_path", "without '..'"),
        ({"contents_path": "a/../../x"}, "invalid_parameter", "contents_path", "without '..'"),
        ({"contents_path": ""}, "invalid_parameter", "contents_path", "is the root"),
        ({"contents_path": "a\0b"}, "invalid_parameter", "contents_path", "not a path"),
        ({"contents_path": "no.gguf"}, "file_not_found", "contents_path", "does not exist"),
        ({"contents_path": "a", "path": "/a"}, "invalid_parameter", "contents_path", "Omit one"),
        ({}, "invalid_parameter", "name", "The name is missing"),
        ({"path": "relative"}, "invalid_parameter", "path", "absolute"),
    ],
)
def test_other_paths_are_refused(
    api: httpx2.Client, body: dict[str, str], code: str, param: str, message: str
) -> None:
    reply = api.post("v1/models", json=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], error["param"], message in error["message"]) == (code, param, True)
