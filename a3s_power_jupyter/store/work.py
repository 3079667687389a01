"""Stop work on large files in a thread, and notice that it makes no progress."""

from __future__ import annotations

import threading
import time


class WorkStopped(Exception):
    """The work was stopped before its commit. It has left nothing behind."""


class Work:
    """Work in a thread that can be stopped until it is about to be committed.

    Attributes
    ----------
    last_progress : float
        Monotonic time of the last progress.
    """

    def __init__(self) -> None:
        self.last_progress = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = False
        self._committing = False

    def proceed(self) -> None:
        """Report progress.

        Raises
        ------
        WorkStopped
            If the work was stopped.
        """
        self.last_progress = time.monotonic()
        if self._stopped:
            raise WorkStopped

    def commit(self) -> None:
        """Report that the work can no longer be stopped. Raises as `proceed` does."""
        with self._lock:
            self.proceed()
            self._committing = True

    def stop(self) -> bool:
        """Stop the work soon; return False if it is being committed and will be completed."""
        with self._lock:
            self._stopped = not self._committing
            return self._stopped
