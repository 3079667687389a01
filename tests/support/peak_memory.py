"""Measure the memory of the workers of a server (Linux)."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.servers import Server

WORKER, RENDERER = "a3s_power_jupyter.engine.main", "a3s_power_jupyter.engine.rendering.main"

#: Seconds between two measurements.
INTERVAL = 0.02


class Peak:
    """The largest private memory of a server's workers and their rendering processes.

    Private memory is resident memory that is not mapped from files.

    Attributes
    ----------
    private : int
        Bytes.
    """

    def __init__(self, server: Server) -> None:
        self._server = psutil.Process(server.pid)
        self._ended = threading.Event()
        self.private = 0

    @property
    def worker(self) -> psutil.Process:
        """The only worker."""
        [worker] = [process for process in self._processes() if process.cmdline()[-1] == WORKER]
        return worker

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure in a thread until the block ends."""
        thread = threading.Thread(target=self._measure)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _processes(self) -> Iterator[psutil.Process]:
        for child in self._server.children(recursive=True):
            try:
                if child.cmdline()[-1] in (WORKER, RENDERER):
                    yield child
            except (psutil.Error, IndexError):
                continue

    def _measure(self) -> None:
        while not self._ended.wait(INTERVAL):
            private = 0
            for process in self._processes():
                try:
                    memory = process.memory_info()
                except psutil.Error:
                    continue
                private += memory.rss - memory.shared
            self.private = max(self.private, private)


def forget_reads(pid: int) -> None:
    """Mark all pages of a process as not read."""
    Path(f"/proc/{pid}/clear_refs").write_text("1")


def read_weights(pid: int) -> int:
    """Return the size of the pages of mapped weights that were read since `forget_reads`."""
    size, counted = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counted = line.endswith((".gguf", ".safetensors")) or "/blobs/sha256-" in line
        elif counted and line.startswith("Referenced:"):
            size += int(line.split()[1]) * 1024
    return size
