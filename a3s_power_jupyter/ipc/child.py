"""Start a child process of the server and exchange messages with it.

The child runs `ipc.harness.run`: commands go to its stdin, messages come from its stdout, and its
stderr is logged. The child exits when its stdin is closed, and is killed if it cannot (`lifetime`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO, Generic, TypeVar

import msgspec
import psutil

from .exit_reason import LINE_LENGTH, LOG_LINES, exit_reason
from .framing import encode, read_messages
from .lifetime import OWN_GROUP, WATCHER
from .memory_guard import MemoryGuard
from .watcher import kill_group

Command = TypeVar("Command", bound=msgspec.Struct)
Message = TypeVar("Message")

#: Seconds between closing a child's stdin and killing it.
STOP_GRACE = 2.0

#: Niceness of background work; on Windows, its priority class.
if sys.platform == "win32":
    BACKGROUND_NICE = psutil.BELOW_NORMAL_PRIORITY_CLASS
else:
    BACKGROUND_NICE = 10

#: Levels of the log lines that `ipc.harness` writes, by their first word. All other lines, such as
#: those of native libraries, are logged at level DEBUG.
_LOG_LEVELS = {"WARNING": logging.WARNING, "ERROR": logging.ERROR, "CRITICAL": logging.CRITICAL}

#: Removed from log lines, which may quote model files and remote servers and be printed in a
#: terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

#: Reasons of Rust and C++ to abort because an allocation failed.
_NO_MEMORY = re.compile(r"memory allocation of \d+ bytes failed|std::bad_alloc")


def python_module(name: str) -> list[str]:
    """Return the command that runs a module in a new process."""
    return [sys.executable, "-m", name]


class Child(Generic[Command, Message]):
    """A running child process.

    The constructor starts the process on the event loop, not in a thread, so that a cancelled task
    cannot leave a process behind. This takes a millisecond or two.

    Parameters
    ----------
    label : str
        Name of the process in the log.
    command : sequence of str
        Command line, usually from `python_module`.
    environment : dict of str to str
        All environment variables of the process.
    decoder : msgspec.msgpack.Decoder
        Decodes the messages that the child sends.
    on_message, on_exit : callable
        Called on the event loop, with each message and once after the process has exited.
    log : logging.Logger
        Receives the child's stderr: records of Python's logging at their level, but INFO and all
        other output at level DEBUG.

    Raises
    ------
    OSError
        If the process cannot be started.
    """

    def __init__(
        self,
        label: str,
        command: Sequence[str],
        environment: dict[str, str],
        decoder: msgspec.msgpack.Decoder[Message],
        on_message: Callable[[Message], None],
        on_exit: Callable[[], None],
        log: logging.Logger,
    ) -> None:
        self._label = label
        self._decoder = decoder
        self._on_message = on_message
        self._on_exit = on_exit
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._exited = asyncio.Event()
        self._readers: list[threading.Thread] = []
        self._log_tail: deque[str] = deque(maxlen=LOG_LINES)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=os.sep,
            process_group=OWN_GROUP,
        )
        self._memory = MemoryGuard(self.pid, self._process.kill)
        try:
            WATCHER.add(self.pid)
            self._readers.append(self._start_thread(self._read_log))
            self._readers.append(self._start_thread(self._read_messages))
            self._start_thread(self._write_frames)
            self._start_thread(self._wait)
        except (OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            self._give_up()
            raise OSError(str(error)) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exited(self) -> bool:
        return self._exited.is_set()

    def lower_priority(self) -> None:
        """Give the process a lower CPU priority.

        Call this right after the start: on Linux, threads that exist already keep their niceness.
        """
        with contextlib.suppress(psutil.Error):  # the process has exited
            process = psutil.Process(self.pid)
            process.nice(max(process.nice(), BACKGROUND_NICE))

    def limit_memory(self, limit: int, *, refuse: bool = False) -> None:
        """Kill the process once it uses more than `limit` bytes of private memory.

        With `refuse`, Linux refuses more memory, so that allocations fail; see `MemoryGuard`.
        """
        self._memory.set_limit(limit)
        if refuse:
            self._memory.refuse()

    @property
    def exceeded_memory(self) -> bool:
        """Whether the process ended because of its memory limit."""
        if self._memory.exceeded:
            return True
        return self._memory.refuses and _NO_MEMORY.search(self._own_exit_reason()) is not None

    def send(self, command: Command) -> None:
        """Queue a command. Commands for a process that has exited are dropped.

        Raises
        ------
        ValueError
            If the command is too large for a frame.
        """
        self._outbox.put(encode(command))

    def kill(self) -> None:
        """Kill the process at once. Nothing happens if it has exited."""
        self._process.kill()

    async def stop(
        self, last: Command | None = None, *, patience: float = 0.0, grace: float = STOP_GRACE
    ) -> None:
        """Close stdin, kill the process after `grace` seconds, and wait until it has exited.

        The process is killed even if the caller is cancelled.

        Parameters
        ----------
        last : Struct or None
            A command after which the process exits by itself.
        patience : float
            Seconds for that, before stdin is closed.
        """
        if last is not None:
            self.send(last)
        self._loop.call_later(patience, self._outbox.put, None)
        # Has no effect on a process that has exited.
        self._loop.call_later(patience + grace, self._process.kill)
        await self._exited.wait()

    def exit_reason(self) -> str:
        """Return why the process exited, as a phrase for an error message."""
        if self.exceeded_memory:
            return f"it exceeded its memory limit of {self._memory.limit / 2**30:.1f} GiB"
        return self._own_exit_reason()

    def _own_exit_reason(self) -> str:
        return exit_reason(self._process.returncode, list(self._log_tail))

    # ------------------------------------------------------------ threads

    def _give_up(self) -> None:
        """End a process that could not be set up, and the threads that have started."""
        self._process.kill()
        self._process.wait()
        WATCHER.remove(self.pid)
        self._outbox.put(None)
        for reader in self._readers:
            reader.join(timeout=STOP_GRACE)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _pipe(pipe).close()

    def _start_thread(self, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"power-{self._process.pid}", daemon=True)
        thread.start()
        return thread

    def _write_frames(self) -> None:
        stdin = _pipe(self._process.stdin)
        with contextlib.suppress(OSError):  # the process has exited; `_read_messages` reports it
            while (frame := self._outbox.get()) is not None:
                stdin.write(frame)
                stdin.flush()
        with contextlib.suppress(OSError):
            stdin.close()

    def _read_messages(self) -> None:
        stdout = _pipe(self._process.stdout)
        try:
            for message in read_messages(stdout, self._decoder):
                self._call_on_loop(self._on_message, message)
        except Exception:
            self._log.exception("Power: invalid message from %s", self._label)
            self._process.kill()
        finally:
            stdout.close()

    def _wait(self) -> None:
        """Wait until the process has exited and its output is read, and report it."""
        self._process.wait()
        kill_group(self.pid)  # processes that it has started
        WATCHER.remove(self.pid)
        for reader in self._readers:
            reader.join(timeout=STOP_GRACE)
        self._outbox.put(None)
        self._call_on_loop(self._finish)

    def _read_log(self) -> None:
        stderr = _pipe(self._process.stderr)
        level = logging.DEBUG
        for raw in stderr:
            line = _CONTROLS.sub("", raw.decode("utf-8", errors="replace")).rstrip()
            if not line:
                continue
            self._log_tail.append(line[:LINE_LENGTH])
            if not line.startswith(" "):  # otherwise it continues a record, such as a traceback
                level = _LOG_LEVELS.get(line.partition(" ")[0], logging.DEBUG)
            self._log.log(level, "Power: %s: %s", self._label, line)
        stderr.close()

    def _call_on_loop(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is exiting
            self._loop.call_soon_threadsafe(function, *args)

    def _finish(self) -> None:
        self._memory.stop()
        self._exited.set()
        self._on_exit()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("The process was started without pipes.")
    return stream
