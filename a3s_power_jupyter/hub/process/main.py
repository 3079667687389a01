"""The process of one pull: ``python -m a3s_power_jupyter.hub.process.main``.

It can be killed at any time: another pull resumes from what is on disk.
"""

from __future__ import annotations

import logging
import threading

from ...contract.errors import PowerError
from ...ipc import harness
from ..protocol import COMMAND_DECODER, Command, StartPull
from ..transfer.exceptions import Stopped
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
    reporter = Reporter(request.status, channel.emit)
    stop = threading.Event()
    job = Job(request, reporter, stop)
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
