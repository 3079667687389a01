"""The worker's end of the rendering processes: start them, send commands, enforce their limits.

All templates of a worker share one process, which is started again after it was killed. While it is
busy with a slow template, other commands get further processes.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import IO, Any, NamedTuple, cast

import psutil

from ...ipc.exit_reason import describe_returncode
from ...ipc.framing import encode, read_messages
from ..cancellation import is_cancelled
from .protocol import (
    MEMORY_BYTES,
    REPLY_DECODER,
    TOO_MUCH_MEMORY,
    Check,
    Checked,
    Command,
    Failed,
    Failure,
    Learn,
    Learnt,
    Render,
    Rendered,
    RenderOptions,
    Reply,
    Template,
    Traits,
)

#: CPU time of one command. It does not pass while other programs use the cores.
CPU_SECONDS = 5.0

#: Time of one command on the clock, in case the process was stopped or gets no CPU time.
WALL_SECONDS = 60.0

#: Time until a new process is ready. It takes a tenth of a second on an idle machine.
START_SECONDS = 60.0

#: Most processes of a worker. One takes 14 MB of memory, or up to `MEMORY_BYTES` with a command.
MAX_PROCESSES = 3

#: Seconds that a command waits for a process before another one is started.
PATIENCE = 0.2

#: Seconds between two checks of the limits, and of whether the request was cancelled.
_POLL_SECONDS = 0.05

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


class Renderer:
    """Sends commands to the rendering processes, to each one at a time.

    All methods are thread-safe. One process is kept for the next command.
    """

    def __init__(self) -> None:
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start a process if none is running, without waiting until it is ready."""
        with self._changed:
            self._keep_one()

    def check(self, template: Template) -> Traits:
        """Compile a template, and find out which kinds of content it renders.

        Raises
        ------
        RenderingFailed
            If the template is not valid, or exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Check(template))
        if not isinstance(reply, Checked):
            raise TypeError(f"The reply to Check is a {type(reply).__name__}.")
        return reply.traits

    def learn(self, template: Template) -> Learnt:
        """Learn the syntax of answers, and which messages a template renders.

        Parameters
        ----------
        template : Template
            With the traits that `check` returned.

        Raises
        ------
        RenderingFailed
            If the template exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Learn(template))
        if not isinstance(reply, Learnt):
            raise TypeError(f"The reply to Learn is a {type(reply).__name__}.")
        return reply

    def render(
        self,
        template: Template,
        messages: list[dict[str, Any]],
        options: RenderOptions,
        max_chars: int,
    ) -> str:
        """Render a template and return the prompt, which has at most `max_chars` characters.

        Raises
        ------
        RenderingFailed
            If the template rejects the messages, or exceeds a limit.
        OSError
            If no process can be started.
        """
        reply = self._call(Render(template, messages, options, max_chars))
        if not isinstance(reply, Rendered):
            raise TypeError(f"The reply to Render is a {type(reply).__name__}.")
        return reply.text

    def _call(self, command: Command) -> Reply:
        frame = encode(command)
        process = self._take()
        try:
            process.wait_until_ready()
            try:
                reply = process.call(frame)
            except RenderingFailed:
                process.kill()
                raise
        finally:
            self._give_back(process)
        if isinstance(reply, Failed):
            raise RenderingFailed(reply.failure, reply.message)
        return reply

    def _take(self) -> _Process:
        """Return a process for one command; start it if the others are busy for too long."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with self._changed:
                self._keep_one()
                if not self._idle and time.monotonic() >= deadline:
                    self._start_another()
                if self._idle:
                    self._busy.append(self._idle.pop())
                    return self._busy[-1]
                self._changed.wait(_POLL_SECONDS)
            _raise_if_cancelled()

    def _give_back(self, process: _Process) -> None:
        with self._changed:
            self._busy.remove(process)
            if not process.exited and not self._idle:
                self._idle.append(process)
            else:
                process.kill()
                self._keep_one()
            self._changed.notify()

    def _keep_one(self) -> None:
        """Remove processes that died while idle, and start one if there is none."""
        for process in [process for process in self._idle if process.exited]:
            process.kill()
            self._idle.remove(process)
        if not self._idle and not self._busy:
            self._start_another()

    def _start_another(self) -> None:
        if len(self._idle) + len(self._busy) < MAX_PROCESSES:
            self._idle.append(_Process())


@cache
def renderer() -> Renderer:
    """Return the renderer of this worker."""
    return Renderer()


class _Cancelled(RenderingFailed):
    """The request was cancelled."""


def _raise_if_cancelled() -> None:
    if is_cancelled():
        raise _Cancelled("stopped", "was cancelled")


class _Process:
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
        except _Cancelled:
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
                reply = self._replies.get(timeout=_POLL_SECONDS)
                if isinstance(reply, Exception):
                    raise reply
                return reply
            _raise_if_cancelled()
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
