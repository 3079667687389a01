"""Compare answers with a JSON schema with plain ones, on our server and on llama.cpp's.

    python benchmarks/structured.py [--rounds 5] [--quick]

Each client asks for 128 tokens: plain text, any JSON object, or a list of records with a schema.
Answers with a schema end when they are complete. Prints the generated tokens per second of all
clients, the share of the same server's plain answers, and ours divided by llama.cpp's. The cases
take turns in each round. Takes about three minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from llm_servers import Target, llama_cpp, machine, our_server, register
from streams import NO_END

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

OURS, LLAMA = "ours", "llama.cpp"
CLIENTS = (1, 4)
TOKENS = 128
RECORD = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "role": {"enum": ["reader", "writer", "editor", "owner"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3},
    },
    "required": ["name", "age", "role", "tags"],
    "additionalProperties": False,
}
RECORDS = {"type": "array", "items": RECORD, "minItems": 8, "maxItems": 8}
FORMATS: dict[str, dict[str, Any]] = {
    "plain": {"logit_bias": NO_END},
    "any object": {"response_format": {"type": "json_object"}},
    "records": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "records", "schema": RECORDS},
        }
    },
}

#: Server, number of clients, kind of answer.
Case = tuple[str, int, str]


async def measure(target: Target, clients: int, kind: str, number: int) -> float:
    """Return the generated tokens per second of all clients.

    That of one request is its tokens divided by the time from the first to the last one, which both
    servers report; that of several is the sum, since they run at the same time.
    """

    async def ask(index: int) -> float:
        body = {
            "model": target.model,
            "messages": [{"role": "user", "content": f"Make up users, part {number}.{index}."}],
            "max_tokens": TOKENS,
            "temperature": 0.8,
            **FORMATS[kind],
        }
        async with target.client() as api:
            reply = await api.post("v1/chat/completions", json=body)
            reply.raise_for_status()
        timings = reply.json()["timings"]
        return 1000 * float(timings["predicted_n"]) / float(timings["predicted_ms"])

    return sum(await asyncio.gather(*(ask(index) for index in range(clients))))


def measure_all(targets: dict[str, Target], rounds: int) -> dict[Case, float]:
    """Return the medians of all cases."""
    for target in targets.values():  # compile the schemas, and warm up
        for kind in FORMATS:
            asyncio.run(measure(target, 1, kind, 0))
    samples: dict[Case, list[float]] = {}
    number = 0
    for _ in range(rounds):
        for clients in CLIENTS:
            for kind in FORMATS:
                for name, target in targets.items():
                    number += 1
                    rate = asyncio.run(measure(target, clients, kind, number))
                    samples.setdefault((name, clients, kind), []).append(rate)
                    print(f"{name}, {clients}, {kind}: {rate:.1f} tokens/s", file=sys.stderr)
    return {case: statistics.median(values) for case, values in samples.items()}


def show(results: dict[Case, float], names: list[str]) -> None:
    """Print the rates, their shares of the plain ones, and ours divided by the others'."""
    others = [name for name in names if name != OURS]
    heads = [*names, *(f"{name} / plain" for name in names), *(f"/ {name}" for name in others)]
    print("| answer | clients | " + " | ".join(heads) + " |")
    print("|---" * (2 + len(heads)) + "|")
    for kind in FORMATS:
        for clients in CLIENTS:
            rates = {name: results[name, clients, kind] for name in names}
            plain = {name: results[name, clients, "plain"] for name in names}
            cells = [f"{rates[name]:.1f}" for name in names]
            cells += [f"{rates[name] / plain[name]:.2f}" for name in names]
            cells += [f"{rates[OURS] / rates[name]:.2f}" for name in others]
            print(f"| {kind} | {clients} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--model", type=Path, help="a GGUF file; SmolLM2-135M by default")
    parser.add_argument(
        "--python", type=Path, default=sys.executable, help="an interpreter that has xllamacpp"
    )
    options = parser.parse_args()
    model = options.model or model_files.smollm2()
    with ExitStack() as stack:
        server = stack.enter_context(our_server())
        targets = {
            OURS: register(server, "model", model),
            LLAMA: stack.enter_context(
                llama_cpp(options.python, model, n_parallel=max(CLIENTS), n_ctx=8192)
            ),
        }
        print(f"{machine()}, {1 if options.quick else options.rounds} rounds\n")
        show(measure_all(targets, 1 if options.quick else options.rounds), list(targets))


if __name__ == "__main__":
    main()
