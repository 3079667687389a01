"""Bring the server to rest, measure it, and search its log."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from support.servers import Server

from .result import Rest
from .wire import ANSWERED, Violation, call, quoted

#: Lines of the log that are never right: tracebacks, and errors other than those that
#: jupyter_server writes for each reply with a status above 500.
WRONG = re.compile(
    r"Traceback|Uncaught|never retrieved|RuntimeWarning"
    r"|^\[[EC] [^]]*\] (?!\{$|50[1-9] |received signal)"
)


def unload_all(server: Server) -> None:
    """Cancel all pulls and unload all models."""
    for pull in call(server, "GET", "v1/models/pull")[1]["data"]:
        if pull["status"] == "pulling":
            call(server, "DELETE", f"v1/models/pull/{quoted(pull['name'])}")
    for model in call(server, "GET", "v1/models")[1]["data"]:
        outcome, reply = call(server, "POST", f"v1/models/{quoted(model['id'])}/unload?force=true")
        if outcome not in (ANSWERED, "model_not_found"):
            raise Violation(f"unload {model['id']}: {reply}")


def at_rest(server: Server, started: float) -> Rest:
    """Wait until the server has no child processes and no connections, and measure it."""
    process = psutil.Process(server.pid)
    port = urlsplit(server.url).port
    deadline = time.monotonic() + 60
    while process.children() or _connections(process, port):
        if time.monotonic() > deadline:
            left = [" ".join(_command(child)[-2:]) for child in process.children()]
            raise Violation(f"at rest: {_connections(process, port)} connections, processes {left}")
        time.sleep(0.1)
    time.sleep(1)  # until its threads have noticed
    return Rest(
        time.monotonic() - started,
        process.memory_info().rss,
        process.num_fds(),
        process.num_threads(),
        1 + len(process.children(recursive=True)),
    )


def _connections(process: psutil.Process, port: int | None) -> int:
    """Count the connections of clients."""
    ends = [c for c in process.net_connections("tcp") if c.laddr and c.laddr.port == port]
    return sum(c.status != psutil.CONN_LISTEN for c in ends)


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def processes_of(home: Path) -> list[int]:
    """Return the ids of all processes with this home in their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("A3S_POWER_HOME") == str(home):
                found.append(process.pid)
    return found


def wrong_lines(log: Path) -> list[str]:
    """Return the lines of a log that show a bug, each with the lines after it."""
    lines = log.read_text(errors="replace").splitlines()
    found, end = [], 0
    for number, line in enumerate(lines):
        if number >= end and WRONG.search(line):
            end = number + 40
            found.append("\n".join(lines[number:end]))
    return found
