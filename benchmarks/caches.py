"""Time a step of llama.cpp with one KV cache for all sequences, and with one for each.

    python benchmarks/caches.py [--rounds 5]

Each step computes the next token of all sequences, as while requests generate. In one cache, the
attention of a sequence goes over the cells of all, and skips those that are masked. Calls
llama.cpp without our engine. Prints medians over the rounds, in which the two take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import llama_cpp as lc
import psutil

from llm_servers import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import model_files

#: Tokens that are read in one call.
N_BATCH = 512

#: Steps of a measurement.
STEPS = 30


@lc.llama_log_callback  # type: ignore[untyped-decorator]
def _no_log(level: int, text: bytes, data: object) -> None:
    """Drop a line of llama.cpp's log."""


class Cache:
    """A context with the first `length` tokens of each sequence in its memory."""

    def __init__(self, model: Any, n_sequences: int, length: int, *, unified: bool) -> None:
        params = lc.llama_context_default_params()
        params.n_ctx = n_sequences * 256 * -(-(length + STEPS) // 256)
        params.n_batch = params.n_ubatch = N_BATCH
        params.n_seq_max = n_sequences
        params.kv_unified = unified
        params.n_threads = params.n_threads_batch = psutil.cpu_count(logical=False)
        self.n_sequences, self.length = n_sequences, length
        self.context = lc.llama_init_from_model(model, params)
        if not self.context:
            raise MemoryError("llama.cpp could not create the context")
        self.memory = lc.llama_get_memory(self.context)
        self._batch = lc.llama_batch_init(N_BATCH, 0, 1)
        for sequence in range(n_sequences):
            for start in range(0, length, N_BATCH):
                self._decode([(p, sequence) for p in range(start, min(length, start + N_BATCH))])

    def measure(self) -> float:
        """Return the median of the seconds of a step."""
        times = []
        for position in range(self.length, self.length + STEPS):
            began = time.perf_counter()
            self._decode([(position, sequence) for sequence in range(self.n_sequences)])
            times.append(time.perf_counter() - began)
        for sequence in range(self.n_sequences):
            lc.llama_memory_seq_rm(self.memory, sequence, self.length, -1)
        return statistics.median(times)

    def close(self) -> None:
        lc.llama_batch_free(self._batch)
        lc.llama_free(self.context)

    def _decode(self, places: list[tuple[int, int]]) -> None:
        """Compute a token at each position of a sequence."""
        batch = self._batch
        batch.n_tokens = len(places)
        for row, (position, sequence) in enumerate(places):
            batch.token[row] = 100 + (7 * position + sequence) % 900
            batch.pos[row], batch.n_seq_id[row], batch.seq_id[row][0] = position, 1, sequence
            batch.logits[row] = len(places) == self.n_sequences or row == len(places) - 1
        status = lc.llama_decode(self.context, batch)
        if status != 0:
            raise RuntimeError(f"llama_decode returned {status}")
        lc.llama_synchronize(self.context)


def compare(model: Any, n_sequences: int, length: int, rounds: int) -> tuple[float, float]:
    """Return the seconds of a step with one cache, and with one for each sequence."""
    caches = [Cache(model, n_sequences, length, unified=unified) for unified in (True, False)]
    samples = [[cache.measure() for cache in caches] for _ in range(rounds + 1)]
    for cache in caches:
        cache.close()
    one, each = (statistics.median(column) for column in zip(*samples[1:], strict=True))
    return one, each


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--tokens", type=int, nargs="+", default=[128, 512, 1024])
    parser.add_argument("--model", type=Path, help="a GGUF file; SmolLM2 by default")
    options = parser.parse_args()
    lc.llama_log_set(_no_log, None)
    params = lc.llama_model_default_params()
    params.n_gpu_layers = 0
    path = options.model or model_files.smollm2()
    model = lc.llama_model_load_from_file(str(path).encode(), params)
    print(f"{machine()}, {options.rounds} rounds\n")
    print("| tokens in each | sequences | one cache, ms | a cache for each, ms | ratio |")
    print("|---|---|---|---|---|")
    for length in options.tokens:
        for n_sequences in options.sequences:
            one, each = compare(model, n_sequences, length, options.rounds)
            ratio = f"{one / each:.2f}"
            print(f"| {length} | {n_sequences} | {1000 * one:.1f} | {1000 * each:.1f} | {ratio} |")
    lc.llama_model_free(model)


if __name__ == "__main__":
    main()
