"""Test the messages that the server sends to a worker, without a process."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from a3s_power_jupyter.contract.errors import PowerError, ServerBusy, WorkerDied
from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Manifest
from a3s_power_jupyter.engine.protocol import Ended, Load, Loaded, PromptCacheSettings, Stop, Submit
from a3s_power_jupyter.runtime import worker as module
from a3s_power_jupyter.runtime.clock import SystemClock
from a3s_power_jupyter.runtime.interfaces import LoadPlan
from a3s_power_jupyter.runtime.stopped import use_stopped
from a3s_power_jupyter.runtime.worker import Worker, WorkerContext
from support.fakes import FakeClock, settle


class RecordingChild:
    """Records the commands for a worker process."""

    exited = False

    def __init__(self, *_arguments: Any) -> None:
        self.sent: list[Any] = []

    def send(self, command: Any) -> None:
        self.sent.append(command)


def models_of(worker: Worker) -> list[int]:
    commands: list[Any] = worker._child.sent  # type: ignore[attr-defined]
    return [command.models for command in commands if isinstance(command, Submit)]


def new_worker(name: str, context: WorkerContext, *, need: int = 1, headroom: int = 0) -> Worker:
    async def never(*_arguments: object) -> Any:
        raise NotImplementedError

    manifest = Manifest(name, "gguf", created=1)
    plan = LoadPlan(manifest, LoadParameters(), never, need, 300.0, never, headroom)
    return Worker(plan, lambda _error: None, context)


async def test_a_request_that_cannot_be_sent_leaves_the_worker_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class FullChild(RecordingChild):
        def send(self, command: Any) -> None:
            raise ValueError("too large")

        def kill(self) -> None:
            raise AssertionError("the watchdog watches an idle worker")

    monkeypatch.setattr(module, "Child", FullChild)
    clock = FakeClock()
    worker = new_worker("a", WorkerContext(120, clock, dict, logging.getLogger("test")))
    with pytest.raises(ValueError, match="too large"):
        worker.submit(CompletionRequest("Once"))
    assert not worker.busy
    clock.skip(1000)


async def test_each_request_says_how_many_models_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Child", RecordingChild)
    context = WorkerContext(120, SystemClock(), dict, logging.getLogger("test"))

    first, second, idle = (new_worker(name, context) for name in "abc")
    request = CompletionRequest("Once")
    first.submit(request)
    first.submit(request)
    second.submit(request)
    for id_ in (1, 2):
        first._on_reply(Ended(id_))
    second.submit(request)
    first.submit(request)
    assert models_of(first) == [1, 1, 2]
    assert models_of(second) == [2, 1]
    assert not idle.busy


class StoppableChild(RecordingChild):
    """Exits when it is stopped."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        self.on_exit = arguments[5]

    def exit_reason(self) -> str:
        return "it exited with status 0"

    exceeded_memory = False

    async def stop(self) -> None:
        self.exited = True
        self.on_exit()


@pytest.mark.parametrize(
    ("reason", "error", "message"),
    [
        ("asked", WorkerDied, "was unloaded by another client while it was in use. Send the"),
        ("deleted", WorkerDied, "was deleted by another client while it was in use. Register"),
        ("shutdown", ServerBusy, "The request was stopped: the server is shutting down."),
    ],
)
async def test_requests_learn_why_their_model_was_unloaded(
    monkeypatch: pytest.MonkeyPatch, reason: str, error: type[PowerError], message: str
) -> None:
    monkeypatch.setattr(module, "Child", StoppableChild)
    context = WorkerContext(120, SystemClock(), dict, logging.getLogger("test"))

    async def never(*_arguments: object) -> Any:
        raise NotImplementedError

    manifest = Manifest("a", "gguf", created=1)
    plan = LoadPlan(manifest, LoadParameters(), never, 1, 300.0, never)
    deaths: list[WorkerDied] = []
    worker = Worker(plan, deaths.append, context)
    before = worker.submit(CompletionRequest("Once"))
    await worker.stop(use_stopped("a", reason))
    for stream in (before, worker.submit(CompletionRequest("Once"))):
        with pytest.raises(error, match=message):
            await anext(aiter(stream))
    assert deaths == []


@pytest.mark.parametrize("directory", ["", "/prompts"])
@pytest.mark.parametrize("save", [False, True])
async def test_a_worker_is_asked_to_save_if_its_prompts_are_kept_on_disk(
    monkeypatch: pytest.MonkeyPatch, directory: str, save: bool
) -> None:
    commands: list[object] = []

    class SavingChild(StoppableChild):
        async def stop(self, last: object = None, *, patience: float = 0.0) -> None:
            assert (patience > 0) == (last is not None)
            commands.append(last)
            clock.skip(1000)  # a worker that saves is silent
            await super().stop()

        def kill(self) -> None:
            raise AssertionError("a worker that saves was killed")

    monkeypatch.setattr(module, "Child", SavingChild)
    clock = FakeClock()
    worker = new_worker("a", WorkerContext(120, clock, dict, logging.getLogger("test")))
    cache = PromptCacheSettings(directory=directory)
    load = Load("gguf", (), LoadParameters(), prompt_cache=cache)
    loading = asyncio.ensure_future(worker.load(load, lambda _value: None))
    await settle()
    worker._on_reply(Loaded(slots=1, num_ctx=128, device="cpu"))
    await loading
    worker.submit(CompletionRequest("Once"))
    await worker.stop(save=save)
    assert commands == [Stop(module.SAVE_SECONDS) if directory and save else None]


async def test_the_memory_limit_includes_the_prompt_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[int] = []

    class LimitedChild(RecordingChild):
        pid = 0

        def limit_memory(self, limit: int, *, refuse: bool = False) -> None:
            limits.append(limit)

    monkeypatch.setattr(module, "Child", LimitedChild)
    monkeypatch.setattr(module, "private_bytes", lambda _pid: 70)
    context = WorkerContext(120, FakeClock(), dict, logging.getLogger("test"))
    worker = new_worker("a", context, need=50, headroom=10)
    cache = PromptCacheSettings(memory_bytes=5)
    loading = asyncio.ensure_future(
        worker.load(Load("gguf", (), LoadParameters(), prompt_cache=cache), lambda _value: None)
    )
    await settle()
    worker._on_reply(Loaded(slots=1, num_ctx=128, device="cpu"))
    await loading
    assert limits == [60, 65, 85]
