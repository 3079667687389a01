"""The number of CPU threads of a model, on a simulated machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

import psutil
import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.engine import threads
from a3s_power_jupyter.engine.threads import INTERVAL, CpuCounters, CpuThreads, CpuUsage


class Machine:
    """A machine with `cores` cores, on which other programs use `others` cores if they can.

    The operating system gives every thread the same share of the cores.
    """

    def __init__(self, cores: int, others: float = 0) -> None:
        self.cores = cores
        self.others = others
        self.clock = self.idle = 0.0
        self.own: dict[int, float] = {}

    def run(self, *threads: float, seconds: float = INTERVAL) -> None:
        """Let the processes of the machine's models compute with this many threads each."""
        wanted = sum(threads) + self.others
        share = min(1.0, self.cores / wanted) if wanted else 1.0
        self.clock += seconds
        self.idle += (self.cores - wanted * share) * seconds
        for index, count in enumerate(threads):
            self.own[index] += count * share * seconds

    def model(self, **options: bool) -> CpuThreads:
        """Return the threads of another model."""
        index = len(self.own)
        self.own[index] = 0.0

        def read() -> CpuUsage:
            return CpuUsage(self.clock, self.idle, self.cores * self.clock, self.own[index])

        def free() -> float:
            return max(0.0, self.cores - self.others)

        return CpuThreads(
            self.cores, read_usage=read, read_free=free, clock=lambda: self.clock, **options
        )


def settle(machine: Machine, *models: CpuThreads, steps: int = 20) -> list[int]:
    """Let models compute at the same time; return their numbers of threads."""
    for _ in range(steps):
        machine.run(*(model.next_count() for model in models))
    return [model.next_count() for model in models]


@pytest.mark.parametrize("cores", [1, 2, 4, 6, 16, 64])
def test_an_idle_machine_gives_all_cores(cores: int) -> None:
    machine = Machine(cores)
    cpu_threads = machine.model()
    machine.run(seconds=60)
    for _ in range(20):
        assert settle(machine, cpu_threads, steps=1) == [cores]


@pytest.mark.parametrize(
    ("cores", "others", "expected"),
    [
        (2, 1, 1),
        (2, 2, 1),
        (2, 10, 1),
        (4, 1, 3),
        (4, 3, 1),
        (8, 1, 7),
        (8, 4, 4),
        (16, 2, 14),
    ],
)
def test_a_model_uses_the_cores_that_others_leave(cores: int, others: int, expected: int) -> None:
    machine = Machine(cores, others)
    assert settle(machine, machine.model()) == [expected]


@pytest.mark.parametrize(("cores", "others"), [(2, 0.3), (4, 0.15), (16, 0.05)])
def test_small_programs_take_no_thread(cores: int, others: float) -> None:
    """Such as the notebook server that sends the tokens."""
    machine = Machine(cores, others)
    assert settle(machine, machine.model()) == [cores]


def test_a_model_leaves_a_core_to_a_program_that_starts_and_takes_it_back() -> None:
    machine = Machine(4)
    cpu_threads = machine.model()
    assert settle(machine, cpu_threads) == [4]
    machine.others = 2
    assert settle(machine, cpu_threads, steps=3) == [2]
    machine.others = 0
    assert settle(machine, cpu_threads, steps=2) == [4]


def test_a_raise_that_does_not_last_is_tried_less_often() -> None:
    """Other programs use all cores every other half second."""
    machine = Machine(2)
    cpu_threads = machine.model()
    raises, before = 0, 1
    for step in range(240):  # a minute
        machine.others = 2 if step // 2 % 2 else 0
        (count,) = settle(machine, cpu_threads, steps=1)
        raises += count > before
        before = count
    assert 5 <= raises <= 25
    machine.others = 0
    assert settle(machine, cpu_threads, steps=20) == [2]


@pytest.mark.parametrize("cores", [2, 4, 8, 16])
@pytest.mark.parametrize("others", [0, 2])
def test_models_share_the_cores(cores: int, others: int) -> None:
    """Each gets at least two thirds of its share, also one that starts when the others have all."""
    machine = Machine(cores, others)
    first, second = machine.model(), machine.model()
    settle(machine, first)
    machine.run(*settle(machine, first, steps=1), 0)
    second.share(2)
    shares = settle(machine, first, second)
    assert min(shares) >= max(1, (cores - others) // 2 * 2 // 3)
    assert sum(shares) <= max(2, cores - others + 2)


def test_a_single_model_takes_no_share_of_a_busy_machine() -> None:
    machine = Machine(8, others=16)
    cpu_threads = machine.model()
    settle(machine, cpu_threads)
    cpu_threads.share(1)
    assert cpu_threads.next_count() == 1


@pytest.mark.parametrize("seconds", [INTERVAL, 60])
def test_a_model_begins_with_the_cores_that_are_free_then(seconds: float) -> None:
    machine = Machine(8, others=8)
    cpu_threads = machine.model()
    machine.run(0, seconds=seconds)
    cpu_threads.resume()
    assert cpu_threads.next_count() == 1


@pytest.mark.parametrize("seconds", [INTERVAL, 60])
def test_programs_that_have_ended_do_not_count(seconds: float) -> None:
    """A model waited while another program computed, such as the one that sends the request."""
    machine = Machine(8, others=8)
    cpu_threads = machine.model()
    settle(machine, cpu_threads)
    machine.run(0, seconds=seconds)
    machine.others = 0
    cpu_threads.resume()
    assert cpu_threads.next_count() == 8
    machine.others = 8
    assert settle(machine, cpu_threads) == [2]  # of one that runs now, it has a share


def test_a_long_step_is_no_pause() -> None:
    """What runs between two steps says nothing about a program that waits for its turn."""
    machine = Machine(8)
    cpu_threads = machine.model()
    settle(machine, cpu_threads)
    machine.others = 4
    machine.run(8, seconds=60)
    machine.others = 0
    assert cpu_threads.next_count() < 8


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("cpu 1 2\nprocs_running 1\nprocs_blocked 0\n", 8.0),
        ("procs_running 4\n", 5.0),
        ("procs_running 30\n", 0.0),
        ("procs_running 0\n", None),
        ("procs_running many\n", None),
        ("procs_running\n", None),
        ("cpu 1 2\n", None),
        (None, None),
    ],
)
def test_cores_on_which_nothing_runs(
    content: str | None, expected: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda: 8)
    stat = tmp_path / "stat"
    if content is not None:
        stat.write_text(content)
    assert threads.free_cores(stat) == expected


