"""The syntax of calls and thoughts as data."""

from __future__ import annotations

import msgspec
import pytest

from a3s_power_jupyter.engine.chat.format import (
    GENERIC_CALLS,
    CallSyntax,
    ChatFormat,
    ContentSyntax,
    Harmony,
    JsonCalls,
    NamedJson,
    Pythonic,
    ReasoningSyntax,
    TaggedArguments,
)

SYNTAXES: list[CallSyntax] = [
    GENERIC_CALLS,
    JsonCalls(before="[TOOL_CALLS]", in_list=True, id_key="id"),
    NamedJson("<function=", ">", "</function>"),
    TaggedArguments("<call ", ">", "<arg ", ">", "</arg>", "</call>"),
    Pythonic("<|tool_call_start|>", "<|tool_call_end|>"),
    Harmony(),
]


@pytest.mark.parametrize("calls", SYNTAXES, ids=lambda calls: type(calls).__name__)
def test_a_format_crosses_a_pipe(calls: CallSyntax) -> None:
    learnt = ChatFormat(calls, ReasoningSyntax("<think>", "</think>"), ContentSyntax("<a>"))
    data = msgspec.msgpack.encode(learnt)
    assert msgspec.msgpack.decode(data, type=ChatFormat) == learnt


def test_the_opening_is_the_first_marker() -> None:
    assert GENERIC_CALLS.opening == "<tool_call>"
    assert JsonCalls(before="\n[CALLS] ", start="[CALL]").opening == "[CALLS]"
    assert JsonCalls().opening == ""


def test_a_format_names_the_special_tokens_of_its_answers() -> None:
    learnt = ChatFormat(
        NamedJson("<|call|>name<|sep|>", "\n"), ReasoningSyntax("<think>\n", "\n</think>")
    )
    used = ["<|call|>", "<|sep|>", "<think>", "</think>", "<|im_end|>", ""]
    assert [learnt.uses(token) for token in used] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("format_", "capabilities"),
    [
        (ChatFormat(), ()),
        (ChatFormat(native_tools=True), ("tools",)),
        (ChatFormat(reasoning=ReasoningSyntax("<think>", "</think>")), ("reasoning",)),
        (
            ChatFormat(native_tools=True, reasoning=ReasoningSyntax("<think>", "</think>")),
            ("tools", "reasoning"),
        ),
    ],
)
def test_capabilities(format_: ChatFormat, capabilities: tuple[str, ...]) -> None:
    assert format_.capabilities == capabilities
