"""Compare the speed of generation beside other programs and beside another model.

    python benchmarks/contention.py [--rounds 2]

The servers are ours, with default parameters, with one thread, and with as many threads as cores,
and llama.cpp's own server, of the package xllamacpp (extra `bench`). Clients stream completions of
SmolLM2 through REST for a few seconds while the machine is idle, one core is busy, all cores are
busy, or a second model answers the same number of clients. Each model has 8 slots, which share
8,192 tokens. Prints tokens per second, summed over all clients and models, and ratios. Takes about
four minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from llm_servers import Target, llama_cpp, machine, our_server, register
from streams import NO_END

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

CORES = psutil.cpu_count(logical=False) or 1
CLIENTS = (1, 8)
SLOTS = max(CLIENTS)
NUM_CTX = 1024

#: Name of a server in the table, and the load parameters of its models.
OURS = {"ours": {}, "1 thread": {"num_thread": 1}, "all threads": {"num_thread": CORES}}
LLAMA = "llama.cpp"

#: Situation, number of busy processes, number of models that generate.
SITUATIONS = [
    ("idle", 0, 1),
    ("one busy core", 1, 1),
    ("all cores busy", CORES, 1),
    ("two models", 0, 2),
]

#: Seconds before and after each measurement, for the first tokens and for the cancels.
SETTLE = 0.75


async def rate(targets: list[Target], clients: int, seconds: float) -> float:
    """Let clients stream from each target; return the tokens per second of all."""
    tokens = 0

    async def stream(target: Target, client: int) -> None:
        nonlocal tokens
        async with target.client() as api:
            for number in itertools.count():
                body = {
                    "model": target.model,
                    "prompt": f"Story {number} of author {client}. Once upon a time, there was",
                    "max_tokens": 400,
                    "stream": True,
                    "logit_bias": NO_END,
                }
                async with api.stream("POST", "v1/completions", json=body) as reply:
                    reply.raise_for_status()
                    async for line in reply.aiter_lines():
                        tokens += line.startswith("data: {")

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(stream(target, client))
            for target in targets
            for client in range(clients)
        ]
        await asyncio.sleep(SETTLE)
        began, before = time.perf_counter(), tokens
        await asyncio.sleep(seconds)
        result = (tokens - before) / (time.perf_counter() - began)
        for task in tasks:
            task.cancel()
    await asyncio.sleep(SETTLE)
    return result


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def start(model: Path, python: Path, stack: ExitStack) -> dict[str, list[Target]]:
    """Start the servers, each with two models."""
    ours = stack.enter_context(our_server("--PowerApp.max_loaded_models=0"))
    # Our slots share `num_ctx` tokens, and so do llama.cpp's.
    sizes = {"num_parallel": SLOTS, "num_ctx": SLOTS * NUM_CTX, "keep_alive": -1}
    targets = {
        name: [
            register(ours, f"{name}-{number}".replace(" ", "-"), model, **sizes, **parameters)
            for number in range(2)
        ]
        for name, parameters in OURS.items()
    }
    sizes = {"n_parallel": SLOTS, "n_ctx": SLOTS * NUM_CTX}
    targets[LLAMA] = [stack.enter_context(llama_cpp(python, model, **sizes)) for _ in range(2)]
    return targets


def measure(
    targets: dict[str, list[Target]], rounds: int, seconds: float
) -> dict[tuple[str, int, str], float]:
    """Return the median tokens per second, by situation, number of clients and server."""
    rates: dict[tuple[str, int, str], list[float]] = {}
    for _ in range(rounds):
        for situation, busy, models in SITUATIONS:
            with busy_processes(busy):
                for clients in CLIENTS:
                    for name, found in targets.items():
                        tokens = asyncio.run(rate(found[:models], clients, seconds))
                        rates.setdefault((situation, clients, name), []).append(tokens)
                        print(f"{situation}, {clients}, {name}: {tokens:.1f}", file=sys.stderr)
    return {key: statistics.median(values) for key, values in rates.items()}


def show(rates: dict[tuple[str, int, str], float], names: list[str]) -> None:
    """Print the tokens per second, and our speed divided by that of each other server."""
    others = names[1:]
    print("| | clients | " + " | ".join(names) + "".join(f" | / {name}" for name in others) + " |")
    print("|---" * (2 + len(names) + len(others)) + "|")
    for situation, _busy, _models in SITUATIONS:
        for clients in CLIENTS:
            got = [rates[situation, clients, name] for name in names]
            cells = [f"{rate:.1f}" for rate in got]
            cells += [f"{got[0] / rate:.2f}" if rate else "-" for rate in got[1:]]
            print(f"| {situation} | {clients} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a measurement")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="interpreter that has xllamacpp"
    )
    options = parser.parse_args()
    model = model_files.smollm2()
    with ExitStack() as stack:
        targets = start(model, options.python, stack)
        rates = measure(targets, options.rounds, options.seconds)
    print(f"{machine()}, {options.rounds} rounds of {options.seconds} s\n")
    show(rates, list(targets))


if __name__ == "__main__":
    main()
