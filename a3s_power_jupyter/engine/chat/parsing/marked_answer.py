"""Read an answer of which the thoughts and the calls are between markers."""

from __future__ import annotations

from collections.abc import Callable

from ..format import ChatFormat
from .base import CallReader
from .parts import Calls, Output
from .reader import Reader, Step, finished, words

NewCallReader = Callable[[Reader, Calls], CallReader]

#: Calls of which the text is kept while a model thinks.
_MAX_DRAFTS = 16


class MarkedAnswer:
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
        new_call_reader: NewCallReader | None,
    ) -> None:
        self._reader = reader
        self._output = output
        self._calls = calls
        self._new_call_reader = new_call_reader
        self._call_reader = new_call_reader(reader, calls) if new_call_reader else None
        reasoning, content = format_.reasoning, format_.content
        self._thought_start = words(reasoning.start) if reasoning else ()
        self._thought_end = reasoning.end.strip() if reasoning else ""
        self._content_start = content.start.strip() if content else ""
        self._content_end = content.end.strip() if content else ""
        self._call_start = ""  # what comes before calls and before content
        self._has_thought = False
        self._is_constrained = False
        self.is_thinking = False

    def note_prompt(self, prompt_end: str) -> None:
        """Note whether the prompt has the thoughts already, perhaps empty ones."""
        self._has_thought = bool(self._thought_end) and prompt_end.endswith(self._thought_end)

    def note_constraint(self) -> None:
        """Note that the content is constrained, so that no end of thoughts is lost in it."""
        self._is_constrained = True

    def note_recipients(self, start: str) -> None:
        """Note that a text comes before the content as it comes before calls."""
        self._call_start = start.strip()

    def read(self) -> Step[None]:
        """Read to the end of the answer."""
        while self._thought_end and (yield from self._thought()):
            self._has_thought = True
        yield from self._skip_content_start()
        while not self._calls.done:
            if self._calls.count:
                yield from self._skip_cut_marker()
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
        if self._thought_end and not self._has_thought and not self._is_constrained:
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
        calls = yield from self._thoughts_up_to_end()
        self.is_thinking = False
        self._output.end_thought()
        if calls and self._call_reader:
            reader.push(calls)
            yield from self._marked_calls(self._call_reader)
        return True

    def _thoughts_up_to_end(self) -> Step[str]:
        """Read thoughts and the text after them.

        Returns
        -------
        str
            The calls at the end of an answer in which the thoughts were not ended. Some models call
            without ending them; calls that a model only thinks about are followed by other text.
        """
        openings = self._call_reader.openings if self._call_reader else ()
        drafts: list[list[str]] = []  # the texts from each opening to the next

        def emit(text: str) -> None:
            self._output.thought(text)
            if drafts:
                drafts[-1].append(text)

        while True:
            marker = yield from self._reader.until((self._thought_end, *openings), emit)
            if not marker or marker == self._thought_end:
                break
            drafts = [*drafts[-_MAX_DRAFTS:], []]
            emit(self._reader.take(len(marker)))
        self._reader.take(len(marker))
        return "" if marker else self._calls_at_end(["".join(draft) for draft in drafts])

    def _calls_at_end(self, drafts: list[str]) -> str:
        """Return the last of these texts that together are calls and nothing else."""
        found = ""
        for draft in reversed(drafts):
            if not self._is_calls(draft + found):
                break
            found = draft + found
        return found

    def _is_calls(self, text: str) -> bool:
        """Return whether a text is calls and nothing else."""
        if self._new_call_reader is None:
            return False
        reader = Reader()
        reader.push(text)
        reader.end()
        reader.mark()
        calls = self._calls.without_parts(reader)
        found = finished(self._new_call_reader(reader, calls).read())
        finished(reader.skip_space())
        return found and not calls.is_open and not finished(reader.char())

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

    def _skip_cut_marker(self) -> Step[None]:
        """Leave out the start of a marker that is the end of the answer, which was cut off."""
        reader = self._reader
        reader.mark()
        yield from reader.skip_space()
        for marker in self._markers:
            if (yield from reader.starts_with(marker)):
                break
            rest = (yield from reader.peek(len(marker))) if reader.ended else ""
            if rest and marker.startswith(rest):
                reader.take(len(rest))
                reader.release()
                return
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
