"""Child processes whose server is killed, while they cannot react to it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psutil
import pytest

from a3s_power_jupyter.ipc.child import Child
from a3s_power_jupyter.ipc.environment import offline_environment
from support import child_owner, echo_child
from support.paths import TESTS
from support.waiting import wait_until

#: Seconds in which a killed process ends, on a slow machine.
SOON = 30

#: A process that does not react to the end of its parent.
SLEEPER = [sys.executable, "-c", "import time; time.sleep(3600)"]


@contextmanager
def owner(*misbehavior: str) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Run `child_owner`; yield it, and its child and grandchild."""
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(TESTS)]))
    with subprocess.Popen(
        [sys.executable, child_owner.__file__, *misbehavior],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        try:
            yield process, [psutil.Process(int(pid)) for pid in pids]
        finally:
            process.kill()


def assert_ended(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=SOON)
    for process in alive:
        process.kill()
    assert alive == []


@pytest.mark.parametrize("how", ["power", "native"])
def test_a_process_that_holds_the_interpreter_lock_ends_with_its_server(how: str) -> None:
    with owner(how) as (server, children):
        if how == "power":
            wait_until(lambda: children[0].cpu_times().user > 1)
        else:
            wait_until(lambda: len(children[0].threads()) > 1)
            time.sleep(0.5)  # the command follows the start of the thread that reads it
        server.kill()
        assert_ended(children)


def test_no_process_beside_the_server_has_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the watcher, which outlives the server for a moment."""
    monkeypatch.setenv("SOME_API_TOKEN", "secret-of-the-server")
    with owner("hang") as (server, children):
        processes = psutil.Process(server.pid).children(recursive=True)
        assert {child.pid for child in children} < {process.pid for process in processes}
        for process in processes:
            assert "secret-of-the-server" not in process.environ().values(), process.cmdline()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children itself")
def test_a_stopped_process_ends_with_its_server_even_without_the_watcher() -> None:
    with owner("hang") as (server, children):
        wait_until(lambda: len(children[0].threads()) > 1)
        watchers = [p for p in psutil.Process(server.pid).children() if p != children[0]]
        assert len(watchers) == 1
        watchers[0].kill()
        children[0].suspend()
        server.kill()
        assert_ended(children)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 1.0])
def test_a_stopped_process_ends_with_its_server(delay: float) -> None:
    with owner() as (server, children):
        time.sleep(delay)  # while it starts, and when it waits for commands
        children[0].suspend()
        server.kill()
        assert_ended(children)


def test_a_process_started_by_a_child_ends_with_the_server() -> None:
    with owner("start", "power") as (server, children):
        wait_until(lambda: children[1].cpu_times().user > 1)
        server.kill()
        assert_ended(children)


def test_a_process_started_by_a_child_ends_with_the_child() -> None:
    with owner("start", "hang") as (_server, children):
        wait_until(lambda: children[1].cpu_times().user > 1)
        children[0].kill()
        assert_ended(children[1:])


@pytest.mark.parametrize("started", range(4))
async def test_a_child_that_cannot_be_read_is_ended(
    monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    start, starts = threading.Thread.start, count()

    def start_some(thread: threading.Thread) -> None:
        if next(starts) == started:
            raise RuntimeError("can't start new thread")
        start(thread)

    before = {*psutil.Process().children(), *threading.enumerate()}
    monkeypatch.setattr(threading.Thread, "start", start_some)
    with pytest.raises(OSError, match="can't start new thread"):
        Child(
            "the child",
            SLEEPER,
            offline_environment(),
            echo_child.ECHO_DECODER,
            print,
            lambda: None,
            logging.getLogger("test"),
        )
    wait_until(lambda: {*psutil.Process().children(), *threading.enumerate()} <= before)


# ---------------------------------------------------------------- the watcher alone

WATCHING = """
import subprocess, sys, time
from a3s_power_jupyter.ipc.lifetime import Watcher

watcher = Watcher()
children = [subprocess.Popen(sys.argv[1:], process_group=0) for _ in range(3)]
for child in children:
    watcher.add(child.pid)
children[0].kill()
children[0].wait()
watcher.remove(children[0].pid)
if "{replaced}":
    watcher._process.kill()
    watcher._process.wait()
    watcher.remove(0)
print(*(child.pid for child in children), flush=True)
time.sleep(3600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
@pytest.mark.parametrize("replaced", ["", "yes"])
def test_the_watcher_kills_the_children_of_a_killed_server(replaced: str) -> None:
    code = WATCHING.replace("{replaced}", replaced)  # without `end_with_parent`
    with subprocess.Popen(
        [sys.executable, "-c", code, *SLEEPER], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        children = [psutil.Process(pid) for pid in pids[1:]]
        children[0].suspend()
        server.kill()
        assert_ended(children)
