"""Create the parsers and the constraints of a model's answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from ...contract.errors import InvalidParameter, UnsupportedRequestFields
from ...contract.types import ChatRequest, CompletionRequest
from ..constraints.compiler import ConstraintCompiler
from ..constraints.grammar import grammar_of
from ..constraints.matcher import Matcher
from ..template import ChatTemplate
from .answer import Answer
from .call_constraint import CallConstraint
from .call_grammar import after_thoughts, begun_call, forced_calls
from .format import ChatFormat, Harmony, JsonCalls
from .grammars.lark import SpecialTokens
from .parsing.parser import AnswerParser
from .prompt_end import PromptEnd

#: Lists of tools of which the grammars are kept, because agents send the same ones at each turn.
_KEPT_GRAMMARS = 16


class Answers:
    """What a model's answers have besides content.

    Parameters
    ----------
    template : ChatTemplate or None
        Tells the syntax of the answers. Without it, there are no chats.
    special_texts : callable
        Returns the texts of the special tokens that do not end an answer, by their ids. It is
        called once, on first use.
    constraints : ConstraintCompiler
        Compiles grammars for the model's vocabulary.
    """

    def __init__(
        self,
        template: ChatTemplate | None,
        special_texts: Callable[[], Mapping[int, str]],
        constraints: ConstraintCompiler,
    ) -> None:
        self._format = format_ = ChatFormat() if template is None else template.format
        self._read_texts = special_texts
        self._constraints = constraints
        self._begun_calls = lru_cache(_KEPT_GRAMMARS)(self._new_grammar)
        self._without_calls = format_
        if not isinstance(format_.calls, Harmony):
            self._without_calls = replace(format_, calls=JsonCalls())
        self._is_plain = (
            format_.reasoning is None
            and format_.content is None
            and not isinstance(format_.calls, Harmony)
        )

    def new(
        self,
        request: ChatRequest | CompletionRequest,
        end: PromptEnd | None,
        constrain: Callable[[Matcher], None],
    ) -> Answer | None:
        """Return the parser for a request; None if all of the answer is content.

        Parameters
        ----------
        end : PromptEnd or None
            The end of the prompt of a chat.
        constrain : callable
            Constrains the tokens of the answer from the next one on.

        Raises
        ------
        InvalidParameter
            If a tool is strict, and its schema cannot be kept.
        """
        if isinstance(request, CompletionRequest) or end is None:
            return None
        tools = _offered(request)
        if not tools and self._is_plain:
            return None
        calls = None
        if tools and request.tool_choice.mode == "auto" and request.sampling.constraint is UNSET:
            calls = self._call_constraint(request, constrain)
        pieces = self._pieces if tools else self._pieces_without_calls
        return Answer(self._parser(request, end), pieces, calls, only_calls=_has_to_call(request))

    def matcher(
        self, request: ChatRequest | CompletionRequest, end: PromptEnd | None
    ) -> Matcher | None:
        """Return the constraint of an answer from its first token on, if there is one.

        Raises
        ------
        InvalidParameter
            If the constraint, or the schema of a tool that has to be called, cannot be kept.
        UnsupportedRequestFields
            If the model's tokenizer cannot be constrained.
        """
        constraint = request.sampling.constraint
        if isinstance(request, CompletionRequest) or end is None:
            return None if constraint is UNSET else self._constraints.compile(constraint)
        if _has_to_call(request):
            return self._constraints.matcher(self._forced(request, end), "tools")
        if constraint is UNSET:
            return None
        grammar = after_thoughts(
            self._format,
            grammar_of(constraint),
            prompt_end=self._grammar_start(request, end),
            special=self._special,
        )
        if _offered(request):
            grammar = _either(self._forced(request, end), grammar)
        return self._constraints.matcher(grammar, constraint.field)

    def _parser(self, request: ChatRequest, end: PromptEnd) -> AnswerParser:
        tools = _offered(request)
        return AnswerParser(
            self._format if tools else self._without_calls,
            tools,
            end.text,
            prefill=end.prefill,
            parallel=request.parallel_tool_calls and request.tool_choice.name is None,
            constrained=request.sampling.constraint is not UNSET,
        )

    # ------------------------------------------------------------ grammars

    def _forced(self, request: ChatRequest, end: PromptEnd) -> str:
        return forced_calls(
            self._format,
            request.tools,
            request.tool_choice,
            request.parallel_tool_calls,
            prompt_end=self._grammar_start(request, end),
            special=self._special,
        )

    def _grammar_start(self, request: ChatRequest, end: PromptEnd) -> str:
        """Return an end of the prompt from which a grammar of the answer can begin."""
        reasoning = self._format.reasoning
        if not end.prefill or reasoning is None:
            return end.text
        return reasoning.start if self._parser(request, end).is_thinking else reasoning.end

    def _call_constraint(
        self, request: ChatRequest, constrain: Callable[[Matcher], None]
    ) -> CallConstraint | None:
        """Return the constraint of calls that a model may make.

        If the schema of a tool cannot be kept, the arguments of all calls are any objects, because
        the client did not ask for more, unless the tool is strict.
        """
        tools, parallel = request.tools, request.parallel_tool_calls
        try:
            return CallConstraint(self._calls_matcher(tools, parallel), constrain)
        except UnsupportedRequestFields:
            return None  # the tokenizer cannot be constrained
        except InvalidParameter:
            if any(tool["function"].get("strict") for tool in tools):
                raise
        plain = [_with_any_arguments(tool) for tool in tools]
        return CallConstraint(self._calls_matcher(plain, parallel), constrain)

    def _calls_matcher(self, tools: list[dict[str, Any]], parallel: bool) -> Matcher:
        return self._constraints.matcher(self._begun_calls(json.dumps(tools), parallel), "tools")

    def _new_grammar(self, tools: str, parallel: bool) -> str:
        return begun_call(self._format, json.loads(tools), parallel, special=self._special)

    # ------------------------------------------------------------ special tokens

    @cached_property
    def _texts(self) -> Mapping[int, str]:
        return self._read_texts()

    @cached_property
    def _special(self) -> SpecialTokens:
        return SpecialTokens.used(self._format, self._constraints.tokenizer("tools"))

    @cached_property
    def _pieces(self) -> dict[int, bytes]:
        return self._used(self._format)

    @cached_property
    def _pieces_without_calls(self) -> dict[int, bytes]:
        return self._used(self._without_calls)

    def _used(self, format_: ChatFormat) -> dict[int, bytes]:
        texts = self._texts
        return {token: text.encode() for token, text in texts.items() if format_.uses(text)}


def _offered(request: ChatRequest) -> list[dict[str, Any]]:
    return [] if request.tool_choice.mode == "none" else request.tools


def _has_to_call(request: ChatRequest) -> bool:
    return bool(_offered(request)) and request.tool_choice.mode == "required"


def _with_any_arguments(tool: dict[str, Any]) -> dict[str, Any]:
    return {**tool, "function": {**tool["function"], "parameters": {"type": "object"}}}


def _either(first: str, second: str) -> str:
    """Return a grammar of what either of two grammars allows."""
    grammars: list[dict[str, Any]] = [{"lark_grammar": "start: @first | @second"}]
    for name, grammar in (("first", first), ("second", second)):
        parts = json.loads(grammar)["grammars"] if grammar.startswith("{") else None
        parts = parts or [{"lark_grammar": grammar}]
        grammars += [{**parts[0], "name": name}, *parts[1:]]
    return json.dumps({"grammars": grammars})
