"""Divide an answer into thoughts, content and calls, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..format import (
    CallSyntax,
    ChatFormat,
    Harmony,
    JsonCalls,
    NamedJson,
    Pythonic,
    TaggedArguments,
)
from .base import CallReader
from .harmony import START, HarmonyReader
from .json_calls import JsonCallReader
from .marked_answer import MarkedAnswer
from .named_json import NamedJsonReader
from .parts import Calls, Output, Part
from .pythonic import PythonicReader
from .reader import Reader
from .tagged import TaggedReader


class AnswerParser:
    """The parser of one answer.

    Text leaves as soon as it is known what it is. How the text is divided into pieces makes no
    difference to the parts, once they are joined. The cost of a piece does not depend on the length
    of the answer so far.

    What looks like a call is content if it is none of an offered tool. A call that is recognized
    stays one: its arguments become valid JSON, unless the answer ends within them.

    Parameters
    ----------
    tools : list of dict
        The tools that the request offers, as in OpenAI's API. Without tools there are no calls.
    prompt_end : str
        The end of the prompt, which may have opened the thoughts.
    prefill : str
        The start of the answer, if it is part of the prompt. It is no part of the result.
    parallel : bool
        Whether the answer may have several calls.
    constrained : bool
        Whether the content is constrained. Then it keeps the text of markers that end thoughts.
    """

    def __init__(
        self,
        format_: ChatFormat,
        tools: Sequence[dict[str, Any]],
        prompt_end: str = "",
        *,
        prefill: str = "",
        parallel: bool = True,
        constrained: bool = False,
    ) -> None:
        syntax = format_.calls
        prompt_end = prompt_end.removesuffix(prefill).rstrip()
        seed = _opened(format_, prompt_end) + prefill
        self._output = Output()
        self._reader = Reader(offset=-len(seed))
        several = parallel and not syntax.one_call
        self._calls = Calls(tools, self._reader, self._output, _id_pattern(syntax), several=several)
        self._state: MarkedAnswer | HarmonyReader
        if isinstance(syntax, Harmony):
            self._state = HarmonyReader(self._reader, self._output, self._calls)
        else:
            new = partial(_call_reader, syntax=syntax) if tools else None
            self._state = MarkedAnswer(self._reader, self._output, self._calls, format_, new)
            self._state.note_prompt(prompt_end)
            if constrained:
                self._state.note_constraint()
            if isinstance(syntax, NamedJson) and syntax.bare_first:
                self._state.note_recipients(syntax.start)
        self._run = self._state.read()
        self._has_ended = False
        self.push(seed)

    def push(self, text: str) -> list[Part]:
        """Add the next piece of the answer, and return what is known now."""
        self._reader.push(text)
        self._resume()
        return self._output.take()

    def finish(self) -> list[Part]:
        """Return what was held back, at the end of the answer."""
        self._reader.end()
        self._resume()
        self._output.finish()
        return self._output.take()

    def _resume(self) -> None:
        if not self._has_ended:
            self._has_ended = next(self._run, self._run) is self._run

    @property
    def is_thinking(self) -> bool:
        """Whether the text is part of thoughts now."""
        return self._state.is_thinking

    @property
    def is_calling(self) -> bool:
        """Whether the text is part of calls now. It may turn out that it is not."""
        return self._calls.is_calling

    @property
    def section(self) -> int:
        """How often calls have begun. Several calls may follow each other in one section."""
        return self._calls.section

    @property
    def begun(self) -> str:
        """The text from the start of the current calls up to the piece with which they began."""
        return self._calls.begun

    @property
    def called(self) -> bool:
        """Whether there are calls, and all of them are complete."""
        return bool(self._calls.count) and not self._calls.is_open

    @property
    def done(self) -> bool:
        """Whether the answer should end, because it has the only call that it may have."""
        return self._calls.done


def _opened(format_: ChatFormat, prompt_end: str) -> str:
    """Return the text at the end of a prompt that belongs to the answer."""
    if isinstance(format_.calls, Harmony):
        _, role, rest = prompt_end.rpartition(f"{START}assistant")
        return rest if role else ""
    starts = []
    if format_.reasoning:
        starts.append(format_.reasoning.start.strip())
    if isinstance(format_.calls, NamedJson) and format_.calls.bare_first:
        starts.append(format_.calls.start.strip())
    return next((start for start in starts if start and prompt_end.endswith(start)), "")


def _id_pattern(syntax: CallSyntax) -> str:
    if isinstance(syntax, NamedJson) or (isinstance(syntax, JsonCalls) and syntax.id_key):
        return syntax.id_pattern
    return ""


def _call_reader(
    reader: Reader, calls: Calls, syntax: JsonCalls | NamedJson | TaggedArguments | Pythonic
) -> CallReader:
    if isinstance(syntax, JsonCalls):
        return JsonCallReader(reader, calls, syntax)
    if isinstance(syntax, NamedJson):
        return NamedJsonReader(reader, calls, syntax)
    if isinstance(syntax, TaggedArguments):
        return TaggedReader(reader, calls, syntax)
    return PythonicReader(reader, calls, syntax)
