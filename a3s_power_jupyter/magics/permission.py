"""Ask the user whether a model may call a tool of the notebook."""

from __future__ import annotations

from typing import Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell

from ..display.answer_parts import Question
from .live_text import LiveText

#: Most characters of a call that a person is asked about.
MAX_QUESTION = 20_000

_YES = ("y", "yes")
_ALWAYS = ("a", "always")
_NO = ("", "n", "no")

_PROMPT = "Allow this call? [y]es, [a]lways {name} in this cell, [n]o, or write why not: "

_CANNOT_ASK = (
    "this front end cannot ask whether a call is allowed. Use --allow read for calls that only "
    "read, or --allow all"
)


class Refused(Exception):
    """A call that the user did not allow, with a text for the model."""


class Permission:
    """Decides about the calls of one cell.

    Parameters
    ----------
    text : LiveText
        Where the question is shown.
    allowed : {None, "read", "all"}
        Which calls are made without a question.
    """

    def __init__(self, text: LiveText, allowed: str | None) -> None:
        self._text = text
        self._allowed = allowed
        self._always: set[str] = set()

    def check_front_end(self, shell: InteractiveShell) -> None:
        """Check that the user can be asked, unless some calls need no question.

        Raises
        ------
        UsageError
            If no call could be made, as in nbconvert and papermill.
        """
        if self._allowed is None and not _can_ask(shell):
            raise UsageError(f"--tools notebook: {_CANNOT_ASK}.")

    def check(self, name: str, question: Question, *, reads: bool) -> None:
        """Return if the tool `name` may be called.

        Parameters
        ----------
        reads : bool
            Whether the call changes nothing and runs nothing.

        Raises
        ------
        Refused
            If it may not.
        """
        if self._allowed == "all" or (self._allowed == "read" and reads) or name in self._always:
            return
        if len(question.text) > MAX_QUESTION:
            raise Refused(
                f"More than {MAX_QUESTION:,} characters cannot be checked by the user. "
                "Divide the call."
            )
        try:
            answer = self._text.ask(question, _PROMPT.format(name=name)).strip()
        except (StdinNotImplementedError, EOFError):
            raise Refused(f"The call is not allowed: {_CANNOT_ASK}.") from None
        if answer.lower() in _ALWAYS:
            self._always.add(name)
        elif answer.lower() in _NO:
            raise Refused("The user did not allow this call.")
        elif answer.lower() not in _YES:
            raise Refused(f"The user did not allow this call: {answer}")


def _can_ask(shell: InteractiveShell) -> bool:
    """Return what the request of the cell says; a terminal has none, and can ask."""
    get_parent = getattr(shell, "get_parent", None)
    request: Any = get_parent() if get_parent is not None else {}
    return request.get("content", {}).get("allow_stdin", True) is not False
