"""Report activity to Jupyter Server's idle culler, and stop ``jupyter power`` when it is idle."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tornado.ioloop import PeriodicCallback

from ..contract.errors import ServerBusy, StoreUnavailable
from ..handlers.context import Context
from .headless import HeadlessServerApp

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

#: Seconds between checks.
INTERVAL = 20.0


class ActivityMonitor:
    """Periodically checks whether requests are in progress.

    Parameters
    ----------
    name : str
        The extension's key among Jupyter Server's times of last activity.
    idle_exit : float
        Seconds without a request and without a loaded model after which a headless server is
        stopped; 0 for never.
    """

    def __init__(self, name: str, context: Context, serverapp: ServerApp, idle_exit: float) -> None:
        self._name = name
        self._context = context
        self._serverapp = serverapp
        self._idle_exit = idle_exit if isinstance(serverapp, HeadlessServerApp) else 0.0
        interval = min(INTERVAL, idle_exit / 4 if idle_exit else math.inf)
        self._callback = PeriodicCallback(self._check, interval * 1000)

    def start(self) -> None:
        self._callback.start()

    def stop(self) -> None:
        self._callback.stop()

    async def _check(self) -> None:
        if self._context.service.active_requests:
            self._context.touch()
            # Becomes the last_activity of /api/status, which jupyterhub-idle-culler reads.
            times = self._serverapp.web_app.settings["last_activity_times"]
            times[self._name] = datetime.now(UTC)
        elif self._idle_exit and await self._is_idle():
            self._serverapp.log.info(
                "Power: no requests for %g seconds, shutting down", self._idle_exit
            )
            self._serverapp.stop()

    async def _is_idle(self) -> bool:
        if time.monotonic() - self._context.last_request < self._idle_exit:
            return False
        try:
            models, _problems = await self._context.service.catalog.models()
        except (StoreUnavailable, ServerBusy):
            return True  # no model is in memory
        return all(model.state in ("unloaded", "failed") for model in models)
