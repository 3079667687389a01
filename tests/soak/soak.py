"""Run the clients in rounds, check the server after each, and stop it at random moments."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from support.servers import Server

from .actions import register
from .crowd import Crowd
from .rest import at_rest, processes_of, unload_all, wrong_lines
from .result import Options, Result, Stop
from .wire import ANSWERED, Violation, call, quoted
from .world import EMBEDDERS, LOCAL, World, run_server_of, run_world

#: Seconds within which SIGTERM ends the server, and within which its processes end if it is killed.
STOP_SECONDS = 10.0


def soak(folder: Path, options: Options) -> Result:
    """Run the whole test. `folder` holds the home of the server and its logs."""
    result = Result(options)
    with run_world(folder) as world, busy_cores(options.busy):
        with run_server_of(world) as server:
            for name in world.models:
                register(world, name)
            try:
                _rounds(world, result)
                _everything_works(world, result)
            except Violation as error:
                result.fail(str(error))
        _check_log(server, result)
        server.log.rename(folder / "rounds.log")
        for number in range(options.stops):
            _stop(world, result, random.Random(f"stop-{options.seed}-{number}"))
    result.check_growth()
    return result


def _rounds(world: World, result: Result) -> None:
    options = result.options
    started = time.monotonic()
    for number in range(options.rounds):
        crowd = Crowd(world, result, f"{options.seed}-{number}")
        with _sampling(world.server, started, result):
            crowd.start()
            time.sleep(options.seconds / options.rounds)
            crowd.end()
            crowd.join()
            unload_all(world.server)
        result.rests.append(at_rest(world.server, started))
        print(f"{result.requests} requests, {result.rests[-1]}", flush=True)


def _everything_works(world: World, result: Result) -> None:
    """Use, unload and delete every model."""
    for name in LOCAL:
        register(world, name)
        path, body = "v1/completions", {"model": name, "prompt": "Hi", "max_tokens": 2}
        if name in EMBEDDERS:
            path, body = "v1/embeddings", {"model": name, "input": "Hi"}
        _expect(result, *call(world.server, "POST", path, body))
        _expect(result, *call(world.server, "POST", f"v1/models/{name}/unload"))
    for model in call(world.server, "GET", "v1/models")[1]["data"]:
        _expect(result, *call(world.server, "DELETE", f"v1/models/{quoted(model['id'])}"))


def _expect(result: Result, outcome: str, reply: Any) -> None:
    if outcome != ANSWERED:
        result.fail(f"after the rounds: {reply}")


def _stop(world: World, result: Result, rng: random.Random) -> None:
    """Start a server, let clients use it, and send it a signal at a random moment."""
    number = signal.SIGKILL if rng.random() < 0.25 else signal.SIGTERM
    with run_server_of(world) as server:
        for name in world.models:
            register(world, name)
        crowd = Crowd(world, result, str(rng.random()))
        crowd.start()
        time.sleep(rng.uniform(0.1, 12.0))
        crowd.end()
        began = time.monotonic()
        server.process.send_signal(number)
        deadline = began + STOP_SECONDS
        while server.process.poll() is None or (left := processes_of(server.home)):
            if time.monotonic() > deadline:
                what = "runs" if server.process.poll() is None else f"left {left}"
                result.fail(f"{number.name}: the server {what} after {STOP_SECONDS:g} s")
                break
            time.sleep(0.05)
        result.stops.append(Stop(number.name, time.monotonic() - began))
        crowd.join()
    _check_log(server, result)


def _check_log(server: Server, result: Result) -> None:
    for lines in wrong_lines(server.log):
        result.fail(f"in the log: {lines}")


@contextmanager
def _sampling(server: Server, started: float, result: Result) -> Iterator[None]:
    """Record the memory of the server and the number of its children each second."""
    ended = threading.Event()
    process = psutil.Process(server.pid)

    def sample() -> None:
        while not ended.wait(1.0):
            memory, children = process.memory_info().rss, len(process.children())
            result.samples.append((time.monotonic() - started, memory, children))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Run `count` processes that compute."""
    with ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield
