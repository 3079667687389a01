"""The items of an answer with thoughts and calls."""

from __future__ import annotations

from typing import Any

import pytest

from a3s_power_jupyter.contract.types import (
    ChatRequest,
    Delta,
    Finished,
    Sampling,
    Started,
    TokenLogprob,
    ToolChoice,
)
from a3s_power_jupyter.engine.chat.answers import Answers
from a3s_power_jupyter.engine.chat.format import ChatFormat, Harmony, ReasoningSyntax
from a3s_power_jupyter.engine.chat.prompt_end import PromptEnd
from a3s_power_jupyter.engine.constraints.compiler import (
    ConstraintCompiler,
    TokenizerNotSupported,
)
from a3s_power_jupyter.engine.generation import Generation
from support.parsed_answers import TOOLS

THINK = ReasoningSyntax("<think>", "</think>")
CALL = '<tool_call>{"name": "now", "arguments": {}}</tool_call>'
#: Special tokens, which have no text of their own.
SPECIAL = {1: "<think>", 2: "</think>", 3: "<tool_call>", 4: "</tool_call>", 5: "<|im_start|>"}


class Template:
    """Stands for a chat template of which only the format is used."""

    def __init__(self, format_: ChatFormat) -> None:
        self.format = format_


def no_tokenizer() -> Any:
    raise TokenizerNotSupported("it is a test.")


def generation(
    format_: ChatFormat | None = None,
    *,
    prompt: str = "assistant\n",
    logprobs: bool = False,
    max_tokens: int = 100,
    stop: tuple[str, ...] = (),
    **fields: Any,
) -> Generation[None]:
    """Return a generation for a chat that has begun with its prompt."""
    sampling = Sampling(max_tokens=max_tokens, stop=stop, **({"logprobs": 0} if logprobs else {}))
    request = ChatRequest([{"role": "user", "content": "Hi"}], sampling, **fields)
    format_ = format_ or ChatFormat(reasoning=THINK)
    answers = Answers(
        Template(format_),  # type: ignore[arg-type]
        lambda: SPECIAL,
        ConstraintCompiler(no_tokenizer),
    )
    state: Generation[None] = Generation.from_request(
        7,
        request,
        [1, 2, 3],
        None,
        num_ctx=1000,
        end_tokens={0},
        token_to_text=lambda token: b"",
        answer=answers.new(request, PromptEnd.of(prompt, request, format_), lambda matcher: None),
    )
    state.begin(0)
    return state


def feed(state: Generation[None], *tokens: str | int) -> list[Any]:
    """Generate tokens: texts, or the ids of special tokens."""
    items: list[Any] = []
    for token in tokens:
        if isinstance(token, int):
            items += state.accept(token, b"", None)
            continue
        raw = token.encode()
        items += state.accept(9, raw, TokenLogprob(token, list(raw), -1.0, []))
    return items


def summary(items: list[Any]) -> tuple[str, str, list[tuple[str, str]], str]:
    """Return thoughts, content, calls and finish reason."""
    deltas = [item for item in items if isinstance(item, Delta)]
    calls: dict[int, list[str]] = {}
    for part in (part for delta in deltas for part in delta.tool_calls):
        call = calls.setdefault(part.index, ["", ""])
        call[0] += part.name
        call[1] += part.arguments
    end = items[-1]
    assert isinstance(end, Finished)
    return (
        "".join(delta.reasoning for delta in deltas),
        "".join(delta.text for delta in deltas),
        [(name, arguments) for name, arguments in calls.values()],
        end.finish_reason,
    )


def test_thoughts_content_and_calls_are_told_apart() -> None:
    state = generation(tools=TOOLS)
    items = feed(state, 1, "\nHm", ".\n", 2, "\n\n", "Hel", "lo\n")
    items += feed(state, 3, '{"name": "n', 'ow", "arguments": ', '{"a": ', "1}", "}", 4)
    items += state.accept_eos(0)
    assert summary(items) == ("Hm.", "Hello", [("now", '{"a": 1}')], "tool_calls")
    assert isinstance(items[0], Started)
    assert sum(item.tokens for item in items if isinstance(item, Delta)) == 12
    assert (items[-1].completion_tokens, items[-1].reasoning_tokens) == (14, 4)


def test_thoughts_that_the_prompt_opens_are_counted() -> None:
    state = generation(prompt="assistant\n<think>\n")
    items = feed(state, "Hm", ".", 2, "Hello") + state.accept_eos(0)
    assert summary(items) == ("Hm.", "Hello", [], "stop")
    assert items[-1].reasoning_tokens == 3


def test_other_special_tokens_stay_invisible() -> None:
    items = feed(generation(tools=TOOLS), "a", 5, "b")
    assert [item.text for item in items if isinstance(item, Delta)] == ["a", "b"]


def test_the_markers_of_calls_are_invisible_without_tools() -> None:
    state = generation()
    items = feed(state, "a", 3, '{"name": "now", "arguments": {}}', 4) + state.accept_eos(0)
    assert summary(items) == ("", 'a{"name": "now", "arguments": {}}', [], "stop")


