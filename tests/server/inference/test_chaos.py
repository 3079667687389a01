"""Test that a crowd of clients gets the answers that each of them would get alone.

The cache of the model holds two of the longest requests. Clients leave at random moments. `make
chaos` lets them run for three minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil
import pytest

from a3s_power_jupyter.contract.types import TokenLogprob
from support import servers
from support.answers import bytes_of, is_same
from support.servers import Server

SECONDS = float(os.environ.get("CHAOS_SECONDS", "12"))
CLIENTS = 16
NUM_CTX = 512
MAX_TOKENS = 32
#: Logit bias against the end tokens of SmolLM2.
NO_END = {"0": -100, "2": -100, "4": -100}
#: Largest difference of log probabilities by rounding, as in tests/engine/test_equal_text.py.
ROUNDING = 0.5
TEXT = (
    "the keeper of the lighthouse wrote down the names of the ships and the force of the wind and "
    "then he went up the stairs to put out the lamp while the harbour was full of small boats"
)


@dataclass(frozen=True)
class Question:
    """A request, and the answer of a model without other requests."""

    body: dict[str, Any]
    answer: list[TokenLogprob]

    @property
    def seeded(self) -> bool:
        return "seed" in self.body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    argv = [f"--PowerApp.prompt_cache={64 << 20}"]
    with servers.run_server(folder, *argv, headless=True) as running:
        yield running


@pytest.fixture(scope="module")
def questions(server: Server, smollm2_path: Any) -> list[Question]:
    parameters = {"num_ctx": NUM_CTX, "num_parallel": 8, "keep_alive": -1}
    body = {"name": "m", "path": str(smollm2_path), "default_parameters": parameters}
    rng = random.Random(11)  # noqa: S311
    with server.api() as api:
        api.post("v1/models", json=body).raise_for_status()
        return [ask_alone(api, rng, number) for number in range(12)]


def ask_alone(api: httpx2.Client, rng: random.Random, number: int) -> Question:
    """Make a random request; every third one has a seed."""
    words = [
        rng.choice(TEXT.split()) for _ in range(rng.randrange(5, NUM_CTX // 2 - 2 * MAX_TOKENS))
    ]
    sampling: dict[str, Any] = {"temperature": 0}
    if number % 3 == 0:
        sampling = {"temperature": 0.8, "seed": number}
    body = {
        "model": "m",
        "prompt": " ".join(["Chapter", str(number % 4), *words]),
        "max_tokens": MAX_TOKENS,
        "logit_bias": NO_END,
        **sampling,
    }
    reply = api.post("v1/completions", json={**body, "logprobs": 3}).raise_for_status().json()
    return Question(body, tokens_of(reply["choices"][0]["logprobs"]))


def tokens_of(logprobs: dict[str, Any]) -> list[TokenLogprob]:
    """Read the log probabilities of a completion."""
    columns = logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"]
    return [
        TokenLogprob(
            token, [*token.encode()], logprob, [(o, [*o.encode()], p) for o, p in top.items()]
        )
        for token, logprob, top in zip(*columns, strict=True)
    ]


class Crowd:
    """Clients that send random questions until the time is over."""

    def __init__(self, server: Server, questions: list[Question]) -> None:
        self.counts: Counter[str] = Counter()
        self._server = server
        self._questions = questions
        self._lock = threading.Lock()

    def run(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with ThreadPoolExecutor(CLIENTS) as pool:
            # `map` raises the first error of a client.
            list(pool.map(lambda client: self._client(client, deadline), range(CLIENTS)))

    def _client(self, number: int, deadline: float) -> None:
        rng = random.Random(number)  # noqa: S311
        with self._server.api() as api:
            while time.monotonic() < deadline:
                question = rng.choice(self._questions)
                if rng.random() < 0.4:
                    result = leave(api, question, rng)
                else:
                    result = check_answer(api, question, rng.randint(1, MAX_TOKENS))
                with self._lock:
                    self.counts[result] += 1


def leave(api: httpx2.Client, question: Question, rng: random.Random) -> str:
    """Begin to read a stream, and close the connection at a random moment."""
    lines = rng.choice([0, 0, 1, 2, 5, 10])
    body = {**question.body, "stream": True}
    try:
        with api.stream("POST", "v1/completions", json=body, timeout=rng.uniform(0.05, 3)) as reply:
            reply.raise_for_status()
            for _ in zip(range(lines), reply.iter_lines(), strict=False):
                pass
    except httpx2.TimeoutException:
        return "left while waiting"
    return "left while reading"


def check_answer(api: httpx2.Client, question: Question, max_tokens: int) -> str:
    """Compare an answer with the beginning of the one that was computed alone."""
    body = {**question.body, "max_tokens": max_tokens}
    reply = api.post("v1/completions", json=body, timeout=240).raise_for_status().json()
    [choice] = reply["choices"]
    assert choice["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == max_tokens
    expected, text = question.answer[:max_tokens], choice["text"].encode()
    if question.seeded:
        # A random number that falls next to the border between two tokens may choose either.
        return "seeded, same" if text == bytes_of(expected) else "seeded, different"
    return "greedy, same" if is_same(expected, text, ROUNDING) else "greedy, rounded"


def worker_bytes(server: Server) -> int:
    """Return the private memory of the model's worker and its renderer, without cached prompts."""
    processes = psutil.Process(server.pid).children(recursive=True)
    with server.api() as api:
        cached = api.get("v1/models/m").json()["prompt_cache_bytes"]
    return sum(process.memory_full_info().uss for process in processes) - int(cached)


@pytest.mark.timeout(900)
def test_a_crowd_gets_the_answers_of_single_clients(
    server: Server, questions: list[Question]
) -> None:
    crowd = Crowd(server, questions)
    crowd.run(SECONDS / 2)
    before = worker_bytes(server)
    crowd.run(SECONDS / 2)
    after = worker_bytes(server)
    counts = crowd.counts
    assert counts["left while waiting"] + counts["left while reading"] > 0, counts
    assert counts["greedy, same"] > counts["greedy, rounded"], counts
    assert after < 1.1 * before + (16 << 20)
    with server.api() as api:  # no request is left behind
        body = {**questions[1].body, "logprobs": 3}
        reply = api.post("v1/completions", json=body).raise_for_status().json()
        assert is_same(questions[1].answer, reply["choices"][0]["text"].encode(), ROUNDING)
        assert api.get("v1/models/m").json()["state"] == "loaded"
