"""Calls of functions in answers."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec

from ..display.answer_parts import call_text
from .replies import invalid


class ToolCall(msgspec.Struct, frozen=True):
    """A call that a model asks for.

    Attributes
    ----------
    id : str
        Identifier, which the message with the result repeats.
    name : str
        Name of the function.
    arguments_json : str
        The arguments as the model wrote them. Those of a local model are a JSON object that
        matches the schema of the function, unless the answer was cut off.
    """

    id: str
    name: str
    arguments_json: str

    def __str__(self) -> str:
        return call_text(self.name, self.arguments_json)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name.

        Raises
        ------
        UpstreamError
            If they are not a JSON object, because the answer was cut off or its upstream does not
            check them.
        """
        try:
            arguments = json.loads(self.arguments_json or "{}")
        except (ValueError, RecursionError) as error:
            raise invalid(f"the arguments of {self.name} are not JSON ({error})") from None
        if not isinstance(arguments, dict):
            raise invalid(f"the arguments of {self.name} are not an object")
        return arguments

    @property
    def wire(self) -> dict[str, Any]:
        """The call as a message of the assistant has it."""
        function = {"name": self.name, "arguments": self.arguments_json}
        return {"id": self.id, "type": "function", "function": function}


class WireFunction(msgspec.Struct):
    name: str | None = None
    arguments: Any = None


class WireCall(msgspec.Struct):
    """A call, or a part of one, as OpenAI's API has it.

    Some upstreams leave out the index or the id, or send the arguments as an object.
    """

    index: int | None = None
    id: str | None = None
    function: WireFunction = msgspec.field(default_factory=WireFunction)


def calls_of(wire: list[WireCall] | None) -> tuple[ToolCall, ...]:
    """Convert the calls of a complete answer."""
    collected = CollectedCalls()
    for position, call in enumerate(wire or ()):
        collected.add(position, call)
    return collected.calls


class CollectedCalls:
    """The calls of an answer that arrives in parts."""

    def __init__(self) -> None:
        self._calls: dict[int, _Parts] = {}

    def add_part(self, part: WireCall) -> str:
        """Add a part of a stream and return the added text of its arguments.

        Without an index, a new id or name starts a call.
        """
        last = max(self._calls, default=-1)
        if part.index is not None:
            position = part.index
        elif last < 0 or (part.id or part.function.name):
            position = last + 1
        else:
            position = last
        return self.add(position, part)

    def add(self, position: int, part: WireCall) -> str:
        call = self._calls.setdefault(position, _Parts())
        call.id = part.id or call.id
        call.name = part.function.name or call.name
        call.arguments.append(_text_of(part.function.arguments))
        return call.arguments[-1]

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, in the order of their indices."""
        found = sorted(self._calls.items())
        return tuple(ToolCall(c.id, c.name, "".join(c.arguments)) for _, c in found)


class _Parts:
    def __init__(self) -> None:
        self.id = f"call_{uuid.uuid4().hex[:24]}"  # if the upstream sends none
        self.name = ""
        self.arguments: list[str] = []


def _text_of(arguments: Any) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)
