"""Run blocking work on disks off the event loop, so that a disk that hangs blocks nothing else.

asyncio's default executor has few threads, and the process waits for them when it exits. A thread
that waits for a network disk can be neither interrupted nor joined.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from ..contract.errors import PathUnreadable, PowerError, ServerBusy, StoreUnavailable

T = TypeVar("T")

#: Seconds to wait for an operation that takes milliseconds on a disk that works.
PATIENCE = 30.0
#: Seconds to wait for the operations in progress once the server is stopping.
CLOSING_PATIENCE = 2.0
#: Operations that run at the same time. Further ones wait.
MAX_THREADS = 64
#: Seconds without the end of any of them after which further ones are refused: the disk hangs.
HANGING = 5.0
#: Threads that wait for the next operation, because starting one takes 100 microseconds or more.
MAX_IDLE = 4

#: A function with its arguments and the future of its result.
Job = tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Any]]
#: The jobs of one thread; None ends it.
Jobs = SimpleQueue[Job | None]


class Threads:
    """Run each function in a daemon thread that runs no other meanwhile. Used on one event loop.

    Parameters
    ----------
    place : str
        Where the functions read or write, for error messages.
    error : type of PowerError
        Raised if a function does not return in time.
    """

    def __init__(self, place: str, error: type[PowerError]) -> None:
        self._place = place
        self._error = error
        self._running = 0
        self._last_change = 0.0  # when a function was started, or has returned
        self._waiting: deque[Job] = deque()
        self._awaited: set[asyncio.Future[Any]] = set()
        self._closed = False
        self._idle: list[Jobs] = []

    async def run(
        self, function: Callable[..., T], *args: Any, seconds: float | None = PATIENCE
    ) -> T:
        """Return the result of `function`, called in a thread.

        If too many functions run, this one waits. A thread continues if the caller is cancelled or
        the time is up.

        Parameters
        ----------
        seconds : float or None
            Seconds to wait for the result; None to wait until `close` is called.

        Raises
        ------
        PowerError
            Of the type `error`, if the function does not return in time.
        ServerBusy
            If too many functions run, and none of them returns.
        """
        loop = asyncio.get_running_loop()
        is_full = self._running >= MAX_THREADS
        if is_full and loop.time() - self._last_change > HANGING:
            raise ServerBusy(
                f"{self._running} operations on {self._place} are in progress, and none has ended "
                f"for {HANGING:g} seconds. Try again later. If this persists, check that its disk "
                "can be reached.",
                retry_after=30,
            )
        if self._closed:
            seconds = CLOSING_PATIENCE
        result: asyncio.Future[T] = loop.create_future()
        if is_full:
            self._waiting.append((function, args, result))
        else:
            self._start((function, args, result))
        self._awaited.add(result)
        if seconds is not None:
            self._expire_later(result, seconds)
        try:
            return await result
        finally:
            self._awaited.discard(result)

    def close(self) -> None:
        """Wait no longer than `CLOSING_PATIENCE` for the functions that run now or later."""
        self._closed = True
        while self._idle:
            self._idle.pop().put(None)
        for result in self._awaited:
            self._expire_later(result, CLOSING_PATIENCE)

    def _start(self, job: Job) -> None:
        if self._idle:
            jobs = self._idle.pop()
        else:
            jobs = SimpleQueue()
            loop = asyncio.get_running_loop()
            thread = threading.Thread(target=self._work, args=(jobs, loop), daemon=True)
            thread.name = "power-store"
            thread.start()
        jobs.put(job)
        self._running += 1
        self._last_change = asyncio.get_running_loop().time()

    def _work(self, jobs: Jobs, loop: asyncio.AbstractEventLoop) -> None:
        """Call functions, in a thread."""
        while (job := jobs.get()) is not None:
            function, args, result = job
            set_: Callable[[Any], None]
            value: Any
            try:
                set_, value = result.set_result, function(*args)
            except BaseException as error:
                set_, value = result.set_exception, error
            try:
                loop.call_soon_threadsafe(self._finish, jobs, result, set_, value)
            except RuntimeError:  # the loop is closed: the server is exiting
                return
            del job, result, set_, value  # they must not live until the next job

    def _finish(
        self, jobs: Jobs, result: asyncio.Future[Any], set_: Callable[[Any], None], value: Any
    ) -> None:
        self._running -= 1
        self._last_change = asyncio.get_running_loop().time()
        if self._closed or len(self._idle) >= MAX_IDLE:
            jobs.put(None)
        else:
            self._idle.append(jobs)
        if not result.done():
            set_(value)
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Start the next function whose caller still waits for it."""
        while self._waiting and self._running < MAX_THREADS:
            job = self._waiting.popleft()
            if not job[2].done():
                self._start(job)

    def _expire_later(self, result: asyncio.Future[T], seconds: float) -> None:
        def expire() -> None:
            if not result.done():
                result.set_exception(self._late(f"did not respond for {seconds:g} seconds"))

        timer = result.get_loop().call_later(seconds, expire)
        result.add_done_callback(lambda _result: timer.cancel())

    def _late(self, what: str) -> PowerError:
        place = self._place[0].upper() + self._place[1:]
        return self._error(
            f"{place} {what}. Check that its disk, or the server of a network disk, can be "
            "reached.",
            retry_after=30,
        )


class StoreThreads:
    """Threads by kind of work and disk: a disk that hangs does not hold up work on another.

    Attributes
    ----------
    home : Threads
        For the manifests, blobs and states in the home of the store.
    files : Threads
        For model files of the user, which may be anywhere.
    registrations : Threads
        For registrations, which hash or copy files of the user.
    scans : Threads
        For folders of other programs.
    """

    def __init__(self, home: Path) -> None:
        self.home = Threads(f"the model store {home}", StoreUnavailable)
        self.files = Threads("the files of the model", PathUnreadable)
        self.registrations = Threads("the files to register", PathUnreadable)
        self.scans = Threads("the folders of other programs", PathUnreadable)

    def close(self) -> None:
        """See `Threads.close`."""
        self.home.close()
        self.files.close()
        self.registrations.close()
        self.scans.close()
