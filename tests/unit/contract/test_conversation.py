"""Compute one key for all turns of a conversation, from bodies of any dialect."""

from __future__ import annotations

import time
from typing import Any

import pytest

from a3s_power_jupyter.contract.conversation import conversation_key

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "What is a notebook?"}
FURTHER = [
    {"role": "assistant", "content": "A document with code.", "thinking": "Hm."},
    {"role": "user", "content": "Who uses it?"},
]


def chat(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "smollm2", "messages": [*messages], **fields}


def part(text: str, kind: str = "text", **fields: Any) -> list[dict[str, Any]]:
    return [{"type": kind, "text": text, **fields}]


TURNS = {
    "chat": (chat(SYSTEM, QUESTION), chat(SYSTEM, QUESTION, *FURTHER, stream=True, tools=[])),
    "chat without instructions": (chat(QUESTION), chat(QUESTION, *FURTHER, temperature=1)),
    "a greeting first": (
        chat(FURTHER[0], QUESTION),
        chat(FURTHER[0], QUESTION, {"role": "user", "content": "More."}),
    ),
    "content in parts": (
        chat(QUESTION),
        chat({"role": "user", "content": part(QUESTION["content"])}, *FURTHER),
    ),
    "Anthropic": (
        chat(QUESTION, system=part("Be brief.", cache_control={"type": "ephemeral"})),
        chat(
            {
                "role": "user",
                "content": part(QUESTION["content"], cache_control={"type": "ephemeral"}),
            },
            *FURTHER,
            system="Be brief.",
        ),
    ),
    "Responses": (
        {"model": "m", "input": "Hello", "instructions": "Be brief."},
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {"role": "user", "content": part("Hello", "input_text"), "id": "msg_1"},
                {"type": "message", "role": "assistant", "content": part("Hi.", "output_text")},
                {"role": "user", "content": "More."},
            ],
        },
    ),
    "Ollama with another spelling of the name": (
        chat(QUESTION) | {"model": "SmolLM2:latest"},
        chat(QUESTION, *FURTHER, keep_alive="5m"),
    ),
    "Ollama with an image": (
        chat(QUESTION | {"images": ["iVBORw0"]}),
        chat(QUESTION | {"images": ["iVBORw0"]}, *FURTHER),
    ),
    "Ollama's generate": (
        {"model": "m", "system": "Be brief.", "prompt": "Hello"},
        {"model": "m", "system": "Be brief.", "prompt": "Hello", "stream": False},
    ),
    "a growing prompt": (
        {"model": "m", "prompt": "import numpy\n" * 50},
        {"model": "m", "prompt": "import numpy\n" * 50 + "print(", "suffix": ")"},
    ),
    "a growing prompt of tokens": (
        {"model": "m", "prompt": [*range(100)]},
        {"model": "m", "prompt": [*range(200)]},
    ),
    "a key of the client": (
        chat(QUESTION, prompt_cache_key="ada-1"),
        chat(SYSTEM, {"role": "user", "content": "Other."}, prompt_cache_key="ada-1"),
    ),
}

DIFFERENT = [
    {},
    chat(QUESTION),
    chat(QUESTION) | {"model": "other"},
    chat(SYSTEM, QUESTION),
    chat(QUESTION, prompt_cache_key="ada-1"),
    chat({"role": "user", "content": "Another question"}),
    chat({"role": "assistant", "content": QUESTION["content"]}),
    chat(QUESTION | {"images": ["iVBORw0"]}),
    chat(QUESTION | {"images": ["iVBORw1"]}),
    chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:1"}}]}),
    chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:2"}}]}),
    {"model": "m", "input": ["one", "two"]},
    {"model": "m", "input": ["two", "one"]},
    {"model": "m", "input": [1, 23]},
    {"model": "m", "input": [12, 3]},
    {"model": "m", "input": [[1, 2], [4]]},
    {"model": "m", "prompt": "x" * 255},
    {"model": "m", "prompt": "x" * 256},
    {"model": "m", "query": "what is ranked", "documents": ["one"]},
]

DEEP: Any = []
for _ in range(5000):
    DEEP = [DEEP, {"text": DEEP}]

HOSTILE = [
    {"messages": DEEP},
    {"messages": [{"role": DEEP, "content": DEEP}]},
    {"input": DEEP, "prompt": DEEP, "model": DEEP},
    {"messages": [None, 1, "x", [], {}]},
    {"messages": [{}]},
    {"messages": {"role": "user"}},
    {"messages": "x"},
    {"model": {"a": 1}, "messages": [{"role": 1, "content": {"text": {"text": 1.5}}}]},
    {"model": "\ud800", "messages": [{"role": "\ud800", "content": "\udfff"}]},
    {"prompt": 10**5000},
    {"prompt": [float("nan"), float("inf"), None, True]},
    {"prompt_cache_key": ["x"], "system": 5, "instructions": {"\ud800": "\ud800"}},
]


@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
def test_turns_of_a_conversation_have_one_key(turns: tuple[dict[str, Any], ...]) -> None:
    first, second = map(conversation_key, turns)
    assert first == second
    assert len(first) == 32
    assert int(first, 16)


def test_other_conversations_have_other_keys() -> None:
    keys = [conversation_key(body) for body in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)


@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": "m", "messages": []}])
def test_a_body_without_a_conversation_has_no_key(body: dict[str, Any]) -> None:
    assert conversation_key(body) == ""


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_any_body_has_a_key_or_none(body: dict[str, Any]) -> None:
    assert conversation_key(body) == conversation_key(dict(body))


@pytest.mark.parametrize(
    "content",
    [
        "x" * 2**25,
        ["x" * 2**20] * 40,
        [[[[""] * 1000] * 1000] * 1000] * 1000,
        {str(i): "" for i in range(10**6)},
    ],
    ids=["text", "parts", "nested", "object"],
)
def test_only_the_beginning_of_a_large_body_is_read(content: Any) -> None:
    start = time.process_time()
    conversation_key(chat(*[{"role": "system", "content": content}] * 100))
    assert time.process_time() - start < 5  # 0.1 s, unless all of it is read