@pytest.mark.parametrize(
    ("running", "busy", "counted"),
    [
        ([1], 0, 1),
        ([3, 3, 2, 2, 2, 1, 2], 0, 6),  # programs that run for a moment
        ([2, 3, 2, 2, 4, 2, 2, 2, 2, 2, 1], 1, 10),  # one that keeps on
    ],
)
def test_programs_that_run_for_a_moment_do_not_count(
    monkeypatch: pytest.MonkeyPatch, running: list[int], busy: int, counted: int
) -> None:
    left = list(running)
    monkeypatch.setattr(threads, "_running_tasks", lambda _stat: left.pop(0))
    monkeypatch.setattr("psutil.cpu_count", lambda: 4)
    assert threads.free_cores() == 4 - busy
    assert len(running) - len(left) == counted


def test_a_model_on_a_gpu_keeps_its_threads() -> None:
    machine = Machine(8)
    cpu_threads = machine.model()
    for _ in range(10):
        machine.run(0.3)
        assert cpu_threads.next_count() == 8


def test_a_model_uses_all_cores_if_the_system_does_not_count_time() -> None:
    clock = 0.0

    def read() -> CpuUsage:
        return CpuUsage(clock, idle=0, total=0, own=clock)

    cpu_threads = CpuThreads(4, read_usage=read, clock=lambda: clock)
    clock = 10.0
    assert cpu_threads.next_count() == 4


def test_the_users_number_is_obeyed_on_a_busy_machine() -> None:
    machine = Machine(4, others=4)
    cpu_threads = machine.model(adaptive=False)
    assert settle(machine, cpu_threads) == [4]
    assert cpu_threads.steady == 4
    fixed = CpuThreads.from_parameters(LoadParameters(num_thread=7))
    assert (fixed.next_count(), fixed.steady) == (7, 7)


def test_counters_are_read_once_per_interval() -> None:
    machine = Machine(4)
    cpu_threads = machine.model()
    machine.run(4, seconds=10)
    assert cpu_threads.next_count() == 4
    machine.others = 4
    machine.run(4, seconds=INTERVAL / 2)
    assert cpu_threads.next_count() == 4
    machine.run(4, seconds=INTERVAL / 2)
    assert cpu_threads.next_count() < 4


def test_the_systems_counters_advance() -> None:
    counters = CpuCounters()
    before = counters.read()
    while counters.read().clock - before.clock < 0.2:
        pass
    after = counters.read()
    assert after.own > before.own
    assert after.total > before.total
    assert after.idle >= before.idle


def test_a_model_loads_if_the_systems_counters_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(percpu: bool = False) -> None:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    usage = CpuCounters().read()
    assert usage.total == 0
    assert CpuThreads(4).next_count() >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_only_the_cpus_of_this_process_count() -> None:
    allowed = os.sched_getaffinity(0)
    whole = CpuCounters().read()
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert threads.usable_cores() == 1
        if len(allowed) > 1:
            assert CpuCounters().read().total < whole.total
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({"a/b": "150000 100000"}, 1.5),
        ({"a": "200000 100000", "a/b": "max 100000"}, 2),
        ({"a": "50000 100000", "a/b": "200000 100000"}, 0.5),
        ({"a/b": "max 100000"}, math.inf),
        ({"": "300000 100000"}, 3),
        ({"a/b": "nonsense"}, math.inf),
        ({}, math.inf),
    ],
)
def test_cgroups_limit_the_cores(tmp_path: Path, limits: dict[str, str], cores: float) -> None:
    membership = tmp_path / "membership"
    membership.write_text("4:memory:/other\n0::/a/b\n")
    root = tmp_path / "cgroup"
    (root / "a/b").mkdir(parents=True)
    for folder, text in limits.items():
        (root / folder / "cpu.max").write_text(text + "\n")
    assert threads.cgroup_cores(membership, root) == cores


def test_without_cgroups_there_is_no_limit(tmp_path: Path) -> None:
    assert threads.cgroup_cores(tmp_path / "missing", tmp_path) == math.inf
