"""Grammars for llguidance that constrain answers to calls of tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llguidance import LLMatcher

from ...contract.types import ToolChoice
from .format import ChatFormat, Harmony
from .grammars.lark import Lark, SpecialTokens, sequence
from .grammars.schemas import Parameters
from .grammars.syntaxes import calls_of

_NO_TOKENS = SpecialTokens()


def forced_calls(
    format_: ChatFormat,
    tools: Sequence[dict[str, Any]],
    choice: ToolChoice,
    parallel: bool,
    *,
    prompt_end: str = "",
    special: SpecialTokens = _NO_TOKENS,
) -> str:
    """Return the grammar of an answer that has to call tools.

    A model that thinks may do so before. A named function is called once.

    Parameters
    ----------
    tools : sequence of dict
        The tools of the request, as in OpenAI's API.
    parallel : bool
        Whether the answer may have several calls.
    prompt_end : str
        The end of the prompt, which may have opened or closed the thoughts.
    special : SpecialTokens
        The special tokens of the vocabulary.

    Raises
    ------
    InvalidParameter
        If the schema of a tool cannot be kept in this syntax. The message names the tool and the
        keyword.
    """
    lark = Lark(special)
    parameters = [Parameters(tool, index) for index, tool in enumerate(tools)
                  if choice.name in (None, tool["function"]["name"])]  # fmt: skip
    several = parallel and choice.name is None
    calls = calls_of(lark, format_.calls, parameters, several)
    return _grammar(lark, sequence([_thoughts(lark, format_, prompt_end), calls]))


def begun_call(
    format_: ChatFormat,
    tools: Sequence[dict[str, Any]],
    parallel: bool,
    *,
    special: SpecialTokens = _NO_TOKENS,
) -> str:
    """Return the grammar of the rest of an answer, from the first character of its calls.

    White space may differ from that of the template, because the model may have written some of the
    text before the grammar is used. The parameters are as in `forced_calls`.

    Raises
    ------
    InvalidParameter
        If the schema of a tool cannot be kept in this syntax.
    """
    lark = Lark(special, flexible=True)
    parameters = [Parameters(tool, index) for index, tool in enumerate(tools)]
    return _grammar(lark, calls_of(lark, format_.calls, parameters, parallel))


def after_thoughts(
    format_: ChatFormat,
    grammar: str,
    *,
    prompt_end: str = "",
    special: SpecialTokens = _NO_TOKENS,
) -> str:
    """Return the grammar of an answer with a constrained content, before which a model may think.

    Parameters
    ----------
    grammar : str
        The grammar of the content, as `constraints.grammar_of` returns it.
    prompt_end, special
        As in `forced_calls`.
    """
    lark = Lark(special)
    before, after = _thoughts(lark, format_, prompt_end), ""
    if isinstance(format_.calls, Harmony):
        before = sequence([before, lark.text("<|channel|>final<|message|>")])
    elif format_.content is not None:
        before = sequence([before, lark.text(format_.content.start)])
        after = lark.text(format_.content.end)
    if not before:
        return grammar
    outer = {"lark_grammar": lark.source(sequence([before, "@content", after]))}
    contents = [{"lark_grammar": grammar}]
    if grammar.startswith("{"):  # several grammars, in JSON
        contents = json.loads(grammar)["grammars"]
    contents[0]["name"] = "content"
    return json.dumps({"grammars": [outer, *contents]})


def _thoughts(lark: Lark, format_: ChatFormat, prompt_end: str) -> str:
    """Return the expression of the thoughts at the start of an answer, if there may be any."""
    if isinstance(format_.calls, Harmony):
        start = lark.text("<|channel|>analysis<|message|>")
        text = lark.until("<|end|>")
        return f"({start} {text} {lark.text('<|start|>assistant')})?"
    reasoning = format_.reasoning
    if reasoning is None:
        return ""
    prompt_end = prompt_end.rstrip()
    if reasoning.end and prompt_end.endswith(reasoning.end.strip()):
        return ""
    thoughts = sequence([lark.until(reasoning.end), lark.rule(f"{lark.space()} {lark.space()}")])
    if prompt_end.endswith(reasoning.start.strip()):
        return thoughts
    return f"({lark.text(reasoning.start)} {thoughts})?"


def _grammar(lark: Lark, start: str) -> str:
    return str(LLMatcher.grammar_from_lark(lark.source(start)))
