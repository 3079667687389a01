"""Test that the worker ends single requests, with an engine that fails in every method."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from a3s_power_jupyter.contract.errors import InvalidParameter, PowerError
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Rendered,
    RenderRequest,
    Request,
)
from a3s_power_jupyter.engine import registry
from a3s_power_jupyter.engine.base import Engine, StepOutput
from a3s_power_jupyter.engine.cancellation import CANCELLED
from a3s_power_jupyter.engine.main import Worker
from a3s_power_jupyter.engine.protocol import (
    Cancel,
    Ended,
    Load,
    Loaded,
    LoadFailed,
    Output,
    Stats,
    Stop,
    Submit,
)
from a3s_power_jupyter.engine.threads import CpuThreads, CpuUsage
from support.items import finished
from support.waiting import wait_until

#: Longest wait for something that happens at once, on a slow machine.
SOON = 30

#: Deltas of an answer.
LENGTH = 3


class Panic(BaseException):
    """Like the exception that PyO3 raises for a panic of a Rust library."""


class FakeEngine(Engine[int]):
    """An engine that answers a prompt with `LENGTH` deltas, one per step.

    A prompt that names a method makes this method raise for the request. The answer to "cancel" has
    no end.
    """

    info = Loaded(slots=4, num_ctx=16, device="cpu")
    threads = CpuThreads(1)

    def __init__(self) -> None:
        self.prompts: dict[int, str] = {}
        self.lengths: dict[int, int] = {}
        self.prepared = threading.Event()  # lets the prompt "slow" be prepared
        self.stepping = threading.Event()  # lets steps go on
        self.resets = 0
        self.saved: list[float] = []
        self.generated = 0

    @classmethod
    def load(cls, load: Load, progress: Callable[[float], None]) -> FakeEngine:
        raise NotImplementedError

    def prepare(self, id_: int, request: Request) -> int:
        assert isinstance(request, CompletionRequest)
        assert isinstance(request.prompt, str)
        self.prompts[id_] = request.prompt
        if request.prompt == "slow":
            assert self.prepared.wait(SOON)
        self._fail(id_, "prepare")
        return id_

    def render(self, chat: ChatRequest) -> tuple[str, list[int]]:
        if chat.messages[0]["content"] == "render":
            raise ZeroDivisionError("a bug in render")
        return "ab", [1, 2]

    def submit(self, prepared: int) -> None:
        self._fail(prepared, "submit")
        self.lengths[prepared] = 0

    def cancel(self, id_: int) -> None:
        if id_ in self.lengths:
            self._fail(id_, "cancel")
        self.lengths.pop(id_, None)

    def reset(self) -> None:
        self.resets += 1
        for id_ in list(self.lengths):
            self._fail(id_, "reset")
        self.lengths = {}

    def save(self, deadline: float) -> None:
        self.saved.append(deadline - time.monotonic())
        for id_ in self.lengths:
            self._fail(id_, "save")

    @property
    def idle(self) -> bool:
        return not self.lengths

    def step(self) -> list[StepOutput]:
        assert self.stepping.wait(SOON)
        outputs: list[StepOutput] = []
        for id_ in list(self.lengths):
            self._fail(id_, "step")
            self._fail(id_, "reset")
            if self.prompts[id_] == "one error":
                del self.lengths[id_]
                outputs.append((id_, InvalidParameter("This request only.")))
                continue
            self.lengths[id_] += 1
            self.generated += 1
            large = self.prompts[id_] == "large"
            outputs.append((id_, Delta("x" * 20_000 if large else f"{self.lengths[id_]} ")))
            if self.lengths[id_] == LENGTH and self.prompts[id_] != "cancel":
                del self.lengths[id_]
                outputs.append((id_, finished("stop", 1, LENGTH, 0)))
        return outputs

    def stats(self) -> Stats | None:
        return Stats(self.generated, 100)

    def _fail(self, id_: int, method: str) -> None:
        if self.prompts[id_] == f"panic in {method}":
            raise Panic(f"a bug in {method}")
        if self.prompts[id_] == method:
            raise ZeroDivisionError(f"a bug in {method}")


class FakeChannel:
    """The channel of a worker.

    Like the real one, it refuses messages that are too large, and keeps those not to be sent yet.
    """

    pending = False

    def __init__(self) -> None:
        self.commands: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._unsent: list[msgspec.Struct] = []
        self._sending = threading.Lock()

    def receive(self) -> Any:
        return self.commands.get()

    def emit(self, message: msgspec.Struct, *, flush: bool = True) -> None:
        if len(msgspec.msgpack.encode(message)) > 10_000 and isinstance(message, Output):
            raise ValueError("too large")
        with self._sending:
            self._unsent.append(message)
        if flush:
            self.flush()

    def flush(self) -> None:
        with self._sending:
            for message in self._unsent:
                self.messages.put(message)
            self._unsent.clear()


class Bench:
    """A worker that runs in a thread, with the messages it sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.channel = FakeChannel()
        self.engine = FakeEngine()
        self.died = threading.Event()
        self.exited = threading.Event()
        self.texts: dict[int, str] = {}
        self.token_counts: dict[int, int] = {}
        self.ended: dict[int, Ended] = {}
        self.stats: list[Stats] = []
        monkeypatch.setattr(registry, "engine_class", lambda _format: self)
        threading.Thread(target=self._run, daemon=True).start()
        assert isinstance(self.channel.messages.get(timeout=SOON), Loaded)

    def load(self, _load: Load, _progress: object) -> FakeEngine:
        return self.engine

    def _run(self) -> None:
        try:
            Worker(self.channel).run(Load("gguf", (), LoadParameters()))  # type: ignore[arg-type]
            self.exited.set()
        except ZeroDivisionError:
            self.died.set()

    def submit(self, **prompts: str) -> None:
        for id_, prompt in prompts.items():
            self.channel.commands.put(Submit(int(id_[1:]), CompletionRequest(prompt)))

    def count(self, id_: int, content: str) -> None:
        chat = ChatRequest([{"role": "user", "content": content}])
        self.channel.commands.put(Submit(id_, RenderRequest(chat)))

    def cancel(self, id_: int) -> None:
        self.channel.commands.put(Cancel(id_))

    def wait_until_running(self, *ids: int) -> None:
        for _ in range(SOON * 100):
            if set(ids) <= self.engine.lengths.keys():
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"{ids} are not running")

    def go_on(self) -> None:
        """Allow all steps."""
        self.engine.stepping.set()

    def end_of(self, *ids: int) -> list[Any]:
        """Wait for the ends of requests; return the code and message of their errors."""
        while not set(ids) <= self.ended.keys():
            self.receive()
        return [self.ended[id_].error for id_ in ids]

    def receive(self) -> None:
        """Wait for the next message, and note what it says."""
        message = self.channel.messages.get(timeout=SOON)
        if isinstance(message, Output) and isinstance(message.item, Delta):
            self.texts[message.id] = self.texts.get(message.id, "") + message.item.text
        elif isinstance(message, Output) and isinstance(message.item, Rendered):
            self.token_counts[message.id] = message.item.prompt_tokens
        elif isinstance(message, Stats):
            self.stats.append(message)
        elif isinstance(message, Ended):
            assert message.id not in self.ended, "a request ended twice"
            self.ended[message.id] = message


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    bench = Bench(monkeypatch)
    yield bench
    bench.engine.prepared.set()
    bench.go_on()


