"""The worker process: ``python -m a3s_power_jupyter.engine.main``.

Commands come in on stdin, replies go out on what was stdout, the log is stderr. End of file on
stdin ends the process at once, whatever it is doing: a worker never outlives its server.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..contract.errors import ModelLoadFailed, PowerError
from ..contract.types import Embedded, Finished
from . import registry
from .base import Engine, StepOutput
from .protocol import (
    Cancel,
    Command,
    Ended,
    Load,
    LoadFailed,
    Loading,
    Output,
    Reply,
    Submit,
    encode,
    read_commands,
)

log = logging.getLogger("a3s_power_jupyter.worker")

#: Sent as progress is made, but not more often than every percent.
PROGRESS_STEP = 0.01


def main() -> None:
    commands, replies = take_over_stdio()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    # Ctrl-C in the server's terminal goes to the whole process group; the server decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    offer_to_oom_killer()
    dump_no_core()
    if sys.argv[1:] == ["--probe"]:
        replies.write(msgspec.json.encode(registry.probe()))
        replies.flush()
        return
    Worker(commands, replies).run()


class Worker:
    """Reads commands on a thread of their own, steps the engine on the main thread."""

    def __init__(self, commands: BinaryIO, replies: BinaryIO) -> None:
        self._replies = replies
        self._inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def run(self) -> None:
        load = self._inbox.get()
        if not isinstance(load, Load):
            raise TypeError(f"the first command is {type(load).__name__}, not Load")
        engine = self._load(load)
        if engine is None:
            return
        while True:
            self._take_commands(engine)
            for output in engine.step():
                self._send_output(output)

    def _read(self, commands: BinaryIO) -> None:
        try:
            for command in read_commands(commands):
                self._inbox.put(command)
        finally:
            # Not sys.exit: the main thread may be in a native call that takes minutes.
            os._exit(0)

    def _load(self, load: Load) -> Engine | None:
        sent = -1.0

        def progress(value: float) -> None:
            nonlocal sent
            if value - sent >= PROGRESS_STEP or value >= 1.0 > sent:
                sent = value
                self._send(Loading(progress=value))

        try:
            engine = registry.engine_class(load.format).load(load, progress)
        except PowerError as error:
            self._send(LoadFailed(error.to_wire()))
            return None
        except Exception:
            log.exception("load failed")
            unexpected = ModelLoadFailed(
                "The engine failed while it loaded the model; the reason is in the server's log."
            )
            self._send(LoadFailed(unexpected.to_wire()))
            return None
        self._send(
            msgspec.structs.replace(
                engine.info,
                engine=registry.engine_name(load.format),
                notes=(*load.notes, *engine.info.notes),
            )
        )
        return engine

    def _take_commands(self, engine: Engine) -> None:
        """Handle what has arrived; wait for a command when there is nothing else to do."""
        while engine.idle or not self._inbox.empty():
            command = self._inbox.get()
            if isinstance(command, Submit):
                self._submit(engine, command)
            elif isinstance(command, Cancel):
                engine.cancel(command.id)
                self._send(Ended(command.id))

    def _submit(self, engine: Engine, command: Submit) -> None:
        try:
            engine.submit(command.id, command.request)
        except PowerError as error:
            self._send(Ended(command.id, error.to_wire()))

    def _send_output(self, output: StepOutput) -> None:
        id_, item = output
        if isinstance(item, PowerError):
            self._send(Ended(id_, item.to_wire()))
            return
        self._send(Output(id_, item))
        if isinstance(item, (Finished, Embedded)):
            self._send(Ended(id_))

    def _send(self, reply: Reply) -> None:
        self._replies.write(encode(reply))
        self._replies.flush()


def take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol away from descriptors 0 and 1, which native libraries may use."""
    commands = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), 0)
    os.dup2(2, 1)
    return commands, replies


def offer_to_oom_killer() -> None:
    """When memory runs out, the kernel should end this process, not the notebook server."""
    with suppress(OSError):  # not Linux, or not allowed: then the default order holds
        Path("/proc/self/oom_score_adj").write_text("600")


def dump_no_core() -> None:
    """A core file would hold people's prompts, fill the disk with a copy of the weights, and
    keep the memory until it is written."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
