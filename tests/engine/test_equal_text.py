"""Test that a greedy answer does not depend on other requests, nor on what is in the caches.

Answers of SmolLM2 that were computed in different batches may differ, because its kernels round the
inputs of a matrix product to 8 bits. In llama.cpp itself, most log probabilities are the same for
all sizes of batches, but some differ by up to 0.2 (800 tokens of 25 prompts). Hence two tokens may
change places. In a full cache, the cells of a request are no longer in the order of its tokens, so
sums round differently, and nearly all log probabilities differ by about 0.1. The tiny models
compute in 32 bits.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from llama_cpp import Llama

from a3s_power_jupyter.contract.parameters import LoadParameters
from a3s_power_jupyter.contract.types import CompletionRequest, Sampling, TokenLogprob
from a3s_power_jupyter.convert.converter import convert
from a3s_power_jupyter.engine.llamacpp import LlamaCppEngine
from a3s_power_jupyter.engine.llamacpp.pool import SequencePool
from a3s_power_jupyter.engine.protocol import Load, PromptCacheSettings
from support import tiny_gguf, tiny_models
from support.answers import bytes_of, is_same, largest_difference, tokens_of
from support.engine_runs import finished, run

SUBJECTS = [
    "lighthouse", "bicycle", "river", "violin", "volcano", "library", "spider", "bridge", "teacher",
    "winter",
]  # fmt: skip
FORMS = [
    "The {0} is",
    "Question: What is a {0}?\nAnswer: A {0} is",
    "Once upon a time there was a {0}. It was old, and nobody in the village knew where it had "
    "come from. The children were afraid of it, but the oldest woman of the village said that",
    "Dear Ada,\n\nthank you for your long letter about the {0}. I read it twice, once in the "
    "morning and once in the evening, and then I showed it to my brother, who knows more about "
    "these things than I do. He says that it is not as simple as you think. First of all, every "
    "{0} is different. Second, what was true a hundred years ago is not true today. And third,",
    "def {0}(a, b):\n    '''Return the {0} of two numbers.'''\n",
]
TEXTS = [form.format(subject) for subject in SUBJECTS for form in FORMS]
#: Tokens of an answer, and of one that outgrows a full cache.
TOKENS, MANY_TOKENS = 10, 20
#: Logit bias against the end tokens of SmolLM2 and of the tiny models, so that all answers have the
#: same length.
NO_END = {0: -100.0, 2: -100.0, 4: -100.0, 257: -100.0}

Answers = list[list[TokenLogprob]]

# Beside other programs, one pass over the prompts may take minutes.
pytestmark = pytest.mark.timeout(900)


@dataclass
class Model:
    """A model and its prompts.

    Attributes
    ----------
    rounding : float
        Largest difference of log probabilities that rounding may make.
    few, many : int
        Texts of a run, and of a run with a full cache, that may differ because of rounding.
    reuses : bool
        Whether the start of a prompt can be reused.
    rounds : int
        How often a full cache is tried.
    alone : list
        The answer to each prompt on an engine without other requests and with empty caches.
    """

    path: Path
    prompts: Sequence[str | list[int]]
    rounding: float
    few: int
    many: int = 0
    parameters: dict[str, Any] = field(default_factory=dict)
    reuses: bool = True
    rounds: int = 3
    alone: Answers = field(default_factory=list)

    def load(self, *, cache: int = 2**28, **parameters: Any) -> LlamaCppEngine:
        values = LoadParameters(**self.parameters, **parameters)
        settings = PromptCacheSettings(memory_bytes=cache)
        load = Load("gguf", (str(self.path),), values, prompt_cache=settings)
        return LlamaCppEngine.load(load, lambda _value: None)

    def ask(self, engine: LlamaCppEngine, tokens: int = TOKENS) -> Answers:
        """Complete all prompts, eight at a time."""
        answers: Answers = []
        for start in range(0, len(self.prompts), 8):
            requests = [complete(prompt, tokens) for prompt in self.prompts[start : start + 8]]
            answers += map(tokens_of, run(engine, *requests))
        return answers

    def ask_alone(self, engine: LlamaCppEngine, tokens: int = TOKENS) -> Answers:
        """Complete all prompts one at a time, with empty caches."""
        answers: Answers = []
        for prompt in self.prompts:
            engine.reset()
            [items] = run(engine, complete(prompt, tokens))
            assert finished(items).cached_tokens == 0
            answers.append(tokens_of(items))
        return answers

    def check(self, answers: Answers, few: int | None = None) -> None:
        differences = list(map(largest_difference, self.alone, answers))
        assert max(differences) < self.rounding
        assert statistics.median(differences) < self.rounding / 3
        few = self.few if few is None else few
        self.check_texts(list(map(bytes_of, answers)), len(answers[0]), few)

    def check_texts(self, texts: list[bytes], tokens: int, few: int) -> None:
        """Compare texts of this many tokens with the beginnings of those that were alone."""
        pairs = zip(self.alone, texts, strict=True)
        different = sum(not is_same(alone[:tokens], text, self.rounding) for alone, text in pairs)
        assert different <= few, f"{different} of {len(texts)} texts differ by rounding"


def complete(prompt: str | list[int], max_tokens: int) -> CompletionRequest:
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens, logprobs=3, logit_bias=NO_END)
    return CompletionRequest(prompt, sampling)


def random_prompts(vocabulary: int) -> list[list[int]]:
    """Return 50 prompts, of which every five begin with the same tokens."""
    rng = random.Random(3)  # noqa: S311
    prompts = []
    for number in range(50):
        if number % 5 == 0:
            shared = [rng.randrange(5, vocabulary) for _ in range(rng.randrange(40))]
        own = [rng.randrange(5, vocabulary) for _ in range(rng.randrange(2, 80))]
        prompts.append(shared + own)
    return prompts


#: The cache is in 32 bits, too.
EXACT: dict[str, Any] = {"kv_cache_type": "f32", "flash_attention": False}
GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "num_hidden_layers": 7}


def make_model(name: str, folder: Path, smollm2_path: Path) -> Model:
    if name == "smollm2":
        return Model(smollm2_path, TEXTS, rounding=0.5, few=12, many=35, rounds=1)
    path = folder / "model.gguf"
    if name == "mamba":
        tiny_gguf.mamba(path)
        return Model(path, random_prompts(250), rounding=1e-3, few=0, reuses=False)
    if name == "llama":
        tokenizer, config, settings = tiny_models.byte_level("smollm"), "LlamaConfig", {}
    else:
        tokenizer, config, settings = tiny_models.spm_bpe(prefix=False), "Gemma3TextConfig", GEMMA
    directory = tiny_models.make(folder / "model", config, tokenizer, **settings)
    convert(directory, path, lambda _value: None)
    reuses = name == "llama"
    return Model(path, random_prompts(400), rounding=1e-3, few=0, parameters=EXACT, reuses=reuses)


@pytest.fixture(scope="module", params=["smollm2", "llama", "gemma3", "mamba"])
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path
) -> Model:
    return make_model(request.param, tmp_path_factory.mktemp("model"), smollm2_path)


@pytest.fixture(scope="module")
def engine(model: Model) -> LlamaCppEngine:
    engine = model.load(num_parallel=8)
    model.alone = model.ask_alone(engine, MANY_TOKENS)
    return engine


def test_a_warm_prefix_does_not_change_the_text(model: Model, engine: LlamaCppEngine) -> None:
    engine.reset()
    answers: Answers = []
    cached = 0
    for prompt in model.prompts:
        run(engine, complete(prompt, 1))
        [items] = run(engine, complete(prompt, TOKENS))
        answers.append(tokens_of(items))
        cached += finished(items).cached_tokens
    if model.reuses:
        assert cached > len(model.prompts)
    model.check(answers)


def test_seven_other_requests_do_not_change_the_text(model: Model, engine: LlamaCppEngine) -> None:
    engine.reset()
    model.check(model.ask(engine))


def test_a_full_cache_does_not_change_the_text(
    model: Model, engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight requests need about twice the cells of this cache."""
    set_aside = []
    original = SequencePool.set_newest_aside

    def spy(pool: SequencePool) -> bool:
        set_aside.append(original(pool))
        return set_aside[-1]

    monkeypatch.setattr(SequencePool, "set_newest_aside", spy)
    small = model.load(num_parallel=8, num_ctx=256)
    for _ in range(model.rounds):
        model.check(model.ask(small, MANY_TOKENS), model.many)
    if model.reuses:
        assert any(set_aside)


