"""Test the headless server shared by kernels without a Jupyter server."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import psutil

from support.kernel_cells import bare_kernel
from support.servers import clean_environ, stop_pid

CONNECT = """
import json
import a3s_power_jupyter as power
client = power.connect()
print(json.dumps([client.server.pid, client.server.found, client.health().home]))
"""


def test_two_kernels_share_one_server_that_outlives_them(tmp_path: Path) -> None:
    runtime_dir = tmp_path / "runtime"
    environ = clean_environ(tmp_path, tmp_path / "power", runtime_dir)
    with ExitStack() as stack:
        with bare_kernel(environ) as first, bare_kernel(environ) as second:
            cells = [(kernel, kernel.start(CONNECT)) for kernel in (first, second)]
            servers = [json.loads(kernel.finish(cell).stdout) for kernel, cell in cells]
            (pid, _, home), _ = servers
            stack.callback(stop_pid, pid)
            assert [server[0] for server in servers] == [pid, pid]
            assert home == str(tmp_path / "power")
            assert "started for this kernel" in servers[0][1] + servers[1][1]
            stop_pid(pid)
            # The client of the first kernel starts another server, and the second kernel finds it.
            assert first.run("print(client.health().status)").stdout == "ok\n"
            second_pid, how, _ = json.loads(second.run(CONNECT).stdout)
            stack.callback(stop_pid, second_pid)
            assert second_pid != pid
            assert how == "a running server of yours"
        assert (runtime_dir / f"a3s-power-{second_pid}.json").exists()
        assert psutil.Process(second_pid).status() != psutil.STATUS_ZOMBIE
    assert not list(runtime_dir.glob("a3s-power-*.json"))
