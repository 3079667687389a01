"""The worker process: ``python -m a3s_power_jupyter.engine.main``."""

from __future__ import annotations

import logging

import msgspec

from ..contract.errors import ModelLoadFailed, PowerError
from ..contract.types import Embedded, Finished
from ..ipc import harness
from . import registry
from .base import Engine, StepOutput
from .protocol import (
    COMMAND_DECODER,
    Cancel,
    Command,
    Ended,
    Load,
    LoadFailed,
    Loading,
    Output,
    Probe,
    Submit,
)

log = logging.getLogger("a3s_power_jupyter.worker")

#: Smallest difference between two reported values of a load's progress.
PROGRESS_STEP = 0.01


def main(channel: harness.Channel[Command]) -> None:
    """Probe the machine, or load a model and process requests until stdin is closed."""
    command = channel.receive()
    if isinstance(command, Probe):
        channel.emit(registry.probe())
    elif isinstance(command, Load):
        Worker(channel).run(command)
    else:
        raise TypeError(f"The first command must be Load or Probe, not {type(command).__name__}.")


class Worker:
    """Load a model, then step its engine and handle commands between the steps."""

    def __init__(self, channel: harness.Channel[Command]) -> None:
        self._channel = channel

    def run(self, load: Load) -> None:
        try:
            engine = self._load(load)
        except PowerError as error:
            self._channel.emit(LoadFailed(error.to_wire()))
            return
        while True:
            self._handle_commands(engine)
            for output in engine.step():
                self._emit_output(output)

    def _load(self, load: Load) -> Engine:
        reported = -1.0

        def report(progress: float) -> None:
            nonlocal reported
            if progress - reported >= PROGRESS_STEP or progress >= 1.0 > reported:
                reported = progress
                self._channel.emit(Loading(progress))

        try:
            engine = registry.engine_class(load.format).load(load, report)
        except PowerError:
            raise
        except Exception:
            log.exception("load failed")
            raise ModelLoadFailed(
                "Internal error while loading the model. See the notebook server's log for details."
            ) from None
        self._channel.emit(
            msgspec.structs.replace(
                engine.info,
                engine=registry.engine_name(load.format),
                notes=(*load.notes, *engine.info.notes),
            )
        )
        return engine

    def _handle_commands(self, engine: Engine) -> None:
        """Handle all pending commands; wait for one if the engine is idle."""
        while engine.idle or self._channel.pending:
            command = self._channel.receive()
            if isinstance(command, Submit):
                self._submit(engine, command)
            elif isinstance(command, Cancel):
                engine.cancel(command.id)
                self._channel.emit(Ended(command.id))

    def _submit(self, engine: Engine, command: Submit) -> None:
        try:
            engine.submit(command.id, command.request)
        except PowerError as error:
            self._channel.emit(Ended(command.id, error.to_wire()))

    def _emit_output(self, output: StepOutput) -> None:
        id_, item = output
        if isinstance(item, PowerError):
            self._channel.emit(Ended(id_, item.to_wire()))
            return
        self._channel.emit(Output(id_, item))
        if isinstance(item, (Finished, Embedded)):
            self._channel.emit(Ended(id_))


if __name__ == "__main__":
    harness.run(main, COMMAND_DECODER, log_level=logging.INFO)
