"""Recognize in an answer that the upstream has ignored a part of the request.

Servers may ignore fields that they do not know, so that a request for JSON gets prose.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from ..contract.errors import UpstreamError
from ..contract.text import quoted
from ..contract.types import (
    ChatRequest,
    CompletionRequest,
    Delta,
    Finished,
    GenerationItem,
    ToolChoice,
)


class AnswerCheck:
    """The check of one answer.

    Whether JSON matches the schema is not checked. An answer that the limit of tokens has ended may
    be incomplete.
    """

    def __init__(self, request: ChatRequest | CompletionRequest) -> None:
        self._is_json = request.sampling.constraint is not UNSET
        self._has_logprobs = request.sampling.logprobs is UNSET
        self._choice = ToolChoice()
        if isinstance(request, ChatRequest) and request.tools:
            self._choice = request.tool_choice
        self._has_text = False
        self._texts: list[str] = []
        self._called: set[str] = set()

    def read(self, item: GenerationItem) -> None:
        """Read the next item of the answer.

        Raises
        ------
        UpstreamError
            If it is the last one, and a part of the request was ignored.
        """
        if isinstance(item, Delta):
            self._has_text = self._has_text or bool(item.text)
            self._has_logprobs = self._has_logprobs or bool(item.logprobs)
            if self._is_json:
                self._texts.append(item.text)
            self._called |= {call.name for call in item.tool_calls if call.name}
        elif isinstance(item, Finished):
            self._end(item.finish_reason != "length")

    def _end(self, is_complete: bool) -> None:
        if not self._has_logprobs and self._has_text:
            raise _ignored("has no log probabilities", "logprobs")
        if not is_complete:
            return
        if self._choice.mode == "required" and not self._calls_as_demanded():
            name = self._choice.name
            what = "a function" if name is None else quoted(name)
            raise _ignored(f"does not call {what}", "tool_choice")
        if self._is_json and not self._called and not _is_json("".join(self._texts)):
            raise _ignored("is not JSON", "the schema")

    def _calls_as_demanded(self) -> bool:
        if self._choice.name is None:
            return bool(self._called)
        return self._called == {self._choice.name}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False
    except RecursionError:  # deeper than this process reads
        return True
    return True


def _ignored(what: str, part: str) -> UpstreamError:
    return UpstreamError(
        f"The upstream's answer {what}: the upstream has ignored {part} of the request. It may not "
        "support this for its model."
    )
