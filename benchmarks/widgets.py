"""Measure the updates per second and the CPU time of a kernel that shows widgets during a pull.

    python benchmarks/widgets.py [--megabytes 2000] [--models 0]

Compares a kernel without a view (as on a page that connects to the server directly), a view that
is connected through the kernel, and the widget of ``%power pull``. The pull runs at full speed from
a hub on loopback. The hub, the server, the pull and the kernel are separate processes, which share
the cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

import httpx2
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from models import fill
from responsiveness import PULLS, hub_process, write_models

from support.servers import Server, run_server

TIMEOUT = 120.0
CONNECT = """
import os, time
os.environ |= {{"A3S_POWER_URL": {url!r}, "A3S_POWER_TOKEN": {token!r}}}
%load_ext a3s_power_jupyter
import a3s_power_jupyter as power
client = power.connect()
widget = client.table()
"""


@dataclass(frozen=True)
class Sample:
    """Seconds of one pull, CPU seconds of the kernel, and the time of each update."""

    seconds: float
    cpu: float
    updates: list[float]

    @property
    def peak(self) -> int:
        """Largest number of updates within one second."""
        return max((sum(s <= t < s + 1 for t in self.updates) for s in self.updates), default=0)


class Kernel:
    """A kernel started without a Jupyter server, as editors do."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> str:
        """Run a cell and return its output."""
        streams = [content for kind, content in self.messages(code) if kind == "stream"]
        return "".join(content["text"] for content in streams)

    def messages(self, code: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Run a cell and yield the type and content of each message."""
        request = self._client.execute(code)
        while True:
            message = self._client.get_iopub_msg(timeout=TIMEOUT)
            content: dict[str, Any] = message["content"]
            if message["msg_type"] == "error":
                raise RuntimeError(content["evalue"])
            if message["parent_header"].get("msg_id") == request:
                yield message["msg_type"], content
                if content.get("execution_state") == "idle":
                    return

    def send(self, comm: str, content: dict[str, Any]) -> None:
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        self._client.shell_channel.send(message)

    def received(self, seconds: float) -> list[dict[str, Any]]:
        """Return the messages for views that arrive within `seconds`."""
        end, found = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            try:
                message = self._client.get_iopub_msg(timeout=left)
            except Empty:
                break
            if message["msg_type"] == "comm_msg":
                found.append(message["content"]["data"]["content"])
        return found


@contextmanager
def kernel_process() -> Iterator[Kernel]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def cpu(kernel: Kernel) -> float:
    return float(kernel.run("print(time.process_time())"))


def pulled_meanwhile(api: httpx2.Client, name: str, kernel: Kernel) -> Sample:
    """Measure a pull by the server while the kernel only serves views."""
    updates: list[float] = []
    before, began = cpu(kernel), time.monotonic()
    api.post("v1/models/pull", json={"name": name, "background": True}).raise_for_status()
    while (state := pull_state(api, name)) == "pulling":
        for message in kernel.received(0.5):
            if message.get("item", {}).get("type") == "pull":
                updates.append(time.monotonic())
    seconds = time.monotonic() - began
    assert state == "done", state
    return Sample(seconds, cpu(kernel) - before, updates)


def pull_state(api: httpx2.Client, name: str) -> str:
    state: str = api.get(f"v1/models/pull/{quote(name, safe='')}/status").json()["status"]
    return state


def pulled_by_a_cell(name: str, kernel: Kernel) -> Sample:
    updates: list[float] = []
    before, began = cpu(kernel), time.monotonic()
    for kind, content in kernel.messages(f"%power pull {name}"):
        if kind == "comm_msg" and "status" in content["data"].get("state", {}):
            updates.append(time.monotonic())
    return Sample(time.monotonic() - began, cpu(kernel) - before, updates)


def compare(server: Server) -> dict[str, Sample]:
    first, second = PULLS
    samples = {}
    with kernel_process() as kernel, server.api() as api:
        messages = [*kernel.messages(CONNECT.format(url=server.url, token=server.token))]
        opened = [content for kind, content in messages if kind == "comm_open"]
        (comm,) = [c["comm_id"] for c in opened if "kind" in c["data"]["state"]]
        samples["without a view"] = pulled_meanwhile(api, first, kernel)
        kernel.send(comm, {"id": "a", "method": "GET", "path": "events", "stream": True})
        assert any(message["item"]["type"] == "snapshot" for message in kernel.received(2))
        samples["through the kernel"] = pulled_meanwhile(api, second, kernel)
        kernel.send(comm, {"id": "a", "stop": True})
        api.delete(f"v1/models/{quote(first, safe='')}").raise_for_status()
        samples["%power pull"] = pulled_by_a_cell(first, kernel)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=2000, help="size of each model")
    parser.add_argument("--models", type=int, default=0, help="other models in the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        write_models(folder, options.megabytes)
        fill(folder / "server" / "power", options.models)
        environ = {"HF_ENDPOINT": stack.enter_context(hub_process(folder)), "HF_TOKEN": ""}
        server = stack.enter_context(run_server(folder / "server", environ=environ))
        samples = compare(server)
    print(f"{os.cpu_count()} cores, {options.megabytes} MB, {options.models} other models\n")
    print("| | MB/s | updates/s | peak updates/s | kernel CPU |")
    print("|---|---|---|---|---|")
    for how, s in samples.items():
        speed, rate = options.megabytes / s.seconds, len(s.updates) / s.seconds
        share = f"{100 * s.cpu / s.seconds:.1f} %"
        print(f"| {how} | {speed:.0f} | {rate:.1f} | {s.peak} | {share} |")


if __name__ == "__main__":
    main()