@pytest.mark.parametrize("model", ["llama", "gemma3", "mamba"], indirect=True)
def test_computing_again_does_not_change_the_text(model: Model, engine: LlamaCppEngine) -> None:
    """Without host memory, requests that were set aside compute their tokens again."""
    model.check(model.ask(model.load(cache=0, num_parallel=8, num_ctx=256), MANY_TOKENS))


def test_a_reload_does_not_change_the_text(model: Model, engine: LlamaCppEngine) -> None:
    answers = model.ask_alone(model.load())
    assert answers == [tokens[:TOKENS] for tokens in model.alone]


@pytest.mark.parametrize("model", ["smollm2"], indirect=True)
def test_the_text_is_that_of_llama_cpp_python(model: Model, engine: LlamaCppEngine) -> None:
    options = {"n_ctx": 1024, "n_threads": 1, "n_threads_batch": 1, "flash_attn": True}
    llm = Llama(str(model.path), verbose=False, **options)
    texts = []
    for prompt in model.prompts:
        llm.reset()
        reply: Any = llm.create_completion(
            prompt, temperature=0.0, max_tokens=TOKENS, repeat_penalty=1.0, logit_bias=NO_END
        )
        texts.append(reply["choices"][0]["text"].encode())
    model.check_texts(texts, TOKENS, model.few)
