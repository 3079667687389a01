"""The process of one pull: ``python -m a3s_power_jupyter.hub.process.main``.

It may be ended at any time: another pull resumes from what is on disk.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress

from ...contract.errors import PowerError
from ...ipc import harness
from ..protocol import (
    COMMAND_DECODER,
    Command,
    Done,
    Event,
    Failed,
    Paused,
    PullRequest,
    Verifying,
)
from ..transfer.exceptions import Stopped
from ..transfer.progress import OFTEN, Reporter
from .job import Job

log = logging.getLogger("a3s_power_jupyter.pull")

#: Seconds that connections have to end when the pull is paused; after that they are cut.
PAUSE_GRACE = 3.0


def main(channel: harness.Channel[Command]) -> None:
    """Pull the model of the first command and emit the outcome."""
    request = channel.receive()
    if not isinstance(request, PullRequest):
        raise TypeError(f"The first command must be PullRequest, not {type(request).__name__}.")
    Puller(channel, request).run()


class Puller:
    """Run the job in a thread, and report its progress and handle `Pause` in the main thread."""

    def __init__(self, channel: harness.Channel[Command], request: PullRequest) -> None:
        self._channel = channel
        self._stop = threading.Event()
        self._job = Job(request, channel.emit, self._stop)
        self._outcome: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def run(self) -> None:
        threading.Thread(target=self._run_job, daemon=True).start()
        self._channel.emit(self._report())

    def _run_job(self) -> None:
        try:
            manifest = self._job.run()
        except Stopped:
            self._outcome.put(self._paused())
        except PowerError as error:
            self._outcome.put(Failed(error.to_wire()))
        except Exception:
            log.exception("the pull failed")
            unexpected = PowerError(
                "Internal error during the pull. See the notebook server's log for details."
            )
            self._outcome.put(Failed(unexpected.to_wire()))
        else:
            self._outcome.put(Done(manifest.name, manifest.created))

    def _report(self) -> Event:
        """Report progress until the job ends, and return its outcome."""
        reporter = None
        grace = PAUSE_GRACE
        while grace > 0:
            with suppress(queue.Empty):
                outcome = self._outcome.get(timeout=OFTEN)
                if isinstance(outcome, Done) and not (reporter and reporter.verifying):
                    self._channel.emit(Verifying())  # the job ended between two ticks
                return outcome
            progress = self._job.progress
            if self._channel.pending:  # the only command after the request is `Pause`
                self._stop.set()
                grace -= OFTEN
            elif progress is not None:
                if reporter is None or reporter.progress is not progress:
                    reporter = Reporter(progress, self._channel.emit)
                reporter.tick()
        return self._paused()

    def _paused(self) -> Paused:
        progress = self._job.progress
        return Paused(0, 0) if progress is None else Paused(progress.completed, progress.total)


if __name__ == "__main__":
    # At a lower level the HTTP client logs every URL, and a signed URL grants access.
    harness.run(main, COMMAND_DECODER, log_level=logging.WARNING)
