"""The process of one pull: ``python -m a3s_power_jupyter.hub.process.main``.

The request comes in on stdin, events go out on stdout, the log is stderr. End of file on stdin
ends the process at once: what is on disk is always in a state to go on from.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

from ...contract.errors import PowerError
from ..protocol import Done, Event, Failed, Paused, PullRequest, Verifying, encode, read_commands
from ..transfer.exceptions import Stopped
from ..transfer.progress import OFTEN, Reporter
from .job import Job

log = logging.getLogger("a3s_power_jupyter.pull")

#: Seconds in which connections end when the pull is to pause; after that they are cut.
PAUSE_GRACE = 3.0


def main() -> None:
    # Ctrl-C in the server's terminal goes to the whole process group; the server decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The HTTP client tells every URL at a lower level, and a signed one is a key.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    Process(sys.stdin.buffer, sys.stdout.buffer).run()


class Process:
    """Pulls on a thread of its own; the main thread reports, another one reads commands."""

    def __init__(self, commands: BinaryIO, events: BinaryIO) -> None:
        self._events = events
        self._sending = threading.Lock()
        self._stop = threading.Event()
        self._requests: queue.SimpleQueue[PullRequest] = queue.SimpleQueue()
        self._outcome: queue.SimpleQueue[Event] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(commands,), daemon=True).start()

    def run(self) -> None:
        job = Job(self._requests.get(), self._send, self._stop)
        threading.Thread(target=self._pull, args=(job,), daemon=True).start()
        self._send(self._report(job))
        # Not sys.exit: a thread may wait for a connection that is of no use any more.
        os._exit(0)

    def _read(self, commands: BinaryIO) -> None:
        try:
            for command in read_commands(commands):
                if isinstance(command, PullRequest):
                    self._requests.put(command)
                else:
                    self._stop.set()
        finally:
            os._exit(0)

    def _pull(self, job: Job) -> None:
        try:
            manifest = job.run()
        except Stopped:
            self._outcome.put(_paused(job))
        except PowerError as error:
            self._outcome.put(Failed(error.to_wire()))
        except Exception:
            log.exception("the pull failed")
            unexpected = PowerError("The pull failed; the reason is in the server's log.")
            self._outcome.put(Failed(unexpected.to_wire()))
        else:
            self._outcome.put(Done(manifest.name, manifest.created))

    def _report(self, job: Job) -> Event:
        """Tell how it goes; the last event."""
        reporter = None
        grace = PAUSE_GRACE
        while grace > 0:
            with suppress(queue.Empty):
                outcome = self._outcome.get(timeout=OFTEN)
                if isinstance(outcome, Done) and not (reporter and reporter.verifying):
                    self._send(Verifying())  # it was over between two ticks
                return outcome
            if self._stop.is_set():
                grace -= OFTEN
            elif job.progress is not None:
                if reporter is None or reporter.progress is not job.progress:
                    reporter = Reporter(job.progress, self._send)
                reporter.tick()
        return _paused(job)

    def _send(self, event: Event) -> None:
        with self._sending:
            self._events.write(encode(event))
            self._events.flush()


def _paused(job: Job) -> Paused:
    progress = job.progress
    return Paused(0, 0) if progress is None else Paused(progress.completed, progress.total)


if __name__ == "__main__":
    main()
