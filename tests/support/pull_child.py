"""A pull process without a hub. The model's name selects what it does.

- ``fake/slow`` downloads until it is paused; ``fake/stubborn`` ignores the pause.
- ``fake/shards`` has two files and waits for a pause.
- ``fake/dies`` kills itself, ``fake/fails`` reports an error, ``fake/leaves`` exits without an
  outcome, and ``fake/babbles`` sends a message that is not an event.
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

import msgspec

from a3s_power_jupyter.contract.errors import ChecksumMismatch
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.hub import protocol
from a3s_power_jupyter.hub.resolve.plan import Plan, RemoteFile
from a3s_power_jupyter.ipc import harness
from a3s_power_jupyter.store.model_store import ModelStore

COMMIT = "c" * 40
TOTAL = 1_000_000

Channel = harness.Channel[protocol.Command]


def main(channel: Channel) -> None:
    request = channel.receive()
    assert isinstance(request, protocol.PullRequest)
    home = Path(request.home)
    with (home / "requests.jsonl").open("ab") as log:
        log.write(msgspec.json.encode(request) + b"\n")
    channel.emit(protocol.Resolving())
    pull(channel, request, home)


def pull(channel: Channel, request: protocol.PullRequest, home: Path) -> None:
    what = re.split("[@:]", request.name.removeprefix("fake/"))[0]
    if what == "babbles":
        channel.emit(protocol.Pause())
        time.sleep(60)
    if what == "shards":
        pull_shards(channel, request, home)
        return
    file = RemoteFile("tiny.gguf", TOTAL, "https://hub.example/tiny.gguf", "etag")
    channel.emit(
        protocol.Planned(Plan(request.name, "fake/x", COMMIT, "gguf", (file,), note="Chosen."))
    )
    if request.revision == COMMIT:
        channel.emit(protocol.Resuming(TOTAL // 2, TOTAL, (TOTAL // 2,)))
    if what in ("slow", "stubborn"):
        download_until_paused(channel, deaf=what == "stubborn")
        return
    channel.emit(protocol.Downloading(TOTAL // 4, TOTAL, 1e6, 0.75, (TOTAL // 4,)))
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fails":
        channel.emit(protocol.Failed(ChecksumMismatch("The bytes are wrong.").to_wire()))
    elif what != "leaves":
        channel.emit(protocol.Downloading(TOTAL, TOTAL, 1e6, 0.0, (TOTAL,)))
        channel.emit(protocol.Verifying())
        register(channel, request.name, home)


def pull_shards(channel: Channel, request: protocol.PullRequest, home: Path) -> None:
    """Wait for a pause with a quarter of two files missing, and complete when resumed."""
    half = TOTAL // 2
    names = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")
    files = tuple(RemoteFile(name, half, f"https://hub.example/{name}", name) for name in names)
    channel.emit(protocol.Planned(Plan(request.name, "fake/x", COMMIT, "gguf", files)))
    here = (half, half // 2)
    if request.revision != COMMIT:
        channel.emit(protocol.Downloading(sum(here), TOTAL, 1e6, 0.25, here))
        channel.receive()
        channel.emit(protocol.Paused(sum(here), TOTAL))
        return
    channel.emit(protocol.Resuming(sum(here), TOTAL, here))
    channel.emit(protocol.Verifying())
    register(channel, request.name, home)


def download_until_paused(channel: Channel, *, deaf: bool) -> None:
    completed = TOTAL // 2
    while deaf or not channel.pending:
        time.sleep(0.02)
        completed = min(completed + 1000, TOTAL)
        channel.emit(protocol.Downloading(completed, TOTAL, 5e4, None, (completed,)))
    channel.emit(protocol.Paused(completed, TOTAL))


def register(channel: Channel, name: str, home: Path) -> None:
    order = RegisterRequest(name, str(home / "tiny.gguf"), copy=True, overwrite=True)
    manifest, _ = ModelStore(home).register(order, DefaultParameters())
    channel.emit(protocol.Done(name, manifest.created))


if __name__ == "__main__":
    harness.run(main, protocol.COMMAND_DECODER, log_level=logging.WARNING)
