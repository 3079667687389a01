"""Measure ``GET /api/status`` while the notebook server pulls models, reads bodies and replies.

    python benchmarks/responsiveness.py [--megabytes 1000] [--only pulls|bodies|replies]

The pulls run at full speed from a hub on loopback. The bodies have 30 MB, and the replies are as
large as a request can make them; the models behind them are fakes. The hub, the server, each pull
and each client are separate processes, which share the cores. Each row is the time of a status
request from another process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
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
    return f"{name:<24}{len(ordered):>10}{figures}"


MODEL = "org/repo:Q4_K_M"
SIZE = 30_000_000
MESSAGES = [{"role": "user", "content": "Hi"}]


def filled(before: str, value: str, after: str) -> bytes:
    """Repeat `value`, which ends with a comma, up to 30 MB."""
    return (before + (value * (SIZE // len(value.encode())))[:-1] + after).encode()


def bodies() -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, route and content of bodies that take long to read."""
    prompt, text = f'{{"model": "{MODEL}", "prompt": [', f'{{"model": "{MODEL}", "prompt": "'
    bias = ",".join(f'"{token}": -1.5e300' for token in range(SIZE // 18))
    biases = ",".join(f'"{token}": -100' for token in range(2**18))
    yield "small numbers", "completions", filled(prompt, "1,", "]}")
    yield (
        "as many as allowed",
        "completions",
        filled(prompt, "12345,", "]}")[: 6 * 2**19 - 99] + b"1]}",
    )
    yield "large exponents", "completions", filled(prompt, "1.5e300,", "]}")
    yield "short strings", "completions", filled(prompt, '"a",', "]}")
    yield "nested arrays", "completions", filled(prompt, "[" * 900 + "]" * 900 + ",", "]}")
    yield "one text", "completions", filled(text, "words, ", '"}')
    yield "escapes and emoji", "completions", filled(text + "\N{GRINNING FACE}", "\\n" * 50, 'n"}')
    yield "logit_bias", "completions", f'{text}", "logit_bias": {{{bias}}}}}'.encode()
    yield "2^18 biases", "completions", f'{text}", "logit_bias": {{{biases}}}}}'.encode()


def replies() -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, route and content of requests for large replies."""
    chat = {"model": MODEL, "messages": MESSAGES, "n": 128, "logprobs": True, "top_logprobs": 20}
    texts = {"model": MODEL, "prompt": ["Hi"] * 2048, "logprobs": 20}
    embed = {"model": MODEL, "input": ["Hi"]}
    yield "n=128, logprobs", "chat/completions", json.dumps(chat).encode()
    yield "2,048 texts, streamed", "completions", json.dumps(texts | {"stream": True}).encode()
    yield "2,048 vectors", "embeddings", json.dumps(embed).encode()
    yield "in base64", "embeddings", json.dumps(embed | {"encoding_format": "base64"}).encode()


def send(url: str, token: str, route: str, body: bytes) -> str:
    """Send a request and describe the reply."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    started = time.perf_counter()
    with (
        httpx2.Client(timeout=300, trust_env=False) as client,
        client.stream("POST", f"{url}v1/{route}", content=body, headers=headers) as reply,
    ):
        size = sum(map(len, reply.iter_raw()))
    seconds = time.perf_counter() - started
    return f"{reply.status_code}, {size / 1e6:.1f} MB in {seconds:.1f} s"


def during(server: Server, route: str, body: bytes, rounds: int) -> tuple[list[float], str]:
    """Return the seconds of each status request while another process sends `body`."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process, server.api() as api:
        arguments = (server.url, server.token, route, body)
        sent = [process.submit(send, *arguments) for _ in range(rounds)]
        times = []
        while not sent[-1].done():
            times.append(ask(api))
            time.sleep(PAUSE)
        return times, sent[-1].result()


def measure_requests(folder: Path, requests: Iterator[tuple[str, str, bytes]], rounds: int) -> None:
    with run_server(folder, fake="LargeService") as server:
        print(row("idle", idle(server)))
        for name, route, body in requests:
            times, reply = during(server, route, body, rounds)
            print(f"{row(name, times)}   {reply}")


def measure_pulls(folder: Path, megabytes: int) -> None:
    write_models(folder, megabytes)
    with hub_process(folder) as url:
        environ = {"HF_ENDPOINT": url, "HF_TOKEN": ""}
        with run_server(folder / "server", environ=environ) as server:
            print(row("idle", idle(server)))
            times, seconds = while_pulling(server)
    print(f"{row('two pulls', times)}   {2 * megabytes / seconds:.0f} MB/s in total")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1000, help="size of each pulled model")
    parser.add_argument("--rounds", type=int, default=3, help="how often each request is sent")
    parser.add_argument("--only", choices=("pulls", "bodies", "replies"))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    print(f"{os.cpu_count()} cores; milliseconds:")
    print(f"{'':<24}{'requests':>10}{'median':>10}{'99th':>10}{'max':>10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in (None, "pulls"):
            measure_pulls(folder, options.megabytes)
        if options.only in (None, "bodies"):
            measure_requests(folder / "bodies", bodies(), options.rounds)
        if options.only in (None, "replies"):
            measure_requests(folder / "replies", replies(), options.rounds)


if __name__ == "__main__":
    main()