@pytest.mark.parametrize("choice", [ToolChoice("none"), ToolChoice()])
def test_what_looks_like_a_call_is_content_unless_tools_are_offered(choice: ToolChoice) -> None:
    tools = TOOLS if choice.mode == "none" else []
    state = generation(tools=tools, tool_choice=choice)
    items = feed(state, CALL) + state.accept_eos(0)
    assert summary(items) == ("", CALL, [], "stop")


def test_a_chat_without_tools_and_thoughts_is_not_parsed() -> None:
    assert generation(ChatFormat()).answer is None
    assert generation(ChatFormat(), tools=TOOLS).answer is not None
    assert generation(ChatFormat(Harmony())).answer is not None


def test_max_tokens_within_a_call_end_the_answer() -> None:
    state = generation(tools=TOOLS, max_tokens=2)
    items = feed(state, '<tool_call>{"name": "now", "arguments": {"a"', ": 12")
    assert summary(items) == ("", "", [("now", '{"a": 12')], "length")


def test_max_tokens_within_the_marker_of_a_call_end_the_answer() -> None:
    items = feed(generation(tools=TOOLS, max_tokens=2), "Hi", " <tool_c")
    assert summary(items) == ("", "Hi <tool_c", [], "length")


@pytest.mark.parametrize("text", ["<", "<tool_call>", '<tool_call>{"name": "n'])
def test_an_answer_that_has_to_call_has_no_content(text: str) -> None:
    fields = {"tools": TOOLS, "tool_choice": ToolChoice("required")}
    items = feed(generation(max_tokens=4, **fields), "<think>", "Hm", "</think>", text)
    assert summary(items) == ("Hm", "", [], "length")


def test_a_stop_string_within_a_call_ends_the_answer() -> None:
    state = generation(tools=TOOLS, stop=("STOP",))
    items = feed(state, '<tool_call>{"name": "now", "arguments": {"a": "b ST', "OP")
    assert summary(items) == ("", "", [("now", '{"a": "b ')], "stop")


def test_a_stop_string_after_a_call_ends_the_answer_with_the_call() -> None:
    state = generation(tools=TOOLS, stop=("Observation",))
    items = feed(state, CALL, "\nObserv", "ation")
    assert summary(items) == ("", "", [("now", "{}")], "tool_calls")


@pytest.mark.parametrize(
    "fields", [{"parallel_tool_calls": False}, {"tool_choice": ToolChoice("required", "now")}]
)
def test_an_answer_that_may_have_one_call_ends_after_it(fields: dict[str, Any]) -> None:
    state = generation(tools=TOOLS, **fields)
    items = feed(state, '<tool_call>{"name": "now", "arguments": {}')
    assert state.finished
    assert summary(items) == ("", "", [("now", "{}")], "tool_calls")


def test_log_probabilities_are_those_of_the_content() -> None:
    state = generation(tools=TOOLS, logprobs=True)
    items = feed(state, "<think>", "Hm", "</think>", "\n\n", "Hel", "lo", " <", "b> ", "<tool")
    items += feed(state, '_call>{"name": "now", "arguments": {}}', "</tool_call>", " Bye")
    items += state.accept_eos(0)
    deltas = [item for item in items if isinstance(item, Delta)]
    assert [
        (delta.text, [one.token for one in delta.logprobs or []]) for delta in deltas if delta.text
    ] == [("Hel", ["Hel"]), ("lo", ["lo"]), (" <b>", [" <", "b> "]), (" Bye", [" Bye"])]
    assert all(delta.logprobs is None for delta in deltas if not delta.text)


def test_the_log_probabilities_of_a_divided_character_are_kept() -> None:
    state = generation(logprobs=True)
    parts = [bytes([byte]) for byte in "é".encode()]
    items: list[Any] = []
    for part in parts:
        items += state.accept(9, part, TokenLogprob("\ufffd", list(part), -1.0, []))
    assert [len(item.logprobs) for item in items if isinstance(item, Delta)] == [2]


def test_the_end_of_a_prompt_has_the_start_of_a_continued_answer() -> None:
    format_ = ChatFormat(reasoning=THINK)

    def prefill(prompt: str, **message: str) -> str:
        request = ChatRequest([{"role": "assistant", **message}], continue_final_message=True)
        return PromptEnd.of(prompt, request, format_).prefill

    assert prefill("<assistant>Hello", content="Hello") == "Hello"
    assert prefill("<a><think>\nHm", content="<think>Hm") == "<think>\nHm"
    assert prefill("<a><think>\nHm", content="", reasoning_content="Hm") == "<think>\nHm"
    assert (
        prefill("<a><think>\nHm\n</think>\n\nHel", content="Hel", reasoning_content="Hm")
        == "<think>\nHm\n</think>\n\nHel"
    )
    assert prefill("<think> is a tag<a>Hello", content="Hello") == "Hello"
