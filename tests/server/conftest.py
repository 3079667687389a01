"""Fixtures for tests in a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kernel_cells import Kernel
from support.servers import Server, run_server


@pytest.fixture(scope="session")
def kernel_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the only model smollm2, for tests that list models."""
    folder = tmp_path_factory.mktemp("magics")
    with run_server(folder, "--ServerApp.base_url=/user/ada/") as server:
        yield server


@pytest.fixture(scope="session")
def kernel(kernel_server: Server, smollm2_path: Path) -> Iterator[Kernel]:
    """A kernel of `kernel_server` with the magics, and the registered model smollm2."""
    with Kernel(kernel_server) as kernel:
        cell = kernel.run(
            "%load_ext a3s_power_jupyter\n"
            f"import os; os.chdir({str(smollm2_path.parent)!r})\n"
            f"%power register smollm2 {smollm2_path.name} -p num_ctx=2048"
        )
        assert cell.status == "ok", cell.stderr
        yield kernel
