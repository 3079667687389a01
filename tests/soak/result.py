"""The options and the results of a run."""

from __future__ import annotations

import statistics
import threading
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields


@dataclass(frozen=True)
class Options:
    """Options of a run.

    Attributes
    ----------
    seconds : float
        Duration of all rounds together. Clients then finish what they are doing.
    rounds : int
        Number of rounds; the server is measured at rest after each. The first third warms it up.
    busy : int
        Number of processes that keep a core busy.
    stops : int
        How often the server is started again and stopped while clients use it.
    growth : float
        Largest growth of memory, descriptors, threads and processes after the warm-up.
    spare : int
        Descriptors or threads by which the server may grow in any case.
    """

    seconds: float = 1800.0
    seed: int = 1
    clients: int = 16
    rounds: int = 12
    busy: int = 0
    stops: int = 8
    growth: float = 0.05
    spare: int = 1


@dataclass(frozen=True)
class Rest:
    """The server without requests and models, `at` so many seconds after the start."""

    at: float
    memory: int
    descriptors: int
    threads: int
    processes: int


@dataclass(frozen=True)
class Stop:
    """The end of a server, `seconds` after the signal."""

    signal: str
    seconds: float


@dataclass
class Result:
    """What happened.

    Attributes
    ----------
    outcomes : dict
        Seconds of each action, by its name and outcome.
    violations : list of str
        Everything that must not happen.
    samples : list of tuple
        Time in seconds, memory of the server, number of its children.
    """

    options: Options
    outcomes: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    violations: list[str] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, action: str, outcome: str, seconds: float) -> None:
        with self._lock:
            self.outcomes[action][outcome].append(seconds)

    def fail(self, text: str) -> str:
        """Add a violation, and return its outcome."""
        print(f"VIOLATION {text}", flush=True)
        self.violations.append(text)
        return "violation"

    @property
    def requests(self) -> int:
        return sum(len(seconds) for by in self.outcomes.values() for seconds in by.values())

    def growths(self) -> dict[str, tuple[float, float]]:
        """Return the medians of each measure in the second and in the last third of the run."""
        if not self.rests:
            return {}
        third = max(1, len(self.rests) // 3)
        early, late = self.rests[third : 2 * third] or self.rests, self.rests[-third:]
        names = [f.name for f in fields(Rest) if f.name != "at"]
        return {
            name: (
                statistics.median(asdict(rest)[name] for rest in early),
                statistics.median(asdict(rest)[name] for rest in late),
            )
            for name in names
        }

    def check_growth(self) -> None:
        """Add a violation for each measure that grew too much."""
        for name, (early, late) in self.growths().items():
            if late > early * (1 + self.options.growth) + self.options.spare:
                self.fail(f"{name} grew from {early:,.0f} to {late:,.0f}")
