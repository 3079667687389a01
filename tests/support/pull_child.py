"""A process that speaks the protocol of a pull and has no hub: what it does is in the name.

``fake/slow`` downloads for as long as it is let, ``fake/stubborn`` does not even pause;
``fake/shards`` has two files and waits to be paused;
``fake/dies``, ``fake/fails``, ``fake/babbles`` (no message) and ``fake/leaves`` (ends without a
word) end so; any other name is registered as the file ``tiny.gguf`` of the home. Requests are
kept in ``requests.jsonl``.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from a3s_power_jupyter.contract.errors import ChecksumMismatch
from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.hub import protocol
from a3s_power_jupyter.hub.resolve.plan import Plan, RemoteFile
from a3s_power_jupyter.store.model_store import ModelStore

COMMIT = "c" * 40
TOTAL = 1_000_000


def tell(event: protocol.Event) -> None:
    sys.stdout.buffer.write(protocol.encode(event))
    sys.stdout.buffer.flush()


def main() -> None:
    commands = protocol.read_commands(sys.stdin.buffer)
    request = next(commands)
    assert isinstance(request, protocol.PullRequest)
    home = Path(request.home)
    with (home / "requests.jsonl").open("ab") as log:
        log.write(msgspec.json.encode(request) + b"\n")
    pause = threading.Event()

    def listen() -> None:
        for _command in commands:
            pause.set()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    tell(protocol.Resolving())
    act(request, home, pause)
    os._exit(0)  # the thread that listens would be in the way of an orderly end


def act(request: protocol.PullRequest, home: Path, pause: threading.Event) -> None:
    what = re.split("[@:]", request.name.removeprefix("fake/"))[0]
    if what == "babbles":
        os.write(1, b"no message\n")
        time.sleep(60)
    if what == "shards":
        pull_shards(request, home, pause)
        return
    file = RemoteFile("tiny.gguf", TOTAL, "https://hub.example/tiny.gguf", "etag")
    tell(protocol.Planned(Plan(request.name, "fake/x", COMMIT, "gguf", (file,), note="Chosen.")))
    if request.revision == COMMIT:
        tell(protocol.Resuming(TOTAL // 2, TOTAL, (TOTAL // 2,)))
    if what in ("slow", "stubborn"):
        download_until(pause if what == "slow" else threading.Event())
        return
    tell(protocol.Downloading(TOTAL // 4, TOTAL, 1e6, 0.75, (TOTAL // 4,)))
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fails":
        tell(protocol.Failed(ChecksumMismatch("The bytes are wrong.").to_wire()))
    elif what != "leaves":
        tell(protocol.Downloading(TOTAL, TOTAL, 1e6, 0.0, (TOTAL,)))
        tell(protocol.Verifying())
        register(request.name, home)


def pull_shards(request: protocol.PullRequest, home: Path, pause: threading.Event) -> None:
    """Two files; it waits to be paused with a quarter missing, and is done the next time."""
    half = TOTAL // 2
    names = ("tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf")
    files = tuple(RemoteFile(name, half, f"https://hub.example/{name}", name) for name in names)
    tell(protocol.Planned(Plan(request.name, "fake/x", COMMIT, "gguf", files)))
    here = (half, half // 2)
    if request.revision != COMMIT:
        tell(protocol.Downloading(sum(here), TOTAL, 1e6, 0.25, here))
        pause.wait()
        tell(protocol.Paused(sum(here), TOTAL))
        return
    tell(protocol.Resuming(sum(here), TOTAL, here))
    tell(protocol.Verifying())
    register(request.name, home)


def download_until(pause: threading.Event) -> None:
    completed = TOTAL // 2
    while not pause.wait(0.02):
        completed = min(completed + 1000, TOTAL)
        tell(protocol.Downloading(completed, TOTAL, 5e4, None, (completed,)))
    tell(protocol.Paused(completed, TOTAL))


def register(name: str, home: Path) -> None:
    order = RegisterRequest(name, str(home / "tiny.gguf"), copy=True, overwrite=True)
    manifest, _ = ModelStore(home).register(order, DefaultParameters())
    tell(protocol.Done(name, manifest.created))


if __name__ == "__main__":
    main()
