"""Send a request to one upstream after another until one answers."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType

from ..contract.errors import PowerError
from ..contract.types import Manifest
from .choice import best
from .failures import combined
from .health import HealthTracker, ServerHealth
from .transport import RouteMissing


class Attempts:
    """The attempts at one request, each at the server that is the best at that moment.

    A server is tried again only if it has answered others since it failed. The loop over the
    attempts is left with the answer; if it ends without one, `error` is raised::

        for attempt in attempts:
            with attempt:
                ...
                return answer
        raise attempts.error

    Parameters
    ----------
    key : str
        Key of the conversation that the request belongs to.
    """

    def __init__(self, tracker: HealthTracker, manifest: Manifest, key: str) -> None:
        self._tracker = tracker
        self._manifest = manifest
        self._key = key
        self._servers = tracker.get(manifest).servers
        self._failures: list[tuple[ServerHealth, PowerError, float]] = []

    def __iter__(self) -> Iterator[Attempt]:
        while len(self._failures) < 2 * len(self._servers):
            now = self._tracker.clock()
            candidates = [server for server in self._servers if self._may_try(server)]
            server = best(candidates, self._tracker.load, self._key, now)
            if server is None:
                return
            yield Attempt(self._tracker, self._manifest, server, self._failures)

    @property
    def error(self) -> PowerError:
        """Why no server has answered."""
        last = {server.base_url: error for server, error, _ in self._failures}
        return combined([*last.items()])

    def _may_try(self, server: ServerHealth) -> bool:
        failed_at = [at for failed, _, at in self._failures if failed is server]
        if not failed_at:
            return True
        return len(self._servers) > 1 and bool(server.answers) and server.checked > failed_at[-1]


class Attempt:
    """One attempt: a context manager that counts the request and records how it ends.

    An error after which another server may answer does not leave the block, but the loop goes on.
    Nothing is changed by a request, so it can safely be sent twice. A request that is refused is
    refused by the others, too.
    """

    def __init__(
        self,
        tracker: HealthTracker,
        manifest: Manifest,
        server: ServerHealth,
        failures: list[tuple[ServerHealth, PowerError, float]],
    ) -> None:
        self.base_url = server.base_url
        self._tracker = tracker
        self._manifest = manifest
        self._server = server
        self._failures = failures
        self._committed = False

    def commit(self) -> None:
        """Have all further errors leave the block: a part of the answer is passed on."""
        self._committed = True

    def __enter__(self) -> Attempt:
        self._tracker.begin(self._manifest, self._server)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> bool:
        goes_on = False
        if isinstance(error, RouteMissing):
            # It says nothing about the server's other routes.
            self._tracker.clean(self._manifest, error.error)
            self._failures.append((self._server, error.error, self._tracker.clock()))
            goes_on = True
        elif isinstance(error, PowerError):
            self._tracker.request_failed(self._manifest, self._server, error)
            goes_on = error.status >= 500 and not self._committed
            if goes_on:
                self._failures.append((self._server, error, self._tracker.clock()))
        elif error is None:
            self._server.busy_until = 0.0
            self._tracker.answered(self._manifest, self._server)
        self._tracker.end(self._manifest, self._server)
        return goes_on
