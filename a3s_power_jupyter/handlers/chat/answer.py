"""The parts of one answer, collected for a whole reply."""

from __future__ import annotations

import msgspec

from ...contract.errors import InvalidToolCall
from ...contract.text import quoted
from ...contract.types import Delta, Finished, GenerationItem


class Call:
    """One call of a function so far."""

    def __init__(self, id_: str, name: str) -> None:
        self.id = id_
        self.name = name
        self.fragments: list[str] = []

    @property
    def arguments(self) -> str:
        """The arguments so far: JSON text."""
        return "".join(self.fragments)


class Answer:
    """One answer so far.

    Attributes
    ----------
    texts, thoughts : list of str
        Parts of the text and of the model's thoughts.
    calls : dict
        The calls of functions by their index in the answer.
    finished : Finished or None
        The last item, which has the counts.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.calls: dict[int, Call] = {}
        self.finished: Finished | None = None

    def add(self, item: GenerationItem) -> None:
        """Keep what an item of the engine says."""
        if isinstance(item, Finished):
            self.finished = item
        if not isinstance(item, Delta):
            return
        self.texts.append(item.text)
        self.thoughts.append(item.reasoning)
        for part in item.tool_calls:
            call = self.calls.setdefault(part.index, Call(part.id, part.name))
            call.fragments.append(part.arguments)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        return "".join(self.thoughts)

    @property
    def ordered_calls(self) -> list[Call]:
        """The calls in the order of the answer."""
        return [self.calls[index] for index in sorted(self.calls)]


def is_object(arguments: str) -> bool:
    """Whether the arguments of a call are a JSON object. No text at all means no arguments."""
    try:
        msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def check_object(name: str, arguments: str) -> None:
    """Check the arguments of a call, for a dialect that has them as an object.

    Raises
    ------
    InvalidToolCall
        If they are not a JSON object.
    """
    if not is_object(arguments):
        raise InvalidToolCall(
            f"The model called {quoted(name)} with arguments that are not a JSON object. Send the "
            "request again."
        )
