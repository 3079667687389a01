"""Compare all kinds of `isq` on SmolLM2 with `transformers serve` and with a plain GGUF file.

    pip install --target serve-packages fastapi uvicorn
    python benchmarks/isq.py --serve-packages serve-packages [--rounds 3] [--model DIRECTORY]

All use the same weights and prompts, greedy sampling and streaming. Each round loads, queries and
unloads every kind in turn. The first load converts the model or fills caches; the next column is
the median of the other loads. For `transformers serve`, a load is the time from its start until it
is healthy with the model. Tokens per second include the prompts and are summed over all clients.
Memory is the resident memory of the process with the model after the requests; the baseline is the
resident memory of a process that has only imported the engine. Weights are the bytes of the
quantized model: the GGUF file, or the packed weights of HQQ. Without `--serve-packages`,
`transformers serve` is omitted.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files, servers
from support.ports import free_port

GGML = ("Q4_0", "Q4K", "Q6K", "Q8_0")
HQQ_BITS = {"HQQ4": 4, "HQQ8": 8}
KINDS = (*GGML, "none", *HQQ_BITS)
PLAIN, SERVE = "Q4K-as-a-file", "transformers serve"

TOKENS = 100
CLIENTS = 4
#: Enough for a prompt and its answer. llama.cpp allocates the KV cache for this length.
LOAD = {"num_ctx": 512, "num_parallel": CLIENTS}
SUBJECTS = ("a lighthouse", "a train", "a garden", "an old clock")
START_SECONDS = 120

#: Print the resident memory of a process that has imported what a worker imports.
BASELINE = (
    "import psutil, a3s_power_jupyter.engine.{}.engine; print(psutil.Process().memory_info().rss)"
)


@dataclass
class Samples:
    """Measurements of one kind, one per round: seconds, tokens per second, bytes."""

    load: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    four: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Chat:
    """A server and model to query; `more` holds request fields specific to the server."""

    api: httpx2.Client
    model: str
    more: dict[str, Any]

    def ask(self, prompt: str, tokens: int = TOKENS) -> int:
        """Send a chat request and return the number of generated tokens."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": tokens,
            "stream": True,
            **self.more,
        }
        with self.api.stream("POST", "v1/chat/completions", json=body) as reply:
            reply.raise_for_status()
            events: list[Any] = [*servers.events_of(reply)]
        count: int = events[-1]["usage"]["completion_tokens"]
        return count

    def rate(self, clients: int, number: int) -> float:
        """Return the tokens per second of all clients, each with a prompt that is not cached."""
        prompts = [
            f"Write a very long story, number {number}.{clients}.{client}, about {subject}."
            for client, subject in enumerate(SUBJECTS[:clients])
        ]
        began = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            tokens = sum(pool.map(self.ask, prompts))
        return tokens / (time.perf_counter() - began)

    def measure(self, number: int, samples: Samples) -> None:
        self.ask("Hello", tokens=4)  # warm up
        samples.one.append(self.rate(1, number))
        samples.four.append(self.rate(CLIENTS, number))
        last = samples.load[-1], samples.one[-1], samples.four[-1]
        print(f"{self.model}: {last[0]:.2f} s, {last[1]:.1f}/s, {last[2]:.1f}/s", file=sys.stderr)


def measure_ours(api: httpx2.Client, name: str, number: int, samples: Samples) -> None:
    """Load, measure and unload a registered model."""
    began = time.perf_counter()
    api.post(f"v1/models/{name}/load", json={}).raise_for_status()
    samples.load.append(time.perf_counter() - began)
    Chat(api, name, {"stream_options": {"include_usage": True}}).measure(number, samples)
    samples.memory.append(api.get(f"v1/models/{name}").json()["memory_bytes"])
    api.post(f"v1/models/{name}/unload").raise_for_status()


def measure_serve(packages: Path, directory: Path, number: int, samples: Samples) -> None:
    began = time.perf_counter()
    with running_serve(packages, directory) as (process, api):
        samples.load.append(time.perf_counter() - began)
        Chat(api, str(directory), {}).measure(number, samples)
        samples.memory.append(psutil.Process(process.pid).memory_info().rss)


