"""The worker process: ``python -m a3s_power_jupyter.engine.main``."""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from ..contract.errors import ModelLoadFailed, PowerError
from ..contract.types import Embedded, Finished, Item, Ranked, TokenRequest
from ..ipc import harness
from . import registry
from .base import Engine, StepOutput, first_line, request_error
from .cancellation import CANCELLED, cancellable
from .heartbeat import HEARTBEAT, INTERVAL
from .outbox import Outbox
from .protocol import (
    COMMAND_DECODER,
    Alive,
    Cancel,
    Command,
    Ended,
    Load,
    LoadFailed,
    Loading,
    Measure,
    Measured,
    Output,
    Probe,
    Stop,
    Submit,
)
from .stats_reporter import StatsReporter
from .token_threads import TokenThreads

log = logging.getLogger("a3s_power_jupyter.worker")

#: Smallest difference between two reported values of a load's progress.
PROGRESS_STEP = 0.01


#: Threads that prepare requests, in addition to one for each slot. Most of a preparation cannot be
#: stopped, so that of a cancelled request may run on while the next request is prepared.
SPARE_THREADS = 4


@dataclass(frozen=True)
class Preparation:
    """The result of `Engine.prepare`, or the error that it raised."""

    id: int
    result: Any


class Wake:
    """Ends a wait for events."""


Event = Command | Preparation | Wake


def main(channel: harness.Channel[Command]) -> None:
    """Probe the machine, measure a model, or load one and process requests.

    The latter ends with `Stop` or the end of stdin.
    """
    command = channel.receive()
    if isinstance(command, Probe):
        channel.emit(registry.probe())
    elif isinstance(command, Measure):
        channel.emit(_measured(command.load))
    elif isinstance(command, Load):
        Worker(channel).run(command)
    else:
        raise TypeError(f"The first command must not be {type(command).__name__}.")


def _measured(load: Load) -> Measured | LoadFailed:
    try:
        return registry.measure(load)
    except PowerError as error:
        return LoadFailed(error.to_wire())


