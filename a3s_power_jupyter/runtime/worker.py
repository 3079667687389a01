"""A worker process, seen from the server: its pipe, its log, its end."""

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
from collections.abc import Callable
from typing import IO

import psutil

from ..engine.protocol import (
    Cancel,
    Command,
    Ended,
    Load,
    Loaded,
    LoadFailed,
    Loading,
    Output,
    Reply,
    Submit,
    encode,
    read_replies,
)
from ..errors import ModelLoadFailed, PowerError, WorkerDied, from_wire
from ..types import Request
from .interfaces import Progress
from .stream import Stream

#: Seconds a worker is given to exit by itself once its stdin is closed.
STOP_GRACE = 2.0

WORKER_COMMAND = [sys.executable, "-m", "a3s_power_jupyter.engine.main"]

#: Secrets of the server that no model needs to see.
_SECRET_VARIABLES = ("JUPYTER_TOKEN", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "HF_TOKEN")


def worker_environment() -> dict[str, str]:
    """The server's environment without its secrets, and without the working directory on
    `sys.path`: a notebook folder may hold a `types.py` of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in _SECRET_VARIABLES}
    environment["PYTHONSAFEPATH"] = "1"
    return environment


class Worker:
    """One process with one model.

    Parameters
    ----------
    on_death
        Called on the event loop with the reason when the process ends without `stop`.
    """

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        on_death: Callable[[WorkerDied], None],
        log: logging.Logger,
    ) -> None:
        self._name = name
        self._process = process
        self._on_death = on_death
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._streams: dict[int, Stream] = {}
        self._last_id = 0
        self._progress: Progress = lambda _value: None
        self._loaded: asyncio.Future[Loaded] = self._loop.create_future()
        self._exited = asyncio.Event()
        self._stopping = False
        self._tail: deque[str] = deque(maxlen=5)
        self._log_reader = self._thread(self._read_log)
        self._thread(self._read_replies)
        self._thread(self._write_commands)

    @classmethod
    async def spawn(
        cls, name: str, on_death: Callable[[WorkerDied], None], log: logging.Logger
    ) -> Worker:
        """Start the process; it waits for `load`.

        Raises
        ------
        ModelLoadFailed
            The system starts no more processes.
        """
        try:
            # On the event loop, not in a thread: it takes a millisecond or two, and nothing can
            # be cancelled between the start of the process and the object that will end it.
            process = subprocess.Popen(  # noqa: ASYNC220
                WORKER_COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=worker_environment(),
                cwd=os.sep,
            )
        except OSError as error:
            raise ModelLoadFailed(f"No process could be started for {name!r}: {error}.") from None
        return cls(name, process, on_death, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        """Resident memory, mapped weights included; 0 once the process has ended."""
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(self.pid).memory_info().rss)
        return 0

    @property
    def mapped_bytes(self) -> int:
        """Resident memory that is mapped from files; 0 where psutil cannot tell (not Linux)."""
        with contextlib.suppress(psutil.Error):
            return int(getattr(psutil.Process(self.pid).memory_info(), "shared", 0))
        return 0

    async def load(self, load: Load, progress: Progress) -> Loaded:
        """Load the model.

        Raises
        ------
        PowerError
            What the engine said, or `WorkerDied`.
        """
        self._progress = progress
        self._outbox.put(load)
        return await asyncio.shield(self._loaded)

    def submit(self, request: Request) -> Stream:
        """Send a request; the caller keeps to the engine's number of slots, and closes the
        stream."""
        self._last_id += 1
        id_ = self._last_id
        stream = Stream(cancel=lambda: self._outbox.put(Cancel(id_)))
        if self._exited.is_set():
            stream.push(self._death())
            return stream
        self._streams[id_] = stream
        self._outbox.put(Submit(id_, request))
        return stream

    async def stop(self) -> None:
        """End the process and wait until its memory is back: asked first, then killed."""
        self._stopping = True
        self._outbox.put(None)
        try:
            await asyncio.wait_for(self._exited.wait(), STOP_GRACE)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._exited.wait()

    # ------------------------------------------------------------ threads

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"power-{self._process.pid}", daemon=True)
        thread.start()
        return thread

    def _write_commands(self) -> None:
        stdin = _pipe(self._process.stdin)
        with contextlib.suppress(OSError):  # the process ended: `_read_replies` says so
            while (command := self._outbox.get()) is not None:
                stdin.write(encode(command))
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _read_replies(self) -> None:
        stdout = _pipe(self._process.stdout)
        try:
            for reply in read_replies(stdout):
                self._call(self._on_reply, reply)
        except Exception:
            self._log.exception("Power: the worker of %s sent what is no reply", self._name)
            self._process.kill()
        self._process.wait()
        self._log_reader.join(timeout=STOP_GRACE)
        stdout.close()
        self._outbox.put(None)
        self._call(self._on_exit)

    def _read_log(self) -> None:
        stderr = _pipe(self._process.stderr)
        for raw in stderr:
            line = raw.decode("utf-8", errors="replace").rstrip()
            if line:
                self._tail.append(line)
                self._log.debug("Power worker %s: %s", self._name, line)
        stderr.close()

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *args)

    # ------------------------------------------------------------ on the event loop

    def _on_reply(self, reply: Reply) -> None:
        if isinstance(reply, Output):
            stream = self._streams.get(reply.id)
            if stream is not None:
                stream.push(reply.item)
        elif isinstance(reply, Ended):
            stream = self._streams.pop(reply.id, None)
            if stream is not None:
                stream.push(reply)
        elif isinstance(reply, Loading):
            self._progress(reply.progress)
        elif isinstance(reply, Loaded):
            self._loaded.set_result(reply)
        elif isinstance(reply, LoadFailed):
            self._fail_load(from_wire(reply.error))

    def _on_exit(self) -> None:
        self._exited.set()
        error = self._death()
        if not self._stopping:
            self._log.warning("Power: the worker of %s ended: %s", self._name, error.message)
        self._fail_load(error)
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.push(error)
        if not self._stopping:
            self._on_death(error)

    def _fail_load(self, error: PowerError) -> None:
        if not self._loaded.done():
            self._loaded.set_exception(error)
            self._loaded.exception()  # marked as seen: nobody may be waiting for the load any more

    def _death(self) -> WorkerDied:
        if self._stopping:
            return WorkerDied(f"The model {self._name!r} was unloaded while it was in use.")
        return WorkerDied(
            f"The process of the model {self._name!r} ended: {_how(self._process.returncode)}"
            f"{_last_words(self._tail)}. The next request loads the model again."
        )


def _how(returncode: int | None) -> str:
    if returncode is None or returncode >= 0:
        return f"exit status {returncode}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = " (out of memory, or killed by somebody)" if name == "SIGKILL" else ""
    return f"{name}{hint}"


def _last_words(tail: deque[str]) -> str:
    """The last lines of the log without tracebacks, which belong in the server's log only."""
    lines = [line for line in tail if not line.startswith((" ", "Traceback", "#"))]
    return f"; last lines of its log: {' | '.join(lines[-2:])}" if lines else ""


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the worker was started without pipes")
    return stream