GOOD = "1 2 3 "


@pytest.mark.parametrize("prompt", ["prepare", "submit", "one error", "large"])
def test_an_error_of_one_request_ends_that_request(bench: Bench, prompt: str) -> None:
    bench.submit(_1="good")
    bench.wait_until_running(1)
    bench.submit(_2=prompt)
    bench.go_on()
    good, bad = bench.end_of(1, 2)
    assert good is None
    assert bench.texts[1] == GOOD
    assert bad["code"] == "invalid_parameter" if prompt == "one error" else "internal_error"
    if prompt in ("prepare", "submit"):
        assert f"ZeroDivisionError: a bug in {prompt}" in bad["message"]
    assert bench.engine.resets == 0


def test_a_panic_while_a_request_is_prepared_ends_that_request(bench: Bench) -> None:
    bench.go_on()
    bench.submit(_1="panic in prepare", _2="good")
    panic, good = bench.end_of(1, 2)
    assert "Panic: a bug in prepare" in panic["message"]
    assert good is None


def test_a_request_that_gets_no_thread_ends_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_arguments: object) -> None:
        raise RuntimeError("can't start new thread")

    bench.submit(_1="good")
    bench.wait_until_running(1)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    bench.submit(_2="good")
    bench.go_on()
    good, failed = bench.end_of(1, 2)
    assert good is None
    assert "can't start new thread" in failed["message"]


def test_an_error_of_a_step_ends_the_running_requests(bench: Bench) -> None:
    bench.submit(_1="good", _2="step")
    bench.submit(_3="slow")
    bench.wait_until_running(1, 2)
    bench.go_on()
    for error in bench.end_of(1, 2):
        assert error["code"] == "internal_error"
        assert "a bug in step" in error["message"]
    bench.engine.prepared.set()  # a request that is being prepared is not affected
    assert bench.end_of(3) == [None]
    assert bench.texts[3] == GOOD
    assert bench.engine.resets == 1


def test_the_use_of_the_caches_is_reported_after_the_last_step(bench: Bench) -> None:
    bench.go_on()
    bench.submit(_1="good", _2="good")
    assert bench.end_of(1, 2) == [None, None]
    while bench.stats[-1] != Stats(2 * LENGTH, 100):
        bench.receive()
    assert bench.stats[0] == Stats(0, 100)
    assert len(bench.stats) <= 3


