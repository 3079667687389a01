"""Fakes that take a fixed number of steps of the event loop."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from a3s_power_jupyter.contract.errors import (
    ContextLengthExceeded,
    ModelLoadFailed,
    ModelNotFound,
    PowerError,
    WorkerDied,
)
from a3s_power_jupyter.contract.types import (
    CompletionRequest,
    Delta,
    Embedded,
    EmbeddingRequest,
    Manifest,
    RegisterRequest,
    Request,
    Started,
    Tokenized,
    TokenRequest,
)
from a3s_power_jupyter.engine.base import ProgressCallback
from a3s_power_jupyter.engine.protocol import Ended, Load, Loaded
from a3s_power_jupyter.runtime.stream import Stream
from a3s_power_jupyter.store.manifest import Snapshot
from a3s_power_jupyter.store.threads import Threads
from a3s_power_jupyter.store.work import Work
from support.fakes import FakeWorker
from support.items import finished

#: More steps than any operation takes. An operation that takes longer hangs.
LIMIT = 400


async def step(count: int = 1) -> None:
    """Run `count` steps of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def steps_of(task: asyncio.Future[Any], what: str = "") -> int:
    """Run the event loop until `task` is done, and return the number of steps."""
    for count in range(LIMIT):
        if task.done():
            return count
        await asyncio.sleep(0)
    raise AssertionError(f"{what or task} hangs")


class StepWorker(FakeWorker):
    """A worker with one slot that answers each request after some steps.

    A request with the prompt "hold" is answered once `release` is set. The request with the index
    `failing` fails.
    """

    release: asyncio.Event
    stalls = fails = False
    failing: int | None = None

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.token_streams: list[Stream] = []

    async def load(self, load: Load, progress: ProgressCallback) -> Loaded:
        for value in (0.0, 0.5):
            progress(value)
            await step()
        if self.fails:
            raise ModelLoadFailed("The file is broken.")
        if self.stalls:
            await asyncio.Event().wait()
        return Loaded(slots=1, num_ctx=128, device="cpu")

    def submit(self, request: Request | TokenRequest) -> Stream:
        stream = Stream(cancel=lambda: self._soon(stream, Ended(0)))
        if isinstance(request, TokenRequest):
            self.token_streams.append(stream)
            return self._count(stream)
        assert all(ended(stream) for stream in self.streams), "more requests than slots"
        self.requests.append(request)
        self.streams.append(stream)
        if self.exited:
            stream.push(self.stop_error or WorkerDied("stopped"))
        elif len(self.requests) - 1 == self.failing:
            self._soon(stream, Started(1, 0), ContextLengthExceeded("too long"))
        elif isinstance(request, EmbeddingRequest):
            self._soon(stream, Embedded(struct.pack("<f", 1.0), 1, 1), Ended(0))
        elif isinstance(request, CompletionRequest) and request.prompt == "hold":
            self._soon(stream, Started(1, 0), Delta("a"))
            held = asyncio.ensure_future(self.release.wait())
            held.add_done_callback(
                lambda _: self._soon(stream, finished("stop", 1, 1, 0), Ended(0))
            )
        else:
            items = (Started(1, 0), Delta("a"), Delta("b"), finished("stop", 1, 2, 0), Ended(0))
            self._soon(stream, *items)
        return stream

    def _count(self, stream: Stream) -> Stream:
        """Answer a request about tokens, which takes no slot."""
        if self.exited:
            stream.push(self.stop_error or WorkerDied("stopped"))
        else:
            self._soon(stream, Tokenized(b"", 128), Ended(0))
        return stream

    def die(self) -> None:
        self.stopped = self.exited = True
        self._end_streams(WorkerDied("killed"))
        self.on_death(WorkerDied("killed"))

    async def stop(self, error: PowerError | None = None, *, save: bool = False) -> None:
        await super().stop(error)
        self._end_streams(error or WorkerDied("stopped"))

    def _end_streams(self, error: PowerError) -> None:
        for stream in [*self.streams, *self.token_streams]:
            push(stream, error)

    def _soon(self, stream: Stream, *items: Any) -> None:
        """Push one item in each of the next steps."""

        def push_first() -> None:
            push(stream, items[0])
            if items[1:]:
                self._soon(stream, *items[1:])

        asyncio.get_running_loop().call_soon(push_first)


def ended(stream: Stream) -> bool:
    return stream._ended.is_set()


def push(stream: Stream, item: Any) -> None:
    if not ended(stream):
        stream.push(item)


class InlineThreads(Threads):
    """Calls functions on the event loop, so that the number of steps is the same in every run."""

    async def run(self, function: Callable[..., Any], *args: Any, **_options: Any) -> Any:
        await step()
        result = function(*args)
        await step()
        return result


class FakeStore:
    def __init__(self) -> None:
        self.names = {"a", "b"}

    def get(self, name: str) -> Manifest:
        if name not in self.names:
            raise ModelNotFound(f"There is no model {name!r}.")
        return Manifest(name, "gguf", created=1)

    def snapshot(self) -> Snapshot:
        return Snapshot({name: self.get(name) for name in sorted(self.names)})

    def delete(self, name: str) -> int:
        self.names.discard(name)
        return 1

    def register(
        self, request: RegisterRequest, _parameters: object, work: Work
    ) -> tuple[Manifest, bool]:
        work.commit()
        self.names.add(request.name)
        return self.get(request.name), True
