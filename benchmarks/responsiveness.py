"""Measure ``GET /api/status`` while the notebook server is idle and while it pulls two models.

    python benchmarks/responsiveness.py [--megabytes 1000]

The pulls run at full speed from a hub on loopback. The hub, the server, each pull and this client
are separate processes, which share the cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import model_files
from support.hub_server import run_hub
from support.servers import Server, run_server

PULLS = ("bench/A-GGUF:Q4_0", "bench/B-GGUF:Q4_0")
PAUSE = 0.005  # seconds between two requests


def serve(folder: Path) -> None:
    """Run the hub until stdin is closed."""
    with run_hub() as hub:
        for name in ("A", "B"):
            hub.add(f"bench/{name}-GGUF", {f"{name}-Q4_0.gguf": folder / f"{name}.gguf"})
        print(hub.url, flush=True)
        sys.stdin.read()


@contextmanager
def hub_process(folder: Path) -> Iterator[str]:
    """Run a hub in another process and yield its URL."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate()


def write_models(folder: Path, megabytes: int) -> None:
    """Write two small models, padded with random bytes."""
    noise = os.urandom(1_000_000)
    for name in ("A", "B"):
        with (folder / f"{name}.gguf").open("wb") as file:
            file.write(model_files.gguf({**model_files.LLAMA, "general.name": name}))
            for _ in range(megabytes):
                file.write(noise)


def ask(api: httpx2.Client) -> float:
    started = time.perf_counter()
    api.get("api/status").raise_for_status()
    return time.perf_counter() - started


def pulling(api: httpx2.Client) -> bool:
    pulls = api.get("v1/models/pull").json()["data"]
    failed = [pull["error"] for pull in pulls if pull["status"] == "failed"]
    assert not failed, failed
    return any(pull["status"] == "pulling" for pull in pulls)


def while_pulling(server: Server) -> tuple[list[float], float]:
    """Return the seconds that each request took, and that both pulls took together."""
    with server.api() as api:
        started = time.perf_counter()
        for name in PULLS:
            api.post("v1/models/pull", json={"name": name, "background": True})
        times = []
        while len(times) % 20 or pulling(api):
            times.append(ask(api))
            time.sleep(PAUSE)
        return times, time.perf_counter() - started


def idle(server: Server) -> list[float]:
    with server.api() as api:
        times = []
        for _ in range(300):
            times.append(ask(api))
            time.sleep(PAUSE)
        return times


def row(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    marks = [ordered[int(len(ordered) * share)] for share in (0.5, 0.99)] + [ordered[-1]]
    figures = "".join(f"{1000 * seconds:>10.1f}" for seconds in marks)
    return f"{name:<20}{len(ordered):>10}{figures}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000, help="size of each model")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_models(folder, arguments.megabytes)
        with hub_process(folder) as url:
            environ = {"HF_ENDPOINT": url, "HF_TOKEN": ""}
            with run_server(folder / "server", environ=environ) as server:
                quiet = idle(server)
                busy, seconds = while_pulling(server)
    rate = 2 * arguments.megabytes / seconds
    print(f"{os.cpu_count()} cores, two pulls at {rate:.0f} MB/s in total; milliseconds:")
    print(f"{'':<20}{'requests':>10}{'median':>10}{'99th':>10}{'max':>10}")
    print(row("idle", quiet))
    print(row("during the pulls", busy))


if __name__ == "__main__":
    main()
