"""Attack a server while a second client checks that its answers do not change."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import httpx2
import pytest

from .servers import Server, error_code, error_message

#: Seconds of attack for each test of this folder. `make fuzz` sets more.
SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))

#: Repeats a run, together with the version of the code.
SEED = int(os.environ.get("FUZZ_SEED", time.time_ns() % 10**9))

#: Seconds within which every request ends, on a machine that is busy with other tests.
PATIENCE = 120

#: The status codes of contract errors. 500 is a fault of the server.
REFUSALS = {400, 401, 403, 404, 405, 409, 413, 415, 422, 502, 503, 507}


class Bystander:
    """A client that asks one model the same question again and again.

    Attributes
    ----------
    problems : list of str
        Requests that failed or had another answer than the first one.
    """

    def __init__(self, server: Server, model: str) -> None:
        self._server = server
        # The model is sure of each number. Where two tokens are almost equally likely, other
        # requests may change the answer, since batches of different sizes round differently.
        prompt = "1 2 3 4 5 6 7 8 9 10 11"
        self._body = {"model": model, "prompt": prompt, "max_tokens": 24}
        self._body |= {"temperature": 0, "logit_bias": {"0": -100, "2": -100}}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = 0
        self.problems: list[str] = []

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        expected = None
        with self._server.api() as api:
            while not self._stopped.wait(0.05):
                try:
                    reply = api.post("v1/completions", json=self._body, timeout=PATIENCE)
                except httpx2.HTTPError as error:
                    self.problems.append(repr(error))
                    return
                text = reply.json()["choices"][0]["text"] if reply.is_success else reply.text
                expected = text if expected is None else expected
                if text != expected:
                    self.problems.append(f"{reply.status_code}: {text!r} instead of {expected!r}")
                    return
                self.answers += 1


class Attack:
    """Send requests to a server, and check that each ends in an answer or a contract error."""

    def __init__(self, server: Server, api: httpx2.Client, bystander: Bystander, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._statuses: Counter[int] = Counter()
        self._bystander = bystander
        self._seed = seed
        self._api = api
        self._deadline = time.monotonic() + SECONDS

    @property
    def running(self) -> bool:
        """Whether there is time for another round."""
        return time.monotonic() < self._deadline

    @property
    def summary(self) -> str:
        """The number of requests and of each status."""
        counts = ", ".join(f"{status}: {n}" for status, n in sorted(self._statuses.items()))
        return f"{self._statuses.total()} requests ({counts})"

    def send(self, method: str, path: str, what: str, **arguments: Any) -> httpx2.Response:
        """Send a request, and check the reply. `what` identifies it in the message of a failure."""
        began = time.monotonic()
        try:
            reply = self._api.request(method, path, timeout=PATIENCE, **arguments)
        except httpx2.HTTPError as error:
            seconds = time.monotonic() - began
            pytest.fail(f"{what}: {error!r} after {seconds:.0f} s (FUZZ_SEED={self._seed})")
        self.check(reply.status_code, reply.text, what)
        return reply

    def check(self, status: int, text: str, what: str) -> None:
        """Check a reply, and that the server and the bystander are well."""
        hint = f"{what}: {status} {text[:300]!r} (FUZZ_SEED={self._seed})"
        self._statuses[status] += 1
        if status >= 400:
            assert status in REFUSALS, hint
            error = httpx2.Response(status, text=text)
            assert error_message(error), hint
            assert error_code(error), hint
            assert "Traceback" not in text, hint
        assert self.server.process.poll() is None, f"the server ended: {hint}"
        assert not self._bystander.problems, f"{self._bystander.problems} beside {hint}"
