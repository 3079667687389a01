"""Run the main function of a child process, and set up its pipes, log and exit.

Commands arrive on stdin, messages leave on stdout, and the log goes to stderr. The process exits
when stdin reaches end of file, that is when the server closes it or ends. `lifetime` also ends
processes that cannot react to that. `ipc.child` is the server's end of the pipes.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Generic, NoReturn, TypeVar

import msgspec

from .framing import encode, read_messages
from .lifetime import end_with_parent

Command = TypeVar("Command")

log = logging.getLogger("a3s_power_jupyter.child")


class Channel(Generic[Command]):
    """The child's end of the pipes. A thread reads commands and ends the process at end of file."""

    def __init__(
        self,
        commands: BinaryIO,
        messages: BinaryIO,
        decoder: msgspec.msgpack.Decoder[Command],
    ) -> None:
        self._messages = messages
        self._sending = threading.Lock()
        self._inbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(commands, decoder), daemon=True).start()

    @property
    def pending(self) -> bool:
        """Whether a command is available, so that `receive` does not wait."""
        return not self._inbox.empty()

    def receive(self) -> Command:
        """Wait for the next command."""
        return self._inbox.get()

    def emit(self, message: msgspec.Struct, *, flush: bool = True) -> None:
        """Send a message to the server; can be called from any thread.

        Parameters
        ----------
        flush : bool
            Whether to send it now. Otherwise it is sent with a later one, or by `flush`.
        """
        frame = encode(message)
        with self._sending:
            self._messages.write(frame)
            if flush:
                self._messages.flush()

    def flush(self) -> None:
        """Send the messages that were not sent yet."""
        with self._sending:
            self._messages.flush()

    def _read(self, commands: BinaryIO, decoder: msgspec.msgpack.Decoder[Command]) -> None:
        try:
            for command in read_messages(commands, decoder):
                self._inbox.put(command)
        except Exception:
            log.exception("Invalid data on stdin")
            _exit(1)
        _exit(0)


def run(
    main: Callable[[Channel[Command]], None],
    decoder: msgspec.msgpack.Decoder[Command],
    *,
    log_level: int,
) -> NoReturn:
    """Set up this process as a child of the server, call `main` and exit.

    The exit status is 1 if `main` raises or if the commands cannot be decoded, otherwise 0.
    """
    end_with_parent()
    commands, messages = _take_over_stdio()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=log_level, handlers=[handler])
    # Ctrl-C in the server's terminal reaches the whole process group; the server handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prefer_for_oom_killer()
    _disable_core_dumps()
    try:
        main(Channel(commands, messages, decoder))
    except BaseException as error:
        log.exception("Unexpected error: %s: %s", type(error).__name__, error)
        _exit(1)
    _exit(0)


class _Formatter(logging.Formatter):
    """Indent all lines of a record but the first, so that `ipc.child` finds the next record."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n  ")


def _take_over_stdio() -> tuple[BinaryIO, BinaryIO]:
    """Move the protocol off descriptors 0 and 1, which native libraries may use."""
    commands = os.fdopen(os.dup(0), "rb")
    messages = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as null:
        os.dup2(null.fileno(), 0)
    os.dup2(2, 1)
    return commands, messages


def _prefer_for_oom_killer() -> None:
    """Have the kernel kill this process, not the notebook server, when memory runs out."""
    with suppress(OSError):  # not Linux, or not permitted
        Path("/proc/self/oom_score_adj").write_text("600")


def _disable_core_dumps() -> None:
    """Disable core files, which would contain prompts, tokens and a copy of the weights."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _exit(status: int) -> NoReturn:
    """Exit at once. `sys.exit` would wait for native calls and for other threads."""
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(status)
