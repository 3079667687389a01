"""Recognize syntaxes of calls that a template describes to the model, but does not render."""

from __future__ import annotations

from ..format import (
    GENERIC_CALLS,
    CallSyntax,
    JsonCalls,
    NamedJson,
    Pythonic,
    TaggedArguments,
)
from .probes import Probes
from .samples import INDEX

_LFM2 = Pythonic(before="<|tool_call_start|>", after="<|tool_call_end|>")
_PHI_4 = JsonCalls(before="<|tool_call|>", after="<|/tool_call|>", in_list=True)
_KIMI_K2 = NamedJson(
    before="<|tool_calls_section_begin|>",
    start="<|tool_call_begin|>functions.",
    id_between=":",
    id_after_name=True,
    id_pattern=INDEX,
    arguments_start="<|tool_call_argument_begin|>",
    end="<|tool_call_end|>",
    after="<|tool_calls_section_end|>",
)
_ATEM = TaggedArguments(
    start='<atem:function_calls>\n<atem:invoke name="',
    name_end='">\n',
    argument_start='<atem:parameter name="',
    key_end='">',
    value_end="</atem:parameter>\n",
    end="</atem:invoke>\n</atem:function_calls>",
)

#: Markers, all of which are in the template or in a prompt with tools, and the syntax.
_DESCRIBED: tuple[tuple[tuple[str, ...], CallSyntax], ...] = (
    (("<|tool_call_start|>",), _LFM2),
    # LFM2's template has only the markers of tools.
    (("<|tool_list_start|>",), _LFM2),
    (('"List of tools: ["',), _LFM2),
    (("<|tool_call_argument_begin|>",), _KIMI_K2),
    (("<atem:function_calls>",), _ATEM),
    (("<|tool|>", "<|/tool|>"), _PHI_4),
    (("<|tool_call|>", "<|/tool_call|>"), _PHI_4),
    (("<|tool_call|>",), JsonCalls(before="<|tool_call|>", in_list=True)),
    (("<tool_call>", "</tool_call>"), GENERIC_CALLS),
    (("[AVAILABLE_TOOLS]",), JsonCalls(before="[TOOL_CALLS]", in_list=True)),
    (("<function=", "</function>"), NamedJson("<function=", ">", "</function>")),
    (("[func_name1(",), Pythonic()),
    (('{"name": function name, "parameters":',), JsonCalls(arguments_key="parameters")),
)


def described_calls(probes: Probes, source: str) -> CallSyntax | None:
    """Return the syntax that a template describes, or None if it is not known."""
    text = source + (probes.prompt(tools=True) or "")
    for markers, syntax in _DESCRIBED:
        if all(marker in text for marker in markers):
            return syntax
    return None