class Worker:
    """Load a model, then step its engine and handle commands between the steps.

    A request is first prepared in a thread, which may take seconds, and then given to the engine.
    Requests about tokens are answered in threads of their own, which do not wait for a step.
    """

    def __init__(self, channel: harness.Channel[Command]) -> None:
        self._channel = channel
        self._inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._preparing: set[int] = set()
        self._running: set[int] = set()
        self._models = 1
        self._deadline = 0.0  # of what `Stop` asks for
        self._stats = StatsReporter(channel.emit)

    def run(self, load: Load) -> None:
        try:
            engine = self._load(load)
        except PowerError as error:
            self._channel.emit(LoadFailed(error.to_wire()))
            return
        HEARTBEAT.start(lambda: self._channel.emit(Alive()))
        self._tokens = TokenThreads(engine, self._channel.emit)
        threading.Thread(target=self._forward_commands, daemon=True).start()
        threads = ThreadPoolExecutor(engine.info.slots + SPARE_THREADS, "prepare")
        outbox = self._outbox = Outbox(lambda id_, item: self._send(engine, id_, item))
        while True:
            try:
                self._stats.report(engine.stats)
                if not self._handle_events(engine, threads):
                    break
                outputs = engine.step()
            except Exception as error:
                outputs = self._fail_all(engine, error)
            for id_, item in outputs:
                self._put(id_, item)
            outbox.end_step()
            self._channel.flush()
            self._stats.stepped()
            HEARTBEAT.beat()
        self._running.clear()
        self._save(engine)

    def _save(self, engine: Engine[Any]) -> None:
        try:
            engine.save(self._deadline)
        except Exception:
            log.exception("Saving the warm prompts failed")

    def _load(self, load: Load) -> Engine[Any]:
        reported = -1.0

        def report(progress: float) -> None:
            nonlocal reported
            if progress - reported >= PROGRESS_STEP or progress >= 1.0 > reported:
                reported = progress
                self._channel.emit(Loading(progress))

        try:
            engine = registry.engine_class(load.format).load(load, report)
            self._channel.emit(
                msgspec.structs.replace(
                    engine.info,
                    engine=registry.engine_name(load.format),
                    notes=(*load.notes, *engine.info.notes),
                )
            )
        except PowerError:
            raise
        except Exception as error:
            log.exception("load failed")
            raise ModelLoadFailed(
                f"Loading the model failed: {type(error).__name__}: {first_line(error)}. The "
                "notebook server's log has the traceback."
            ) from None
        return engine

    def _forward_commands(self) -> NoReturn:
        """Add the server's commands to the inbox, which the preparing threads write to as well."""
        while True:
            command = self._channel.receive()
            if isinstance(command, Stop):
                self._deadline = time.monotonic() + command.seconds
            elif isinstance(command, Cancel):
                if self._tokens.cancel(command.id):
                    continue
                CANCELLED.add(command.id)  # the step that is under way may end now
            elif isinstance(command, Submit) and isinstance(command.request, TokenRequest):
                self._tokens.begin(command.id, command.request)
                self._inbox.put(Wake())  # for heartbeats until it is answered
                continue
            self._inbox.put(command)
            if isinstance(command, Stop):
                time.sleep(command.seconds / 2)
                CANCELLED.update(list(self._running))  # a step that still runs leaves no time

    def _handle_events(self, engine: Engine[Any], threads: ThreadPoolExecutor) -> bool:
        """Handle what is in the inbox; wait for it if the engine is idle.

        Also wait for a cancel that `_forward_commands` is about to add to the inbox. Return false
        after `Stop`.
        """
        while engine.idle or CANCELLED or not self._inbox.empty():
            event = self._next_event(engine)
            if isinstance(event, Submit):
                self._begin(engine, threads, event)
            elif isinstance(event, Preparation):
                self._submit(engine, event)
            elif isinstance(event, Cancel):
                self._cancel(engine, event.id)
            elif isinstance(event, Stop):
                return False
        return True

    def _begin(self, engine: Engine[Any], threads: ThreadPoolExecutor, submit: Submit) -> None:
        self._preparing.add(submit.id)
        self._models = submit.models
        try:
            threads.submit(self._prepare, engine, submit)
        except Exception as error:  # no thread can be started, for example for want of memory
            self._end(submit.id, request_error(error))

    def _next_event(self, engine: Engine[Any]) -> Event:
        while True:
            working = bool(self._preparing) or self._tokens.busy
            timeout = INTERVAL if working else self._stats.due
            with suppress(queue.Empty):
                return self._inbox.get(timeout=timeout)
            if working:
                HEARTBEAT.beat()
            self._stats.report(engine.stats)

    def _prepare(self, engine: Engine[Any], submit: Submit) -> None:
        """Prepare a request, unless it was cancelled; called in a thread."""
        if submit.id not in self._preparing or isinstance(submit.request, TokenRequest):
            return
        try:
            with cancellable(lambda: submit.id not in self._preparing):
                result = engine.prepare(submit.id, submit.request)
        except BaseException as error:  # a panic of a Rust library is not an `Exception`
            result = request_error(error)
        self._inbox.put(Preparation(submit.id, result))

    def _submit(self, engine: Engine[Any], preparation: Preparation) -> None:
        id_, prepared = preparation.id, preparation.result
        if id_ not in self._preparing:  # cancelled
            return
        self._preparing.remove(id_)
        self._running.add(id_)
        try:
            if isinstance(prepared, PowerError):
                raise prepared
            if engine.idle:
                engine.threads.resume()
            engine.threads.share(self._models)
            self._outbox.flush()  # the next step reads a prompt, which may take long
            self._channel.flush()
            engine.submit(prepared)
        except Exception as error:
            engine.cancel(id_)
            self._end(id_, request_error(error))

    def _cancel(self, engine: Engine[Any], id_: int) -> None:
        CANCELLED.discard(id_)
        engine.cancel(id_)
        if id_ in self._preparing | self._running:
            self._end(id_)

    def _fail_all(self, engine: Engine[Any], error: Exception) -> list[StepOutput]:
        """End all requests after an error that belongs to no single one."""
        failure = request_error(error)
        engine.reset()
        return [(id_, failure) for id_ in sorted(self._running)]

    def _put(self, id_: int, item: Item | PowerError) -> None:
        """Send an output of a step, or soon after it, and end the request with its last one."""
        if isinstance(item, PowerError):
            self._end(id_, item)
            return
        self._outbox.put(id_, item)
        if isinstance(item, (Finished, Embedded, Ranked)) and id_ in self._running:
            self._end(id_)

    def _send(self, engine: Engine[Any], id_: int, item: Item) -> None:
        """Send an item with the next `flush`."""
        try:
            self._channel.emit(Output(id_, item), flush=False)
        except ValueError as error:  # it is too large for a frame
            engine.cancel(id_)
            self._end(id_, request_error(error))

    def _end(self, id_: int, error: PowerError | None = None) -> None:
        self._preparing.discard(id_)
        self._running.discard(id_)
        self._outbox.end(id_)
        self._channel.emit(Ended(id_, None if error is None else error.to_wire()))


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
