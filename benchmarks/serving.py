"""Compare the server with llama.cpp's and with llama-cpp-python's for 1 to 16 clients.

    make bench            or   python benchmarks/serving.py [--rounds 5] [--quick]

The model is registered without parameters. llama.cpp's server, of the package xllamacpp, has 8
slots and 8,192 tokens of cache, an eighth for each; in the server "llama.cpp, one cache" of the
option `--servers`, all share them, as in ours. Each client streams a completion of 96 tokens for a
prompt of about 90 tokens that no one else sends. The servers take turns in each round.

All clients begin together, so llama.cpp's server reads all prompts in one step, and no one waits
while it generates. With `--requests 4 --uneven`, each client sends four requests, one after the
other, for answers of 48 to 132 tokens: prompts arrive while others generate.

llama-cpp-python's server is measured without seeds only, because it computes one request after the
other in any case. Prints medians over the rounds, and ours divided by each of the others. Takes
about eight minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from llm_servers import (
    Target,
    llama_cpp,
    llama_cpp_python,
    llama_server,
    machine,
    our_server,
    register,
)
from streams import NO_END, Reply, stream

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

OURS, LLAMA, UNIFIED = "ours", "llama.cpp", "llama.cpp, one cache"
PYTHON = "llama-cpp-python"
SLOTS, N_CTX = 8, 8192
STORY = (
    "Story number {number} of author {client}. It was a bright cold day in April, and the harbour "
    "was full of small boats. The keeper of the lighthouse had been awake since four in the "
    "morning, writing the log of the night in a careful hand. He put down the names of the ships, "
    "the force of the wind and the height of the sea, and then he went up the stairs to put out "
    "the lamp. "
)

#: Seeded, number of clients, server.
Case = tuple[bool, int, str]


@dataclass(frozen=True)
class Sample:
    """One measurement. Times are in seconds.

    Attributes
    ----------
    rate : float
        Tokens per second of all clients, from the first request to the last token.
    first, worst : float
        Median and maximum of the times to the first token.
    gap : float
        99th percentile of the times between two tokens.
    cpu : float
        CPU time of the server for each token.
    """

    rate: float
    first: float
    worst: float
    gap: float
    cpu: float


async def measure(
    target: Target,
    clients: int,
    tokens: int,
    *,
    seeded: bool,
    number: int,
    requests: int = 1,
    uneven: bool = False,
) -> Sample:
    """Let each client stream completions, one after the other; at least two in all.

    Parameters
    ----------
    tokens : int
        Length of the answers; their mean if they are `uneven`.
    """

    each = max(requests, math.ceil(2 / clients))
    lengths = {
        (index, again): length(index, again, tokens) if uneven else tokens
        for index in range(clients)
        for again in range(each)
    }

    async def client(index: int) -> list[Reply]:
        replies = []
        async with target.client() as api:
            for again in range(each):
                prompt = STORY.format(number=f"{number}.{again}", client=index)
                body: dict[str, Any] = {
                    "prompt": prompt,
                    "max_tokens": lengths[index, again],
                    "temperature": 0.8,
                    "logit_bias": NO_END,
                }
                if seeded:
                    body["seed"] = 1000 * number + 100 * again + index
                replies.append(await stream(api, target, body))
        return replies

    cpu, began = target.cpu_seconds(), time.perf_counter()
    found = await asyncio.gather(*(client(index) for index in range(clients)))
    took, used = time.perf_counter() - began, target.cpu_seconds() - cpu
    replies = [reply for replies in found for reply in replies]
    firsts = [reply.first for reply in replies]
    gaps = sorted(gap for reply in replies for gap in reply.gaps)
    total = sum(lengths.values())
    return Sample(
        rate=total / took,
        first=statistics.median(firsts),
        worst=max(firsts),
        gap=gaps[int(0.99 * len(gaps))],
        cpu=used / total,
    )


def length(client: int, request: int, mean: int) -> int:
    """Return the length of an answer: one of eight, from half of the mean to 11 eighths of it."""
    return mean * (4 + (3 * client + 5 * request) % 8) // 8


@contextmanager
def named(server: str) -> Iterator[None]:
    """Name the server in an error of a request."""
    try:
        yield
    except httpx2.HTTPError as error:
        error.add_note(f"The server is {server}.")
        raise


def measure_all(targets: dict[str, Target], options: argparse.Namespace) -> dict[Case, Sample]:
    """Return the medians of all measurements."""
    clients: list[int] = options.clients
    run = partial(measure, requests=options.requests, uneven=options.uneven)
    for name, target in targets.items():  # warm up
        with named(name):
            asyncio.run(run(target, max(clients), 4, seeded=False, number=0))
    samples: dict[Case, list[Sample]] = {}
    names = list(targets)
    number = 0
    for turn in range(options.rounds):
        names = names[1:] + names[:1]  # another one begins
        for case in ((s, c, n) for s in (False, True) for c in clients for n in names):
            seeded, count, name = case
            if seeded and name == PYTHON:
                continue
            number += 1
            with named(name):
                sample = asyncio.run(
                    run(targets[name], count, options.tokens, seeded=seeded, number=number)
                )
            samples.setdefault(case, []).append(sample)
            print(f"{turn} {case}: {sample.rate:.1f} tokens/s", file=sys.stderr)
    return {case: _median(values) for case, values in samples.items()}


def _median(samples: list[Sample]) -> Sample:
    rows = [asdict(sample) for sample in samples]
    return Sample(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


#: Heading, value of a sample in the unit of the heading, digits.
COLUMNS: list[tuple[str, Callable[[Sample], float], int]] = [
    ("tokens/s", lambda sample: sample.rate, 1),
    ("first token ms", lambda sample: 1000 * sample.first, 0),
    ("worst first token ms", lambda sample: 1000 * sample.worst, 0),
    ("99 % between tokens ms", lambda sample: 1000 * sample.gap, 1),
    ("CPU ms / token", lambda sample: 1000 * sample.cpu, 2),
]


def show(results: dict[Case, Sample], clients: list[int], names: list[str]) -> None:
    """Print a table for each column: the servers' values, and ours divided by the others'."""
    others = [name for name in names if name != OURS]
    for heading, value, digits in COLUMNS:
        print(f"\n| {heading} | clients | " + " | ".join(names), end="")
        print("".join(f" | / {name}" for name in others) + " |")
        print("|---" * (2 + len(names) + len(others)) + "|")
        for seeded in (False, True):
            for count in clients:
                found = {
                    name: value(results[seeded, count, name])
                    for name in names
                    if (seeded, count, name) in results
                }
                cells = [f"{found[name]:.{digits}f}" if name in found else "" for name in names]
                cells += [
                    f"{found[OURS] / found[name]:.2f}" if name in found else "" for name in others
                ]
                label = "with a seed" if seeded else ""
                print(f"| {label} | {count} | " + " | ".join(cells) + " |")


def start(options: argparse.Namespace, stack: ExitStack) -> dict[str, Target]:
    """Start the servers that the options name."""
    model: Path = options.model or model_files.smollm2()

    @contextmanager
    def ours() -> Any:
        with our_server() as server:
            yield register(server, "model", model)

    def llama(*, one_cache: bool = False) -> AbstractContextManager[Target]:
        if options.llama_server:
            argv = ["--parallel", str(SLOTS), "--ctx-size", str(N_CTX), "--no-webui"]
            argv += ["--kv-unified" if one_cache else "--no-kv-unified", *options.server_args]
            return llama_server(options.llama_server, model, *argv)
        cache = {"kv_unified": one_cache}
        return llama_cpp(options.python, model, n_parallel=SLOTS, n_ctx=N_CTX, **cache)

    def python() -> AbstractContextManager[Target]:
        argv = ["--n_ctx", str(N_CTX), *options.python_args]
        return llama_cpp_python(options.python, model, *argv)

    starts: dict[str, Callable[[], AbstractContextManager[Target]]] = {
        OURS: ours,
        LLAMA: llama,
        UNIFIED: partial(llama, one_cache=True),
        PYTHON: python,
    }
    return {name: stack.enter_context(starts[name]()) for name in options.servers}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=96, help="length of an answer")
    parser.add_argument(
        "--requests", type=int, default=1, help="completions of each client, one after the other"
    )
    parser.add_argument("--uneven", action="store_true", help="answers of different lengths")
    parser.add_argument("--servers", nargs="+", default=[OURS, LLAMA, PYTHON])
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument("--model", type=Path, help="a GGUF file; SmolLM2 by default")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="interpreter of the other servers"
    )
    parser.add_argument("--llama-server", type=Path, help="use this program, not xllamacpp")
    parser.add_argument("--server-args", nargs="+", default=[], help="options for llama-server")
    parser.add_argument("--python-args", nargs="+", default=[], help="options for llama_cpp.server")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.clients, options.tokens = 1, [1, 4], 16
    return options


def main() -> None:
    options = parse()
    began = time.perf_counter()
    with ExitStack() as stack:
        targets = start(options, stack)
        results = measure_all(targets, options)
    print(f"{machine()}, {options.rounds} rounds, {time.perf_counter() - began:.0f} s")
    show(results, options.clients, list(targets))
    if options.json:
        rows = [
            {"seeded": seeded, "clients": count, "server": name, **asdict(sample)}
            for (seeded, count, name), sample in results.items()
        ]
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
