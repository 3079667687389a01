"""Create the parsers of a model's answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from msgspec.structs import replace

from ...contract.types import ChatRequest, CompletionRequest
from ..template import ChatTemplate
from .answer import Answer
from .format import ChatFormat, Harmony, JsonCalls
from .parsing.parser import AnswerParser
from .prompt_end import PromptEnd


class Answers:
    """What a model's answers have besides content.

    Parameters
    ----------
    template : ChatTemplate or None
        Tells the syntax of the answers. Without it, there are no chats.
    special_texts : callable
        Returns the texts of the special tokens, by their ids, without those that end an answer. It
        is called once, on first use.
    """

    def __init__(
        self, template: ChatTemplate | None, special_texts: Callable[[], Mapping[int, str]]
    ) -> None:
        self._format = format_ = ChatFormat() if template is None else template.format
        self._special_texts = special_texts
        self._without_calls = format_
        if not isinstance(format_.calls, Harmony):
            self._without_calls = replace(format_, calls=JsonCalls())
        self._is_plain = (
            format_.reasoning is None
            and format_.content is None
            and not isinstance(format_.calls, Harmony)
        )

    def new(self, request: ChatRequest | CompletionRequest, end: PromptEnd | None) -> Answer | None:
        """Return the parser for a request; None if all of the answer is content.

        Parameters
        ----------
        end : PromptEnd or None
            The end of the prompt of a chat.
        """
        if isinstance(request, CompletionRequest) or end is None:
            return None
        tools = [] if request.tool_choice.mode == "none" else request.tools
        if not tools and self._is_plain:
            return None
        parser = AnswerParser(
            self._format if tools else self._without_calls,
            tools,
            end.text,
            prefill=end.prefill,
            parallel=request.parallel_tool_calls and request.tool_choice.name is None,
        )
        return Answer(parser, self._pieces if tools else self._pieces_without_calls)

    @cached_property
    def _pieces(self) -> dict[int, bytes]:
        return self._used(self._format)

    @cached_property
    def _pieces_without_calls(self) -> dict[int, bytes]:
        return self._used(self._without_calls)

    def _used(self, format_: ChatFormat) -> dict[int, bytes]:
        texts = self._special_texts()
        return {token: text.encode() for token, text in texts.items() if format_.uses(text)}
