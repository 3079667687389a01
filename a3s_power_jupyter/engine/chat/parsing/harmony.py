"""Read the channels of gpt-oss: thoughts, content and calls.

The format is documented at https://cookbook.openai.com/articles/openai-harmony.
"""

from __future__ import annotations

import re

from .parts import Calls, Output
from .reader import Reader, Step
from .values import copy_value

START, CHANNEL, MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
_ENDS = ("<|end|>", "<|call|>", "<|return|>")

#: Most characters of a header.
_MAX_HEADER = 512

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")


class HarmonyReader:
    """Reads a whole answer.

    Attributes
    ----------
    is_thinking : bool
        Whether the text is part of thoughts now.
    """

    def __init__(self, reader: Reader, output: Output, calls: Calls) -> None:
        self._reader = reader
        self._output = output
        self._calls = calls
        self.is_thinking = False

    def read(self) -> Step[None]:
        """Read messages up to the end of the answer. The prompt has the role of the first one."""
        while (yield from self._reader.char()):
            if not (yield from self._message()):
                yield from self._unknown()
            if self._calls.done:
                return
            for end in _ENDS:
                if (yield from self._reader.starts_with(end)):
                    self._reader.take(len(end))

    def _message(self) -> Step[bool]:
        """Read a message; return False if there is none that this parser knows."""
        self._reader.mark()
        header = yield from self._header()
        if header is None:
            self._reader.rewind()
            return False
        recipient = _RECIPIENT.search(header)
        if recipient and recipient[1] != "assistant":
            name = self._calls.offered(recipient[1])
            if name is None or not (yield from self._call(name)):
                self._reader.rewind()
                return False
            return True
        self._reader.release()
        if "analysis" in _CHANNEL.findall(header):
            yield from self._thought()
        else:
            self._output.break_content()
            yield from self._reader.until((*_ENDS, START, CHANNEL), self._content)
        return True

    def _header(self) -> Step[str | None]:
        """Read the header of a message; None if there is none."""
        reader, pieces = self._reader, list[str]()
        yield from reader.skip_space()
        for start in (START, CHANNEL, "to="):
            if (yield from reader.starts_with(start)):
                break
        else:
            return None
        marker = yield from reader.until((MESSAGE, *_ENDS), pieces.append, _MAX_HEADER)
        if marker != MESSAGE:
            return None
        reader.take(len(MESSAGE))
        return "".join(pieces)

    def _thought(self) -> Step[None]:
        self.is_thinking = True
        yield from self._reader.until((*_ENDS, START, CHANNEL), self._output.thought)
        self.is_thinking = False
        self._output.end_thought()

    def _call(self, name: str) -> Step[bool]:
        reader = self._reader
        yield from reader.skip_space()
        if (yield from reader.char()) != "{":
            return False
        self._calls.begin(name)
        if (yield from copy_value(reader, self._calls.arguments)):
            self._calls.end()
            self._calls.end_section()
            yield from reader.skip_space()
        return True

    def _unknown(self) -> Step[None]:
        """Read text that is no message, or a message to a tool that is not offered, as content."""
        reader, markers = self._reader, [START, CHANNEL, *_ENDS]
        for marker in (START, CHANNEL):
            if (yield from reader.starts_with(marker)):
                self._content(reader.take(len(marker)))
                markers = [START, *_ENDS]
        yield from reader.until(markers, self._content)

    def _content(self, text: str) -> None:
        self._output.content(text, self._reader.offset - len(text))
