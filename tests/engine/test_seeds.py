"""Test that the same seed and messages give the same text, whatever the caches hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import ChatRequest, Sampling
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.protocol import Load
from support.engine_runs import run, text_of

STORY = (
    "The keeper of the lighthouse had been awake since four in the morning, writing the log of the "
    "night in a careful hand. He put down the names of the ships, the force of the wind and the "
    "height of the sea, and then he went up the stairs to put out the lamp. "
)


def load(path: Path) -> LlamaCppEngine:
    parameters = LoadParameters(num_parallel=4, num_ctx=2048)
    return LlamaCppEngine.load(Load("gguf", (str(path),), parameters), lambda _value: None)


@pytest.fixture(scope="module")
def engine(smollm2_path: Path) -> LlamaCppEngine:
    return load(smollm2_path)


def chat(*texts: str, **sampling: Any) -> ChatRequest:
    """Return a conversation of questions and answers."""
    roles = ["user", "assistant"] * len(texts)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]
    return ChatRequest(messages, Sampling(max_tokens=20, **sampling))


#: About 340 tokens: two whole chunks and a part of a third one.
QUESTION = "Read this.\n\n" + STORY * 4 + "\n\nWhat is the text about?"
CONVERSATION = (QUESTION, "It is about a lighthouse.", "And what else?")
SEEDED: dict[str, Any] = {"temperature": 1.0, "seed": 7}


def test_the_same_seed_gives_the_same_text(engine: LlamaCppEngine, smollm2_path: Path) -> None:
    def answer(at: LlamaCppEngine = engine) -> str:
        return text_of(run(at, chat(*CONVERSATION, **SEEDED))[0])

    expected = answer()
    assert answer() == expected, "with the whole prompt in the cache"
    run(engine, chat(QUESTION.replace("Read", "Look at")))
    assert answer() == expected, "after another conversation"
    engine.reset()
    run(engine, *(chat(QUESTION[:length]) for length in (300, 640, 1100)))
    assert answer() == expected, "after prompts with the same start, which were read together"
    engine.reset()
    run(engine, chat(*CONVERSATION, "An answer.", "Another question?", **SEEDED))
    assert answer() == expected, "after a longer conversation with a seed"
    assert answer(load(smollm2_path)) == expected, "after a reload"


def test_other_seeds_give_other_texts(engine: LlamaCppEngine) -> None:
    requests = [chat(STORY, temperature=1.0, seed=seed) for seed in range(3)]
    assert len({text_of(run(engine, request)[0]) for request in requests}) > 1
