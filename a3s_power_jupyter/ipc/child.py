"""A child process of the server that speaks in frames: its pipes, its log, its end.

Commands go to its stdin, messages come from its stdout, stderr is its log. End of file on
stdin tells it to end, so no child outlives its server, SIGKILL included.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Generic, TypeVar

import psutil

Message = TypeVar("Message")

#: Seconds a child is given to exit by itself once its stdin is closed.
STOP_GRACE = 2.0

#: Of processes whose work can wait, as psutil takes it.
if sys.platform == "win32":
    BACKGROUND_NICE = psutil.BELOW_NORMAL_PRIORITY_CLASS
else:
    BACKGROUND_NICE = 10

#: Secrets of the server that no child needs to see.
_SECRET_VARIABLES = ("JUPYTER_TOKEN", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN")


def python_module(name: str) -> list[str]:
    """The command that runs a module of this package in a process of its own."""
    return [sys.executable, "-m", name]


def offline_environment() -> dict[str, str]:
    """`child_environment` of a process that reads models and never asks the hub for anything."""
    return {**child_environment("HF_TOKEN"), "HF_HUB_OFFLINE": "1"}


def child_environment(*secrets: str) -> dict[str, str]:
    """The server's environment without its secrets and `secrets`, and without the working
    directory on `sys.path`: a notebook folder may hold a `types.py` of its own."""
    hidden = {*_SECRET_VARIABLES, *secrets}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PYTHONSAFEPATH"] = "1"
    return environment


class Child(Generic[Message]):
    """One process; it runs when this is made.

    It is started on the event loop and not in a thread: that takes a millisecond or two, and
    nothing can be cancelled between the start of the process and the object that will end it.

    Parameters
    ----------
    what : names it in the log.
    read : gives the messages of its stdout, one after the other, until the stream ends.
    on_message, on_exit : called on the event loop; after `on_exit` comes nothing more.

    Raises
    ------
    OSError
        The system starts no more processes.
    """

    def __init__(
        self,
        what: str,
        command: Sequence[str],
        environment: dict[str, str],
        read: Callable[[IO[bytes]], Iterator[Message]],
        on_message: Callable[[Message], None],
        on_exit: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._what = what
        self._read = read
        self._on_message = on_message
        self._on_exit = on_exit
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._exited = asyncio.Event()
        self._tail: deque[str] = deque(maxlen=5)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=os.sep,
        )
        self._log_reader = self._thread(self._read_log)
        self._thread(self._read_messages)
        self._thread(self._write_frames)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exited(self) -> bool:
        return self._exited.is_set()

    def lower_priority(self) -> None:
        """Let every other process go first where there is not CPU enough for all. Called right
        after the start: threads that are there already keep their priority."""
        with contextlib.suppress(psutil.Error):  # it has ended
            psutil.Process(self.pid).nice(BACKGROUND_NICE)

    def send(self, frame: bytes) -> None:
        """Write a whole frame, soon; nothing happens where the process has ended."""
        self._outbox.put(frame)

    async def stop(self, grace: float = STOP_GRACE) -> None:
        """End the process and wait until it is gone: asked first, killed after `grace` seconds."""
        self._outbox.put(None)
        try:
            await asyncio.wait_for(self._exited.wait(), grace)
        except TimeoutError:
            self._process.kill()
            await self._exited.wait()

    def exit_reason(self) -> str:
        """How it ended, and what it logged last: ``exit status 1; last lines of its log: ...``."""
        # Tracebacks belong in the server's log only.
        lines = [line for line in self._tail if not line.startswith((" ", "Traceback", "#"))]
        log = f"; last lines of its log: {' | '.join(lines[-2:])}" if lines else ""
        return how_it_ended(self._process.returncode) + log

    # ------------------------------------------------------------ threads

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"power-{self._process.pid}", daemon=True)
        thread.start()
        return thread

    def _write_frames(self) -> None:
        stdin = _pipe(self._process.stdin)
        with contextlib.suppress(OSError):  # the process ended: `_read_messages` says so
            while (frame := self._outbox.get()) is not None:
                stdin.write(frame)
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _read_messages(self) -> None:
        stdout = _pipe(self._process.stdout)
        try:
            for message in self._read(stdout):
                self._call(self._on_message, message)
        except Exception:
            self._log.exception("Power: %s sent what is no message", self._what)
            self._process.kill()
        self._process.wait()
        self._log_reader.join(timeout=STOP_GRACE)
        stdout.close()
        self._outbox.put(None)
        self._call(self._end)

    def _read_log(self) -> None:
        stderr = _pipe(self._process.stderr)
        for raw in stderr:
            line = raw.decode("utf-8", errors="replace").rstrip()
            if line:
                self._tail.append(line)
                self._log.debug("Power: %s: %s", self._what, line)
        stderr.close()

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *args)

    def _end(self) -> None:
        self._exited.set()
        self._on_exit()


def how_it_ended(returncode: int | None) -> str:
    """``exit status 1``, ``SIGSEGV``"""
    if returncode is None or returncode >= 0:
        return f"exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = " (out of memory, or killed by somebody)" if name == "SIGKILL" else ""
    return f"{name}{hint}"


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the process was started without pipes")
    return stream
