"""Compare ways to reach a model: directly, through JupyterHub or Ray Serve, as a remote model.

    make scale            or   python benchmarks/scale.py [--rounds 5] [--quick] [--ways direct hub]

1. What each server costs before it has a model: seconds to start, memory, and CPU time while idle.
2. Completions of 96 tokens, streamed by 1, 4 and 8 clients. The ways take turns in each round.
   Prints medians, and medians of the ratios to the direct server in the same round.
3. The first token of the second turn of conversations, as a share of that of the first turn.

`make scale` installs JupyterHub in ``build/hub`` and Ray in ``build/ray``. Takes about 15 minutes;
nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

from conversations import WORDS, new_conversation
from costs import Cost, idle_costs
from llm_servers import Target, machine
from serving import COLUMNS, Sample, measure, named
from ways import DIRECT, WAYS, Running, run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

#: Way, number of clients.
Case = tuple[str, int]


def measure_speed(
    targets: dict[str, Target], clients: list[int], rounds: int, tokens: int
) -> dict[Case, list[Sample]]:
    """Return a sample of each case from every round."""
    samples: dict[Case, list[Sample]] = {}
    names = list(targets)
    number = 0
    for turn in range(-1, rounds):  # round -1 loads the models and warms up
        names = names[1:] + names[:1]  # another one begins
        for case in ((name, count) for count in clients for name in names):
            name, count = case
            number += 1
            with named(name):
                length = tokens if turn >= 0 else 4
                run = measure(targets[name], count, length, seeded=False, number=number)
                sample = asyncio.run(run)
            if turn >= 0:
                samples.setdefault(case, []).append(sample)
                print(f"{turn} {case}: {sample.rate:.1f} tokens/s", file=sys.stderr)
    return samples


def measure_turns(
    targets: dict[str, Target], rounds: int, count: int, words: int
) -> dict[str, list[list[float]]]:
    """Return the seconds to the first token of each turn of each conversation."""
    rng = random.Random(0)  # noqa: S311
    firsts: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        for name, target in targets.items():
            conversations = [new_conversation(rng, words) for _ in range(count)]
            for _ in range(2):
                for conversation in conversations:
                    asyncio.run(conversation.turn(target, 16, temperature=0.8))
            firsts.setdefault(name, []).extend(c.firsts for c in conversations)
    return firsts


def ratio(samples: list[float], direct: list[float]) -> float:
    """Return the median of the ratios of samples that were taken in the same rounds."""
    return statistics.median(a / b for a, b in zip(samples, direct, strict=True))


def show_costs(running: Running, costs: dict[str, Cost]) -> None:
    print("\n| started | seconds |\n|---|---|")
    for name, seconds in running.starts.items():
        print(f"| {name} | {seconds:.1f} |")
    print("\n| idle, without a model | processes | USS MB | PSS MB | CPU s / minute |")
    print("|---|---|---|---|---|")
    for part, cost in costs.items():
        memory = f"{cost.uss / 2**20:.0f} | {cost.pss / 2**20:.0f}"
        print(f"| {part} | {cost.processes} | {memory} | {cost.cpu:.2f} |")


def show_speed(samples: dict[Case, list[Sample]], clients: list[int], names: list[str]) -> None:
    """Print a table for each column: the values of each way, and these divided by the direct."""
    for heading, value, digits in COLUMNS:
        others = names[1:]
        print(f"\n| {heading}, clients | " + " | ".join(names), end="")
        print("".join(f" | {name} / {DIRECT}" for name in others) + " |")
        print("|---" * (1 + len(names) + len(others)) + "|")
        for count in clients:
            found = {name: [value(sample) for sample in samples[name, count]] for name in names}
            cells = [f"{statistics.median(found[name]):.{digits}f}" for name in names]
            cells += [f"{ratio(found[name], found[DIRECT]):.2f}" for name in others]
            print(f"| {count} | " + " | ".join(cells) + " |")


def show_turns(firsts: dict[str, list[list[float]]]) -> None:
    print("\n| | first turn ms | second turn ms | second / first | worst |\n|---|---|---|---|---|")
    for name, pairs in firsts.items():
        cold, warm = (1000 * statistics.median(times) for times in zip(*pairs, strict=True))
        shares = [after / before for before, after in pairs]
        share = f"{statistics.median(shares):.3f} | {max(shares):.3f}"
        print(f"| {name} | {cold:.0f} | {warm:.0f} | {share} |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--conversations", type=int, default=4)
    parser.add_argument("--words", type=int, default=WORDS, help="length of the first message")
    parser.add_argument("--idle", type=float, default=60, help="seconds to watch idle servers")
    parser.add_argument("--ways", nargs="+", default=[*WAYS], choices=WAYS, metavar="WAY")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument("--model", type=Path, help="a GGUF file; SmolLM2 by default")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    options.ways = [DIRECT, *(way for way in WAYS if way in options.ways and way != DIRECT)]
    if options.quick:
        options.rounds, options.clients, options.tokens = 1, [1, 4], 16
        options.words, options.idle = 100, 5
    return options


def main() -> None:
    options = parse()
    print(machine())
    with run(options.model or model_files.smollm2(), options.ways) as running:
        costs = idle_costs(running.roots.values(), options.idle)
        show_costs(running, costs)
        samples = measure_speed(running.targets, options.clients, options.rounds, options.tokens)
        show_speed(samples, options.clients, options.ways)
        firsts = measure_turns(
            running.targets, options.rounds, options.conversations, options.words
        )
        show_turns(firsts)
    print(f"\n{machine()}, {options.rounds} rounds")
    if options.json:
        rows = [
            {"way": way, "clients": count, **asdict(sample)}
            for (way, count), found in samples.items()
            for sample in found
        ]
        parts = {part: asdict(cost) for part, cost in costs.items()}
        found = {"starts": running.starts, "parts": parts, "speed": rows, "turns": firsts}
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
