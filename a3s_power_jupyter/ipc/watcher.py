"""Kill the child processes of a server that has ended: a program with the standard library only.

stdin has one line for each start and each end of a child: ``+`` or ``-`` and its process id. When
the server ends, for whatever reason, the pipe closes, and all remaining children are killed.
`lifetime.Watcher` starts this program.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def main() -> None:
    # What ends the server, such as Ctrl-C in its terminal, must not end this process before it.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    for pid in remaining(sys.stdin.buffer):
        kill_group(pid)


def remaining(lines: Iterable[bytes]) -> set[int]:
    """Return the process ids that were added and not removed, once the input has ended."""
    pids: set[int] = set()
    for line in lines:
        if line.endswith(b"\n"):  # the last line of a server that was killed may be cut off
            change = pids.add if line.startswith(b"+") else pids.discard
            change(int(line[1:]))
    return pids


def kill_group(pid: int) -> None:
    """Kill a child and the processes that it has started. Nothing happens if none is left."""
    with suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.SIGTERM)  # ends the process at once
        else:
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
