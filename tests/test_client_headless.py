"""Kernels that no server started: they share one headless server, which outlives them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from servers import clean_environ

CONNECT = """
import json
import a3s_power_jupyter as power
client = power.connect()
print(json.dumps([client.server.pid, client.server.found, client.health().home]))
"""


@contextmanager
def kernel(environ: dict[str, str]) -> Iterator[BlockingKernelClient]:
    """A kernel as an editor without Jupyter Server starts it."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env=environ)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
        manager.cleanup_resources()


def run(client: BlockingKernelClient, code: str) -> str:
    """What a cell wrote."""
    return output(client, client.execute(code))


def output(client: BlockingKernelClient, cell: str) -> str:
    """Waits for the end of `cell`."""
    written = ""
    while True:
        message = client.get_iopub_msg(timeout=120)
        content = message["content"]
        if message["parent_header"].get("msg_id") != cell:
            continue
        if content.get("execution_state") == "idle":
            return written
        written += content.get("text", "") + content.get("evalue", "")


def test_two_kernels_share_one_server_that_outlives_them(tmp_path: Path) -> None:
    runtime_dir = tmp_path / "runtime"
    environ = clean_environ(tmp_path, tmp_path / "power", runtime_dir)
    with ExitStack() as stack:
        with kernel(environ) as first, kernel(environ) as second:
            cells = [(client, client.execute(CONNECT)) for client in (first, second)]
            found = [json.loads(output(*cell)) for cell in cells]
            (pid, _, home), _ = found
            stack.callback(end, pid)
            assert [server[0] for server in found] == [pid, pid]
            assert home == str(tmp_path / "power")
            assert "started for this kernel" in found[0][1] + found[1][1]
            end(pid)
            # The client of before starts another, and the other kernel finds it.
            assert run(first, "print(client.health().status)") == "ok\n"
            second_pid, how, _ = json.loads(run(second, CONNECT))
            stack.callback(end, second_pid)
            assert second_pid != pid
            assert how == "a server of yours that was running"
        assert (runtime_dir / f"a3s-power-{second_pid}.json").exists()
        assert psutil.Process(second_pid).status() != psutil.STATUS_ZOMBIE
    assert not list(runtime_dir.glob("a3s-power-*.json"))


def end(pid: int) -> None:
    """Stop the server with the process id `pid`, if it runs, and wait for its end."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        # It may be the child of a kernel that does not wait for it.
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        return
