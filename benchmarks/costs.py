"""Measure what servers cost while nothing is asked: memory, and CPU time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

from llm_servers import with_children

#: Pattern of a command line, and the part that the process is of.
PARTS = [
    (r"a3s_power_jupyter\.engine\.main", "process of the model"),
    (r"^ray::ServeReplica:\w+:Replica|a3s_power_jupyter\.ray\.", "replica of Ray Serve"),
    (r"^ray::ServeReplica:\w+:Ingress", "ingress of Ray Serve"),
    (r"^ray::|/ray/cluster\.py |/site-packages/ray/", "Ray"),
    (r"a3s_power_jupyter\.server\.extension", "jupyter power"),
    (r"jupyterhub\.singleuser", "server of a user of JupyterHub"),
    (r"jupyterhub_idle_culler", "idle culler"),
    (r"prometheus_users", "list of servers for Prometheus"),
    (r"configurable-http-proxy", "configurable-http-proxy"),
    (r"-m jupyterhub ", "JupyterHub"),
    (r"jupyter_server", "notebook server"),
]


def part_of(commands: Sequence[str]) -> str:
    """Return the part that a process is of: its own, or that of the nearest parent that has one.

    Parameters
    ----------
    commands : sequence of str
        The command lines of the process, of its parent, and so on.

    Raises
    ------
    ValueError
        If none of the command lines is known.
    """
    for command in commands:
        for pattern, part in PARTS:
            if re.search(pattern, command):
                return part
    raise ValueError(f"unknown process: {commands[0]}")


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
            commands = [" ".join(each.cmdline()) for each in (process, *process.parents())]
            cost = costs.setdefault(part_of(commands), Cost())
            cost.processes += 1
            cost.uss += memory.uss
            cost.pss += memory.pss
            cost.cpu += 60 * spent / seconds
    return costs


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
