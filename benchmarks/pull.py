"""Compare the wall and CPU time of pulls with aria2c, curl and `hf download`.

    python benchmarks/pull.py --rounds 3 --size 2000

The tests' hub runs on loopback in a separate process: first with 20 MB/s per connection and a
quarter of the size, then without a limit. "ours" is the process that the server starts for a pull,
until the model is registered: it lists the repository, downloads, checks the SHA-256, syncs and
registers. The column "from the URL on" excludes the time until the hub has listed the
files. The other programs download one URL without checking or syncing; only `hf download` queries
the hub first. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
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
from support.model_files import smollm2

REPO, PATH = "ada/model", "model.Q4_1.gguf"
SLOW = 20e6  # bytes per second and connection


@dataclass(frozen=True)
class Sample:
    """Seconds of wall time, CPU time without the hub, and wall time once the URL is known."""

    wall: float
    cpu: float
    fetching: float


@dataclass(frozen=True)
class Hub:
    """Base URL of the hub, and URL of the file."""

    url: str
    file: str


def serve(pipe: Connection, model: Path, rate: float | None) -> None:
    """Run the hub until the other end of the pipe sends a message."""
    with run_hub() as hub:
        commit = hub.add(REPO, {PATH: model}).refs["main"]
        if rate is not None:
            hub.fail(PATH, rate=rate, times=None)
        pipe.send(Hub(hub.url, f"{hub.url}/{REPO}/resolve/{commit}/{PATH}"))
        pipe.poll(None)


def model_file(folder: Path, size: int) -> Path:
    """Write a real model, padded with random bytes to `size` bytes."""
    path = folder / PATH
    with path.open("wb") as file:
        file.write(smollm2().read_bytes())
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


#: Functions that download into a folder and return the time at which the URL was known.
FETCHERS: dict[str, Callable[[Hub, Path], float]] = {
    "ours": ours, "aria2c -x4": aria2c, "curl": curl, "hf download": hf,
}  # fmt: skip


def measured(fetch: Callable[[Hub, Path], float], hub: Hub, folder: Path) -> Sample:
    """Measure one download into an empty folder."""
    target = Path(tempfile.mkdtemp(dir=folder))
    os.sync()  # finish the writes of the previous download
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    known = fetch(hub, target)
    ended = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(target)
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

    print("| | wall s | CPU s | ours / wall | from the URL on | ours / CPU |")
    print("|---|---|---|---|---|---|")
    for name in FETCHERS:
        if name in samples:
            print(line(name))
        else:
            print(f"| {name} | not installed | | | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--size", type=int, default=2000, help="size of the file in MB (default: 2000)"
    )
    parser.add_argument("--folder", type=Path, default=None, help="folder on the disk to measure")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for rate, size in ((SLOW, options.size // 4), (None, options.size)):
            speed = "no limit" if rate is None else f"{rate / 1e6:.0f} MB/s per connection"
            model = model_file(folder, size * 10**6)
            print(f"\n{model.stat().st_size / 1e6:.0f} MB, {speed}, {os.cpu_count()} cores\n")
            compare(model, rate, options.rounds, folder)


if __name__ == "__main__":
    main()
