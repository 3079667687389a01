"""Models beside programs that keep all cores busy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from support.servers import Server, run_server

#: Seconds after which an answer counts as hanging. It takes one or two.
LIMIT = 120


@pytest.fixture
def busy_cores() -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with run_server(tmp_path, headless=True) as running:
        yield running


def test_two_models_answer_beside_busy_programs(
    server: Server, smollm2_path: Path, busy_cores: None
) -> None:
    with server.api() as api:
        api.timeout = httpx2.Timeout(LIMIT)
        for name in "ab":
            body = {"name": name, "path": str(smollm2_path), "default_parameters": {"num_ctx": 256}}
            api.post("v1/models", json=body).raise_for_status()

        def ask(name: str) -> int:
            body = {"model": name, "prompt": "Once upon a time", "max_tokens": 32}
            reply = api.post("v1/completions", json=body).raise_for_status().json()
            return int(reply["usage"]["completion_tokens"])

        with ThreadPoolExecutor(2) as pool:
            for name in "ab":  # loads the models
                ask(name)
            assert all(count > 0 for count in pool.map(ask, "abababab"))
