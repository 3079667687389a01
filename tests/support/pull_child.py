"""A pull process without a hub. The model's name selects what it does.

- ``fake/slow`` downloads until it is paused; ``fake/stubborn`` ignores the pause.
- ``fake/shards`` has two files and waits for a pause.
- ``fake/dies`` kills itself, ``fake/fails`` reports an error, ``fake/leaves`` exits without an
  outcome, and ``fake/babbles`` sends a message that is not a status.
- Any other name is registered as the file ``tiny.gguf`` of the home.

Requests are appended to ``requests.jsonl`` of the home.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from a3s_power_jupyter.contract.errors import ChecksumMismatch
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import PulledFile, RegisterRequest
from a3s_power_jupyter.hub import protocol
from a3s_power_jupyter.ipc import harness
from a3s_power_jupyter.store.model_store import ModelStore

COMMIT = "c" * 40
TOTAL = 1_000_000

Channel = harness.Channel[protocol.Command]


class Emitter:
    """Emits the status of the pull, as `hub.transfer.progress.Reporter` does."""

    def __init__(self, channel: Channel, request: protocol.StartPull) -> None:
        self._channel = channel
        self._status = request.status

    def emit(self, **changes: Any) -> None:
        rest = {"bytes_per_second": UNSET, "eta_seconds": UNSET}
        self._status = msgspec.structs.replace(self._status, **rest | changes)
        self._channel.emit(self._status)

    def end(self, *args: Any, **more: Any) -> None:
        self._channel.emit(self._status.ended(*args, **more))


def main(channel: Channel) -> None:
    request = channel.receive()
    assert isinstance(request, protocol.StartPull)
    home = Path(request.home)
    with (home / "requests.jsonl").open("ab") as log:
        log.write(msgspec.json.encode(request) + b"\n")
    emitter = Emitter(channel, request)
    emitter.emit(phase="resolving")
    pull(channel, emitter, request)


def pull(channel: Channel, emitter: Emitter, request: protocol.StartPull) -> None:
    name, home = request.reference.name, Path(request.home)
    kind = re.split("[@:]", name.removeprefix("fake/"))[0]
    if kind == "babbles":
        channel.emit(protocol.Pause())
        time.sleep(60)
    if kind == "shards":
        pull_shards(channel, emitter, request)
        return
    emitter.emit(revision=COMMIT, total=TOTAL, note="Chosen.")
    if request.reference.revision == COMMIT:
        half = TOTAL // 2
        emitter.emit(phase="downloading", completed=half, resumed_from=half)
    if kind in ("slow", "stubborn"):
        download_until_paused(channel, emitter, ignore_pause=kind == "stubborn")
        return
    emitter.emit(phase="downloading", completed=TOTAL // 4, bytes_per_second=1e6, eta_seconds=0.75)
    if kind == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fails":
        emitter.end("failed", error=ChecksumMismatch("The bytes are wrong.").to_wire())
    elif kind != "leaves":
        emitter.emit(completed=TOTAL, bytes_per_second=1e6, eta_seconds=0.0)
        emitter.emit(phase="verifying")
        register(emitter, name, home)


def pull_shards(channel: Channel, emitter: Emitter, request: protocol.StartPull) -> None:
    """Wait for a pause with a quarter of two files missing, and complete when resumed."""
    half, quarter = TOTAL // 2, TOTAL // 4
    names = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")

    def files(*completed: int) -> tuple[PulledFile, ...]:
        pairs = zip(names, completed, strict=True)
        return tuple(PulledFile(name, half, count) for name, count in pairs)

    present = {"completed": half + quarter, "files": files(half, quarter)}
    emitter.emit(revision=COMMIT, total=TOTAL, files=files(0, 0))
    if request.reference.revision != COMMIT:
        emitter.emit(phase="downloading", **present, bytes_per_second=1e6, eta_seconds=0.25)
        channel.receive()
        emitter.end("paused")
        return
    emitter.emit(phase="downloading", **present, resumed_from=half + quarter)
    emitter.emit(phase="verifying", completed=TOTAL, files=files(half, half))
    register(emitter, request.reference.name, Path(request.home))


def download_until_paused(channel: Channel, emitter: Emitter, *, ignore_pause: bool) -> None:
    completed = TOTAL // 2
    while ignore_pause or not channel.pending:
        time.sleep(0.02)
        completed = min(completed + 1000, TOTAL)
        emitter.emit(phase="downloading", completed=completed, bytes_per_second=5e4)
    emitter.end("paused")


def register(emitter: Emitter, name: str, home: Path) -> None:
    order = RegisterRequest(name, str(home / "tiny.gguf"), copy=True, overwrite=True)
    manifest, _ = ModelStore(home).register(order, DefaultParameters())
    emitter.end("done", created=manifest.created)


if __name__ == "__main__":
    harness.run(main, protocol.COMMAND_DECODER, log_level=logging.WARNING)
