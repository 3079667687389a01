"""End child processes with the process that started them, whatever they are doing.

A child reads its stdin in a Python thread, which cannot end the process while it is stopped, or
while native code or the computation of a huge number holds the interpreter lock. So it has to be
killed from outside:

- A watcher process (`Watcher`) kills the children that are left when the server has ended.
- On Linux the kernel does, too (`end_with_parent`), in case the watcher was killed.

Processes that a child starts are in its process group, and are killed with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from . import watcher

#: Value of `process_group` of `subprocess.Popen` for a new process group, which Windows lacks.
OWN_GROUP = None if sys.platform == "win32" else 0

#: Variables without which an interpreter may not start. The watcher gets no others, because the
#: server's may be secrets.
_NEEDED = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")

#: prctl(2)
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have Linux kill this process when its parent ends.

    To be exact, when the thread that started this process ends. In the server this is the thread of
    the event loop, without which nobody reads the messages of this process. If the server has ended
    before this call, stdin is at its end.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Watcher:
    """Registers child processes with the program `watcher`, which runs while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pids: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, pid: int) -> None:
        """Have a child, the leader of a process group, killed when this process ends.

        Raises
        ------
        OSError
            If the watcher cannot be started.
        """
        with self._lock:
            self._pids.add(pid)
            try:
                self._tell(f"+{pid}\n")
            except OSError:
                self._pids.discard(pid)  # another process may get this id
                raise

    def remove(self, pid: int) -> None:
        """Forget a child that has exited. After the last one, the watcher ends."""
        with self._lock:
            self._pids.discard(pid)
            if not self._pids:
                self._stop()
                return
            with suppress(OSError):  # the next change tries to start it again
                self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None:
            try:
                self._write(line)
            except OSError:  # it was killed, or was stopped and does not read
                self._stop()
            else:
                return
        self._process = self._start()
        self._write("".join(f"+{pid}\n" for pid in self._pids))

    def _write(self, lines: str) -> None:
        # Not through a file object, whose `write` does not report that a pipe is full.
        if self._process is not None and self._process.stdin is not None:
            os.write(self._process.stdin.fileno(), lines.encode())

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.kill()  # before its input ends, because it may not have read it all
            process.wait()
            process.stdin.close()

    @staticmethod
    def _start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", watcher.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
            env={name: os.environ[name] for name in _NEEDED if name in os.environ},
            process_group=OWN_GROUP,
        )
        if process.stdin is not None and sys.platform != "win32":
            os.set_blocking(process.stdin.fileno(), False)
        return process


#: The watcher of this process.
WATCHER = Watcher()
