"""Measure what servers cost while nothing is asked: memory, and CPU time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from llm_servers import with_children

#: Pattern of a command line, and the part that the process is of.
PARTS = [
    (r"a3s_power_jupyter\.engine\.main", "process of the model"),
    (r"a3s_power_jupyter\.server\.extension", "jupyter power"),
    (r"jupyterhub\.singleuser", "server of a user of JupyterHub"),
    (r"jupyterhub_idle_culler", "idle culler"),
    (r"configurable-http-proxy", "configurable-http-proxy"),
    (r"-m jupyterhub ", "JupyterHub"),
    (r"jupyter_server", "notebook server"),
]


def part_of(command: str) -> str:
    """Return the part that a process with this command line is of.

    Raises
    ------
    ValueError
        If the command line is none of those known.
    """
    for pattern, part in PARTS:
        if re.search(pattern, command):
            return part
    raise ValueError(f"unknown process: {command}")


@dataclass
class Cost:
    """What the processes of a part take together.

    Attributes
    ----------
    uss, pss : int
        Bytes of memory that no other process has, and these with a share of the memory that
        several processes have.
    cpu : float
        Seconds of CPU time in a minute.
    """

    processes: int = 0
    uss: int = 0
    pss: int = 0
    cpu: float = 0.0


def idle_costs(roots: Iterable[int], seconds: float) -> dict[str, Cost]:
    """Watch processes and their children for `seconds`, and return the cost of each part."""
    watched = [process for pid in roots for process in with_children(pid)]
    before = {process.pid: used(process) for process in watched}
    time.sleep(seconds)
    costs: dict[str, Cost] = {}
    for process in watched:
        with suppress(psutil.NoSuchProcess):  # it has ended
            memory = process.memory_full_info()
            spent = used(process) - before[process.pid]
            cost = costs.setdefault(part_of(" ".join(process.cmdline())), Cost())
            cost.processes += 1
            cost.uss += memory.uss
            cost.pss += memory.pss
            cost.cpu += 60 * spent / seconds
    return costs


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
