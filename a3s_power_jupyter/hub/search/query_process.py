"""Ask the hub in a process of its own, which starts with the first question and ends when idle."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TypeVar

from ...contract.errors import HubError, ServerBusy, WorkerDied, from_wire, shutting_down
from ...ipc.child import Child, python_module
from ...ipc.environment import Environment, pull_environment
from .protocol import REPLY_DECODER, Answer, Answered, Ask, Cancel, Command, Question, Reply

QUERY_COMMAND = tuple(python_module("a3s_power_jupyter.hub.search.main"))

#: Seconds without a question after which the process ends.
IDLE = 60.0
#: Questions that are answered at once.
MAX_QUESTIONS = 16
#: Bytes of memory that the process may use. It usually takes 60 MB.
MEMORY_LIMIT = 2 * 1024**3

A = TypeVar("A", bound=Answer)


class QueryProcess:
    """Answers questions about the hub. Its methods run on the event loop and do not block it.

    Parameters
    ----------
    log : logging.Logger
        The server's log.
    command : tuple of str
        Command line of the process.
    environment : callable
        Returns the environment variables of the process.
    idle : float
        Seconds without a question after which the process ends.
    """

    def __init__(
        self,
        log: logging.Logger,
        command: tuple[str, ...] = QUERY_COMMAND,
        environment: Environment = pull_environment,
        idle: float = IDLE,
    ) -> None:
        self._log = log
        self._command = command
        self._environment = environment
        self._idle = idle
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._child: Child[Command, Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def ask(self, question: Question, type_: type[A], *, seconds: float) -> A:
        """Return the answer to a question. It is cancelled with the caller.

        Parameters
        ----------
        type_ : type
            The type of the answer.
        seconds : float
            Longest time to wait.

        Raises
        ------
        PowerError
            If there is no answer.
        """
        if self._is_closed:
            raise shutting_down("The question to the hub")
        if len(self._waiting) >= MAX_QUESTIONS:
            raise ServerBusy(
                f"{MAX_QUESTIONS} questions are waiting for the hub. Try again in a moment.",
                retry_after=1,
            )
        child = self._child or self._start()
        id_ = next(self._ids)
        answered = self._waiting[id_] = asyncio.get_running_loop().create_future()
        if self._timer is not None:
            self._timer.cancel()
        child.send(Ask(id_, question))
        try:
            async with asyncio.timeout(seconds):
                answer = await answered
        except TimeoutError:
            raise HubError(
                f"The hub has not answered within {seconds:g} seconds. Check the network, and try "
                "again.",
                reason="unreachable",
            ) from None
        finally:
            if self._waiting.pop(id_, None) is not None:
                child.send(Cancel(id_))
            self._end_when_idle()
        if not isinstance(answer, type_):
            raise TypeError(f"The answer is {type(answer).__name__}, not {type_.__name__}.")
        return answer

    async def stop(self) -> None:
        """End the process; questions that wait fail."""
        self._is_closed = True
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(shutting_down("The question to the hub"))
        self._end()
        await asyncio.gather(*self._stopping)

    # ------------------------------------------------------------ process

    def _start(self) -> Child[Command, Reply]:
        try:
            child: Child[Command, Reply] = Child(
                "the search of the hub",
                self._command,
                self._environment(),
                REPLY_DECODER,
                self._on_reply,
                lambda: self._on_exit(child),
                self._log,
            )
        except OSError as error:
            raise ServerBusy(
                f"The process that asks the hub could not be started: {error}."
            ) from None
        child.limit_memory(MEMORY_LIMIT, refuse=True)
        self._child = child
        return child

    def _on_reply(self, reply: Reply) -> None:
        answered = self._waiting.pop(reply.id, None)
        if answered is None or answered.done():
            return
        if isinstance(reply, Answered):
            answered.set_result(reply.answer)
        else:
            answered.set_exception(from_wire(reply.error))

    def _on_exit(self, child: Child[Command, Reply]) -> None:
        if child is not self._child:
            return
        self._child = None
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            if not answered.done():
                answered.set_exception(
                    WorkerDied(
                        "The process that asks the hub ended unexpectedly: "
                        f"{child.exit_reason()}. Try again."
                    )
                )

    def _end_when_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._child is not None and not self._waiting:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._end)

    def _end(self) -> None:
        child, self._child = self._child, None
        if self._timer is not None:
            self._timer.cancel()
        if child is not None:
            task = asyncio.ensure_future(child.stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
