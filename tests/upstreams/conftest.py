"""Our notebook server, and the upstreams one after another.

A test with the fixture `far` runs with each kind of server. pytest orders them by the kind, so that
each server is started once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.kernel_cells import Kernel
from support.paths import TESTS
from support.ports import free_port
from support.servers import Server, run_server

from .kinds import KEY, KEY_VARIABLE, KINDS, Kind, Models, Running

TEMPLATE = TESTS / "clients" / "weather.jinja"

#: What the safetensors model says its context is, so that a prompt that exceeds it is read soon.
DIRECTORY_CONTEXT = 512


@dataclass(frozen=True)
class Far:
    """A remote model of our server.

    Attributes
    ----------
    name : str
        Its name in our server.
    server : Running
        The upstream.
    """

    name: str
    kind: Kind
    server: Running
    front: Server
    api: httpx2.Client

    def post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return self.api.post(path, json={"model": self.name, **body})

    def register(self, name: str, *urls: str, model: str = "", key: str = KEY_VARIABLE) -> None:
        """Register a further name, by default for the same model."""
        register(self.api, name, urls or self.server.url, model or self.server.model, key)


def register(api: httpx2.Client, name: str, url: Any, model: str, key: str = KEY_VARIABLE) -> None:
    upstream = {"base_url": url, "model": model, "api_key_env": key}
    body = {"name": name, "format": "remote", "upstream": upstream, "overwrite": True}
    reply = api.post("v1/models", json=body)
    assert reply.is_success, reply.text


@pytest.fixture(scope="session")
def models(
    smollm2_path: Path, smollm2_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Models:
    folder = tmp_path_factory.mktemp("models")
    found = Models(folder / "smollm2.gguf", folder / "pooled.gguf", folder / "smollm2")
    script = TESTS / "upstreams" / "models.py"
    for target in ([found.gguf, TEMPLATE], [found.pooled, TEMPLATE, "mean"]):
        command = [sys.executable, script, smollm2_path, *target]
        subprocess.run(command, check=True, capture_output=True)
    shutil.copytree(smollm2_directory, found.directory)
    shutil.copy(TEMPLATE, found.directory / "chat_template.jinja")
    config = json.loads((found.directory / "config.json").read_text())
    config["max_position_embeddings"] = DIRECTORY_CONTEXT
    (found.directory / "config.json").write_text(json.dumps(config))
    return found


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {KEY_VARIABLE: KEY, "WRONG_KEY": "sk-other"}
    with run_server(tmp_path_factory.mktemp("front"), environ=environ) as server:
        yield server


@pytest.fixture(scope="session")
def api(front: Server) -> Iterator[httpx2.Client]:
    with front.api() as client:
        yield client


@pytest.fixture(scope="session")
def kernel(front: Server) -> Iterator[Kernel]:
    with Kernel(front) as running:
        cell = running.run("%load_ext a3s_power_jupyter")
        assert cell.status == "ok", cell.stderr
        yield running


@pytest.fixture(scope="session", params=KINDS, ids=lambda kind: kind.name.replace(" ", "-"))
def far(
    request: pytest.FixtureRequest,
    front: Server,
    api: httpx2.Client,
    models: Models,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Far]:
    kind: Kind = request.param
    port = free_port()
    with kind.start(tmp_path_factory.mktemp("upstream"), port, models) as server:
        found = Far("far", kind, server, front, api)
        found.register("far")
        yield found


@pytest.fixture
def starting() -> Iterator[ExitStack]:
    """Ends the servers that a test starts."""
    with ExitStack() as stack:
        yield stack