def test_a_cancel_that_fails_ends_its_request(bench: Bench) -> None:
    bench.submit(_1="cancel")
    bench.wait_until_running(1)
    bench.cancel(1)
    bench.go_on()
    bench.end_of(1)
    bench.submit(_2="good")
    assert bench.end_of(2) == [None]


def test_a_step_learns_which_requests_are_cancelled_meanwhile(bench: Bench) -> None:
    bench.submit(_1="good")
    bench.wait_until_running(1)  # its first step is under way
    bench.cancel(1)
    for _ in range(SOON * 100):
        if CANCELLED:
            break
        threading.Event().wait(0.01)
    assert {1} == CANCELLED
    bench.go_on()
    assert bench.end_of(1) == [None]
    assert bench.texts[1] != GOOD
    bench.cancel(2)  # an unknown id does not stay either
    bench.submit(_3="good")
    assert bench.end_of(3) == [None]
    assert not CANCELLED


def test_a_worker_whose_engine_cannot_be_reset_dies(bench: Bench) -> None:
    bench.submit(_1="reset")
    bench.wait_until_running(1)
    bench.go_on()
    assert bench.died.wait(SOON)


def test_a_request_is_cancelled_while_it_is_prepared(bench: Bench) -> None:
    bench.submit(_1="slow")
    bench.cancel(1)
    assert bench.end_of(1) == [None]
    bench.submit(_2="good")
    bench.go_on()
    assert bench.end_of(2) == [None]
    bench.engine.prepared.set()  # its result is dropped
    bench.submit(_3="good")
    assert bench.end_of(3) == [None]
    assert 1 not in bench.texts


def test_a_slow_preparation_delays_no_other_request(bench: Bench) -> None:
    bench.go_on()
    bench.submit(_1="slow", _2="good")
    assert bench.end_of(2) == [None]
    assert bench.texts[2] == GOOD
    bench.engine.prepared.set()
    assert bench.end_of(1) == [None]


def test_a_long_step_is_cancelled_in_time_to_save(bench: Bench) -> None:
    bench.submit(_1="good")
    bench.wait_until_running(1)
    try:
        bench.channel.commands.put(Stop(1.0))
        wait_until(lambda: {1} == CANCELLED)
        bench.go_on()
        assert bench.exited.wait(SOON)
        assert len(bench.engine.saved) == 1
    finally:
        CANCELLED.clear()


@pytest.mark.parametrize("prompt", ["good", "save"])
def test_the_worker_saves_and_exits_between_two_steps(bench: Bench, prompt: str) -> None:
    bench.submit(_1=prompt)
    bench.wait_until_running(1)
    bench.channel.commands.put(Stop(100.0))
    bench.go_on()
    assert bench.exited.wait(SOON)
    [left] = bench.engine.saved
    assert 100.0 - SOON < left <= 100.0


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), PowerError("known")])
def test_a_failed_load_says_why(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    channel = FakeChannel()

    def engine_class(_format: str) -> Any:
        raise error

    monkeypatch.setattr(registry, "engine_class", engine_class)
    Worker(channel).run(Load("gguf", (), LoadParameters()))  # type: ignore[arg-type]
    failed = channel.messages.get_nowait()
    assert isinstance(failed, LoadFailed)
    assert str(error) in failed.error["message"]


def test_a_request_beside_another_model_takes_its_share_of_the_cores(bench: Bench) -> None:
    usage = CpuUsage(clock=0.0, idle=0.0, total=0.0, own=0.0)
    bench.engine.threads = CpuThreads(8, read_usage=lambda: usage, clock=lambda: 0.0)
    bench.engine.threads._count = 1  # what a busy machine leaves
    bench.channel.commands.put(Submit(1, CompletionRequest("good"), models=2))
    bench.go_on()
    bench.end_of(1)
    assert bench.engine.threads.next_count() == 4


def test_a_request_after_a_pause_takes_the_cores_that_are_free_now(bench: Bench) -> None:
    now = 0.0

    def usage() -> CpuUsage:
        return CpuUsage(clock=now, idle=0.0, total=8 * now, own=0.0)

    bench.engine.threads = CpuThreads(8, read_usage=usage, read_free=lambda: 8.0, clock=lambda: now)
    now = 1.0  # other programs had all cores until now
    bench.submit(_1="good")
    bench.go_on()
    bench.end_of(1)
    assert bench.engine.threads.next_count() == 8


def test_tokens_are_counted_while_a_step_is_under_way(bench: Bench) -> None:
    bench.submit(_1="good")
    bench.wait_until_running(1)  # its step ends when the test says so
    bench.count(2, "a")
    assert bench.end_of(2) == [None]
    assert bench.token_counts == {2: 2}
    bench.count(3, "render")
    [error] = bench.end_of(3)
    assert "a bug in render" in error["message"]
    bench.cancel(3)  # it has ended already
    bench.go_on()
    assert bench.end_of(1) == [None]
    assert bench.texts[1] == GOOD
