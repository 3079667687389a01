"""The text of a chat's answer as the items of a reply."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...contract.types import Delta, TokenLogprob, ToolCallDelta
from .call_constraint import CallConstraint
from .parsing.parser import AnswerParser
from .parsing.parts import Arguments, CallStart, Content, Part, Thought


class _Token(NamedTuple):
    """A token, and the characters of the text that came with it."""

    start: int
    end: int
    logprob: TokenLogprob


class Answer:
    """The answer to one request, which may have thoughts and calls.

    Parameters
    ----------
    pieces : mapping
        The text of special tokens that are part of the syntax of answers. They have no text in an
        answer otherwise.
    calls : CallConstraint, optional
        Constrains calls from the moment when one begins.
    only_calls : bool
        Whether the answer has to call, so that it has no content. What may look like content is
        the start of a call that was cut off.

    Attributes
    ----------
    reasoning_tokens : int
        Number of tokens that are thoughts so far, including their markers.
    """

    def __init__(
        self,
        parser: AnswerParser,
        pieces: Mapping[int, bytes],
        calls: CallConstraint | None = None,
        *,
        only_calls: bool = False,
    ) -> None:
        self._parser = parser
        self._pieces = pieces
        self._calls = calls
        self._only_calls = only_calls
        self._section = 0
        self._begin_calls(b"")  # the prompt may have begun a call
        self._tokens: deque[_Token] = deque()  # that may turn out to be content
        self._length = 0
        self.reasoning_tokens = 0

    def piece(self, token: int, piece: bytes) -> bytes:
        """Return what a token contributes to the text that is parsed."""
        return self._pieces.get(token, piece)

    def add_token(self, length: int, logprob: TokenLogprob | None) -> None:
        """Note a token, with which the text has this length."""
        if logprob is not None:
            self._tokens.append(_Token(self._length, length, logprob))
        self._length = length

    def push(self, text: str, held: bytes) -> Delta | None:
        """Add the text that came with a token, which may be empty, and return what is known now.

        Parameters
        ----------
        held : bytes
            Generated text after this one that is held back.
        """
        was_thinking = self._parser.is_thinking
        delta = self._delta(self._parser.push(text))
        if was_thinking or self._parser.is_thinking:
            self.reasoning_tokens += 1
            self._tokens.clear()
        self._begin_calls(held)
        return delta

    def _begin_calls(self, held: bytes) -> None:
        """Constrain the calls that have begun since the last token."""
        if self._parser.section != self._section:
            self._section = self._parser.section
            if self._calls is not None and self._parser.is_calling:
                self._calls.begin(self._parser.begun.encode() + held)

    def finish(self, text: str) -> Delta | None:
        """Add the last text and return the rest of the answer."""
        return self._delta([*self._parser.push(text), *self._parser.finish()])

    @property
    def done(self) -> bool:
        """Whether the answer has the only call that it may have."""
        return self._parser.done

    @property
    def called(self) -> bool:
        """Whether there are calls, and all of them are complete."""
        return self._parser.called

    def _delta(self, parts: Sequence[Part]) -> Delta | None:
        if self._only_calls:
            parts = [part for part in parts if not isinstance(part, Content)]
        if not parts:
            return None
        contents = [part for part in parts if isinstance(part, Content)]
        logprobs = [logprob for part in contents for logprob in self._logprobs(part)]
        return Delta(
            "".join(part.text for part in contents),
            logprobs or None,
            reasoning="".join(part.text for part in parts if isinstance(part, Thought)),
            tool_calls=_calls(parts),
        )

    def _logprobs(self, part: Content) -> list[TokenLogprob]:
        """Return the log-probabilities of the tokens of a part, and drop those before it."""
        tokens, found = self._tokens, []
        if part.at is None:
            return []
        while tokens and tokens[0].start < part.at + len(part.text):
            token = tokens.popleft()
            if token.end > part.at or token.start >= part.at:
                found.append(token.logprob)
        return found


def _calls(parts: Sequence[Part]) -> list[ToolCallDelta]:
    """Return the parts of calls, those of one call joined."""
    joined: dict[int, ToolCallDelta] = {}
    for part in parts:
        if isinstance(part, CallStart):
            joined[part.index] = ToolCallDelta(part.index, part.id, part.name)
        elif isinstance(part, Arguments):
            call = joined.get(part.index, ToolCallDelta(part.index))
            arguments = call.arguments + part.text
            joined[part.index] = ToolCallDelta(part.index, call.id, call.name, arguments)
    return [*joined.values()]
