"""Choose how many CPU threads a model computes with.

The threads of one computation wait for each other about a thousand times per token, and they wait
by spinning. If another program needs one of their cores, each of these waits can take as long as a
time slice of the operating system, which makes a model a hundred times slower. So a model uses only
as many threads as it gets cores. A single thread waits for none.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from msgspec import UNSET

from ..contract.parameters import LoadParameters

#: Seconds between two decisions. Linux counts idle time in units of 10 ms.
INTERVAL = 0.25

#: How often at most, and how many seconds apart, the running tasks are counted. The smallest number
#: counts, because programs such as the notebook server, which has just passed the request on, only
#: run for some milliseconds.
SAMPLES, SAMPLE_SECONDS = 10, 0.001

#: Seconds that a larger number of threads must last. If it does not, the next attempt waits twice
#: as long as the last one, at most `TRIAL` seconds, because a step with too many threads can take a
#: second.
TRIAL = 4.0


@dataclass(frozen=True)
class CpuUsage:
    """CPU time since an arbitrary moment, in seconds.

    Attributes
    ----------
    clock : float
        Elapsed time.
    idle, total : float
        Idle time and all time of the CPUs that this process may use.
    own : float
        CPU time of this process, including its waiting threads that spin.
    """

    clock: float
    idle: float
    total: float
    own: float


class CpuThreads:
    """The number of threads for the next step of an engine.

    Parameters
    ----------
    limit : int
        Maximum number.
    adaptive : bool
        False to always return `limit`.
    read_usage, read_free, clock : callable
        Replaced in tests. `read_free` returns the cores on which nothing runs at this moment, or
        None if that is unknown.

    Attributes
    ----------
    limit : int
        Maximum number.
    steady : int
        A number that does not depend on other programs, for computations whose result depends on
        the number of threads. It leaves half of the cores to others.
    """

    def __init__(
        self,
        limit: int,
        *,
        adaptive: bool = True,
        read_usage: Callable[[], CpuUsage] | None = None,
        read_free: Callable[[], float | None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.limit = limit
        self._adaptive = adaptive and limit > 1
        self._read_usage = read_usage or CpuCounters().read
        self._read_free = read_free or free_cores
        self._clock = clock
        self._usage = self._read_usage()
        self._count = self.steady if self._adaptive else limit
        self._raised = -math.inf
        self._wait = 0.0
        self._paused = False

    @classmethod
    def from_parameters(cls, parameters: LoadParameters) -> CpuThreads:
        """Return the user's `num_thread`, or a number that adapts to other programs."""
        if parameters.num_thread is not UNSET:
            return cls(parameters.num_thread, adaptive=False)
        return cls(usable_cores())

    @property
    def steady(self) -> int:
        return max(1, self.limit // 2) if self._adaptive else self.limit

    def next_count(self) -> int:
        """Return the number of threads for the next step."""
        paused, self._paused = self._paused, False
        if self._adaptive and self._clock() - self._usage.clock >= INTERVAL:
            before, self._usage = self._usage, self._read_usage()
            free = self._read_free() if paused else None
            available = self._available(before, self._usage) if free is None else free
            self._change(self._best(available))
        return self._count

    def resume(self) -> None:
        """Note that this process begins to compute after a pause.

        The programs that ran meanwhile may have ended, such as the one that has sent the request,
        so the number of threads is chosen by what runs at the first step.
        """
        self._paused = True

    def share(self, models: int) -> None:
        """Take at least an equal share of the cores if other models compute as well.

        The others then measure fewer available cores, and reduce their threads.

        Parameters
        ----------
        models : int
            Number of models that compute, including this one.
        """
        if self._adaptive and models > 1:
            self.next_count()  # the usage until now no longer counts
            self._count = max(self._count, self.limit // models)

    def _change(self, best: int) -> None:
        """Reduce the number of threads at once; raise it less often if that did not last."""
        since = self._usage.clock - self._raised
        if best < self._count:
            failed = since < TRIAL
            self._wait = min(max(2 * self._wait, 2 * INTERVAL), TRIAL) if failed else 0.0
            self._count = best
        elif best > self._count and since >= self._wait:
            self._raised = self._usage.clock
            self._count = best

    def _available(self, before: CpuUsage, now: CpuUsage) -> float:
        """Return the number of cores that other programs left for this process."""
        elapsed = now.clock - before.clock
        own = now.own - before.own
        if now.total - before.total < elapsed / 2:
            return self.limit  # the system does not count CPU time, as in some sandboxes
        return (own + now.idle - before.idle) / elapsed

    def _best(self, available: float) -> int:
        """Return the largest number of threads that is faster than one thread less.

        If `n` threads get ``n - d`` cores, one of them has no core during a share `d` of the time,
        and the others wait for it. Their speed is ``n * (1 - d)``, and that of one thread less is
        ``n - 1``, so `n` threads are faster if ``d < 1 / n``. In practice, the speed grows by less
        than `n`.
        """
        for count in range(self.limit, 1, -1):
            tolerance = max(0.8 / count, 0.1)
            if count > self._count:
                tolerance -= 0.05  # do not change back and forth
            if available >= count - tolerance:
                return count
        return 1


class CpuCounters:
    """The operating system's counters for the CPUs that this process may use."""

    def __init__(self) -> None:
        allowed = allowed_cpus()
        # The counters of single CPUs are less exact, so they are only added up if necessary.
        self._cpus = allowed if len(allowed) < (psutil.cpu_count() or 1) else None

    def read(self) -> CpuUsage:
        times = self._times()
        return CpuUsage(
            clock=time.perf_counter(),
            idle=sum(t.idle + getattr(t, "iowait", 0.0) for t in times),
            total=sum(sum(t) for t in times),
            own=time.process_time(),
        )

    def _times(self) -> list[Any]:
        """Return psutil's counters, or none if the system does not let this process read them."""
        try:
            if self._cpus is None:
                return [psutil.cpu_times()]
            by_cpu = psutil.cpu_times(percpu=True)
        except (OSError, psutil.Error):
            return []
        return [by_cpu[cpu] for cpu in self._cpus if cpu < len(by_cpu)]


def free_cores(stat: Path = Path("/proc/stat")) -> float | None:
    """Return the number of cores on which nothing runs at this moment, besides this thread.

    The number of running tasks is the line ``procs_running`` of Linux's ``/proc/stat``
    (proc_stat(5)). Returns None on other systems and in sandboxes that do not count them.
    """
    counts = []
    for sample in range(SAMPLES):
        if sample:
            time.sleep(SAMPLE_SECONDS)
        count = _running_tasks(stat)
        if count is None or count < 1:
            return None
        counts.append(count)
        if count == 1:
            break
    return max(0.0, (psutil.cpu_count() or 1) - (min(counts) - 1))


def _running_tasks(stat: Path) -> int | None:
    try:
        lines = stat.read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("procs_r")), None)
    except (OSError, ValueError, IndexError):
        return None


def usable_cores() -> int:
    """Return the number of physical cores that this process may use."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(1, math.floor(min(physical, len(allowed_cpus()), cgroup_cores())))


def allowed_cpus() -> list[int]:
    """Return the numbers of the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(psutil.cpu_count() or 1))


def cgroup_cores(
    membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float:
    """Return the smallest CPU limit of this process's cgroups (version 2), in cores.

    Containers and batch systems set such limits (``docker run --cpus``). The format of ``cpu.max``
    is described in Linux's Documentation/admin-guide/cgroup-v2.rst.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return math.inf  # not Linux
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = root / path.lstrip("/")
    folders = [group, *group.parents]
    return min(_cpu_limit(folder / "cpu.max") for folder in folders)


def _cpu_limit(file: Path) -> float:
    try:
        quota, period = file.read_text().split()
    except (OSError, ValueError):
        return math.inf  # the root has no limit
    return math.inf if quota == "max" else int(quota) / int(period)
