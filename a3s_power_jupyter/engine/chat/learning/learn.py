"""Learn the format of a chat template."""

from __future__ import annotations

from msgspec.structs import replace

from ..format import GENERIC_CALLS, ChatFormat, Harmony, JsonCalls, ReasoningSyntax, TaggedArguments
from .calls import learn_calls
from .described import described_calls
from .probes import CONTENT, NAMES, Probes, Render
from .reasoning import learn_content, learn_reasoning
from .samples import FIRST


def learn(render: Render, source: str) -> ChatFormat:
    """Return the format of a model's answers.

    It renders made-up chats, whose texts it compares. It never raises an exception: what a template
    does not show, or takes too long to show, is the default of `ChatFormat`.

    Parameters
    ----------
    render : callable
        Renders messages as they are, or raises an exception.
    source : str
        Text of the template. A few markers are looked for in it that renders do not show.
    """
    probes = Probes(render)
    native = NAMES[0] in (probes.prompt(tools=True) or "")
    in_system = not native and NAMES[0] in (probes.with_tools_in_system_message() or "")
    native = native or in_system
    if "<|channel|>final<|message|>" in (probes.answer({"content": CONTENT}) or ""):
        return _harmony(probes, native)
    reasoning = learn_reasoning(probes, source)
    content = learn_content(probes, reasoning, source)
    calls = learn_calls(probes, reasoning.end if reasoning else "")
    native_calls = calls is not None and CONTENT in (probes.with_result(FIRST) or "")
    if calls is None and native:
        calls = described_calls(probes, source)
    if isinstance(calls, JsonCalls) and not calls.opening and "<|python_tag|>" in source:
        calls = replace(calls, optional_before="<|python_tag|>")
    if isinstance(calls, TaggedArguments) and "<![CDATA[" in source:
        calls = replace(calls, cdata=True)
    return ChatFormat(
        calls=calls or GENERIC_CALLS,
        reasoning=reasoning,
        content=content,
        native_tools=native and calls is not None,
        tools_in="system_message" if in_system else "variable",
        native_calls=native_calls,
        arguments_as=probes.arguments_as,
    )


def _harmony(probes: Probes, native: bool) -> ChatFormat:
    """Return the format of gpt-oss."""
    text = probes.calls([FIRST], thinking=CONTENT) or ""
    return ChatFormat(
        calls=Harmony(),
        reasoning=ReasoningSyntax("", "", history="thinking" if CONTENT in text else ""),
        native_tools=native,
        native_calls=CONTENT in (probes.with_result(FIRST) or ""),
    )
