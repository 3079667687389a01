"""A server that is attacked while a bystander uses it. `make fuzz` runs longer attacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import servers
from support.fuzzing import SEED, Attack, Bystander
from support.servers import Server

#: Requests by status, for each test.
summary: list[str] = []


@pytest.fixture(scope="session")
def fuzz_server(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Server]:
    """A server with the real model under the name `good`, and without a hub."""
    environ = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with servers.run_server(tmp_path_factory.mktemp("fuzz"), environ=environ) as server:
        with server.api() as api:
            body = {"name": "good", "path": str(smollm2_path)}
            parameters = {"num_ctx": 512, "num_parallel": 4, "keep_alive": -1}
            assert api.post("v1/models", json=body | {"default_parameters": parameters}).is_success
            assert api.post("v1/models/good/pin").is_success
        yield server


@pytest.fixture
def attack(fuzz_server: Server, request: pytest.FixtureRequest) -> Iterator[Attack]:
    """An attack during which a bystander uses the model `good`."""
    with fuzz_server.api() as api, Bystander(fuzz_server, "good") as bystander:
        attack = Attack(fuzz_server, api, bystander, SEED)
        yield attack
    assert not bystander.problems
    assert bystander.answers > 0
    # Those of child processes are prefixed.
    assert "\nTraceback" not in fuzz_server.log.read_text(errors="replace")
    summary.append(f"{request.node.name}: {attack.summary}, bystander {bystander.answers}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in summary:
        terminalreporter.write_line(line)
