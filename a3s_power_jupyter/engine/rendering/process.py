"""The worker's end of one rendering process: start it, send commands, enforce its limits."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, NamedTuple, cast

import psutil

from ...ipc.exit_reason import describe_returncode
from ...ipc.framing import read_messages
from ..cancellation import is_cancelled
from .protocol import MEMORY_BYTES, REPLY_DECODER, TOO_MUCH_MEMORY, Failure, Reply

#: CPU time of one command. It does not pass while other programs use the cores.
CPU_SECONDS = 5.0

#: Time of one command on the clock, in case the process was stopped or gets no CPU time.
WALL_SECONDS = 60.0

#: Time until a new process is ready. It takes a tenth of a second on an idle machine.
START_SECONDS = 60.0

#: Seconds between two checks of the limits, and of whether the request was cancelled.
POLL_SECONDS = 0.05

_COMMAND = [sys.executable, "-m", "a3s_power_jupyter.engine.rendering.main"]


class RenderingFailed(Exception):
    """A template failed, so there is no prompt.

    Attributes
    ----------
    failure : Failure
        Kind of the failure.
    message : str
        Text of the error. For the failure "stopped", it completes "The chat template ...".
    """

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = message


class _Usage(NamedTuple):
    cpu_seconds: float
    memory_bytes: int


class Cancelled(RenderingFailed):
    """The request was cancelled."""


def raise_if_cancelled() -> None:
    if is_cancelled():
        raise Cancelled("stopped", "was cancelled")


class Process:
    """One rendering process.

    A thread starts it, writes the commands and reads the replies, so that the caller never waits
    for a pipe. One thread does all this, because on Linux a child process may be killed when the
    thread that started it ends (`PR_SET_PDEATHSIG`).
    """

    def __init__(self) -> None:
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply | Exception] = queue.SimpleQueue()
        self._popen: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._killed = False
        self._thread = threading.Thread(target=self._run, name="rendering", daemon=True)
        self._thread.start()

    @property
    def exited(self) -> bool:
        if self._popen is not None and self._popen.poll() is not None:
            return True
        return self._killed or not self._thread.is_alive()

    def kill(self) -> None:
        self._killed = True
        if self._popen is not None:
            self._popen.kill()
        self._frames.put(None)

    def wait_until_ready(self) -> None:
        """Wait for the first message of the process. Raise `OSError` if it does not start."""
        if self._ready:
            return
        try:
            self._receive(START_SECONDS, START_SECONDS)
        except Cancelled:
            raise
        except RenderingFailed as error:
            self.kill()
            raise OSError(f"it {error}") from None
        self._ready = True

    def call(self, frame: bytes) -> Reply:
        self._frames.put(frame)
        return self._receive(CPU_SECONDS, WALL_SECONDS)

    def _receive(self, cpu_seconds: float, wall_seconds: float) -> Reply:
        deadline = time.monotonic() + wall_seconds
        first = None
        while True:
            with suppress(queue.Empty):
                reply = self._replies.get(timeout=POLL_SECONDS)
                if isinstance(reply, Exception):
                    raise reply
                return reply
            raise_if_cancelled()
            usage = self._usage()
            first = first or usage
            if usage.cpu_seconds - first.cpu_seconds > cpu_seconds:
                raise RenderingFailed(
                    "stopped", f"took more than {cpu_seconds:g} seconds of CPU time"
                )
            if usage.memory_bytes > MEMORY_BYTES:
                raise RenderingFailed("stopped", TOO_MUCH_MEMORY)
            if time.monotonic() > deadline:
                raise RenderingFailed("stopped", f"did not end within {wall_seconds:g} seconds")

    def _usage(self) -> _Usage:
        """Return the CPU time and the memory of the process; zero if it does not run."""
        if self._popen is not None:
            with suppress(psutil.Error):
                process = psutil.Process(self._popen.pid)
                times = process.cpu_times()
                return _Usage(times.user + times.system, process.memory_info().rss)
        return _Usage(0.0, 0)

    # ------------------------------------------------------------ thread

    def _run(self) -> None:
        try:
            process = subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            self._replies.put(error)
            return
        self._popen = process
        try:
            self._exchange(process)
        except (OSError, StopIteration, ValueError):  # it died, or sent something else
            process.kill()
        with suppress(OSError):  # closing flushes what could not be written
            process.communicate()
        reason = describe_returncode(process.returncode)
        self._replies.put(RenderingFailed("stopped", f"ended its process ({reason})"))

    def _exchange(self, process: subprocess.Popen[bytes]) -> None:
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        replies = read_messages(stdout, REPLY_DECODER)
        self._replies.put(next(replies))
        while (frame := self._frames.get()) is not None:
            stdin.write(frame)
            stdin.flush()
            self._replies.put(next(replies))
