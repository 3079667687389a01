"""Compare the first tokens of warm conversations with those of cold ones.

    make bench            or   python benchmarks/conversations.py [--rounds 2] [--quick]

Two and six conversations take turns, with a first message of about 1,750 tokens. The first turn of
a conversation is cold. Prints the time to the first token of the second turn, and of the third one
after the model was unloaded and loaded, as a share of the cold one: ours, registered without
parameters, with and without a seed, and llama.cpp's server with four slots. The time of the load is
not included. Takes about three minutes; nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_servers import Target, llama_cpp, load, machine, our_server, register, unload
from streams import NO_END, stream

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

OURS, SEEDED, LLAMA = "ours", "ours, with a seed", "llama.cpp"
COUNTS = (2, 6)
WORDS = 1720  # about 1,750 tokens of SmolLM2
VOCABULARY = """
harbour boat lamp keeper wind wave ship captain rope anchor storm island bridge river stone garden
letter window market street winter summer morning evening bread water silver copper quiet bright
heavy narrow early late slowly often carried counted painted repaired followed
"""
QUESTIONS = ["What is the text about?", "Name one word of it.", "And another one."]

#: Name of the server, number of conversations.
Case = tuple[str, int]


@dataclass
class Conversation:
    """The messages so far, and the seconds to the first token of each turn."""

    messages: list[dict[str, str]]
    firsts: list[float] = field(default_factory=list)

    async def turn(self, target: Target, tokens: int, **sampling: Any) -> None:
        """Ask the next question and take the time to the first token of the answer."""
        question = QUESTIONS[len(self.firsts)]
        if self.firsts:
            self.messages.append({"role": "user", "content": question})
        else:
            self.messages[0]["content"] += question
        body = {"messages": self.messages, "max_tokens": tokens, "logit_bias": NO_END, **sampling}
        async with target.client() as api:
            reply = await stream(api, target, body)
        self.firsts.append(reply.first)
        self.messages.append({"role": "assistant", "content": reply.text})


def new_conversation(rng: random.Random, words: int) -> Conversation:
    text = " ".join(rng.choice(VOCABULARY.split()) for _ in range(words))
    return Conversation([{"role": "user", "content": f"Read this.\n\n{text}\n\n"}])


def measure(
    target: Target, name: str, count: int, words: int, rng: random.Random
) -> list[Conversation]:
    """Let conversations take turns: two turns, then, if the server is ours, one after a reload."""
    conversations = [new_conversation(rng, words) for _ in range(count)]
    sampling = {"temperature": 0.8, "seed": 7} if name == SEEDED else {"temperature": 0.8}

    def turns() -> None:
        for conversation in conversations:
            asyncio.run(conversation.turn(target, 16, **sampling))

    turns()
    turns()
    if name != LLAMA:
        unload(target)
        load(target)
        turns()
    return conversations


def measure_all(targets: dict[str, Target], rounds: int, words: int) -> dict[Case, list[float]]:
    """Return the medians of the turns, by server and number of conversations."""
    rng = random.Random(0)  # noqa: S311
    for target in targets.values():  # warm up
        asyncio.run(new_conversation(rng, 10).turn(target, 4))
    found: dict[Case, list[Conversation]] = {}
    names = list(targets)
    for _ in range(rounds):
        names = names[1:] + names[:1]  # another one begins
        for count in COUNTS:
            for name in names:
                conversations = measure(targets[name], name, count, words, rng)
                found.setdefault((name, count), []).extend(conversations)
                shown = [" ".join(f"{s:.2f}" for s in c.firsts) for c in conversations]
                print(f"{name}, {count}: {', '.join(shown)} s", file=sys.stderr)
    return {
        case: [statistics.median(turn) for turn in zip(*(c.firsts for c in cs), strict=True)]
        for case, cs in found.items()
    }


def show(results: dict[Case, list[float]]) -> None:
    print("| | conversations | cold ms | warm ms | warm / cold | after a reload / cold |")
    print("|---|---|---|---|---|---|")
    for (name, count), (cold, warm, *reloaded) in results.items():
        after = f"{reloaded[0] / cold:.2f}" if reloaded else ""
        values = f"{1000 * cold:.0f} | {1000 * warm:.0f} | {warm / cold:.3f} | {after}"
        print(f"| {name} | {count} | {values} |")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--words", type=int, default=WORDS, help="length of the first message")
    parser.add_argument("--servers", nargs="+", default=[OURS, SEEDED, LLAMA])
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it runs")
    parser.add_argument("--model", type=Path, help="a GGUF file; SmolLM2 by default")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="interpreter that has xllamacpp"
    )
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.words = 1, 100
    return options


def main() -> None:
    options = parse()
    model = options.model or model_files.smollm2()
    began = time.perf_counter()
    with ExitStack() as stack:
        server = stack.enter_context(our_server())
        targets = {}
        if {OURS, SEEDED} & {*options.servers}:
            ours = register(server, "model", model)
            targets = {name: ours for name in (OURS, SEEDED) if name in options.servers}
        if LLAMA in options.servers:
            # What llama.cpp's program llama-server chooses by itself.
            parameters = {"n_parallel": 4, "kv_unified": True}
            targets[LLAMA] = stack.enter_context(llama_cpp(options.python, model, **parameters))
        results = measure_all(targets, options.rounds, options.words)
    print(f"{machine()}, {options.rounds} rounds, {time.perf_counter() - began:.0f} s\n")
    show(results)
    if options.json:
        rows = [
            {"server": name, "conversations": count, "first_token_s": turns}
            for (name, count), turns in results.items()
        ]
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
