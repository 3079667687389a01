"""Ollama's routes for models, with a server, the test hub and a real model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from support.hub_server import HubServer, run_hub
from support.model_files import gguf
from support.rest_document import load_document
from support.server_pulls import partials, status_of
from support.servers import Server, run_server
from support.waiting import wait_until

NAME = "tests/Chat-GGUF:Q4_1"
SLOW = "tests/Slow-GGUF:Q4_1"
RATE = 4_000_000  # bytes per second of each connection, for pulls that take a while


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[HubServer]:
    with run_hub(send_buffer=64 * 1024) as running:
        running.add("tests/Chat-GGUF", {"model-Q4_1.gguf": smollm2_path})
        running.add("tests/Slow-GGUF", {"slow-Q4_1.gguf": gguf() + bytes(40_000_000)})
        yield running


@pytest.fixture(scope="module")
def server(hub: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}
    with run_server(tmp_path_factory.mktemp("ollama"), headless=True, environ=environ) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[httpx2.Client]:
    with server.api() as client:
        yield client


@pytest.fixture(scope="module")
def pulled(server: Server) -> list[dict[str, Any]]:
    """The lines of the pull of the model that the tests use."""
    with server.api() as client:
        return [*lines(client, {"model": f"hf.co/{NAME}", "insecure": True})]


def lines(client: httpx2.Client, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with client.stream("POST", "api/pull", json=body) as reply:
        assert reply.headers["Content-Type"] == "application/x-ndjson"
        for line in reply.iter_lines():
            yield json.loads(line)


def check(name: str, value: Any) -> None:
    """Check a reply against the document of the API."""
    document = load_document()
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def names(client: httpx2.Client) -> list[str]:
    return [model["name"] for model in client.get("api/tags").json()["models"]]


# ---------------------------------------------------------------- pulls


def test_a_pull_with_progress(
    pulled: list[dict[str, Any]], api: httpx2.Client, smollm2_path: Path
) -> None:
    for line in pulled:
        check("OllamaStatus", line)
    assert pulled[0] == {"status": "pulling manifest"}
    assert [line["status"] for line in pulled[-3:]] == [
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    size = smollm2_path.stat().st_size
    progress = [line for line in pulled if "digest" in line]
    assert {(line["total"], line["digest"]) for line in progress} == {(size, progress[0]["digest"])}
    completed = [line["completed"] for line in progress]
    assert completed == sorted(completed)
    assert completed[-1] == size
    assert NAME in names(api)
    reply = api.post("api/pull", json={"name": NAME, "stream": False, "insecure": True})
    assert reply.json() == {"status": "success"}
    assert reply.headers["X-Power-Ignored"] == "insecure"


def test_a_name_that_is_being_pulled_is_taken(
    pulled: list[dict[str, Any]], hub: HubServer, api: httpx2.Client, smollm2_path: Path
) -> None:
    hub.fail("slow-Q4_1.gguf", rate=RATE, times=None)
    assert api.post("v1/models/pull", json={"name": SLOW, "background": True}).is_success
    try:
        copy = {"source": NAME, "destination": SLOW}
        create = {"from": NAME, "model": SLOW, "system": "Be brief."}
        register = {"name": SLOW, "path": str(smollm2_path)}
        for path, body, param in (
            ("api/copy", copy, "destination"),
            ("api/create", create, "model"),
            ("v1/models", register, "name"),
            ("v1/models", register | {"overwrite": True}, "name"),
        ):
            reply = api.post(path, json=body)
            found = reply.json()
            error = found if path.startswith("api/") else found["error"]
            assert (reply.status_code, error["code"], error["param"]) == (409, "model_busy", param)
            message = error["error"] if path.startswith("api/") else error["message"]
            assert message.startswith(f"{SLOW!r} is being pulled. Choose another name")
    finally:
        assert api.delete(f"v1/models/pull/{SLOW}").is_success
        hub.clear_failures()
    assert api.post("api/copy", json=copy).is_success
    assert api.delete(f"v1/models/{SLOW}").is_success


def test_a_pull_that_is_left_paused_and_resumed(hub: HubServer, server: Server) -> None:
    hub.fail("slow-Q4_1.gguf", rate=RATE, times=None)
    with server.api() as client:
        leaving = lines(client, {"model": SLOW})
        while not next(leaving).get("completed"):
            pass
        leaving.close()  # the client disconnects
        assert status_of(server, SLOW)["status"] == "pulling"
        joining = lines(client, {"model": f"hf.co/{SLOW}"})
        assert next(joining) == {"status": "pulling manifest"}
        while not next(joining).get("completed"):
            pass
        assert client.post(f"v1/models/pull/{SLOW}/pause").is_success
        last = [*joining][-1]
        assert last["code"] == "server_busy"
        assert "Pull it again to resume" in last["error"]
        (partial,) = {path for path in partials(server) if path.suffix == ""}
        hub.clear_failures()
        served = hub.served("slow-Q4_1.gguf")
        resumed = [*lines(client, {"model": SLOW})]
        assert resumed[-1] == {"status": "success"}
        total = next(line["total"] for line in resumed if "digest" in line)
        assert hub.served("slow-Q4_1.gguf") - served < total
        assert not partial.exists()
        assert client.request("DELETE", "api/delete", json={"model": SLOW}).is_success


def test_pulls_that_fail(api: httpx2.Client) -> None:
    bare = api.post("api/pull", json={"model": "llama3.2"})
    assert (bare.status_code, bare.json()["code"]) == (400, "invalid_reference")
    assert "hf.co/owner/repo:TAG" in bare.json()["error"]
    check("OllamaError", bare.json())
    missing = {"model": "tests/None-GGUF:Q4_1"}
    last = [*lines(api, missing)][-1]
    assert last["code"] == "hub_unauthorized"
    whole = api.post("api/pull", json=missing | {"stream": False})
    assert (whole.status_code, whole.json()) == (401, last)


# ---------------------------------------------------------------- models


@pytest.mark.usefixtures("pulled")
def test_a_model_that_is_loaded(api: httpx2.Client) -> None:
    assert api.get("api/ps").json() == {"models": []}
    api.post(f"v1/models/{NAME}/load", json={"num_ctx": 512, "keep_alive": "1h"})
    (process,) = api.get("api/ps").json()["models"]
    check("OllamaProcess", process)
    assert (process["name"], process["context_length"]) == (NAME, 512)
    assert process["size"] > process["size_vram"] >= 0
    api.post(f"v1/models/{NAME}/unload")
    assert api.get("api/ps").json() == {"models": []}


@pytest.mark.usefixtures("pulled")
def test_show(api: httpx2.Client) -> None:
    reply = api.post("api/show", json={"model": "", "name": f"HF.co/{NAME.lower()}"}).json()
    check("OllamaShow", reply)
    info = reply["model_info"]
    assert info[f"{reply['details']['family']}.context_length"] == 8192
    assert info["general.parameter_count"] == 134_515_008
    assert "<|im_start|>" in reply["template"]
    assert "completion" in reply["capabilities"]
    assert reply["details"]["parameter_size"] == "134.52M"


@pytest.mark.usefixtures("pulled")
def test_copies_are_models_of_their_own(server: Server, api: httpx2.Client) -> None:
    blobs = sorted((server.home / "models" / "blobs").iterdir())
    reply = api.post("api/copy", json={"source": f"hf.co/{NAME}", "destination": "Mine:latest"})
    assert (reply.status_code, reply.content) == (200, b"")
    body = {"model": "terse", "from": "mine", "system": "Be terse.", "parameters": {"seed": 1}}
    created = api.post("api/create", json=body)
    assert [json.loads(line)["status"] for line in created.iter_lines()][-1] == "success"
    api.post("v1/models/terse/load", json={})
    again = api.post("api/create", json=body | {"system": "Be brief.", "stream": False})
    assert again.json() == {"status": "success"}
    assert api.get("api/ps").json() == {"models": []}  # it was loaded with other parameters
    assert api.get("v1/models/terse").json()["default_parameters"] == {
        "system": "Be brief.",
        "seed": 1,
    }
    api.post("api/copy", json={"source": NAME, "destination": "a/b/c"})
    for name in ("mine", "a/b/c:latest"):  # nothing is to be pulled
        assert [*lines(api, {"model": name})][-1] == {"status": "success"}
    assert {"Mine:latest", "terse:latest", "a/b/c:latest", NAME} == {*names(api)}
    assert sorted((server.home / "models" / "blobs").iterdir()) == blobs
    for model in api.get("api/tags").json()["models"]:
        check("OllamaModel", model)
    assert api.request("DELETE", "api/delete", json={"name": "MINE"}).is_success
    for name in ("terse:latest", "a/b/c"):
        assert api.request("DELETE", "api/delete", json={"model": name}).is_success
    assert names(api) == [NAME]
    assert sorted((server.home / "models" / "blobs").iterdir()) == blobs


@pytest.mark.usefixtures("pulled")
def test_a_damaged_model_is_deleted(server: Server, api: httpx2.Client) -> None:
    api.post("api/copy", json={"source": NAME, "destination": "damaged"})
    manifest = server.home / "models" / "manifests" / "damaged.json"
    manifest.write_text('{"name": "damaged"')
    shown = api.post("api/show", json={"model": "damaged"})
    assert shown.json()["code"] == "manifest_unreadable"
    assert api.request("DELETE", "api/delete", json={"model": "damaged:latest"}).is_success
    assert not manifest.exists()


def test_a_model_that_has_lost_its_file(api: httpx2.Client, tmp_path: Path) -> None:
    file = tmp_path / "lost.gguf"
    file.write_bytes(gguf())
    assert api.post("v1/models", json={"name": "lost", "path": str(file)}).is_success
    file.unlink()
    for path, body in (("show", {}), ("generate", {}), ("generate", {"prompt": "a"})):
        error = api.post(f"api/{path}", json={"model": "lost"} | body).json()
        assert (error["code"], error["param"]) == ("file_not_found", "model")
    assert api.request("DELETE", "api/delete", json={"model": "lost"}).is_success


@pytest.mark.usefixtures("pulled")
def test_a_busy_model_is_deleted_with_force(api: httpx2.Client) -> None:
    api.post("api/copy", json={"source": NAME, "destination": "busy"})
    chat = {"model": "busy", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    options = {"max_tokens": -1, "ignore_eos": True}
    with api.stream("POST", "v1/chat/completions", json=chat | options) as reply:
        answer = reply.iter_lines()
        next(answer)
        wait_until(lambda: api.get("v1/models/busy").json()["state"] == "busy", 60)
        refused = api.request("DELETE", "api/delete", json={"model": "busy"})
        assert (refused.status_code, refused.json()["code"]) == (409, "model_busy")
        assert api.request("DELETE", "api/delete", json={"model": "busy", "force": True}).is_success
    assert "busy:latest" not in names(api)


@pytest.mark.usefixtures("pulled")
@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code", "param"),
    [
        ("POST", "show", {"model": "nope"}, 404, "model_not_found", "model"),
        ("POST", "show", {}, 400, "invalid_parameter", "model"),
        ("DELETE", "delete", {"model": "nope"}, 404, "model_not_found", "model"),
        ("POST", "copy", {"source": "nope", "destination": "b"}, 404, "model_not_found", "source"),
        ("POST", "copy", {"source": NAME, "destination": "../b"}, 400, "invalid_model_name",
         "destination"),
        ("POST", "copy", {"source": NAME}, 400, "invalid_parameter", "destination"),
        ("POST", "create", {"model": "m", "from": "nope"}, 404, "model_not_found", "from"),
        ("POST", "create", {"model": "m", "files": {}}, 400, "invalid_parameter", "from"),
        ("POST", "create", {"model": "a b", "from": NAME}, 400, "invalid_model_name", "model"),
        ("POST", "create", {"model": "m", "from": NAME, "files": {"a": "b"}}, 400,
         "unsupported_request_fields", "files"),
        ("POST", "create", {"model": "m", "from": NAME, "parameters": {"num_predict": "x"}}, 400,
         "invalid_parameter", "parameters.num_predict"),
        ("POST", "pull", {"name": "no reference/x"}, 400, "invalid_reference", "model"),
        ("POST", "pull", {"name": "tests/Chat-GGUF@none:Q4_1", "stream": False}, 400,
         "invalid_reference", "model"),
        ("POST", "push", {"model": NAME}, 404, "route_not_found", None),
        ("POST", "blobs/sha256:00", {}, 404, "route_not_found", None),
        ("POST", "signout", {}, 404, "route_not_found", None),
    ],
)  # fmt: skip
def test_mistakes(
    api: httpx2.Client,
    verb: str,
    path: str,
    body: dict[str, Any],
    status: int,
    code: str,
    param: str | None,
) -> None:
    reply = api.request(verb, f"api/{path}", json=body)
    error = reply.json()
    assert (reply.status_code, error["code"], error.get("param")) == (status, code, param)
    check("OllamaError", reply.json())
    if code == "model_not_found":
        assert reply.json()["error"].startswith("model 'nope' not found")


def test_files_that_are_larger_than_a_body(api: httpx2.Client) -> None:
    """Clients upload the files of a model before they create it."""
    assert api.head("api/blobs/sha256:00").status_code == 404
    reply = api.post("api/blobs/sha256:00", content=bytes(33 << 20))
    assert reply.status_code == 413
    assert "register them with POST /v1/models" in reply.json()["error"]
