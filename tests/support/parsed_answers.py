"""Parse answers in pieces, and join the parts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from a3s_power_jupyter.engine.chat.format import ChatFormat
from a3s_power_jupyter.engine.chat.parsing.parser import AnswerParser
from a3s_power_jupyter.engine.chat.parsing.parts import Arguments, CallStart, Content, Part, Thought


def tool(name: str, **properties: Any) -> dict[str, Any]:
    """Return a tool with these properties."""
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


#: The tools of the tests.
TOOLS = [
    tool(
        "get_weather",
        city={"type": "string"},
        days={"type": "integer"},
        options={"type": "object"},
        tags={"type": "array"},
        note={"type": ["string", "null"]},
        metric={"type": "boolean"},
        anything={},
    ),
    tool("now"),
]


class Answer(NamedTuple):
    """The joined parts of an answer.

    Attributes
    ----------
    calls : tuple of tuple
        Name and arguments, as JSON text, of each call.
    called : bool
        Whether there are calls, and all are complete.
    """

    thoughts: str
    content: str
    calls: tuple[tuple[str, str], ...]
    called: bool

    @property
    def arguments(self) -> list[Any]:
        """The arguments of the calls."""
        return [json.loads(text) for _, text in self.calls]


def joined(parts: Iterable[Part], *, called: bool) -> Answer:
    """Join the parts of an answer."""
    texts = {Thought: "", Content: ""}
    calls: list[list[str]] = []
    for part in parts:
        if isinstance(part, CallStart):
            assert part.index == len(calls)
            assert part.id
            calls.append([part.name, ""])
        elif isinstance(part, Arguments):
            assert part.index == len(calls) - 1
            calls[-1][1] += part.text
        else:
            texts[type(part)] += part.text
    finished = tuple((name, arguments) for name, arguments in calls)
    return Answer(texts[Thought], texts[Content], finished, called)


def parse(
    format_: ChatFormat,
    pieces: str | list[str],
    tools: list[dict[str, Any]] = TOOLS,
    **options: Any,
) -> Answer:
    """Parse an answer that arrives in these pieces, or at once."""
    parser = AnswerParser(format_, tools, **options)
    parts: list[Part] = []
    for piece in [pieces] if isinstance(pieces, str) else pieces:
        parts += parser.push(piece)
    parts += parser.finish()
    return joined(parts, called=parser.called)


def parse_in_all_splits(
    format_: ChatFormat, text: str, tools: list[dict[str, Any]] = TOOLS, **options: Any
) -> Answer:
    """Parse an answer at once, in two pieces at each place, and character by character.

    The parts, joined, are asserted to be the same each time.
    """
    whole = parse(format_, text, tools, **options)
    assert parse(format_, [*text], tools, **options) == whole
    for at in range(1, len(text)):
        assert parse(format_, [text[:at], text[at:]], tools, **options) == whole, text[:at]
    return whole
