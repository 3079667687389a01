"""Clients in threads that do random things until they are told to end."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

from .actions import ACTIONS
from .client import Client
from .result import Result
from .wire import LIMIT, Lost, Violation
from .world import World

#: Failures of the hub, by the kind of request that fails.
HUB_FAILURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("api", {"status": 500}),
    ("api", {"status": 429, "headers": {"Retry-After": "1"}}),
    ("api", {"delay": 1.0}),
    ("head", {"status": 503}),
    ("redirect", {"status": 403}),
    ("bytes", {"status": 503}),
    ("bytes", {"cut_after": 100_000}),
    ("bytes", {"cut_after": 2_000_000}),
    ("bytes", {"stall_after": 500_000, "stall_for": 2.0}),
    ("bytes", {"wrong_at": 1_000}),
    ("bytes", {"rate": 2e6}),
    ("bytes", {"ignore_ranges": True}),
)


class Crowd:
    """Some clients, and a thread that lets the hub fail.

    Parameters
    ----------
    seed : str
        Seed of all random numbers. The order in which the server sees the requests still varies.
    """

    def __init__(self, world: World, result: Result, seed: str) -> None:
        self._world = world
        self._result = result
        self._ended = threading.Event()
        self._doing: dict[int, tuple[str, float]] = {}
        self._threads = [
            threading.Thread(target=self._live, args=(i, random.Random(f"{seed}-{i}")), daemon=True)
            for i in range(result.options.clients)
        ]
        self._threads.append(threading.Thread(target=self._break_hub, args=(seed,), daemon=True))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let every client finish what it is doing. From now on, connections may be lost."""
        self._ended.set()

    def join(self) -> None:
        """Wait for the clients. One that takes too long is a violation."""
        deadline = time.monotonic() + LIMIT + 30
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for number, (what, since) in self._doing.items():
            if self._threads[number].is_alive():
                self._result.fail(f"{what} has no end after {time.monotonic() - since:.0f} s")

    def _live(self, number: int, rng: random.Random) -> None:
        client = Client(self._world, rng)
        while not self._ended.is_set():
            action = rng.choices([*ACTIONS], [*ACTIONS.values()])[0]
            name = action.__name__
            began = time.monotonic()
            self._doing[number] = (name, began)
            try:
                outcome = action(client)
            except Lost as error:
                outcome = "server stopped"
                if not self._ended.is_set():
                    outcome = self._result.fail(f"{name}: {error}")
                    if self._world.server.process.poll() is not None:
                        self._ended.set()
            except Violation as error:
                outcome = self._result.fail(f"{name}: {error}")
            except Exception as error:
                outcome = self._result.fail(f"{name}: {type(error).__name__}: {error}")
            seconds = time.monotonic() - began
            if seconds > LIMIT:
                outcome = self._result.fail(f"{name} took {seconds:.0f} s: {outcome}")
            self._result.add(name, outcome, seconds)

    def _break_hub(self, seed: str) -> None:
        rng, hub = random.Random(f"hub-{seed}"), self._world.hub
        while not self._ended.wait(rng.uniform(0.2, 2.0)):
            hub.clear_failures()
            hub.requests.clear()
            for _ in range(rng.randint(0, 3)):
                stage, failure = rng.choice(HUB_FAILURES)
                hub.fail(stage=stage, times=rng.randint(1, 3), skip=rng.randint(0, 2), **failure)
        hub.clear_failures()
