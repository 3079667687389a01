"""The process of one pull: ``python -m a3s_power_jupyter.hub.process.main``.

It can be killed at any time: another pull resumes from what is on disk.
"""

from __future__ import annotations

import logging
import threading

import msgspec
from msgspec import UNSET

from ...contract.errors import PowerError, from_wire
from ...contract.redaction import Redactor, redact_logs
from ...contract.types import PullStatus
from ...ipc import harness
from ..http.retries import Stopped
from ..protocol import COMMAND_DECODER, Command, StartPull
from ..transfer.progress import INTERVAL, Reporter
from .job import Job

log = logging.getLogger("a3s_power_jupyter.pull")

#: Seconds that the job has to stop when the pull is paused; after that the process exits.
PAUSE_GRACE = 3.0


def main(channel: harness.Channel[Command]) -> None:
    """Pull the model of the first command, and emit its status until the pull has ended."""
    request = channel.receive()
    if not isinstance(request, StartPull):
        raise TypeError(f"The first command must be StartPull, not {type(request).__name__}.")
    redactor = Redactor(request.token)
    # huggingface_hub has a handler of its own.
    redact_logs(redactor, logging.getLogger(), logging.getLogger("huggingface_hub"))
    reporter = Reporter(
        request.status, lambda status: channel.emit(without_secrets(status, redactor))
    )
    stop = threading.Event()
    job = Job(request, reporter, stop, redactor=redactor)
    thread = threading.Thread(target=run_job, args=(job, reporter), daemon=True)
    thread.start()
    grace = PAUSE_GRACE
    while thread.is_alive() and grace > 0:
        thread.join(INTERVAL)
        if channel.pending:  # the only command after the first is `Pause`
            stop.set()
            grace -= INTERVAL
        else:
            reporter.tick()
    reporter.paused()  # unless the job has reported its outcome


def without_secrets(status: PullStatus, redactor: Redactor) -> PullStatus:
    """Return the status with the secrets removed from its texts."""
    if status.note is not UNSET:
        status = msgspec.structs.replace(status, note=redactor(status.note))
    if status.error is not UNSET:
        error = from_wire(status.error)
        redactor.clean(error)
        status = msgspec.structs.replace(status, error=error.to_wire())
    return status


def run_job(job: Job, reporter: Reporter) -> None:
    """Run the job and report its outcome."""
    try:
        manifest = job.run()
    except Stopped:
        reporter.paused()
    except PowerError as error:
        reporter.failed(error.to_wire())
    except Exception:
        log.exception("The pull failed")
        internal = PowerError(
            "Internal error during the pull. See the notebook server's log for details."
        )
        reporter.failed(internal.to_wire())
    else:
        reporter.done(manifest.created)


if __name__ == "__main__":
    # At a lower level the HTTP client logs every URL, and a signed URL grants access.
    harness.run(main, COMMAND_DECODER, log_level=logging.WARNING)