@contextmanager
def running_serve(
    packages: Path, directory: Path
) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    """Run `transformers serve` with the model loaded."""
    port = free_port()
    command = [Path(sys.executable).with_name("transformers"), "serve", directory]
    env = os.environ | {"PYTHONPATH": str(packages), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--host=127.0.0.1", f"--port={port}", "--device=cpu"],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}/"
        try:
            with httpx2.Client(base_url=url, timeout=600, trust_env=False) as api:
                deadline = time.monotonic() + START_SECONDS
                while not healthy(api):
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise SystemExit(f"transformers serve: {log.read()[-2000:].decode()}")
                    time.sleep(0.02)
                yield process, api
        finally:
            servers.stop(process)


def healthy(api: httpx2.Client) -> bool:
    try:
        return api.get("health").status_code == 200
    except httpx2.ConnectError:
        return False


def register(api: httpx2.Client, name: str, path: Path, **parameters: Any) -> None:
    body = {"name": name, "path": str(path), "default_parameters": LOAD | parameters}
    api.post("v1/models", json=body).raise_for_status()


def conversions(home: Path) -> dict[str, tuple[Path, int]]:
    """Return the converted GGUF file and its size in bytes, by ISQ kind."""
    found = {}
    for path in (home / "models/conversions").glob("*.json"):
        record = json.loads(path.read_text())
        blob = home / "models/blobs" / f"sha256-{record['sha256']}"
        found[record["kind"]] = blob, blob.stat().st_size
    return found


def packed_bytes(weights: Path, bits: int) -> int:
    """Return the size of a model packed by HQQ.

    Matrices take `bits` per element, and a 16-bit scale and zero point per group of 64. Embeddings
    and vectors keep 16 bits per element.
    """
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    total = 0.0
    for name, entry in header.items():
        if name != "__metadata__":
            packed = len(entry["shape"]) == 2 and "embed" not in name
            total += math.prod(entry["shape"]) * (bits / 8 + 4 / 64 if packed else 2)
    return int(total)


def baseline(engine: str) -> int:
    command = [sys.executable, "-c", BASELINE.format(engine)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


def compare(
    directory: Path, packages: Path | None, rounds: int
) -> tuple[dict[str, Samples], dict[str, int]]:
    """Return the measurements and the bytes of the weights, by ISQ kind."""
    names = (*KINDS, PLAIN, *([SERVE] if packages else ()))
    samples = {name: Samples() for name in names}
    whole = (directory / "model.safetensors").stat().st_size
    weights = {"none": whole, SERVE: whole}
    weights |= {k: packed_bytes(directory / "model.safetensors", b) for k, b in HQQ_BITS.items()}
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.run_server(Path(folder), headless=True) as server,
        server.api() as api,
    ):
        api.timeout = 600
        for kind in KINDS:
            register(api, kind, directory, isq=kind)
        for number in range(rounds):
            for kind in KINDS:
                measure_ours(api, kind, number, samples[kind])
            if number == 0:
                made = conversions(server.home)
                weights |= {kind: size for kind, (_path, size) in made.items()}
                weights[PLAIN] = weights["Q4K"]
                plain = Path(folder) / "plain.gguf"
                plain.hardlink_to(made["Q4K"][0])
                register(api, PLAIN, plain)
            measure_ours(api, PLAIN, number, samples[PLAIN])
            if packages is not None:
                measure_serve(packages, directory, number, samples[SERVE])
    return samples, weights


def show(samples: dict[str, Samples], weights: dict[str, int]) -> None:
    torch, llama = baseline("transformers"), baseline("llamacpp")
    print(f"Baselines: llama.cpp {llama / 1e6:.0f} MB, transformers {torch / 1e6:.0f} MB\n")
    print("| | first load s | load s | tokens/s | / serve | 4 clients | / serve "
          "| weights MB | memory MB | / weights | (memory - baseline) / weights |")  # fmt: skip
    print("|---" * 11 + "|")
    serve = samples.get(SERVE)
    for name, got in samples.items():
        again = statistics.median(got.load[1:] or got.load)
        one, four = statistics.median(got.one), statistics.median(got.four)
        ones = f"{one / statistics.median(serve.one):.2f}" if serve else ""
        fours = f"{four / statistics.median(serve.four):.2f}" if serve else ""
        size, memory = weights[name], statistics.median(got.memory)
        own = memory - (llama if name in (*GGML, PLAIN) else torch)
        print(f"| {name} | {got.load[0]:.2f} | {again:.2f} | {one:.1f} | {ones} | {four:.1f} "
              f"| {fours} | {size / 1e6:.0f} | {memory / 1e6:.0f} | {memory / size:.2f} "
              f"| {own / size:.2f} |")  # fmt: skip
    plain, converted = (statistics.median(samples[n].load[1:]) for n in (PLAIN, "Q4K"))
    print(f"\nLater loads of Q4K take {converted / plain:.2f} times as long as the plain file.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="at least 2 (default: 3)")
    parser.add_argument("--serve-packages", type=Path, help="folder with fastapi and uvicorn")
    parser.add_argument(
        "--model", type=Path, help="SmolLM2 as safetensors (default: converted from GGUF)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        directory = options.model
        if directory is None:
            directory = Path(folder) / "smollm2"
            script = Path(__file__).parents[1] / "tests/support/real_models.py"
            command = [sys.executable, script, model_files.smollm2(), directory]
            subprocess.run(command, check=True)
        found = compare(directory, options.serve_packages, max(2, options.rounds))
    cores = psutil.cpu_count(logical=False)
    print(f"{platform.machine()}, {cores} cores, {options.rounds} rounds, {TOKENS} tokens\n")
    show(*found)


if __name__ == "__main__":
    main()
