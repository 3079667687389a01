"""Keep unit tests free of processes and network connections."""

from __future__ import annotations

import multiprocessing.process
import os
import socket
import subprocess
from typing import NoReturn

import pytest


def _refuse(*_arguments: object, **_options: object) -> NoReturn:
    raise AssertionError(
        "Tests in tests/unit start no process and open no connection. Move this test to "
        "tests/server."
    )


@pytest.fixture(autouse=True)
def _no_processes_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", _refuse)
    for name in ("fork", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, _refuse, raising=False)
