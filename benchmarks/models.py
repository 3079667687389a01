"""Compare the response times of a server with many models and a server with one.

    python benchmarks/models.py [--models 1000] [--rounds 200]

Measures ``GET /v1/models``, the first event of ``GET /v1/events``, and ``GET /api/status`` while
another client lists the models. Each round queries one server after the other.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from a3s_power_jupyter.contract.parameters import DefaultParameters
from a3s_power_jupyter.contract.types import RegisterRequest
from a3s_power_jupyter.store.model_store import ModelStore
from support import model_files
from support.servers import Server, run_server


def fill(home: Path, count: int) -> None:
    """Register a small file under `count` names."""
    home.mkdir(parents=True)
    path = home.parent / "model.gguf"
    path.write_bytes(model_files.gguf())
    store = ModelStore(home)
    for number in range(count):
        name = f"owner-{number % 7}/model-{number:04}-GGUF:Q4_K_M"
        store.register(RegisterRequest(name=name, path=str(path)), DefaultParameters())


def listing(api: httpx2.Client) -> bytes:
    return api.get("v1/models").raise_for_status().content


def first_event(api: httpx2.Client) -> bytes:
    read = b""
    with api.stream("GET", "v1/events") as reply:
        for chunk in reply.iter_bytes():
            read += chunk
            if read.endswith(b"\n\n"):
                break
    return read


def status(api: httpx2.Client) -> bytes:
    return api.get("api/status").raise_for_status().content


def timed(request: Callable[[httpx2.Client], bytes], api: httpx2.Client) -> float:
    """Return the milliseconds until the last byte."""
    began = time.perf_counter()
    request(api)
    return 1000 * (time.perf_counter() - began)


@contextmanager
def listing_repeatedly(server: Server) -> Iterator[None]:
    """List all models in a loop in another thread."""
    ended = threading.Event()

    def ask() -> None:
        with server.api() as api:
            while not ended.is_set():
                api.get("v1/models").raise_for_status()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def rounds(servers: dict[str, Server], count: int) -> dict[str, dict[str, list[float]]]:
    """Return the milliseconds of each request, by kind of request and server."""
    requests = {"GET /v1/models": listing, "first event": first_event}
    times: dict[str, dict[str, list[float]]] = {what: {s: [] for s in servers} for what in requests}
    with ExitStack() as stack:
        apis = {name: stack.enter_context(server.api()) for name, server in servers.items()}
        for number in range(-5, count):  # the first five warm up
            for what, request in requests.items():
                for name, api in apis.items():
                    took = timed(request, api)
                    if number >= 0:
                        times[what][name].append(took)
        what = "GET /api/status during listings"
        times[what] = {name: [] for name in servers}
        for name, server in servers.items():
            with listing_repeatedly(server):
                times[what][name] += [timed(status, apis[name]) for _ in range(count)]
    return times


def row(what: str, few: list[float], many: list[float]) -> str:
    median, p99 = statistics.median(many), sorted(many)[int(len(many) * 0.99)]
    ratio = median / statistics.median(few)
    return f"| {what} | {statistics.median(few):.1f} | {median:.1f} | {p99:.1f} | {ratio:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        running = {}
        for count in (1, options.models):
            folder = Path(name) / str(count)
            fill(folder / "power", count)
            running[str(count)] = stack.enter_context(run_server(folder))
        times = rounds(running, options.rounds)
    print(f"{os.cpu_count()} cores, {options.rounds} rounds; milliseconds\n")
    print(f"| | 1 model | {options.models} models | 99th percentile | median / 1 model |")
    print("|---|---|---|---|---|")
    few, many = running
    for what, by_server in times.items():
        print(row(what, by_server[few], by_server[many]))


if __name__ == "__main__":
    main()
