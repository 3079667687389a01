"""The parts of an answer, and the calls in it."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .reader import Reader

#: Models also write the names of tools with the namespace of some prompts.
_PREFIX = "functions."

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Content:
    """Text of the answer itself.

    Attributes
    ----------
    at : int or None
        Position in the generated text, in characters; None if it was not generated.
    """

    text: str
    at: int | None


@dataclass(frozen=True)
class Thought:
    """Text of the thoughts that precede an answer."""

    text: str


@dataclass(frozen=True)
class CallStart:
    """The start of a call."""

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class Arguments:
    """A fragment of the arguments of a call, as JSON text."""

    index: int
    text: str


Part = Content | Thought | CallStart | Arguments


class Output:
    """Collects the parts of an answer.

    White space around thoughts and calls is left out, unless a call has content on both sides. What
    may be such white space is held back.
    """

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._has_content = False
        self._space: list[Content] = []  # after the last content
        self._strips_content = False  # before the next content
        self._keeps_space = True  # at the end of the answer
        self._thought_space: list[Part] = []
        self._strips_thought = True

    def take(self) -> list[Part]:
        """Return the parts since the last time."""
        parts, self._parts = self._parts, []
        return parts

    def add(self, part: Part) -> None:
        self._parts.append(part)

    def content(self, text: str, at: int) -> None:
        """Add text of the answer, which begins at a position of the generated text."""
        if at < 0:  # the prompt has it
            text, at = text[-at:], 0
        if self._strips_content:
            at += len(text) - len(text.lstrip())
            text = text.lstrip()
        body = text.rstrip()
        if body:
            self._parts += [*self._space, Content(body, at)]
            self._space = []
            self._has_content = self._keeps_space = True
            self._strips_content = False
        if len(body) < len(text):
            self._space.append(Content(text[len(body) :], at + len(body)))

    def break_content(self) -> None:
        """Begin a new paragraph, if there is content before."""
        if self._has_content:
            self._space = [Content("\n\n", None)]
            self._strips_content = True

    def thought(self, text: str) -> None:
        """Add text of the thoughts."""
        if self._strips_thought:
            text = text.lstrip()
        body = text.rstrip()
        if body:
            self._parts += [*self._thought_space, Thought(body)]
            self._thought_space = []
            self._strips_thought = False
        if len(body) < len(text):
            self._thought_space.append(Thought(text[len(body) :]))

    def end_thought(self) -> None:
        """Leave out the white space at the end of thoughts and after them."""
        if not self._strips_thought:
            self._thought_space = [Thought("\n\n")]  # before further thoughts
        self._strips_thought = True
        self.separate()

    def separate(self) -> None:
        """Begin something else than content."""
        if not self._has_content:
            self._space = []
        self._strips_content = bool(self._space) or not self._has_content
        self._keeps_space = False

    def finish(self) -> None:
        """Add the white space at the end of an answer, if it is after content."""
        if self._keeps_space:
            self._parts += self._space
            self._space = []


class Calls:
    """The calls of an answer.

    Parameters
    ----------
    tools : list of dict
        The tools that the request offers, as in OpenAI's API.
    id_pattern : str
        Regular expression of the ids that the model's template accepts; empty if it has none.
    several : bool
        Whether the answer may have more than one call.

    Attributes
    ----------
    count : int
        Number of calls that have begun.
    is_open : bool
        Whether the last call has begun and is not complete.
    is_calling : bool
        Whether the text is part of calls now, or may be.
    section : int
        Number of times that calls have begun, of which each may be several.
    begun : str
        The text from the start of the current calls up to the piece with which they began.
    """

    def __init__(
        self,
        tools: Sequence[dict[str, Any]],
        reader: Reader,
        output: Output,
        id_pattern: str,
        *,
        several: bool,
    ) -> None:
        functions = [tool["function"] for tool in tools]
        self._schemas = {one["name"]: one.get("parameters", {}) for one in functions}
        self._reader = reader
        self._output = output
        self._id_pattern = re.compile(id_pattern or ".*")
        self._several = several
        self.longest_name = max(map(len, self._schemas), default=0) + len(_PREFIX)
        self.count = 0
        self.is_open = False
        self.is_calling = False
        self.section = 0
        self.begun = ""

    def without_parts(self, reader: Reader) -> Calls:
        """Return the calls of the same tools in another text, which become no parts."""
        calls = Calls((), reader, Output(), "", several=self._several)
        calls._schemas, calls.longest_name = self._schemas, self.longest_name
        return calls

    @property
    def done(self) -> bool:
        """Whether no further call may follow."""
        return bool(self.count) and not self.is_open and not self._several

    def offered(self, name: str) -> str | None:
        """Return the name of the offered tool that the model means; None if there is none."""
        name = name.strip()
        for candidate in (name, name.removeprefix(_PREFIX)):
            if candidate in self._schemas:
                return candidate
        return None

    def schema(self, name: str) -> Any:
        """Return the JSON schema of a tool's arguments."""
        return self._schemas[name]

    def begin_section(self) -> None:
        """Note that calls begin at the reader's mark."""
        if not self.is_calling:
            self.is_calling = True
            self.section += 1
            self.begun = self._reader.since_mark.lstrip()

    def end_section(self) -> None:
        """Note that calls have ended, unless the last one is not complete."""
        self.is_calling = self.is_open

    def begin(self, name: str, id_: str = "") -> None:
        """Begin a call of an offered tool: from now on, the text is one.

        An id of digits is an index, which other answers of the conversation use too, and is
        replaced.
        """
        self.begin_section()
        self._reader.release()
        id_ = id_.strip()
        if not id_ or id_.isdigit():
            id_ = self._new_id()
        self._output.add(CallStart(self.count, id_, name))
        self._output.separate()
        self.count += 1
        self.is_open = True

    def arguments(self, text: str) -> None:
        """Add JSON text to the arguments of the last call."""
        self._output.add(Arguments(self.count - 1, text))

    def end(self) -> None:
        """End the last call, now that its arguments are complete."""
        self.is_open = False

    def _new_id(self) -> str:
        ids = (
            f"call_{secrets.token_hex(12)}",
            "".join(secrets.choice(_ALPHABET) for _ in range(9)),
        )
        return next((id_ for id_ in ids if self._id_pattern.fullmatch(id_)), ids[0])
