"""The process that asks the hub: ``python -m a3s_power_jupyter.hub.search.main``.

Each question has a thread of its own, so that a slow reply does not keep others waiting. The
process holds nothing that must survive, and can be killed at any time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ...contract.errors import HubError, PowerError, ServerBusy
from ...contract.redaction import Redactor, redact_logs
from ...ipc import harness
from ..http.hub_requests import Limits
from ..http.retries import Stopped
from ..http.token import hub_token
from ..resolve.hub_api import HubApi
from . import token_file
from .contents import look
from .protocol import (
    COMMAND_DECODER,
    Answer,
    Answered,
    Ask,
    Cancel,
    Command,
    Failed,
    FindToken,
    Look,
    Question,
    RemoveToken,
    Search,
    StoreToken,
)
from .searching import search

log = logging.getLogger("a3s_power_jupyter.search")

#: People wait for the answers. A hub that asks for a longer wait is reported at once.
LIMITS = Limits(attempts=2, timeout=10.0, deadline=20.0, wait=2.0)

#: Threads that may wait for a hub that sends nothing, although nobody waits for them any more. With
#: more, the hub is not searched, but the token can be changed.
MAX_THREADS = 100


def main(channel: harness.Channel[Command]) -> None:
    """Answer questions until the server closes the pipe."""
    redactor = Redactor()
    redact_logs(redactor, logging.getLogger(), logging.getLogger("huggingface_hub"))
    questions = _Questions(channel, redactor)
    while True:
        command = channel.receive()
        if isinstance(command, Cancel):
            questions.cancel(command.id)
        else:
            questions.start(command)


class _Questions:
    """The questions that are being answered."""

    def __init__(self, channel: harness.Channel[Command], redactor: Redactor) -> None:
        self._channel = channel
        self._redactor = redactor
        self._stops: dict[int, threading.Event] = {}

    def start(self, ask: Ask) -> None:
        stop = self._stops[ask.id] = threading.Event()
        asks_hub = isinstance(ask.question, Search | Look)
        if asks_hub and threading.active_count() > MAX_THREADS:
            error = ServerBusy("The hub has left too many questions unanswered. Try again later.")
            self._reply(ask.id, Failed(ask.id, error.to_wire()))
            del self._stops[ask.id]
            return
        threading.Thread(target=self._run, args=(ask, stop), daemon=True).start()

    def cancel(self, id_: int) -> None:
        stop = self._stops.pop(id_, None)
        if stop is not None:
            stop.set()

    def _run(self, ask: Ask, stop: threading.Event) -> None:
        try:
            self._reply(ask.id, Answered(ask.id, self._answer(ask.question, stop)))
        except Stopped:
            return
        except PowerError as error:
            self._redactor.clean(error)
            self._reply(ask.id, Failed(ask.id, error.to_wire()))
        except Exception as error:  # also if the answer cannot be encoded
            log.exception("A question to the hub failed")
            reason = self._redactor(f"{type(error).__name__}: {error}")
            failed = HubError(f"The reply of the hub could not be used ({reason[:200]}).")
            self._reply(ask.id, Failed(ask.id, failed.to_wire()))
        finally:
            self._stops.pop(ask.id, None)

    def _reply(self, id_: int, reply: Answered | Failed) -> None:
        if id_ in self._stops:
            self._channel.emit(reply)

    def _answer(self, question: Question, stop: threading.Event) -> Answer:
        match question:
            case Search():
                return search(self._hub(stop)(None), question)
            case Look():
                return look(self._hub(stop)(None), question)
            case FindToken():
                return token_file.find()
            case StoreToken(token):
                self._redactor.add(token)
                return token_file.store(token, self._hub(stop))
            case RemoveToken():
                return token_file.remove()

    def _hub(self, stop: threading.Event) -> Callable[[str | None], HubApi]:
        """Return a function that returns the hub for a token, or for the one that pulls use."""

        def new_hub(given: str | None) -> HubApi:
            token = hub_token(given)
            self._redactor.add(token)
            return HubApi(token=token, stop=stop, limits=LIMITS)

        return new_hub


if __name__ == "__main__":
    # At a lower level the HTTP client logs every URL.
    harness.run(main, COMMAND_DECODER, log_level=logging.WARNING)
