"""Divide an answer into thoughts, content and calls, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
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
from .named_json import NamedJsonReader
from .parts import Calls, Output, Part
from .pythonic import PythonicReader
from .reader import Reader, Step, words
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
    """

    def __init__(
        self,
        format_: ChatFormat,
        tools: Sequence[dict[str, Any]],
        prompt_end: str = "",
        *,
        prefill: str = "",
        parallel: bool = True,
    ) -> None:
        syntax = format_.calls
        prompt_end = prompt_end.removesuffix(prefill).rstrip()
        seed = _opened(format_, prompt_end) + prefill
        self._output = Output()
        self._reader = Reader(offset=-len(seed))
        several = parallel and not syntax.one_call
        self._calls = Calls(tools, self._reader, self._output, _id_pattern(syntax), several=several)
        self._state: _Answer | HarmonyReader
        if isinstance(syntax, Harmony):
            self._state = HarmonyReader(self._reader, self._output, self._calls)
        else:
            call_reader = _call_reader(self._reader, self._calls, syntax) if tools else None
            self._state = _Answer(self._reader, self._output, self._calls, format_, call_reader)
            self._state.note_prompt(prompt_end)
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


class _Answer:
    """Reads an answer of which the thoughts and the calls are between markers.

    Attributes
    ----------
    is_thinking : bool
        Whether the text is part of thoughts now.
    """

    def __init__(
        self,
        reader: Reader,
        output: Output,
        calls: Calls,
        format_: ChatFormat,
        call_reader: CallReader | None,
    ) -> None:
        self._reader = reader
        self._output = output
        self._calls = calls
        self._call_reader = call_reader
        reasoning, content = format_.reasoning, format_.content
        self._thought_start = words(reasoning.start) if reasoning else ()
        self._thought_end = reasoning.end.strip() if reasoning else ""
        self._content_start = content.start.strip() if content else ""
        self._content_end = content.end.strip() if content else ""
        self._call_start = ""  # what comes before calls and before content
        self._has_thought = False
        self.is_thinking = False

    def note_prompt(self, prompt_end: str) -> None:
        """Note whether the prompt has the thoughts already, perhaps empty ones."""
        self._has_thought = bool(self._thought_end) and prompt_end.endswith(self._thought_end)

    def note_recipients(self, start: str) -> None:
        """Note that a text comes before the content as it comes before calls."""
        self._call_start = start.strip()

    def read(self) -> Step[None]:
        """Read to the end of the answer."""
        while self._thought_end and (yield from self._thought()):
            self._has_thought = True
        yield from self._skip_content_start()
        while not self._calls.done:
            yield from self._bare_calls()
            if self._calls.done:
                return
            marker = yield from self._reader.until(self._markers, self._content)
            if not marker:
                return
            if self._call_reader and marker in self._call_reader.openings:
                if not (yield from self._marked_calls(self._call_reader)):
                    self._content(self._reader.take(len(marker)))
                continue
            self._reader.take(len(marker))
            if marker == self._thought_end:
                self._has_thought = True
                self._output.end_thought()

    @property
    def _markers(self) -> tuple[str, ...]:
        """The texts within content that are not part of it."""
        markers = dict.fromkeys((self._content_end,) if self._content_end else ())
        if self._call_start:
            markers[self._call_start + self._content_start] = None
        if self._thought_end and not self._has_thought:
            markers[self._thought_end] = None
        if self._call_reader:
            markers |= dict.fromkeys(self._call_reader.openings)
            if self._calls.count:
                markers |= dict.fromkeys(self._call_reader.closings)
        return tuple(markers)

    def _content(self, text: str) -> None:
        self._output.content(text, self._reader.offset - len(text))

    def _thought(self) -> Step[bool]:
        """Read thoughts and the text after them, if there are any here."""
        reader = self._reader
        if self._thought_start:
            if not (yield from self._skip_start()):
                return False
            self.is_thinking = True
            yield from self._skip_start()  # a model may repeat what the prompt has
        elif self._has_thought:
            return False
        self.is_thinking = True
        marker = yield from reader.until((self._thought_end,), self._output.thought)
        reader.take(len(marker))
        if marker:
            self.is_thinking = False
            self._output.end_thought()
        return True

    def _skip_content_start(self) -> Step[None]:
        """Leave out the text before content, which may be an ordinary word, and all before it."""
        reader, start = self._reader, self._call_start + self._content_start
        reader.mark()
        yield from reader.skip_space()
        if start and (yield from reader.starts_with(start)):
            reader.take(len(start))
            reader.release()
            self._output.separate()
        else:
            reader.rewind()

    def _skip_start(self) -> Step[bool]:
        self._reader.mark()
        yield from self._reader.skip_space()
        found = (yield from self._reader.match(self._thought_start)) == len(self._thought_start)
        if not found:
            self._reader.rewind()
        self._reader.release()
        return found

    def _bare_calls(self) -> Step[None]:
        """Read calls that begin here without an opening, if there are any."""
        if self._call_reader is None or not self._call_reader.starts:
            return
        reader = self._reader
        reader.mark()
        yield from reader.skip_space()
        char = yield from reader.char()
        if (
            not char
            or char not in self._call_reader.starts
            or not (yield from self._call_reader.read())
        ):
            reader.rewind()
        self._calls.end_section()

    def _marked_calls(self, call_reader: CallReader) -> Step[bool]:
        self._reader.mark()
        self._calls.begin_section()
        found = yield from call_reader.read()
        if not found:
            self._reader.rewind()
        self._calls.end_section()
        return found


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
